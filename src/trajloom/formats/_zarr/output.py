"""Where a hierarchy appears: a folder, or a zip file."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trajloom.formats import Source
from trajloom.formats._place import appearing_file, appearing_folder
from trajloom.formats._zarr.nodes import walk
from trajloom.formats._zarr.tree import open_tree


@contextmanager
def appearing(source: Source, path: str, overwrite: bool, version: int) -> Iterator[Path]:
    """A folder to write a hierarchy into; it becomes `path`, packed where that ends in `.zip`, whole or not at all."""
    if not path.lower().endswith(".zip"):
        with appearing_folder(source, path, overwrite, is_hierarchy, root_file(version)) as draft:
            yield draft
        return
    with appearing_file(source, path, overwrite) as packed:
        folder = Path(tempfile.mkdtemp(prefix=".trajloom-", dir=packed.parent))
        try:
            yield folder
            pack(folder, packed)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def root_file(version: int) -> str:
    """The file that makes a folder a hierarchy."""
    return ".zgroup" if version == 2 else "zarr.json"


def is_hierarchy(path: str) -> bool:
    """Whether there is a Zarr group at a path, so that it may be overwritten."""
    found = open_tree(path).names("")
    return ".zgroup" in found or "zarr.json" in found


def pack(folder: Path, target: Path) -> None:
    """Pack a folder into a zip file whose bytes depend on the files alone; they are compressed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            with packed.open(member, "w", force_zip64=True) as to, file.open("rb") as data:
                shutil.copyfileobj(data, to, 1 << 20)


def consolidate(root: Path) -> None:
    """Repeat all metadata at the root, as `zarr.consolidate_metadata` does."""
    nodes = walk(open_tree(str(root))).nodes
    if nodes[""].version == 2:
        files = {key: content for node in nodes.values() for key, content in node.files().items()}
        content: dict[str, Any] = {"zarr_consolidated_format": 1, "metadata": files}
        (root / ".zmetadata").write_text(json.dumps(content, indent=4))
        return
    inner = {node.path: next(iter(node.files().values())) for node in nodes.values() if node.path}
    repeated = {"kind": "inline", "must_understand": False, "metadata": inner}
    (root / "zarr.json").write_text(
        json.dumps({**nodes[""].files()["zarr.json"], "consolidated_metadata": repeated}, indent=4)
    )
