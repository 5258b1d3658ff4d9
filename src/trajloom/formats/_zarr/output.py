"""A hierarchy that appears whole or not at all, as a folder, a zip file or at a URL."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trajloom.formats import Source
from trajloom.formats._place import appearing_file, appearing_folder
from trajloom.formats._zarr.draft import Draft, WriteOptions, pack
from trajloom.formats._zarr.tree import ZIP


@contextmanager
def appearing(
    source: Source, path: str, overwrite: bool, is_one: Callable[[str], bool], format_: str, options: WriteOptions
) -> Iterator[tuple[Draft, Path]]:
    """(A draft, a folder for what is to be kept aside); the draft becomes `path` once the block ends."""
    kept = source.header.layout if source.header.layout.get("format") == format_ else {}
    version = kept.get("version", options.zarr_version)
    last = "zarr.json" if version == 3 else ".zgroup"
    aside = Path(tempfile.mkdtemp(prefix="trajloom-aside-"))
    try:
        if path.lower().endswith(ZIP):
            with appearing_file(source, path, overwrite) as file:
                folder = file.with_name(file.name + ".folder.partial")
                folder.mkdir(parents=True)
                try:
                    yield Draft(folder, version, options.compressor), aside / "files"
                    pack(folder, file)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
        else:
            with appearing_folder(source, path, overwrite, is_one, last) as folder:
                yield Draft(folder, version, options.compressor), aside / "files"
    finally:
        shutil.rmtree(aside, ignore_errors=True)
