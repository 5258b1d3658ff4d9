"""What is kept aside in a Zarr hierarchy: files as arrays of bytes in the group `trajloom`."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats._aside import FOLDER, ArrayFile
from trajloom.formats._zarr.arrays import put_node, reader, writer
from trajloom.formats._zarr.nodes import read_node
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats._zarr.tree import open_tree
from trajloom.reopened import Reopened

READ_BYTES = 1 << 20


@dataclass(frozen=True)
class ZarrShelf(Reopened):
    """Files kept aside in a hierarchy. Implements `_aside.Shelf`."""

    url: str

    @cached_property
    def _tree(self) -> Any:
        return open_tree(self.url)

    def names(self) -> Sequence[str]:
        found = self._tree.names(FOLDER)
        folders = [name for name, is_folder in found.items() if is_folder]
        models = [f"models/{name}" for name, is_folder in self._tree.names(f"{FOLDER}/models").items() if is_folder]
        return sorted([name for name in folders if name != "models"] + models)

    def open(self, name: str) -> Any:
        node = read_node(self._tree, f"{FOLDER}/{name}")
        if node is None or not node.is_array or len(node.shape) != 1 or node.column_type != "uint8":
            raise DamagedFileError(f"{self.url}: {FOLDER}/{name} is no array of bytes")
        rows = reader(self._tree, node).rows
        return io.BufferedReader(ArrayFile(node.shape[0], lambda *span: rows(*span).tobytes()), READ_BYTES)


def put_aside(root: Path, folder: Path, options: WriteOptions) -> None:
    """Write files of a folder as arrays of bytes into the group `trajloom`."""
    put_node(root, options.group(FOLDER))
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        if "/" in name:
            put_node(root, options.group(f"{FOLDER}/{name.rpartition('/')[0]}"))
        node = options.array(f"{FOLDER}/{name}", "uint8", (file.stat().st_size,))
        rows = writer(root, node)
        with file.open("rb") as data:
            while piece := data.read(READ_BYTES):
                rows.write(np.frombuffer(piece, np.uint8))
        rows.close()
