"""Episodes that are there twice, to the bit or nearly."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.query.by_episode import lazily, whole_tables
from trajloom.schema import Column
from trajloom.tables import Array, filled, to_numpy

DRIVEN = ("actions", "states")
"""What makes an episode what it is: columns that are compared unless told otherwise."""
PHASES = 16
"""Frames of an episode, evenly over its length, that stand for it where it is compared with others."""
COARSE = 4
"""Directions that most differences are seen in."""
CROWD = 64
"""Episodes of one cell of the grid that one is compared with."""
BLOCK = 1 << 14
"""Pairs that are compared at once."""


def duplicates(dataset: Dataset, columns: Sequence[str] | None = None) -> pl.LazyFrame:
    """Episodes that equal an earlier one in every bit of some columns.

    Columns: `episode_index`, and `first`, the earliest episode that it equals.

    Args:
        dataset: Any dataset.
        columns: Data columns of `steps`; by default `actions` and `states`, of those that are there, else all.

    Raises:
        SchemaError: A column is not there.
    """
    wanted = _compared(dataset, columns)

    def frames() -> Iterator[pl.DataFrame]:
        seen: dict[bytes, int] = {}
        for index, rows in _episodes(dataset, wanted):
            digest = hashlib.blake2b(digest_size=16)
            for column in wanted:
                values = rows.column(column.name)
                digest.update(values.is_valid().to_numpy(zero_copy_only=False).tobytes())
                digest.update(np.ascontiguousarray(to_numpy(values.drop_null(), column)).data)
            first = seen.setdefault(digest.digest(), index)
            if first != index:
                yield pl.DataFrame({"episode_index": [index], "first": [first]})

    return lazily(frames, pl.Schema({"episode_index": pl.Int64, "first": pl.Int64}))


def near_duplicates(dataset: Dataset, columns: Sequence[str] | None = None, *, tolerance: float = 0.05) -> pl.LazyFrame:
    """Episodes that hardly differ from an earlier one.

    Of each episode 16 frames, evenly from its first to its last, are compared with those of others, whatever their
    lengths, each component in units of its standard deviation over all those frames.

    Columns: `episode_index`; `near`, the earlier episode that is nearest; `distance`, the root mean square difference.
    Where hundreds of episodes are all alike, `near` is near, but maybe not the nearest.

    Args:
        dataset: Any dataset.
        columns: Data columns of `steps`; by default `actions` and `states`, of those that are there, else all that
            are no images. MuJoCo's time, the first of robosuite's states, counts like any other component.
        tolerance: The distance up to which episodes are near.

    Raises:
        SchemaError: A column is not there.
        SettingsError: The tolerance is not above 0.
    """
    if not tolerance > 0:
        raise SettingsError(f"tolerance must be above 0, got {tolerance}")
    wanted = [column for column in _compared(dataset, columns) if column.encoding != "image"]

    def frames() -> Iterator[pl.DataFrame]:
        found = [(index, _phases(rows, wanted)) for index, rows in _episodes(dataset, wanted)]
        if len(found) > 1:
            index = np.array([one for one, _ in found])
            yield _nearest(index, _scaled(np.stack([values for _, values in found])), tolerance)

    return lazily(frames, pl.Schema({"episode_index": pl.Int64, "near": pl.Int64, "distance": pl.Float64}))


def _compared(dataset: Dataset, columns: Sequence[str] | None) -> list[Column]:
    if columns is not None:
        return [dataset.header.column(name) for name in columns]
    return [column for column in dataset.header.steps if column.name in DRIVEN] or list(dataset.header.steps)


def _episodes(dataset: Dataset, columns: Sequence[Column]) -> Iterator[tuple[int, Any]]:
    """Number and steps of each episode."""
    for table in whole_tables(dataset, ["episode_index", *(column.name for column in columns)]):
        batch = table.combine_chunks().to_batches()[0]
        index = batch.column("episode_index").to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for start, stop in pairwise(bounds):
            yield int(index[start]), batch.slice(start, stop - start)


def _phases(rows: pa.RecordBatch, columns: Sequence[Column]) -> Array:
    """(PHASES, D) float32. Frames evenly over an episode; zero where a number is null or not finite."""
    at = pa.array(np.linspace(0, rows.num_rows - 1, PHASES).round().astype(np.int64))
    pieces = [filled(rows.column(c.name).take(at), c).reshape(PHASES, -1).astype(np.float32) for c in columns]
    return np.nan_to_num(np.concatenate(pieces, axis=1), nan=0, posinf=0, neginf=0)


def _scaled(values: Array) -> Array:
    """(E, PHASES * D). Each component in units of its standard deviation; those that never change are left out."""
    std = values.std(axis=(0, 1), dtype=np.float64)
    moves = std > 1e-9 * np.abs(values).max(axis=(0, 1))
    return (values[:, :, moves] / std[moves].astype(np.float32)).reshape(len(values), -1)


def _nearest(index: Array, values: Array, tolerance: float) -> pl.DataFrame:
    """Of each episode the nearest earlier one within a tolerance, of those that it is compared with."""
    scale = np.sqrt(max(values.shape[1], 1))
    found = [(np.empty((0, 2), np.int64), np.empty(0))]
    for pairs in _neighbours(_directions(values), tolerance * scale):
        distance = np.sqrt(((values[pairs[:, 0]] - values[pairs[:, 1]]) ** 2).sum(axis=1, dtype=np.float64)) / scale
        close = distance <= tolerance
        found.append((np.sort(index[pairs[close]], axis=1), distance[close]))
    pairs, distance = np.concatenate([p for p, _ in found]), np.concatenate([d for _, d in found])
    order = np.lexsort((pairs[:, 0], distance, pairs[:, 1]))
    first = order[np.unique(pairs[order, 1], return_index=True)[1]]
    return pl.DataFrame({"episode_index": pairs[first, 1], "near": pairs[first, 0], "distance": distance[first]})


def _directions(values: Array) -> Array:
    """(E, COARSE). Values along the directions in which they differ most; no two are further apart than before."""
    away = values - values.mean(axis=0)
    _, vectors = np.linalg.eigh((away.T @ away).astype(np.float64))
    along = away @ vectors[:, ::-1][:, :COARSE].astype(np.float32)
    return along if along.shape[1] else np.zeros((len(values), 1), np.float32)


def _neighbours(points: Array, radius: float) -> Iterator[Array]:
    """Pairs (P, 2) of points that lie in one cell of a grid or in cells that touch: all that are within a radius.

    Args:
        points: (E, D).
        radius: Width of a cell.
    """
    cells = np.floor((points - points.min(axis=0)) / radius).clip(0, 2**14).astype(np.int64) + 1
    strides = np.array([1 << (15 * i) for i in range(cells.shape[1])], np.int64)
    key = cells @ strides
    order = np.argsort(key, kind="stable")
    rising = key[order]
    for offset in product((-1, 0, 1), repeat=cells.shape[1]):
        if offset < (0,) * cells.shape[1]:
            continue  # the pair is met from its other side
        wanted = rising + int(np.dot(offset, strides))
        start = np.searchsorted(rising, wanted) if any(offset) else np.arange(1, len(rising) + 1)
        count = np.minimum(np.searchsorted(rising, wanted, side="right") - start, CROWD)
        for some in np.array_split(np.flatnonzero(count > 0), max(1, int(count.clip(0).sum()) // BLOCK)):
            left = np.repeat(some, count[some])
            ahead = np.arange(len(left)) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
            yield np.stack([order[left], order[start[left] + ahead]], axis=1)
