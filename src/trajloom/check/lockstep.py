"""The steps of two datasets side by side, however their parts and batches are cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from trajloom.check.matching import Place
from trajloom.errors import SchemaError
from trajloom.formats import Source
from trajloom.tables import Array

Pair = tuple[Place, Place]


@dataclass(frozen=True)
class Run:
    """Pairs of episodes whose steps follow each other in both datasets, so that they can be read without a jump."""

    first: int
    """Number of its first pair."""
    pairs: Sequence[Pair]

    @cached_property
    def starts(self) -> Array:
        """(len(pairs),). Row of the run at which each pair begins."""
        return np.cumsum([0, *(pair[0].length for pair in self.pairs[:-1])])

    @cached_property
    def rows(self) -> int:
        """Steps that both have: of a pair of unequal lengths, which is a run of its own, the shorter one's."""
        if len(self.pairs) == 1:
            return min(place.length for place in self.pairs[0])
        return sum(pair[0].length for pair in self.pairs)


@dataclass(frozen=True)
class Chunk:
    """The same frames of both datasets."""

    first: pa.RecordBatch
    second: pa.RecordBatch
    run: Run
    start: int
    """Row of the run that is this chunk's first."""

    def locate(self, rows: Array) -> tuple[Array, Array]:
        """(number of the pair, frame in its episode) of some rows of the chunk."""
        rows = rows + self.start
        # of pairs that begin at the same row, all but the last are empty
        inside = np.searchsorted(self.run.starts, rows, side="right") - 1
        return inside + self.run.first, rows - self.run.starts[inside]


def lockstep(first: Source, second: Source, pairs: Sequence[Pair], columns: Sequence[str]) -> Iterator[Chunk]:
    """Read pairs of episodes together.

    Both datasets are streamed once where their episodes come in one order; a part is read again where the second one
    has an episode before one that was read already.

    Args:
        first: A dataset.
        second: Another.
        pairs: Their episodes that belong together.
        columns: Columns of `steps` that both have.
    """
    cursors = Cursor(first, columns), Cursor(second, columns)
    for run in runs(pairs):
        if not run.rows:
            continue
        for cursor, place in zip(cursors, run.pairs[0], strict=True):
            cursor.seek(place)
        done = 0
        while done < run.rows:
            rows = min(run.rows - done, *(cursor.ready() for cursor in cursors))
            yield Chunk(cursors[0].take(rows), cursors[1].take(rows), run, done)
            done += rows


def runs(pairs: Sequence[Pair]) -> Iterator[Run]:
    """Cut pairs where one of the datasets must jump, or where the lengths differ."""
    begin = 0
    for i in range(1, len(pairs) + 1):
        if i == len(pairs) or not _follows(pairs[i - 1], pairs[i]):
            yield Run(begin, pairs[begin:i])
            begin = i


def _follows(before: Pair, after: Pair) -> bool:
    equal = all(pair[0].length == pair[1].length for pair in (before, after))
    return equal and all(b.number + 1 == a.number for b, a in zip(before, after, strict=True))


class Cursor:
    """A place in a dataset's stream of steps."""

    def __init__(self, source: Source, columns: Sequence[str]):
        self._parts, self._columns = source.parts(), list(columns)
        self._part, self._row = -1, 0
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None

    def seek(self, place: Place) -> None:
        """Go to the first step of an episode."""
        if place.part != self._part or place.start < self._row:
            self._open(place.part)
        while self._row < place.start:
            self._next()
            self.take(min(self.ready(), place.start - self._row))

    def ready(self) -> int:
        """How many rows can be taken without reading; at least one."""
        self._next()
        assert self._batch is not None
        return self._batch.num_rows

    def take(self, rows: int) -> pa.RecordBatch:
        """The next rows, of those that are ready."""
        assert self._batch is not None
        taken, self._batch = self._batch.slice(0, rows), self._batch.slice(rows)
        self._row += rows
        return taken

    def _open(self, part: int) -> None:
        self._part, self._row, self._batch = part, 0, None
        self._batches = self._parts[part].steps(self._columns)

    def _next(self) -> None:
        """Read on until there are rows, over the ends of parts."""
        while self._batch is None or not self._batch.num_rows:
            self._batch = next(self._batches, None)
            if self._batch is None:
                self._check_end()
                self._open(self._part + 1)

    def _check_end(self) -> None:
        wanted = self._parts[self._part].num_steps
        if self._row != wanted or self._part + 1 == len(self._parts):
            raise SchemaError(
                f"the dataset does not fit together: part {self._part} says {wanted} steps, {self._row} came"
            )
