"""Bytes of ROS messages into arrays: CDR of ROS 2, and ROS 1's own."""

import struct
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats.mcap.definitions import Message
from trajloom.tables import Array

Value = Array | str
"""A number or array of a field, or why it is none."""
TEXT = "text"
UNEVEN = "a list of lists of different lengths"

_CDR: Mapping[int, tuple[Literal["<", ">"], int]] = {0: (">", 8), 1: ("<", 8), 6: (">", 4), 7: ("<", 4)}
"""Kind of encapsulation -> byte order, and the coarsest alignment."""


def values_of(message: Message, data: memoryview, ros1: bool = False) -> dict[str, Value]:
    """Path of each field -> its value; stamps of headers are left out.

    Raises:
        DamagedFileError: The data is shorter than the definition says.
    """
    if ros1:
        return _Cursor(data, 0, "<", 1).message(message)
    if len(data) < 4 or (data[0] << 8 | data[1]) not in _CDR:
        raise DamagedFileError(f"it begins with {bytes(data[:4]).hex() or 'nothing'}, which is no plain CDR")
    order, coarsest = _CDR[data[0] << 8 | data[1]]
    return _Cursor(data[4:], 0, order, coarsest).message(message)


class _Cursor:
    """A place in a message's bytes. With `coarsest` 1 nothing is aligned, as in ROS 1."""

    def __init__(self, data: memoryview, at: int, order: Literal["<", ">"], coarsest: int):
        self._data, self._at, self._coarsest = data, at, coarsest
        self._order: Literal["<", ">"] = order
        self._count = struct.Struct(f"{order}I")

    def message(self, message: Message) -> dict[str, Value]:
        found: dict[str, Value] = {}
        if not message.fields and self._coarsest > 1:
            self._take(1, 1)  # CDR has no empty structures: ROS 2 puts a byte there
        for field in message.fields:
            if isinstance(field.kind, Message):
                inner = self._one_or_many(field.kind, field.length)
                if not (message.name == "std_msgs/Header" and field.name == "stamp"):
                    found.update({f"{field.name}/{path}": value for path, value in inner.items()})
            elif isinstance(field.kind, str):
                self._texts(field.length)
                found[field.name] = TEXT
            else:
                found[field.name] = self._numbers(field.kind, field.length)
        return found

    def _one_or_many(self, message: Message, length: int | None) -> Mapping[str, Value]:
        if length is None:
            return self.message(message)
        return stacked([self.message(message) for _ in range(self._length(length, 1))])

    def _texts(self, length: int | None) -> None:
        for _ in range(1 if length is None else self._length(length, 4)):
            self._take(self._length(-1, 1), 1)

    def _numbers(self, dtype: np.dtype, length: int | None) -> Array:
        count = 1 if length is None else self._length(length, dtype.itemsize)
        if not count:
            return np.empty(0, dtype)
        start = self._take(count * dtype.itemsize, dtype.itemsize)
        if dtype.kind == "b":  # any byte but 0 is true
            found = np.frombuffer(self._data, dtype=np.uint8, count=count, offset=start) != 0
        else:
            ordered = dtype.newbyteorder(self._order)
            found = np.frombuffer(self._data, dtype=ordered, count=count, offset=start).astype(dtype, copy=False)
        return found[0:1].reshape(()) if length is None else found

    def _length(self, length: int, each: int) -> int:
        """Length of an array or list, no more than what is left can hold."""
        if length < 0:
            (length,) = self._count.unpack_from(self._data, self._take(4, 4))
        left = len(self._data) - self._at
        if length * each > left:
            raise DamagedFileError(f"a list of {length:,} at byte {self._at}, where {left:,} bytes are left")
        return length

    def _take(self, size: int, align: int) -> int:
        step = min(align, self._coarsest)
        start = -(-self._at // step) * step
        if start + size > len(self._data):
            raise DamagedFileError(f"it ends after {len(self._data):,} bytes, where {start + size:,} are needed")
        self._at = start + size
        return start


def stacked(each: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Fields of a list of messages, with the list as the first axis."""
    found: dict[str, Value] = {}
    for path in {path: None for one in each for path in one}:
        values = [one.get(path, UNEVEN) for one in each]
        said = next((value for value in values if isinstance(value, str)), None)
        if said is not None:
            found[path] = said
        elif len({value.shape for value in values if not isinstance(value, str)}) > 1:
            found[path] = UNEVEN
        else:
            found[path] = np.stack([np.asarray(value) for value in values])
    return found
