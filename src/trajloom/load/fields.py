"""From rows side by side to the columns of an item: views of the gathered rows, under the item's names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from trajloom.edit.images import image_of
from trajloom.errors import SettingsError
from trajloom.load.groups import Group, Slot
from trajloom.tables import Array

Images = Literal["uint8", "float32"]
"""Colour images as they are, or as float32 from 0 to 1."""
BYTE = np.float32(1 / 255)
"""A step of a byte, where 255 is 1."""


@dataclass(frozen=True)
class Field:
    """One column in an item."""

    keys: tuple[str, ...]
    """Its place: ("obs", "robot0_eef_pos")."""
    slot: Slot
    channels_first: bool = False
    as_float: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.slot.column.shape

    @property
    def path(self) -> str:
        return "/".join(self.keys)


def fields_of(
    group: Group, keys: Mapping[str, tuple[str, ...]], images: Images, channels_first: bool
) -> tuple[Field, ...]:
    """The fields of a group's columns, those that are color images in the form asked for."""
    if images not in ("uint8", "float32"):
        raise SettingsError(f"images must be 'uint8' or 'float32', got {images!r}")
    found = []
    for slot in group.slots:
        image = image_of(slot.column) if slot.column.name in keys else None
        first = channels_first and image is not None and len(slot.column.shape) == 3
        found.append(Field(keys[slot.column.name], slot, first, image == "color" and images == "float32"))
    return tuple(found)


def put(tree: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    """Put a value at its place in a nested dict."""
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


class Form(NamedTuple):
    """What a batch is made of: arrays or tensors."""

    own: Callable[[Array], Any]
    """Makes an array one of them."""
    one_piece: bool = False
    """Whether the columns are made views after that, not before: twice the time, but they share one storage, which goes
    to another process once."""


class Cut:
    """How gathered rows are cut into the columns of an item: views of one piece of memory, under the item's names.

    From one step to the next it is as far as the rows are wide; a column in one piece is `contiguous` of it.
    """

    def __init__(self, fields: Sequence[Field], width: int):
        """Args:
        fields: The columns that are wanted, in the order of their slots.
        width: Elements of a row.
        """
        self.fields = tuple(fields)
        self._parts = [(field.keys, _part(field), field if len(field.shape) > 1 else None) for field in fields]
        self._sizes = [field.slot.stop - field.slot.start for field in fields]
        self._full = sum(self._sizes) == width

    def put(self, block: Array, form: Form, tree: dict[str, Any]) -> None:
        """Put the columns of rows (..., width) into a tree."""
        if form.one_piece:
            self._put_tensors(form.own(block), tree)
            return
        for keys, part, shaped in self._parts:
            values = block[part]
            if shaped is not None:
                values = _shaped_array(values.reshape(*block.shape[:-1], *shaped.shape), shaped)
            put(tree, keys, form.own(values))

    def _put_tensors(self, block: Any, tree: dict[str, Any]) -> None:
        for field, values in zip(self.fields, self._pieces(block), strict=True):
            if not field.shape:
                values = values.squeeze(-1)
            elif len(field.shape) > 1:
                values = _shaped_tensor(values.view(*block.shape[:-1], *field.shape), field)
            put(tree, field.keys, values)

    def _pieces(self, block: Any) -> Sequence[Any]:
        """The fields' parts of a tensor's last axis; all of them in one call where they fill it."""
        if self._full:
            return block.split_with_sizes(self._sizes, -1)
        return [block.narrow(-1, f.slot.start, size) for f, size in zip(self.fields, self._sizes, strict=True)]


def _part(field: Field) -> tuple[Any, ...]:
    """The index of a column in rows (..., width); a number loses its axis by it, which costs less than a new shape."""
    return (..., slice(field.slot.start, field.slot.stop) if field.shape else field.slot.start)


def _shaped_array(values: Array, field: Field) -> Array:
    values = np.multiply(values, BYTE, dtype=np.float32) if field.as_float else values
    return np.moveaxis(values, -1, -3) if field.channels_first else values


def _shaped_tensor(values: Any, field: Field) -> Any:
    values = values.float().mul_(float(BYTE)) if field.as_float else values
    return values.movedim(-1, -3) if field.channels_first else values
