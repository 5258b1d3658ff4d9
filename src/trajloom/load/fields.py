"""From rows side by side to the columns of an item: views of the gathered block, under the item's names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from trajloom.edit.images import image_of
from trajloom.errors import SettingsError
from trajloom.load.groups import Group, Slot
from trajloom.tables import Array

Images = Literal["uint8", "float32"]
"""Colour images as they are, or as float32 from 0 to 1."""


@dataclass(frozen=True)
class Field:
    """One column in an item."""

    keys: tuple[str, ...]
    """Its place: ("obs", "robot0_eef_pos")."""
    slot: Slot
    channels_first: bool = False
    as_float: bool = False

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return self.slot.column.shape

    @cached_property
    def bounds(self) -> tuple[int, int]:
        """Its first element in a row, and the one after its last."""
        return self.slot.start, self.slot.stop

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


def as_arrays(
    block: Array, fields: Sequence[Field], tree: dict[str, Any], own: Callable[[Array], Any] | None = None
) -> None:
    """Put views of a block (..., width) into a tree, each as `own` makes it."""
    for field in fields:
        start, stop = field.bounds
        values = block[..., start:stop]
        if len(field.shape) != 1:
            values = values.reshape(*block.shape[:-1], *field.shape)
        values = _image(values, field, lambda x: np.moveaxis(x, -1, -3), _scaled_array)
        put(tree, field.keys, values if own is None else own(values))


def as_tensors(block: Array, fields: Sequence[Field], tree: dict[str, Any], own: Callable[[Array], Any]) -> None:
    """Put views of the tensor that `own` makes of a block (..., width) into a tree.

    They share its storage, which goes to another process once, with all of them.
    """
    for field, values in zip(fields, _pieces(own(block), fields), strict=True):
        if not field.shape:
            values = values[..., 0]
        elif len(field.shape) > 1:
            values = values.unflatten(-1, field.shape)
        put(tree, field.keys, _image(values, field, lambda x: x.movedim(-1, -3), _scaled_tensor))


def _pieces(block: Any, fields: Sequence[Field]) -> Sequence[Any]:
    """The fields' parts of a tensor's last axis; all of them in one call where they fill it."""
    sizes = [stop - start for start, stop in (field.bounds for field in fields)]
    if sum(sizes) == block.shape[-1]:
        return block.split(sizes, -1)
    return [block.narrow(-1, field.bounds[0], size) for field, size in zip(fields, sizes, strict=True)]


def _image(values: Any, field: Field, move: Callable[[Any], Any], scaled: Callable[[Any], Any]) -> Any:
    if field.as_float:
        values = scaled(values)
    if field.channels_first:
        values = move(values)
    return values


def _scaled_array(values: Array) -> Array:
    return np.multiply(values, np.float32(1 / 255), dtype=np.float32)


def _scaled_tensor(values: Any) -> Any:
    return values.float().mul_(1 / 255)
