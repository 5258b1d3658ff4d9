"""A stream of rows of `steps`, cut where its episodes end."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pyarrow as pa

T = TypeVar("T")


def spans(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Runs of rows of one episode as (its `episode_index`, the rows)."""
    index = batch.column("episode_index").to_numpy()
    cuts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
    for start, end in pairwise(cuts):
        if end > start:
            yield int(index[start]), batch.slice(start, end - start)


def by_episode(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.Table]]:
    """Whole episodes as (`episode_index`, rows): for columns of which one episode fits into memory."""
    current, pieces = -1, []
    for batch in batches:
        for episode, rows in spans(batch):
            if pieces and episode != current:
                yield current, pa.Table.from_batches(pieces)
                pieces = []
            current = episode
            pieces.append(rows)
    if pieces:
        yield current, pa.Table.from_batches(pieces)


def along(
    batches: Iterable[pa.RecordBatch], values: Iterator[tuple[int, T]]
) -> Iterator[tuple[T, int, pa.RecordBatch]]:
    """Rows with what is known of their whole episode.

    Args:
        batches: Rows of `steps` with `episode_index`.
        values: (`episode_index`, value) for the same episodes in the same order.

    Yields:
        The value, the number of the first row in its episode, and rows of that episode.
    """
    current, start, value = None, 0, None
    for batch in batches:
        for episode, rows in spans(batch):
            if episode != current:
                current, value = next(values)
                start = 0
                assert current == episode, "two readings of a part gave other episodes"
            yield value, start, rows  # type: ignore[misc]
            start += rows.num_rows
