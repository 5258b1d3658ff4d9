"""A question asked of each episode by itself: answered some whole episodes at a time, however large the dataset."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from trajloom.dataset import Dataset
from trajloom.frames import stream

ROWS = 1 << 16
"""Steps that are collected before they are asked, if the episodes are shorter."""


def per_episode(dataset: Dataset, columns: Sequence[str], **values: pl.Expr) -> pl.LazyFrame:
    """One row an episode that has steps, as `steps().group_by("episode_index").agg(...)` gives, a few at a time.

    That itself holds the columns of all steps in memory; this holds 65,536 of them, or the longest episode.

    Args:
        dataset: Any dataset.
        columns: Columns of `steps` that the expressions read.
        values: Name -> expression over an episode's steps, in order: `top=query.component("actions", 0).max()`.

    Returns:
        `episode_index` and the values.
    """
    names = list(dict.fromkeys(["episode_index", *columns]))
    empty = dataset.steps().select(names).head(0)

    def asked(steps: pl.LazyFrame) -> pl.LazyFrame:
        return steps.group_by("episode_index", maintain_order=True).agg(**values)

    return lazily(
        lambda: (asked(frame.lazy()).collect() for frame in whole_episodes(dataset, names)),
        asked(empty).collect_schema(),
    )


def whole_episodes(dataset: Dataset, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The steps as frames of whole episodes; `columns` must have `episode_index`."""
    for table in whole_tables(dataset, columns):
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        yield frame


def whole_tables(dataset: Dataset, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The same as tables of Arrow."""
    for part in dataset.parts():
        held: list[pa.RecordBatch] = []
        for batch in part.steps(columns):
            held.append(batch)
            if sum(piece.num_rows for piece in held) < ROWS:
                continue
            table = pa.Table.from_batches(held)
            # the last episode may go on in the next batch
            index = table.column("episode_index").to_numpy()
            end = _last_start(index)
            if end:
                yield table.slice(0, end)
            held = table.slice(end).to_batches()
        if held:
            yield pa.Table.from_batches(held)


def _last_start(index: np.ndarray) -> int:
    """Where the run of the last episode begins."""
    changes = np.flatnonzero(np.diff(index))
    return int(changes[-1]) + 1 if len(changes) else 0


def lazily(frames: Callable[[], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """A lazy frame of frames that are made when it is collected, one after the other."""

    def chosen(columns: list[str] | None) -> Iterator[pl.DataFrame]:
        return (frame if columns is None else frame.select(columns) for frame in frames())

    return stream(chosen, schema)
