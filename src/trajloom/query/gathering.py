"""Numbers on their way from batches of steps to whoever counts them: component by component, in pieces of one size."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from trajloom.dataset import Dataset
from trajloom.edit.images import image_of
from trajloom.query.quantiles import CHUNK
from trajloom.schema import Column
from trajloom.tables import Array, to_numpy

MAX_COMPONENTS = 128
"""Components that are followed at once; of more, the dataset is read again for the next ones."""
SMALL = {"bool": (0, 2), "uint8": (0, 256), "int8": (-128, 128)}
"""Element types with so few numbers that counting each of them is the quickest and exact."""


@dataclass(frozen=True)
class Few:
    """Some components of a column, first <= i < stop."""

    column: Column
    first: int
    stop: int

    def values(self, batch: pa.RecordBatch) -> Array:
        """(N, stop - first). What a batch holds of them; rows that are null are left out."""
        values = batch.column(self.column.name)
        numbers = to_numpy(values.drop_null() if values.null_count else values, self.column)
        return numbers.reshape(-1, components(self.column))[:, self.first : self.stop]


def channels(column: Column) -> int | None:
    """Channels of a column of images, depths or masks, whose components they are; None where it is none."""
    if column.encoding != "image" and image_of(column) is None:
        return None
    return column.shape[-1] if len(column.shape) > 2 else 1


def components(column: Column) -> int:
    """How many components a column has: numbers of a row, or channels of an image."""
    return channels(column) or column.size


class Counter(Protocol):
    """What numbers are shown to."""

    def add(self, values: Array) -> None:
        """Look at (D, N) float64, or (N, D) where the element type is among SMALL."""
        ...


def groups(columns: Sequence[Column], at_once: int = MAX_COMPONENTS) -> Iterator[list[Few]]:
    """Columns in groups of at most so many components; wide columns are cut."""
    group, size = [], 0
    for column in columns:
        width = components(column)
        for first in range(0, width, at_once):
            few = Few(column, first, min(first + at_once, width))
            if group and size + few.stop - few.first > at_once:
                yield group
                group, size = [], 0
            group.append(few)
            size += few.stop - few.first
    if group:
        yield group


def show(dataset: Dataset, counters: Mapping[Few, Counter]) -> None:
    """Read a dataset once and show each counter its numbers, while the next are being read."""
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1), thread_name_prefix="statistics") as pool:
        feeds = [_Feed(few, counter, pool) for few, counter in counters.items()]
        names = list(dict.fromkeys(few.column.name for few in counters))
        for part in dataset.parts() if names else ():
            for batch in part.steps(names):
                for feed in feeds:
                    feed.add(batch)
        for feed in feeds:
            feed.finish()


class _Feed:
    """Fills pieces of CHUNK rows and hands them over; a counter sees one piece at a time, in order."""

    def __init__(self, few: Few, counter: Counter, pool: ThreadPoolExecutor):
        self._few, self._counter, self._pool = few, counter, pool
        self._piece: Array | None = None
        self._filled = 0
        self._running: Future[None] | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        values = self._few.values(batch)
        if self._few.column.dtype in SMALL:
            self._hand_over(values)
            return
        while len(values):
            if self._piece is None:
                self._piece = np.empty((values.shape[1], CHUNK))
            taken = values[: CHUNK - self._filled]
            self._piece[:, self._filled : self._filled + len(taken)] = taken.T
            self._filled += len(taken)
            values = values[len(taken) :]
            if self._filled == CHUNK:
                self._hand_over(self._piece)
                self._piece, self._filled = None, 0

    def _hand_over(self, values: Array) -> None:
        self._wait()
        self._running = self._pool.submit(self._counter.add, values)

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def finish(self) -> None:
        self._wait()
        if self._piece is not None:
            self._counter.add(self._piece[:, : self._filled])
