"""Count, mean, spread and bounds of numbers that come in pieces."""

from dataclasses import dataclass

import numpy as np

from trajloom.tables import Array


@dataclass(frozen=True)
class Moments:
    """Count, mean, sum of squared deviations and bounds of some numbers, each an array (D,); NaN do not count."""

    count: Array
    mean: Array
    deviations: Array
    low: Array
    high: Array

    @classmethod
    def none(cls, components: int) -> "Moments":
        """Of no numbers."""
        zero = np.zeros(components)
        return cls(zero.astype(np.int64), zero, zero, np.full(components, np.inf), np.full(components, -np.inf))

    @classmethod
    def of(cls, values: Array) -> "Moments":
        """Of the rows of an array (T, D)."""
        return cls.of_components(np.ascontiguousarray(np.asarray(values, dtype=np.float64).T))

    @classmethod
    def of_components(cls, values: Array) -> "Moments":
        """Of an array (D, T) of float64, where each component lies in one piece: several times as fast."""
        components, rows = values.shape
        if not rows:
            return cls.none(components)
        total, deviations, low, high = np.empty((4, components))
        away = np.empty(rows)
        with np.errstate(invalid="ignore", over="ignore"):
            for i, numbers in enumerate(values):  # one after the other: each stays in the processor's cache meanwhile
                total[i], low[i], high[i] = numbers.sum(), numbers.min(), numbers.max()
                np.subtract(numbers, total[i] / rows, out=away)
                deviations[i] = np.einsum("i,i->", away, away)
            if np.isnan(total).any():
                return cls._of_some(values)
            return cls(np.full(components, rows), total / rows, deviations, low, high)

    @classmethod
    def _of_some(cls, values: Array) -> "Moments":
        """Of an array (D, T) with NaN in it, or infinite numbers of both signs."""
        there = ~np.isnan(values)
        count = there.sum(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):
            mean = np.where(there, values, 0.0).sum(axis=1) / np.maximum(count, 1)
            deviations = (np.where(there, values - mean[:, None], 0.0) ** 2).sum(axis=1)
        low, high = np.where(there, values, np.inf).min(axis=1), np.where(there, values, -np.inf).max(axis=1)
        return cls(count, mean, deviations, low, high)

    @classmethod
    def of_counts(cls, values: Array, counts: Array) -> "Moments":
        """Of numbers (V,) that each component has so often: counts (D, V)."""
        count = counts.sum(axis=1)
        mean = counts @ values / np.maximum(count, 1)
        deviations = (counts * (values - mean[:, None]) ** 2).sum(axis=1)
        there = counts > 0
        low, high = np.where(there, values, np.inf).min(axis=1), np.where(there, values, -np.inf).max(axis=1)
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
    def std(self) -> Array:
        """Standard deviation of the numbers themselves (divided by their count); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.deviations / self.count)
