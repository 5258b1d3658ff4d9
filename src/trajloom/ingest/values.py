"""One value of an item: an array of numbers, which can be a column, or something odd, which is kept beside them."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import numpy as np

from trajloom.errors import SchemaError
from trajloom.schema import ELEMENT_TYPES
from trajloom.tables import Array

SCALARS = (bool, int, float, np.generic)


@dataclass(frozen=True)
class Odd:
    """A value that no column holds."""

    value: Any
    """A text, something that is JSON, or an array of an element type or shape that columns have not."""

    @property
    def json(self) -> str:
        return json.dumps(self.value, sort_keys=True)

    def same(self, other: "Odd | None") -> bool:
        """Whether another is equal to the bit."""
        mine, theirs = self.value, None if other is None else other.value
        if mine is theirs:
            return True
        if isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray):
            return (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
        return type(mine) is type(theirs) and not isinstance(mine, np.ndarray) and self.json == Odd(theirs).json


Value = Array | Odd


def flat(item: Mapping[Any, Any], prefix: str = "") -> dict[str, Value]:
    """The values of an item by path: nested dicts are groups, and None is absent; SchemaError names what cannot be."""
    found: dict[str, Value] = {}
    for path, value in _leaves(item, prefix):
        if path in found:
            raise SchemaError(f"{path} is there twice, nested and with slashes in its name")
        found[path] = plain(value, path)
    inside = [path for path in found if any(path.startswith(f"{other}/") for other in _groups_of(path, found))]
    if inside:
        raise SchemaError(f"{inside[0]} lies within another value")
    return found


def _groups_of(path: str, found: Mapping[str, Value]) -> list[str]:
    parts = path.split("/")
    return [group for n in range(1, len(parts)) if (group := "/".join(parts[:n])) in found]


def _leaves(item: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        path = f"{prefix}{key}"
        if not all(path.split("/")):
            raise SchemaError(f"{path!r} is no name of a column")
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/")
        elif value is not None:
            yield path, value


def plain(value: Any, path: str = "value") -> Value:
    """A value as an array of one of our element types, or as something odd; SchemaError where it is neither."""
    if isinstance(value, str):
        return Odd(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return Odd(np.frombuffer(bytes(value), np.uint8))
    if isinstance(value, date | time | datetime | np.datetime64 | np.timedelta64):
        return Odd(str(value) if isinstance(value, np.generic) else value.isoformat())
    if isinstance(value, SCALARS):
        return _array_or_odd(np.asarray(value), path)
    if isinstance(value, np.ndarray):
        return _array_or_odd(value, path)
    return _of_object(value, path)


def _of_object(value: Any, path: str) -> Value:
    """Torch tensors, Pillow images, tables and lists, known by what they can do."""
    if callable(getattr(value, "detach", None)) and callable(getattr(value, "cpu", None)):
        return _array_or_odd(_tensor(value), path)
    if hasattr(value, "getbands") and hasattr(value, "convert"):
        return _array_or_odd(np.asarray(value if value.mode in _MODES else value.convert("RGB")), path)
    if isinstance(value, list | tuple):
        return _of_list(value, path)
    if hasattr(value, "__array__") or callable(getattr(value, "to_numpy", None)):
        array = value.to_numpy() if callable(getattr(value, "to_numpy", None)) else np.asarray(value)
        return _array_or_odd(np.asarray(array), path)
    return _json(value, path)


_MODES = ("1", "L", "RGB", "RGBA", "I", "F", "I;16")
"""Pillow's modes whose arrays are what one sees; others become RGB."""


def _tensor(value: Any) -> Array:
    value = value.detach().cpu()
    try:
        return value.numpy()
    except TypeError:  # NumPy has no bfloat16
        return value.float().numpy()


def _of_list(value: Any, path: str) -> Value:
    """A list as an array where it is regular and of numbers; else as JSON."""
    try:
        array = np.asarray([plain(part, path) if not isinstance(part, SCALARS) else part for part in value])
    except ValueError:
        return _json(value, path)
    return _array_or_odd(array, path) if array.dtype.kind in "biuf" and array.size else _json(value, path)


def _array_or_odd(array: Array, path: str) -> Value:
    if array.dtype.kind == "O":
        return _json(array.tolist(), path)
    if array.dtype.kind in "mMSUV":
        return _json(array.astype(str).tolist(), path)
    array = array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    return Odd(array) if array.dtype.name not in ELEMENT_TYPES or not array.size else array


def _json(value: Any, path: str) -> Odd:
    try:
        return Odd(json.loads(json.dumps(value, default=_listed)))
    except (TypeError, ValueError) as error:
        raise SchemaError(
            f"{path} is of {type(value).__name__}, which is no number, array, text or JSON; let transform_fn make one"
        ) from error


def _listed(value: Any) -> Any:
    """Arrays and NumPy's numbers within JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Odd):
        return value.value
    raise TypeError(type(value).__name__)


def fillable(array: Array) -> bool:
    """Whether steps may lack it: numbers have NaN for that, which pictures and truth values have not."""
    return array.dtype.kind in "fiu" and not (array.dtype == np.uint8 and array.ndim >= 2)


def nbytes(value: Any) -> int:
    """About how many bytes an item takes as it comes, in memory and on its way."""
    if isinstance(value, Mapping):
        return sum(nbytes(part) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(nbytes(part) for part in value) if len(value) <= 1000 else len(value) * nbytes(value[0])
    if isinstance(value, str | bytes):
        return len(value)
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if hasattr(value, "getbands") and hasattr(value, "size"):
        return math.prod(value.size) * len(value.getbands())
    inside = getattr(value, "__dict__", None)
    return sum(nbytes(part) for part in inside.values()) if inside else 64
