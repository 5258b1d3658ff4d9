"""A replay buffer as a dataset."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trajloom.errors import TrajloomWarning
from trajloom.formats import Source
from trajloom.formats._aside import restored
from trajloom.formats._columnar import PART_BYTES, ColumnarSource
from trajloom.formats._zarr.arrays import reader, rest_of
from trajloom.formats._zarr.nodes import Node
from trajloom.formats._zarr.shelf import ZarrShelf
from trajloom.formats._zarr.tree import Tree, open_tree
from trajloom.formats.zarr.scan import scan
from trajloom.reopened import Reopened
from trajloom.tables import Array, Rest


@dataclass
class BufferRows(Reopened):
    """Rows of a replay buffer's arrays. Implements `_columnar.Rows`."""

    tree: Tree
    step_arrays: Mapping[str, Node]
    episode_arrays: Mapping[str, Node]
    others: Sequence[Node]
    _readers: dict[str, Any] = field(default_factory=dict, init=False)

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Array]:
        return {name: self._reader(self.step_arrays[name]).rows(start, stop) for name in columns}

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Array]:
        return {name: self._reader(self.episode_arrays[name]).rows(first, last) for name in columns}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        for node in self.others if first == 0 else ():
            yield from rest_of(self.tree, node, node.path)

    def _reader(self, node: Node) -> Any:
        if node.path not in self._readers:
            self._readers[node.path] = reader(self.tree, node)
        return self._readers[node.path]


def read_buffer(path: str, part_bytes: int = PART_BYTES, quietly: bool = False) -> ColumnarSource:
    """The buffer's own data, without what was kept aside."""
    tree = open_tree(path)
    found = scan(tree)
    if found.header.warnings and not quietly:
        said = "; ".join(found.header.warnings)
        warnings.warn(f"{path}: {said}", TrajloomWarning, stacklevel=4)
    rows = BufferRows(tree, found.steps, found.episodes, found.rest)
    return ColumnarSource(path, found.header, found.lengths, rows, found.own, part_bytes=part_bytes)


def read_source(path: str) -> Source:
    """The dataset, with what was kept aside; see `zarr.read`."""
    return restored(read_buffer(path), ZarrShelf(path), path)
