"""Quantiles of more numbers than memory holds: a sketch whose error has a bound, whatever the numbers and their order.

Source:
    Manku, Rajagopalan, Lindsay, Approximate medians and other quantiles in one pass and with limited memory, SIGMOD
    1998; after Munro and Paterson, Selection and sorting with limited storage, Theoretical Computer Science 12 (1980).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from trajloom.tables import Array

CHUNK = 1 << 15
"""Numbers that are sorted at once."""
KEPT = 1 << 12
"""Numbers that stand for those of a chunk, or of a collapse."""
FAN = 8
"""Buffers of one weight that collapse into one; every eightfold of the data adds 1 / (2 KEPT) to the error."""


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
    """Remembers how numbers (one component's) lie, in about 300 kB.

    `bound` says how many ranks a quantile may be off at most: 0.05 % of all numbers after 15 million of them, 0.1 %
    after 10^11. What it is off is a tenth of that as a rule.
    """

    def __init__(self) -> None:
        self.count = 0
        self._loose: list[Array] = []
        """Numbers that are no full chunk; each counts once."""
        self._levels: list[list[Array]] = []
        """Buffers of KEPT numbers, by level; a number of level i counts CHUNK / KEPT * FAN**i times."""
        self._turn = 0
        self._uncertain = 0.0

    def add(self, values: Array) -> None:
        """Add numbers (N,) of which none is NaN; they are not kept, but for what is over of whole chunks."""
        self.count += len(values)
        whole = len(values) - len(values) % CHUNK
        for start in range(0, whole, CHUNK):
            self._thin(values[start : start + CHUNK])
        if whole < len(values):
            self._loose.append(values[whole:].copy())
            self._settle()

    def merge(self, other: "Sketch") -> None:
        """Add what another sketch has seen."""
        self.count += other.count
        self._uncertain += other._uncertain
        for level, buffers in enumerate(other._levels):
            for buffer in buffers:
                self._hold(level, buffer)
        self._loose += other._loose
        self._settle()

    def _settle(self) -> None:
        """Make chunks of loose numbers where there are enough."""
        if sum(map(len, self._loose)) < CHUNK:
            return
        loose = np.concatenate(self._loose)
        whole = len(loose) - len(loose) % CHUNK
        self._loose = [loose[whole:].copy()]
        for start in range(0, whole, CHUNK):
            self._thin(loose[start : start + CHUNK])

    def _thin(self, chunk: Array) -> None:
        step = CHUNK // KEPT
        self._uncertain += step / 2
        self._hold(0, ordered(chunk)[self._middle(step) :: step].copy())

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
        return self._uncertain / self.count if self.count else 0.0

    def weighted(self) -> tuple[Array, Array]:
        """Numbers in rising order, and how many of all each stands for."""
        pieces = [*self._loose, *(buffer for level in self._levels for buffer in level)]
        if not pieces:
            return np.empty(0), np.empty(0, np.int64)
        weights = [1] * len(self._loose) + [self._weight(i) for i, level in enumerate(self._levels) for _ in level]
        values = np.concatenate(pieces)
        order = np.argsort(values, kind="stable")
        return values[order], np.repeat(weights, [len(piece) for piece in pieces])[order]

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

    def add(self, rising: Array) -> None:
        """Look at sorted numbers (N,) without NaN."""
        start, first = (int(np.searchsorted(rising, self._low, side=side)) for side in ("left", "right"))
        last = int(np.searchsorted(rising, self._high, side="left"))
        self._below += start
        self._at_low += first - start
        if last > first:
            self._between.append(rising[first:last])

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
