"""From items to columns: all at once where they are alike, else one by one, naming what does not fit."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from trajloom.errors import SchemaError
from trajloom.ingest.values import Odd, Value, fillable, flat, plain
from trajloom.tables import Array

Item = Mapping[str, Any]
_dtype, _shape = attrgetter("dtype"), attrgetter("shape")


@dataclass
class Columns:
    """The values of N steps by path."""

    length: int
    arrays: dict[str, Array] = field(default_factory=dict)
    """(N, ...) each."""
    odd: dict[str, list[Odd | None]] = field(default_factory=dict)
    """One a step."""
    once: dict[str, list[Odd]] = field(default_factory=dict)
    """What belongs to a whole trajectory, as often as it was said."""


# ---- items that are alike --------------------------------------------------------------------------------------


def alike(items: Sequence[Item]) -> Columns | None:
    """Columns of steps that all have the same names, types and shapes; None where they do not."""
    found = Columns(len(items))
    return found if _gather(items, "", found) and not _nested_in_a_value(found) else None


def _gather(items: Sequence[Item], prefix: str, found: Columns) -> bool:
    if set(map(type, items)) != {dict} or len(set(map(len, items))) != 1:
        return False
    for key in items[0]:
        if not isinstance(key, str) or not all(key.split("/")):
            return False
        try:
            values = [item[key] for item in items]
        except KeyError:
            return False
        if not _put(values, f"{prefix}{key}", found):
            return False
    return True


def _put(values: list[Any], path: str, found: Columns) -> bool:
    kinds = set(map(type, values))
    if path in found.arrays or path in found.odd:
        return False
    if kinds == {str}:
        texts = {text: Odd(text) for text in set(values)}
        found.odd[path] = [texts[text] for text in values]
        return True
    if kinds == {dict}:
        return _gather(values, f"{path}/", found)
    array = _stacked(values, kinds)
    if array is None:
        return False
    found.arrays[path] = array
    return True


def _stacked(values: list[Any], kinds: set[type]) -> Array | None:
    """One array of all values, of the element type that holds them all."""
    if kinds == {np.ndarray}:
        shapes, dtypes = set(map(_shape, values)), set(map(_dtype, values))
        if len(shapes) != 1 or not all(dtype.kind in "biuf" and dtype.itemsize <= 8 for dtype in dtypes):
            return None
        shape = shapes.pop()
        if 0 in shape:
            return None
        array = _end_to_end(values, dtypes).reshape(len(values), *shape) if shape else np.array(values)
    elif kinds <= {bool, int, float} or all(issubclass(kind, np.generic) for kind in kinds):
        array = np.array(values)
    elif kinds == {list}:
        return _of_lists(values)
    else:
        return _of_objects(values)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        return None
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _end_to_end(values: list[Any], dtypes: set[np.dtype]) -> Array:
    if len(dtypes) == 1:
        # four times as fast as NumPy for short vectors
        with suppress(TypeError, BufferError, ValueError):
            return np.frombuffer(b"".join(values), next(iter(dtypes)))
    return np.concatenate(values)


def _of_lists(values: list[Any]) -> Array | None:
    try:
        array = np.array(values)
    except ValueError:
        return None
    return array if array.dtype.kind in "biuf" and array.size else None


def _of_objects(values: list[Any]) -> Array | None:
    """Tensors, pictures and mixed numbers; None where one of them is no array."""
    try:
        arrays = [plain(value) if value is not None else None for value in values]
    except SchemaError:
        return None
    if not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    return _stacked(arrays, {np.ndarray})


def _nested_in_a_value(found: Columns) -> bool:
    names = {*found.arrays, *found.odd}
    return any(name[:at] in names for name in names for at, letter in enumerate(name) if letter == "/")


# ---- items one by one ------------------------------------------------------------------------------------------


@dataclass
class Gatherer:
    """Takes the items of one trajectory, each as a step; the first that has a value says what others must be."""

    kinds: dict[str, tuple[int, ...] | None] = field(default_factory=dict)
    """Path -> shape, or None for what is odd."""
    first: dict[str, Value] = field(default_factory=dict)
    """Values of the first item."""
    steps: list[dict[str, Value]] = field(default_factory=list)

    def take(self, item: Item) -> None:
        """Take an item; SchemaError says why it does not fit."""
        values = flat(item)
        faults = [fault for name, value in values.items() if (fault := self._fault(name, value))]
        if self.steps:
            faults += [f"lacks {name}, which its trajectory has" for name in self._must() if name not in values]
        if faults:
            raise SchemaError("; ".join(faults))
        if not self.steps:
            self.first = values
        self.kinds.update({name: _kind(value) for name, value in values.items()})
        self.steps.append(values)

    def _must(self) -> list[str]:
        """What no step may lack when the first has it."""
        there = [name for name, value in self.first.items() if isinstance(value, np.ndarray)]
        return [n for n in there if n == "timestamp" or not fillable(self.first[n])]  # pyright: ignore

    def _fault(self, name: str, value: Value) -> str | None:
        if name in self.kinds:
            same = self.kinds[name] == _kind(value)
            return (
                None if same else f"{name} is {_said(_kind(value))}; in its trajectory it is {_said(self.kinds[name])}"
            )
        unfillable = name == "timestamp" or (isinstance(value, np.ndarray) and not fillable(value))
        if self.steps and unfillable:
            return f"{name} is not in the first item of its trajectory"
        inside = [n for n in self.kinds if n.startswith(f"{name}/") or name.startswith(f"{n}/")]
        return f"{name} and {inside[0]} cannot both be there" if inside else None

    def columns(self) -> Columns:
        """What was taken; numbers that a step lacks are NaN."""
        found = Columns(len(self.steps))
        for name, kind in self.kinds.items():
            values = [step.get(name) for step in self.steps]
            if kind is None:
                found.odd[name] = values  # pyright: ignore
            else:
                found.arrays[name] = _filled(values)  # pyright: ignore
        return found


def _filled(values: Sequence[Array | None]) -> Array:
    present = [value for value in values if value is not None]
    stacked = np.stack(present)
    if len(present) == len(values):
        return stacked
    dtype = stacked.dtype if stacked.dtype.kind == "f" else np.dtype(np.float64)
    out = np.full((len(values), *stacked.shape[1:]), np.nan, dtype)
    out[[value is not None for value in values]] = stacked
    return out


def _kind(value: Value) -> tuple[int, ...] | None:
    return None if isinstance(value, Odd) else value.shape


def _said(kind: tuple[int, ...] | None) -> str:
    return "no array of numbers" if kind is None else f"an array of shape {kind}"
