"""A hierarchy of demonstrations as a dataset."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.errors import TrajloomWarning
from trajloom.formats import OnError, Source
from trajloom.formats._aside import restored
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats._zarr.arrays import reader, rest_of
from trajloom.formats._zarr.shelf import ZarrShelf
from trajloom.formats._zarr.tree import Tree, open_tree
from trajloom.formats.zarr_demos.scan import Scan, scan
from trajloom.reopened import Reopened
from trajloom.schema import Column
from trajloom.tables import Array, Rest


@dataclass
class DemoRows(Reopened):
    """Rows of demonstrations. Implements `_columnar.Rows`."""

    tree: Tree
    scan: Scan
    ends: Array
    _readers: dict[tuple[int, str], Any] = field(default_factory=dict, init=False)

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Array]:
        found = {column.name: (path, column) for path, column in self.scan.decision.steps.items()}
        spans = list(self._spans(start, stop))
        self._readers = {key: kept for key, kept in self._readers.items() if spans and key[0] == spans[0][0]}
        values = {name: [self._piece(*found[name], *span) for span in spans] for name in columns}
        return {name: _joined(pieces, found[name][1]) for name, pieces in values.items()}

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Demonstration, first and last frame, of the rows [start, stop)."""
        i = int(np.searchsorted(self.ends, start, side="right"))
        while start < stop:
            first, end = int(self.ends[i] - self.scan.lengths[i]), int(self.ends[i])
            yield i, start - first, min(stop, end) - first
            start, i = max(start, min(stop, end)), i + 1

    def _piece(self, path: str, column: Column, demo: int, start: int, stop: int) -> Array:
        node = self.scan.demos[demo].nodes.get(path)
        if node is None or self.scan.decision.absent[column.name][demo]:
            return np.zeros((stop - start, *column.shape), dtype=column.dtype)
        key = demo, path
        if key not in self._readers:
            self._readers[key] = reader(self.tree, node)
        return self._readers[key].rows(start, stop)

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Array]:
        found = {column.name: (path, column) for path, column in self.scan.decision.episodes.items()}
        return {
            name: _joined([self._whole(*found[name], i)[None] for i in range(first, last)], found[name][1])
            for name in columns
        }

    def _whole(self, path: str, column: Column, demo: int) -> Array:
        node = self.scan.demos[demo].nodes.get(path)
        if node is None or self.scan.decision.absent[column.name][demo]:
            return np.zeros(column.shape, dtype=column.dtype)
        return reader(self.tree, node).rows(0, node.shape[0])

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        for node in self.scan.others if first == 0 else ():
            yield from rest_of(self.tree, node, node.path)
        for i in range(first, last):
            nodes = self.scan.demos[i].nodes
            for path in self.scan.decision.rest.get(i, ()):
                yield from rest_of(self.tree, nodes[path], path, i)


def _joined(pieces: Sequence[Array], column: Column) -> Array:
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate([np.empty((0, *column.shape), dtype=column.dtype), *pieces])


def read_demos(path: str, on_error: OnError = "raise", quietly: bool = False) -> ColumnarSource:
    """The demonstrations' own data, without what was kept aside."""
    tree = open_tree(path)
    found = scan(tree, on_error)
    if found.header.warnings and not quietly:
        warnings.warn(f"{path}: {'; '.join(found.header.warnings)}", TrajloomWarning, stacklevel=4)
    rows = DemoRows(tree, found, np.cumsum(found.lengths))
    return ColumnarSource(path, found.header, found.lengths, rows, found.own, found.decision.absent)


def read_source(path: str, on_error: OnError) -> Source:
    """The dataset, with what was kept aside; see `zarr_demos.read`."""
    return restored(read_demos(path, on_error), ZarrShelf(path), path)
