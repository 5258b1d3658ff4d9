"""In which order a stream goes through its items: a function from place to item, so that it can begin anywhere."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from trajloom.load import chance
from trajloom.seeding import rng_for
from trajloom.tables import Array

ROUNDS = 6
"""Of the Feistel network; four are known to do."""


class Order(Protocol):
    """A permutation of the numbers from 0 to `count` - 1."""

    @property
    def count(self) -> int: ...

    def of(self, places: Array) -> Array:
        """(B,) int64. The items at some places (B,)."""
        ...


@dataclass(frozen=True)
class Straight:
    """One after the other."""

    count: int

    def of(self, places: Array) -> Array:
        return places


@dataclass(frozen=True)
class Shuffled:
    """A random permutation of everything that takes no memory.

    Source:
        Black, Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002: a Feistel network on the next square of a
        power of two, walked on while it leaves the domain.
    """

    count: int
    key: np.uint64

    @cached_property
    def _half_bits(self) -> int:
        return max(1, ((self.count - 1).bit_length() + 1) // 2)

    @cached_property
    def _round_keys(self) -> Array:
        return chance.mixed(np.arange(ROUNDS), self.key)

    def of(self, places: Array) -> Array:
        out = self._walked(places.astype(np.uint64))
        while len(outside := np.flatnonzero(out >= self.count)):
            out[outside] = self._walked(out[outside])
        return out.astype(np.int64)

    def _walked(self, numbers: Array) -> Array:
        bits = np.uint64(self._half_bits)
        low = np.uint64((1 << self._half_bits) - 1)
        left, right = numbers >> bits, numbers & low
        for key in self._round_keys:
            drawn = chance.mixed(right, key)
            drawn &= low
            drawn ^= left
            left, right = right, drawn
        return (left << bits) | right


@dataclass(frozen=True)
class Blocks:
    """Blocks of neighbours in random order, some of them mixed at a time: reads a disk in long runs."""

    count: int
    seed: int
    epoch: int
    block: int
    """Items of a block."""
    mixed: int
    """Blocks that are mixed at a time."""

    @cached_property
    def blocks(self) -> Array:
        """The blocks in the order in which they come."""
        total = -(-self.count // self.block)
        return rng_for(self.seed, "blocks", self.epoch).permutation(total)

    @cached_property
    def _starts(self) -> Array:
        """Place of the first item of each mix, and `count`."""
        sizes = np.minimum(self.count - self.blocks * self.block, self.block)
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return np.append(ends[: -1 : self.mixed], self.count) if len(sizes) else np.zeros(1, np.int64)

    def of(self, places: Array) -> Array:
        mixes = np.searchsorted(self._starts, places, side="right") - 1
        out = np.empty(len(places), np.int64)
        for mix in np.unique(mixes):
            here = mixes == mix
            out[here] = _mix(self, int(mix))[places[here] - self._starts[mix]]
        return out


@lru_cache(maxsize=4)
def _mix(order: Blocks, number: int) -> Array:
    """The items of one mix, in the order in which they come."""
    blocks = order.blocks[number * order.mixed : (number + 1) * order.mixed]
    spans = [np.arange(b * order.block, min((b + 1) * order.block, order.count)) for b in blocks.tolist()]
    return rng_for(order.seed, "mix", order.epoch, number).permutation(np.concatenate(spans))
