"""Quantiles of more numbers than memory holds: a sketch whose error has a bound, whatever the numbers and their order.

Source:
    Manku, Rajagopalan, Lindsay, Approximate medians and other quantiles in one pass and with limited memory, SIGMOD
    1998; after Munro and Paterson, Selection and sorting with limited storage, Theoretical Computer Science 12 (1980).
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from trajloom.query.grid import Grid
from trajloom.tables import Array

CHUNK = 1 << 15
"""Numbers that are sorted at once."""
KEPT = 1 << 12
"""Numbers that stand for those of a chunk, or of a collapse."""
FAN = 8
"""Buffers of one weight that collapse into one; every eightfold of the data adds 1 / (2 KEPT) to the error."""
MAX_ERROR = 1 / 1024
"""Of all numbers, how many ranks counting and sorting together may leave uncertain, as far as counting can help it."""
MAX_GRIDS = 4
"""Grids that are tried where numbers come to lie elsewhere."""


def ordered(values: Array) -> Array:
    """Numbers (N,) of float64, none of them NaN, in rising order.

    As whole numbers of the same order, which Polars sorts twice as fast as floats, and those four times as fast as
    NumPy before its version 2.
    """
    bits = np.ascontiguousarray(values).view(np.int64)
    rising = pl.Series(_turned(bits)).sort(multithreaded=False).to_numpy()
    return _turned(rising).view(np.float64)


def _turned(bits: Array) -> Array:
    """Bits of floats as whole numbers of their order, and back: negative floats rise where their bits fall."""
    return bits ^ ((bits >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))


def numbers_of(values: Array) -> Array:
    """Numbers (N,) without those that are NaN."""
    there = ~np.isnan(values)
    return values if there.all() else values[there]


class Sketch:
    """Remembers how numbers (one component's) lie, in about 600 kB.

    `bound` says how many ranks a quantile may be off at most: no more than 0.1 % of all numbers, up to 10^11 of them.
    What it is off is a fifth of that as a rule.

    The first chunk is sorted, and says where to lay a grid; those after it are counted in the grid, and sorted as far
    as it does not take them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._new, self._left = _Pile(), _Pile()
        """Numbers that are no full chunk, of all that come and of those that the grid gave back; each counts once."""
        self._grid: Grid | None = None
        """That which numbers are counted in."""
        self._grids: list[Grid] = []
        """All that hold any."""
        self._levels: list[list[Array]] = []
        """Buffers of KEPT numbers, by level; a number of level i counts CHUNK / KEPT * FAN**i times."""
        self._turn = 0
        self._uncertain = 0.0

    def add(self, values: Array) -> None:
        """Add numbers (N,) of which none is NaN; they are not kept, but for what is over of whole chunks."""
        self.count += len(values)
        for chunk in self._new.add(values):
            self._take(chunk)

    def merge(self, other: "Sketch") -> None:
        """Add what another sketch has seen."""
        self.count += other.count
        self._uncertain += other._uncertain
        self._grids += other._grids
        for level, buffers in enumerate(other._levels):
            for buffer in buffers:
                self._hold(level, buffer)
        for piece in (*other._new.pieces, *other._left.pieces):
            for chunk in self._new.add(piece):
                self._take(chunk)

    def _take(self, chunk: Array) -> None:
        """Count the numbers of a chunk in the grid; sort those that it does not take, once there are enough."""
        if self._grid is not None:
            elsewhere = sum(grid.fullest for grid in self._grids if grid is not self._grid)
            most = MAX_ERROR * self.count - self._uncertain - elsewhere
            taken, chunk = len(chunk), self._grid.count(chunk, most)
            if 2 * len(chunk) > taken:
                self._grid = None  # they have come to lie elsewhere, or are the same few numbers again and again
        for whole in self._left.add(chunk):
            self._thin(whole)

    def _thin(self, chunk: Array) -> None:
        step, rising = CHUNK // KEPT, ordered(chunk)
        if self._grid is None and len(self._grids) < MAX_GRIDS:
            self._grid = Grid.around(rising)
            self._grids += [self._grid] if self._grid else []
        self._uncertain += step / 2
        self._hold(0, rising[self._middle(step) :: step].copy())

    def _middle(self, step: int) -> int:
        """The middle of `step` numbers has two sides; taking turns lets their errors cancel."""
        self._turn = 1 - self._turn
        return step // 2 - self._turn

    def _hold(self, level: int, buffer: Array) -> None:
        if level == len(self._levels):
            self._levels.append([])
        buffers = self._levels[level]
        buffers.append(buffer)
        if len(buffers) == FAN:
            self._levels[level] = []
            self._uncertain += FAN * self._weight(level) / 2
            self._hold(level + 1, ordered(np.concatenate(buffers))[self._middle(FAN) :: FAN].copy())

    @staticmethod
    def _weight(level: int) -> int:
        return CHUNK // KEPT * FAN**level

    @property
    def bound(self) -> float:
        """How many of the numbers a rank may be off at most, in shares of their count."""
        uncertain = self._uncertain + sum(grid.fullest for grid in self._grids)
        return uncertain / self.count if self.count else 0.0

    def weighted(self) -> tuple[Array, Array]:
        """Numbers in rising order, and how many of all each stands for."""
        counted = [grid.weighted() for grid in self._grids]
        counted += [(piece, np.ones(len(piece), np.int64)) for piece in (*self._new.pieces, *self._left.pieces)]
        for i, level in enumerate(self._levels):
            counted += [(buffer, np.full(len(buffer), self._weight(i))) for buffer in level]
        if not counted:
            return np.empty(0), np.empty(0, np.int64)
        values, weights = (np.concatenate(one) for one in zip(*counted, strict=True))
        order = np.argsort(values, kind="stable")
        return values[order], weights[order]

    def at(self, ranks: Iterable[float]) -> Array:
        """Numbers whose ranks, counted from 0, are about these; NaN where there are none."""
        values, weights = self.weighted()
        if not len(values):
            return np.full(len(list(ranks)), np.nan)
        found = np.searchsorted(np.cumsum(weights), np.asarray(list(ranks)), side="right")
        return values[np.clip(found, 0, len(values) - 1)]

    def quantiles(self, shares: Sequence[float]) -> Array:
        """(Q,). Numbers that about these shares of all lie below, `bound` at most off; NaN where there are none."""
        return self.at([share * max(self.count - 1, 0) for share in shares])


class _Pile:
    """Numbers, until there are as many as make a chunk."""

    def __init__(self) -> None:
        self.pieces: list[Array] = []

    def add(self, values: Array) -> Iterator[Array]:
        """Add numbers, and take whole chunks as far as there are enough; the rest is kept."""
        if sum(map(len, self.pieces)) + len(values) < CHUNK:
            self.pieces.append(values.copy())
            return
        together = np.concatenate([*self.pieces, values]) if self.pieces else values
        whole = len(together) - len(together) % CHUNK
        self.pieces = [together[whole:].copy()] if whole < len(together) else []
        for start in range(0, whole, CHUNK):
            yield together[start : start + CHUNK]


class Bracket:
    """Finds a quantile exactly in a second look at the numbers, between two that it surely lies between.

    It collects the numbers between them: about 0.2 % of all.
    """

    def __init__(self, sketch: Sketch, share: float):
        rank = share * max(sketch.count - 1, 0)
        self._ranks = int(np.floor(rank)), int(np.ceil(rank))
        self._part = rank - self._ranks[0]
        slack = sketch.bound * sketch.count + 1
        low, high = sketch.at([self._ranks[0] - slack, self._ranks[1] + slack])
        # numbers beyond those that the sketch kept have the outermost ranks
        self._low = -np.inf if self._ranks[0] - slack < slack else float(low)
        self._high = np.inf if self._ranks[1] + slack > sketch.count - 1 - slack else float(high)
        self._below, self._at_low = 0, 0
        self._between: list[Array] = []

    def add(self, values: Array) -> None:
        """Look at numbers (N,) without NaN."""
        above = values >= self._low
        self._below += len(values) - int(np.count_nonzero(above))
        above &= values < self._high
        found = values[above]
        beyond = found > self._low
        self._at_low += len(found) - int(np.count_nonzero(beyond))
        if beyond.any():
            self._between.append(found[beyond])

    def value(self) -> float:
        """The quantile, between two numbers as far as its rank is (NumPy's "linear"); NaN where there are none."""
        between = ordered(np.concatenate(self._between)) if self._between else np.empty(0)
        low, high = (self._number(rank - self._below, between) for rank in self._ranks)
        # equal infinite numbers have no difference
        return low if low == high else low + (high - low) * self._part

    def _number(self, rank: int, between: Array) -> float:
        if rank < self._at_low:
            return self._low
        rank -= self._at_low
        return float(between[rank]) if rank < len(between) else self._high
