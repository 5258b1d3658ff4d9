"""Statistics of features as LeRobot keeps them: by episode, and of all, where quantiles are means of the episodes'."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.tables import Array

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
LIMIT_ROWS = 1 << 17
"""Rows of an episode whose quantiles are exact; longer ones are taken in pieces."""
LIMIT_VALUES = 1 << 22
"""Numbers, likewise: depth images are many in few rows, and what is exact takes several times their memory."""
MAX_SAMPLES = 10_000

Stats = dict[str, Array]


@np.errstate(over="ignore", invalid="ignore")
def of_numbers(values: Array) -> Stats:
    """Statistics of numbers (n, ...) by component of the last dimension, as LeRobot does; only finite ones count.

    Returns:
        `min`, `max` (int64 where the numbers are whole), `mean`, `std`, the quantiles, and `count` (1,).
    """
    count = len(values)
    flat = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
    whole = flat.dtype.kind in "iu"
    flat = flat.astype(np.float64)
    finite = np.isfinite(flat)
    if not finite.all():
        return _of_finite(flat, finite, count)
    ordered = np.sort(flat, axis=0)
    low, high = ordered[0], ordered[-1]
    found = {name: _quantile(ordered, q) for name, q in QUANTILES.items()}
    ends = {"min": low, "max": high}
    if whole:
        ends = {name: value.astype(np.int64) for name, value in ends.items()}
    return {**ends, "mean": flat.mean(axis=0), "std": flat.std(axis=0), "count": np.array([count]), **found}


def _of_finite(flat: Array, finite: Array, count: int) -> Stats:
    """Each component's statistics over its finite numbers; zeros where there are none."""
    found: dict[str, list[float]] = {name: [] for name in ("min", "max", "mean", "std", *QUANTILES)}
    for i in range(flat.shape[1]):
        ordered = np.sort(flat[finite[:, i], i]) if finite[:, i].any() else np.zeros(1)
        found["min"].append(ordered[0])
        found["max"].append(ordered[-1])
        found["mean"].append(ordered.mean())
        found["std"].append(ordered.std())
        for name, q in QUANTILES.items():
            found[name].append(float(_quantile(ordered, q)))
    return {**{name: np.array(values) for name, values in found.items()}, "count": np.array([count])}


def _quantile(ordered: Array, q: float) -> Array:
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


# ---- images ----------------------------------------------------------------------------------------------------


def sampled(length: int) -> Array:
    """Which frames of an episode of some length count: all of a short one, fewer of a long one."""
    number = max(min(100, length), min(int(length**0.75), MAX_SAMPLES))
    return np.unique(np.round(np.linspace(0, max(length - 1, 0), number)).astype(np.int64))


def histogram(frames: Array) -> Array:
    """How often each value (256) is in each channel (C) of some frames (n, H, W, C), large ones thinned out."""
    height, width = frames.shape[1:3]
    if max(height, width) >= 300:
        step = max(1, (width if width > height else height) // 150)
        frames = frames[:, ::step, ::step]
    flat = frames.reshape(-1, frames.shape[-1])
    return np.stack([np.bincount(flat[:, c], minlength=256) for c in range(flat.shape[1])])


def of_histogram(counts: Array, frames: int) -> Stats:
    """Statistics of channels, (C, 1, 1) each, in [0, 1]."""
    total = counts.sum(axis=1)
    levels = np.arange(256) / 255.0
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    running = np.cumsum(counts, axis=1)
    at = {name: (running < q * total[:, None]).sum(axis=1) / 255.0 for name, q in QUANTILES.items()}
    low = np.argmax(counts > 0, axis=1) / 255.0
    high = (255 - np.argmax(counts[:, ::-1] > 0, axis=1)) / 255.0
    found = {"min": low, "max": high, "mean": mean, "std": std, **at}
    return {**{name: value.reshape(-1, 1, 1) for name, value in found.items()}, "count": np.array([frames])}


# ---- one episode, piece by piece -------------------------------------------------------------------------------


@dataclass
class Tally:
    """Statistics of one feature in one episode, taken while its rows come."""

    pieces: list[Array] = field(default_factory=list)
    rows: int = 0
    counts: Array | None = None
    frames: int = 0
    earlier: "Total | None" = None

    def add_numbers(self, values: Array) -> None:
        limit = max(1, min(LIMIT_ROWS, LIMIT_VALUES // max(1, values[:1].size)))
        while len(values):
            piece, values = values[: limit - self.rows], values[limit - self.rows :]
            self.pieces.append(piece)
            self.rows += len(piece)
            if self.rows == limit:
                self.earlier = self.earlier or Total()
                self.earlier.add(of_numbers(np.concatenate(self.pieces)))
                self.pieces, self.rows = [], 0

    def add_frames(self, frames: Array) -> None:
        if len(frames):
            counts = histogram(frames)
            self.counts = counts if self.counts is None else self.counts + counts
            self.frames += len(frames)

    def stats(self) -> Stats | None:
        """What was found; None where there was nothing."""
        if self.counts is not None:
            return of_histogram(self.counts, self.frames)
        last = (
            of_numbers(self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces)) if self.rows else None
        )
        if self.earlier is None:
            return last
        if last is not None:
            self.earlier.add(last)
        return self.earlier.stats()


@dataclass
class Total:
    """Statistics of many pieces, each weighed by its rows."""

    low: Array | None = None
    high: Array | None = None
    count: int = 0
    mean: Any = 0.0
    spread: Any = 0.0
    """Sum of squared distances from the mean."""
    quantiles: dict[str, Any] = field(default_factory=dict)

    @np.errstate(over="ignore", invalid="ignore")
    def add(self, piece: Mapping[str, Array]) -> None:
        n = int(piece["count"][0])
        total = self.count + n
        delta = piece["mean"] - self.mean
        self.spread = self.spread + piece["std"] ** 2 * n + delta**2 * (self.count * n / total)
        self.mean = self.mean + delta * (n / total)
        self.low = piece["min"] if self.low is None else np.minimum(self.low, piece["min"])
        self.high = piece["max"] if self.high is None else np.maximum(self.high, piece["max"])
        for name in QUANTILES:
            self.quantiles[name] = self.quantiles.get(name, 0.0) + piece[name] * n
        self.count = total

    def stats(self) -> Stats:
        assert self.low is not None
        assert self.high is not None
        std = np.sqrt(self.spread / self.count)
        quantiles = {name: value / self.count for name, value in self.quantiles.items()}
        count = np.array([self.count])
        found = {"min": self.low, "max": self.high, "mean": self.mean, "std": std, "count": count, **quantiles}
        return {name: np.nan_to_num(value) for name, value in found.items()}  # sums may overflow
