"""How the numbers of a dataset lie, component by component."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from trajloom.dataset import Dataset
from trajloom.schema import Column
from trajloom.tables import to_numpy

STATISTICS = {
    "column": pl.String, "index": pl.List(pl.Int64), "unit": pl.String, "count": pl.Int64, "nan": pl.Int64,
    "mean": pl.Float64, "std": pl.Float64, "min": pl.Float64, "max": pl.Float64,
}  # fmt: skip
"""Columns of what `statistics` returns."""


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations and bounds of some numbers, each an array (D,); NaN do not count."""

    count: np.ndarray
    mean: np.ndarray
    deviations: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Of the rows of an array (T, D)."""
        values = np.asarray(values, dtype=np.float64)
        there = ~np.isnan(values)
        count = there.sum(axis=0)
        # infinite numbers make these NaN
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.where(there, values, 0.0).sum(axis=0) / np.maximum(count, 1)
            deviations = (np.where(there, values - mean, 0.0) ** 2).sum(axis=0)
        low = np.where(there, values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(there, values, -np.inf).max(axis=0, initial=-np.inf)
        return cls(count, mean, deviations, low, high)

    def merge(self, other: "Moments") -> "Moments":
        """Of the numbers of both.

        Source:
            Chan, Golub, LeVeque, Algorithms for computing the sample variance, The American Statistician 37 (1983).
        """
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        with np.errstate(invalid="ignore", over="ignore"):
            delta = other.mean - self.mean
            deviations = self.deviations + other.deviations + delta**2 * self.count * share
            return Moments(count, self.mean + delta * share, deviations, low, high)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of the numbers themselves (divided by their count); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.deviations / self.count)


def statistics(dataset: Dataset, columns: Iterable[str] | None = None) -> pl.DataFrame:
    """Statistics of each component of the data columns of `steps`, in one pass that holds one batch in memory.

    Args:
        dataset: Any dataset.
        columns: Which columns; None takes all.

    Returns:
        A row a component: `column`, `index` (list; of an image, its channel), `unit`, `count` of numbers, `nan`
        among them that are none, and `mean`, `std`, `min`, `max` without those. Rows that are null do not count.
    """
    wanted = [dataset.header.column(name) for name in columns] if columns is not None else list(dataset.header.steps)
    moments: dict[str, Moments] = {}
    rows: dict[str, int] = {}
    for part in dataset.parts():
        for batch in part.steps([column.name for column in wanted]) if wanted else ():
            for column in wanted:
                values = _components(to_numpy(batch.column(column.name).drop_null(), column), column)
                new, old = Moments.of(values), moments.get(column.name)
                moments[column.name] = new if old is None else old.merge(new)
                rows[column.name] = rows.get(column.name, 0) + len(values)
    frames = [_statistics_frame(c, moments[c.name], rows[c.name]) for c in wanted if c.name in moments]
    empty = pl.DataFrame(schema=STATISTICS)
    return pl.concat([empty, *frames])


def _components(values: np.ndarray, column: Column) -> np.ndarray:
    """(N, D): the numbers of each component; of images, of each channel."""
    return values.reshape(-1, _channels(column) if column.encoding == "image" else column.size)


def _channels(column: Column) -> int:
    return column.shape[-1] if len(column.shape) > 2 else 1


def _statistics_frame(column: Column, found: Moments, rows: int) -> pl.DataFrame:
    shape = (_channels(column),) if column.encoding == "image" else column.shape
    missing = found.count == 0
    values: dict[str, Any] = {
        "column": [column.name] * len(found.count),
        "index": [list(index) for index in np.ndindex(*shape)],
        "unit": [column.unit] * len(found.count),
        "count": found.count,
        "nan": rows - found.count,
        "mean": np.where(missing, np.nan, found.mean),
        "std": found.std,
        "min": np.where(missing, np.nan, found.low),
        "max": np.where(missing, np.nan, found.high),
    }
    return pl.DataFrame(values, schema=STATISTICS)
