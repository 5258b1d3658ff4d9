"""Items of our own: a source may hand out the same buffers again and again, filled anew each time.

A driver or an environment often has one array for each of its observations. What it hands out is copied before the next
item is drawn, because a trajectory is kept until all of its items are there.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_FIXED = frozenset((bool, int, float, str, bytes, type(None)))


def owned(value: Any) -> Any:
    """A value that shares no memory with this one: arrays, tensors, pictures and buffers are copied.

    So are the dicts, lists, tuples and dataclasses that hold them. Objects of another kind stay as they are.
    """
    kind = type(value)
    if kind is np.ndarray:
        return value.copy()
    if kind is dict:
        return {key: owned(part) for key, part in value.items()}
    return value if kind in _FIXED else _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, list | tuple):
        parts = map(owned, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, np.ndarray | bytearray) or (hasattr(value, "getbands") and hasattr(value, "convert")):
        return value.copy()
    if isinstance(value, memoryview):
        return value.tobytes()
    if callable(getattr(value, "detach", None)) and callable(getattr(value, "clone", None)):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: owned(part) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value)
    return value


def _dataclass(value: Any) -> Any:
    new = copy(value)
    for field in fields(value):
        if hasattr(value, field.name):
            object.__setattr__(new, field.name, owned(getattr(value, field.name)))  # it may be frozen
    return new
