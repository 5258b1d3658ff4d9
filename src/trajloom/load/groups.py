"""How columns lie side by side: those of one element type share a file whose row is a step; images have their own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from trajloom.edit.images import image_of
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import ELEMENT_TYPES, Column

VERSION = 2
"""Of the layout of packed records."""
APART_BYTES = 4096
"""A column whose row is at least so large has a file of its own, as images do."""

Dtype = str | Mapping[str, str] | None
"""Element type of all float columns; or of columns by name, where the name "float" stands for all other float columns;
or None: that of the source."""
FLOATS = "float"
Packed = Literal["raw", "png"]
"""How images are packed: as they are, or compressed without loss, to be unpacked for each batch."""


@dataclass(frozen=True)
class Slot:
    """Where a column lies in the rows of its group."""

    column: Column
    """With the element type that it is packed in."""
    start: int
    """Its first element."""

    @property
    def stop(self) -> int:
        return self.start + self.column.size


@dataclass(frozen=True)
class Group:
    """Columns of one element type that share a file."""

    dtype: str
    slots: tuple[Slot, ...]
    png: bool = False
    """Whether it is a column of images, each packed as PNG."""

    @cached_property
    def width(self) -> int:
        """Elements of a row."""
        return self.slots[-1].stop

    @property
    def apart(self) -> bool:
        """Whether it is one column that has a file of its own."""
        return len(self.slots) == 1 and _is_apart(self.slots[0].column)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of a row."""
        return self.width * np.dtype(self.dtype).itemsize

    @property
    def file(self) -> str:
        """Its file's name: a hash of all that decides its bytes, given the dataset."""
        told = [VERSION, self.dtype, [[slot.column.name, list(slot.column.shape)] for slot in self.slots]]
        name = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
        return f"{name}.pngs" if self.png else f"{name}.rows"


def grouped(columns: Sequence[Column], dtype: Dtype, images: Packed = "raw") -> tuple[Group, ...]:
    """The groups of some columns, in the order of their first columns.

    Args:
        columns: As the source has them.
        dtype: What they are packed as.
        images: How images are packed.

    Raises:
        SettingsError: There is no such element type, or it is not for these columns.
        UnknownNameError: `dtype` names a column that is not chosen.
    """
    if images not in ("raw", "png"):
        raise SettingsError(f"cached_images must be 'raw' or 'png', got {images!r}")
    kinds = _packed_types(columns, dtype)
    members: dict[str, list[Column]] = {}
    for column in columns:
        packed = replace(column, dtype=kinds[column.name])
        members.setdefault(column.name if _is_apart(packed) else f"//{packed.dtype}", []).append(packed)
    return tuple(_group(found, images == "png") for found in members.values())


def _is_apart(column: Column) -> bool:
    return column.encoding == "image" or column.nbytes >= APART_BYTES


def _is_picture(column: Column) -> bool:
    """Whether a column can be PNGs."""
    return column.encoding == "image" and image_of(column) is not None and column.size > 0


def _group(columns: Sequence[Column], png: bool) -> Group:
    starts = np.cumsum([0, *(column.size for column in columns)])
    slots = tuple(Slot(c, int(s)) for c, s in zip(columns, starts, strict=False))
    return Group(columns[0].dtype, slots, png and _is_picture(columns[0]))


def _packed_types(columns: Sequence[Column], dtype: Dtype) -> dict[str, str]:
    found = {column.name: column.dtype for column in columns}
    if dtype is None:
        return found
    asked = {FLOATS: dtype} if isinstance(dtype, str) else dict(dtype)
    floats = asked.pop(FLOATS, None)
    if floats not in (None, "float16", "float32", "float64"):
        raise SettingsError(f"floats can be packed as 'float16', 'float32' or 'float64', not as {floats!r}")
    unknown = sorted(set(asked) - set(found))
    if unknown:
        raise UnknownNameError("column", ", ".join(unknown), found)
    told = {name: floats for name, kind in found.items() if floats and kind.startswith("float")} | asked
    wrong = sorted({kind for kind in told.values() if kind not in ELEMENT_TYPES})
    if wrong:
        raise SettingsError(f"no element type {', '.join(wrong)}; there are: {', '.join(ELEMENT_TYPES)}")
    lossy = [f"{n}: {found[n]} as {kind}" for n, kind in told.items() if not np.can_cast(found[n], kind, "same_kind")]
    if lossy:
        raise SettingsError(f"columns cannot be packed so without losing what they are: {', '.join(lossy)}")
    return {**found, **told}
