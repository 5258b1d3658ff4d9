"""Numbers counted by where they lie, which takes a third of the time of sorting them.

A grid divides a range in equal cells. A cell that holds a small share of all numbers says the rank of each within that
share; numbers in fuller cells, and those beyond the range, are given back, to be sorted.
"""

import numpy as np

from trajloom.tables import Array

CELLS = 1 << 14
"""The first and the last are everything beyond the range."""
REACH = 1 / 8
"""How far beyond most of the numbers that it was made for the range goes, of their width, to either side."""
TAIL = 1000
"""The range is that of all but one in so many, at either end."""


class Grid:
    """How many numbers lie in which cell, and for each cell a number that lies in it."""

    def __init__(self, low: float, scale: float):
        """Begin with none.

        Args:
            low: Where the range begins.
            scale: Cells to one, which is finite.
        """
        self._low, self._scale = low, scale
        self._counts = np.zeros(CELLS, np.int64)
        self._examples = np.full(CELLS, np.nan)
        self._full = np.zeros(CELLS, bool)
        self._full[[0, -1]] = True

    @classmethod
    def around(cls, rising: Array) -> "Grid | None":
        """A grid for numbers like these, which rise; None where they have no width that can be divided."""
        low, high = rising[len(rising) // TAIL], rising[-1 - len(rising) // TAIL]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            reach = (high - low) * REACH
            low, scale = low - reach, CELLS / (high - low + 2 * reach)
        return cls(float(low), float(scale)) if 0 < scale < np.inf else None

    def count(self, values: Array, most: float) -> Array:
        """Count numbers (N,), none of them NaN.

        Args:
            values: The numbers.
            most: How many of all, these among them, one cell may hold.

        Returns:
            Those that were not counted, in the order that they had.
        """
        cells = self._cells(values)
        counts = np.bincount(cells, minlength=CELLS)
        self._full |= self._counts + counts > most
        counts[self._full] = 0
        self._counts += counts
        odd = np.flatnonzero((self._full | np.isnan(self._examples)).take(cells, mode="clip"))
        cells, values = cells.take(odd), values.take(odd)
        full = self._full[cells]
        self._examples[cells[~full]] = values[~full]
        return values[full]

    def _cells(self, values: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            places = values - self._low
            places *= self._scale
            # what is below 0, or more than 32 bits hold, is a large number without its sign
            cells = places.astype(np.int32).view(np.uint32)
        return np.minimum(cells, CELLS - 1, out=cells).astype(np.intp)

    @property
    def fullest(self) -> int:
        """Numbers in the fullest cell: ranks may be off by so many."""
        return int(self._counts.max())

    def weighted(self) -> tuple[Array, Array]:
        """A number of each cell that holds any, and how many it holds."""
        there = self._counts > 0
        return self._examples[there], self._counts[there]
