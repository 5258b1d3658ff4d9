"""Chance for many items at once: what an item draws depends on the seed and its number alone."""

import numpy as np

from trajloom.seeding import Key, rng_for
from trajloom.tables import Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key_of(seed: int, *key: Key) -> np.uint64:
    """64 bits that say which stream is meant; see `seeding.rng_for`."""
    return np.uint64(rng_for(seed, *key).integers(0, 1 << 64, dtype=np.uint64))


def mixed(numbers: Array, key: np.uint64) -> Array:
    """(B,) uint64. Bits that look random, one of each number, the same in every release.

    Source:
        Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014 (SplitMix64).
    """
    with np.errstate(over="ignore"):
        z = (numbers.astype(np.uint64) + np.uint64(1)) * _GOLDEN + key
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(numbers: Array, key: np.uint64) -> Array:
    """(B,) float64 in [0, 1). One of each number."""
    return (mixed(numbers, key) >> np.uint64(11)) * 2.0**-53
