"""Protocol buffers as they lie in bytes: fields of a message, and packed numbers. Nothing here recurses."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from trajloom.tables import Array

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10
_BLOCK_BYTES = 1 << 20
"""Packed numbers are counted, and found again, by blocks of this size."""


class WireError(ValueError):
    """Bytes that are no such message; readers turn it into a DamagedFileError that says where."""


class Span(NamedTuple):
    """A field: its number and kind, and the bytes [start, stop) of its content."""

    number: int
    kind: int
    start: int
    stop: int


def varint(data: Any, at: int, stop: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = 0
    for i in range(_MAX_VARINT):
        if at + i >= stop:
            raise WireError(f"a number is cut short at byte {at}")
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + i + 1
    raise WireError(f"a number at byte {at} has more than {_MAX_VARINT} bytes")


def fields(data: Any, start: int, stop: int) -> Iterator[Span]:
    """The fields of the message in bytes [start, stop), in their order."""
    at = start
    while at < stop:
        tag, at = varint(data, at, stop)
        number, kind = tag >> 3, tag & 7
        first = at
        if kind == VARINT:
            _, at = varint(data, at, stop)
        elif kind == BYTES:
            size, first = varint(data, at, stop)
            at = first + size
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise WireError(f"a field of kind {kind} at byte {at}, which is none")
        if at > stop:
            raise WireError(f"field {number} at byte {first} goes beyond its message by {at - stop} bytes")
        if not number:
            raise WireError(f"a field without a number before byte {first}")
        yield Span(number, kind, first, at)


def varints(data: Any, start: int, stop: int) -> Array:
    """Packed numbers, (n,) int64."""
    raw = np.frombuffer(data[start:stop], dtype=np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    if len(raw) and (not len(ends) or ends[-1] != len(raw) - 1):
        raise WireError(f"packed numbers are cut short at byte {stop}")
    if len(ends) == len(raw):
        return raw.astype(np.int64)
    begins = np.concatenate([[0], ends[:-1] + 1])
    sizes = ends - begins + 1
    if sizes.max() > _MAX_VARINT:
        raise WireError(f"a packed number has {sizes.max()} bytes, more than {_MAX_VARINT}")
    values = np.zeros(len(ends), dtype=np.uint64)
    for i in range(int(sizes.max())):
        has = np.flatnonzero(sizes > i)
        values[has] |= (raw[begins[has] + i] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * i)
    return values.view(np.int64)


@dataclass(frozen=True)
class Varints:
    """Packed numbers in bytes [start, stop), decoded as they are asked for."""

    data: Any
    start: int
    stop: int

    def __len__(self) -> int:
        return int(self._before[-1])

    def between(self, first: int, last: int) -> Array:
        """Numbers `first` to `last` - 1, (n,) int64; WireError where they are none."""
        begin = int(np.searchsorted(self._before, first, side="right")) - 1
        end = int(np.searchsorted(self._before, last))
        a = self._number_start(self.start + begin * _BLOCK_BYTES)
        b = self._number_start(min(self.start + end * _BLOCK_BYTES, self.stop))
        skipped = first - int(self._before[begin])
        return varints(self.data, a, b)[skipped : skipped + last - first]

    @cached_property
    def _before(self) -> Array:
        """(blocks + 1,) int64. Numbers that end before each block, and at last all of them."""
        starts = range(self.start, self.stop, _BLOCK_BYTES)
        counts = [self._ends(at, min(at + _BLOCK_BYTES, self.stop)) for at in starts]
        if self.stop > self.start and self.data[self.stop - 1] >= 0x80:
            raise WireError(f"packed numbers are cut short at byte {self.stop}")
        return np.cumsum([0, *counts], dtype=np.int64)

    def _ends(self, start: int, stop: int) -> int:
        return int(np.count_nonzero(np.frombuffer(self.data[start:stop], dtype=np.uint8) < 0x80))

    def _number_start(self, at: int) -> int:
        """Where the number begins that goes on at a byte; the byte itself where one begins there, or all end."""
        for _ in range(_MAX_VARINT):
            if not self.start < at < self.stop or self.data[at - 1] < 0x80:
                break
            at -= 1
        return at
