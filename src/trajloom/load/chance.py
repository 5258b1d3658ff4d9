"""Chance for many items at once: what an item draws depends on the seed and its number alone."""

import numpy as np

from trajloom.seeding import Key, rng_for
from trajloom.tables import Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_BITS = (1 << 64) - 1
_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


def key_of(seed: int, *key: Key) -> np.uint64:
    """64 bits that say which stream is meant; see `seeding.rng_for`."""
    return np.uint64(rng_for(seed, *key).integers(0, 1 << 64, dtype=np.uint64))


def mixed(numbers: Array, key: np.uint64) -> Array:
    """(B,) uint64. Bits that look random, one of each number, the same in every release.

    Source:
        Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014 (SplitMix64).
    """
    z = numbers.astype(np.uint64, copy=False) * _GOLDEN
    z += np.uint64((int(_GOLDEN) + int(key)) & _BITS)
    # in place, since a shuffle does this for every item six times and more
    shifted = np.empty_like(z)
    for shift, factor in _ROUNDS:
        z ^= np.right_shift(z, shift, out=shifted)
        z *= factor
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def uniform(numbers: Array, key: np.uint64) -> Array:
    """(B,) float64 in [0, 1). One of each number."""
    return (mixed(numbers, key) >> np.uint64(11)) * 2.0**-53
