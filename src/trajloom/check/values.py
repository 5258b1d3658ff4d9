"""Comparing arrays to the bit, and counting where they differ."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trajloom.schema import Column
from trajloom.tables import Array, to_numpy


def unequal(first: Array, second: Array, tolerance: float | None = None) -> Array:
    """Which rows differ: in any bit, apart from NaN, which equals NaN; with a tolerance, by more than that.

    Args:
        first: (T, ...).
        second: (T, ...). Where its element type is another one, numbers are compared instead of bits.
        tolerance: Largest absolute difference that is none.

    Returns:
        (T,). True where the rows differ.
    """
    rows = len(first)
    if first.dtype == second.dtype:
        differs = _bits(first) != _bits(second)
        if not differs.any():
            return np.zeros(rows, dtype=bool)
        if first.dtype.kind == "f":
            differs &= ~(np.isnan(first) & np.isnan(second))
    else:
        differs = distance(first, second) > 0
    if tolerance is not None:
        differs &= distance(first, second) > tolerance
    return differs.reshape(rows, -1).any(axis=1)


def _bits(values: Array) -> Array:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def distance(first: Array, second: Array) -> Array:
    """|first - second|, element by element, as float64; infinite where one alone is NaN or infinite."""
    if first.dtype == second.dtype and first.dtype.kind in "iu":
        low, high = np.minimum(first, second), np.maximum(first, second)
        # modulo two to the power of the width, so that nothing overflows
        return (_bits(high) - _bits(low)).astype(np.float64)
    wide = np.longdouble if first.dtype != second.dtype else np.float64  # holds 64-bit integers where C's does
    a, b = first.astype(wide), second.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a - b).astype(np.float64)
    apart[np.isnan(apart)] = np.inf
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0.0
    return apart


@dataclass
class Tally:
    """How often a column differs, where first, and by how much at most."""

    episodes: int = 0
    rows: int = 0
    first: tuple[int, int] | None = None
    """(number of the pair of episodes, frame)."""
    largest: float | None = None
    """Largest absolute difference of two finite numbers."""
    nulls: int = 0
    """Rows that one of the two alone lacks."""
    _last: int = -1

    def add(self, episodes: Array, frames: Array, apart: float | None = None) -> None:
        """Count rows that differ.

        Args:
            episodes: (T,). Numbers of their pairs of episodes, rising.
            frames: (T,). Their frames.
            apart: Largest difference among them.
        """
        if self.first is None:
            self.first = int(episodes[0]), int(frames[0])
        new = np.unique(episodes)
        self.episodes += int(np.count_nonzero(new != self._last))
        self._last = int(new[-1])
        self.rows += len(episodes)
        if apart is not None:
            self.largest = max(apart, self.largest or 0.0)


@dataclass(frozen=True)
class Unequal:
    """Rows of two pieces of a column that differ."""

    rows: Array
    """(K,). Which rows."""
    nulls: int
    """How many of them one of the two alone lacks."""
    apart: float | None
    """Largest absolute difference of two finite numbers in them."""


def compare(
    first: pa.Array, second: pa.Array, columns: tuple[Column, Column], tolerance: float | None
) -> Unequal | None:
    """Compare two pieces of a column, row by row; None where they are equal."""
    there = [_there(values) for values in (first, second)]
    missing = there[0] != there[1]
    both = there[0] & there[1]
    rows = np.flatnonzero(both)
    if len(rows) < len(both):
        first, second = (values.filter(pa.array(both)) for values in (first, second))
    a, b = (to_numpy(values, column) for values, column in zip((first, second), columns, strict=True))
    wrong = np.flatnonzero(unequal(a, b, tolerance))
    if not len(wrong) and not missing.any():
        return None
    apart = distance(a[wrong], b[wrong]) if len(wrong) else np.empty(0)
    apart = apart[np.isfinite(apart)]
    found = np.sort(np.concatenate([rows[wrong], np.flatnonzero(missing)]))
    return Unequal(found, int(missing.sum()), float(apart.max()) if apart.size else None)


def _there(values: pa.Array) -> Array:
    if not values.null_count:
        return np.ones(len(values), dtype=bool)
    return values.is_valid().to_numpy(zero_copy_only=False)
