"""How the numbers of a dataset lie, component by component."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.query.gathering import SMALL, Few, channels, components, groups, show
from trajloom.query.moments import Moments
from trajloom.query.quantiles import Bracket, Sketch, numbers_of
from trajloom.schema import Column
from trajloom.tables import Array

STATISTICS = {
    "column": pl.String, "index": pl.List(pl.Int64), "unit": pl.String, "count": pl.Int64, "nan": pl.Int64,
    "mean": pl.Float64, "std": pl.Float64, "min": pl.Float64, "max": pl.Float64,
}  # fmt: skip
"""Columns of what `statistics` returns, before those of quantiles."""
ALL_AT_ONCE = 1 << 20
"""Components of one pass where there are no sketches to hold."""


def statistics(
    dataset: Dataset, columns: Iterable[str] | None = None, *, quantiles: Sequence[float] = (), exact: bool = False
) -> pl.DataFrame:
    """Statistics of each component of the data columns of `steps`, in one pass that holds some batches in memory.

    Quantiles are numbers of the data whose rank is at most 0.1 % of their count off (a fifth of that as a rule);
    they take some 0.6 MB a component, and of more than 128 components the data is read again.

    Args:
        dataset: Any dataset.
        columns: Which columns; None takes all.
        quantiles: Which, between 0 and 1: 0.5 is the median.
        exact: Whether quantiles are exact (as NumPy's, "linear"): a second pass, and memory for 0.2 % of the numbers.

    Returns:
        A row a component: `column`, `index` (list; of an image, its channel), `unit`, `count` of numbers, `nan`
        among them that are none, `mean`, `std`, `min`, `max` without those, and `q1`, `q50`, ... for the
        quantiles 0.01, 0.5, .... Rows that are null do not count.

    Raises:
        SchemaError: A column is not there.
        SettingsError: A quantile is not between 0 and 1.
    """
    wanted = [dataset.header.column(name) for name in columns] if columns is not None else list(dataset.header.steps)
    shares = list(dict.fromkeys(float(q) for q in quantiles))
    if wrong := [q for q in shares if not 0 <= q <= 1]:
        raise SettingsError(f"quantiles lie between 0 and 1, got {', '.join(f'{q:g}' for q in wrong)}")
    frames = [pl.DataFrame(schema={**STATISTICS, **{quantile_name(q): pl.Float64 for q in shares}})]
    for group in groups(wanted) if shares else groups(wanted, ALL_AT_ONCE):
        found = {few: Tally(few, bool(shares)) for few in group}
        show(dataset, found)
        values = _exact(dataset, found, shares) if exact else {f: tally.quantiles(shares) for f, tally in found.items()}
        frames += [_frame(few, tally, values[few], shares) for few, tally in found.items() if tally.rows]
    return pl.concat(frames)


def quantile_name(share: float) -> str:
    """The column of a quantile: q50 for 0.5."""
    return f"q{100 * share:.6g}"


class Tally:
    """Moments and, if asked for, sketches of some components. Implements `gathering.Counter`."""

    def __init__(self, few: Few, sketched: bool):
        width = few.stop - few.first
        self.rows = 0
        self.moments = Moments.none(width)
        self.sketches = [Sketch() for _ in range(width)] if sketched else []
        self.numbers = np.arange(*SMALL[few.column.dtype]) if few.column.dtype in SMALL else None
        self.counts = np.zeros((width, 0 if self.numbers is None else len(self.numbers)), np.int64)

    def add(self, values: Array) -> None:
        if self.numbers is not None:
            self.rows += len(values)
            for i, column in enumerate(values.T):
                shifted = column if not self.numbers[0] else column.astype(np.int16) - self.numbers[0]
                self.counts[i] += np.bincount(shifted, minlength=len(self.numbers))
            return
        self.rows += values.shape[1]
        found = Moments.of_components(values)
        self.moments = self.moments.merge(found)
        for sketch, numbers, count in zip(self.sketches, values, found.count, strict=False):
            sketch.add(numbers if count == len(numbers) else numbers_of(numbers))

    def found(self) -> Moments:
        return self.moments if self.numbers is None else Moments.of_counts(self.numbers, self.counts)

    def weighted(self) -> list[tuple[Array, Array]]:
        """Of each component (values, how many of all each stands for)."""
        if self.numbers is not None:
            return [(self.numbers, counts) for counts in self.counts]
        return [sketch.weighted() for sketch in self.sketches]

    def quantiles(self, shares: Sequence[float]) -> Array:
        """(D, Q)."""
        if not shares:
            return np.empty((len(self.counts), 0))
        if self.numbers is not None:
            return np.array([_of_counts(self.numbers, counts, shares) for counts in self.counts])
        return np.array([sketch.quantiles(shares) for sketch in self.sketches])


def _of_counts(numbers: Array, counts: Array, shares: Sequence[float]) -> list[float]:
    """Quantiles of numbers that come so often, exactly."""
    upto = np.cumsum(counts)
    if not upto[-1]:
        return [np.nan] * len(shares)
    found = []
    for rank in (share * (upto[-1] - 1) for share in shares):
        low, high = (float(numbers[np.searchsorted(upto, r, side="right")]) for r in (np.floor(rank), np.ceil(rank)))
        found.append(low + (high - low) * (rank - np.floor(rank)))
    return found


class _Search:
    """Exact quantiles of some components. Implements `gathering.Counter`."""

    def __init__(self, tally: Tally, shares: Sequence[float]):
        self._brackets = [[Bracket(sketch, share) for share in shares] for sketch in tally.sketches]

    def add(self, values: Array) -> None:
        for brackets, numbers in zip(self._brackets, values, strict=True):
            there = numbers_of(numbers)
            for bracket in brackets:
                bracket.add(there)

    def quantiles(self) -> Array:
        return np.array([[bracket.value() for bracket in brackets] for brackets in self._brackets])


def _exact(dataset: Dataset, found: dict[Few, Tally], shares: Sequence[float]) -> dict[Few, Array]:
    """Exact quantiles, in a second pass over the columns that were not counted number by number."""
    searches = {few: _Search(tally, shares) for few, tally in found.items() if tally.numbers is None and shares}
    show(dataset, searches)
    counted = {few: tally.quantiles(shares) for few, tally in found.items() if few not in searches}
    return {**counted, **{few: search.quantiles() for few, search in searches.items()}}


def _frame(few: Few, tally: Tally, quantiles: Array, shares: Sequence[float]) -> pl.DataFrame:
    column, found = few.column, tally.found()
    missing = found.count == 0
    values: dict[str, Any] = {
        "column": [column.name] * len(found.count),
        "index": [list(i) for i in _indices(column)[few.first : few.stop]],
        "unit": [column.unit] * len(found.count),
        "count": found.count,
        "nan": tally.rows - found.count,
        "mean": np.where(missing, np.nan, found.mean),
        "std": found.std,
        "min": np.where(missing, np.nan, found.low),
        "max": np.where(missing, np.nan, found.high),
    }
    more = {quantile_name(q): quantiles[:, i] for i, q in enumerate(shares)}
    return pl.DataFrame({**values, **more}, schema={**STATISTICS, **dict.fromkeys(more, pl.Float64)})


def _indices(column: Column) -> list[tuple[int, ...]]:
    """Where in a row each component stands; of an image, its channel."""
    return list(np.ndindex(column.shape if channels(column) is None else (components(column),)))
