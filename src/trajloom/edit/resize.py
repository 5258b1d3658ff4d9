"""Images of another size."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom.edit.images import image_of
from trajloom.edit.view import PartView, View
from trajloom.errors import MissingExtraError, SettingsError, UnknownNameError
from trajloom.formats import Part, Source
from trajloom.schema import Column, Header, path_of
from trajloom.tables import Array, to_arrow, to_numpy

Method = Literal["area", "bilinear", "nearest"]

METHODS: tuple[Method, ...] = ("area", "bilinear", "nearest")
MAX_SIDE = 16_384
BATCH_BYTES = 8 << 20
"""Of new images: larger batches of the source are cut."""


def resize(
    source: Source, height: int, width: int, *, columns: Sequence[str] | None = None, method: Method = "area"
) -> Source:
    """A dataset with images of another size; they are stretched, nothing is cropped or padded.

    Colour images (uint8, of 1, 3 or 4 channels or none) can be filtered: "area" gives the average of what a new pixel
    covers, to the nearest whole number; "bilinear" is Pillow's triangle filter, smooth where it enlarges too; "nearest"
    chooses a pixel. Each channel is its own: a fourth one is not taken for opacity. Depth, segmentations and masks, and
    everything that is not uint8, always take the nearest pixel: between two depths or labels there is none.

    Camera intrinsics, where columns or attributes hold any, are not adjusted. `camera_heights` and `camera_widths` in
    `env_args` are, where they are one number each and every image was resized.

    Args:
        source: The dataset.
        height, width: In pixels.
        columns: Columns of `steps` to resize; None takes all that `edit.images` knows for images. Named ones may be
            any (H, W) or (H, W, C).
        method: For colour images.

    Raises:
        SettingsError: The size is not sensible, there are no images, or a column's shape is not an image's.
        UnknownNameError: There is no such column or method.
        MissingExtraError: Pillow is not there, and the method needs it.
    """
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise SettingsError(f"height and width must be from 1 to {MAX_SIDE} pixels, got {height} x {width}")
    if method not in METHODS:
        raise UnknownNameError("method of resizing", method, METHODS)
    chosen = _chosen(source.header, columns)
    if method == "bilinear" and any(image_of(column) == "color" for column in chosen):
        _pillow()
    new = {column.name: replace(column, shape=(height, width, *column.shape[2:])) for column in chosen}
    resizing = Resizing(source.header, _resized(source.header, new, height, width), new, method)
    return View(source, resizing.header, resizing)


def _chosen(header: Header, names: Sequence[str] | None) -> list[Column]:
    images = [column for column in header.steps if image_of(column)]
    if names is None:
        if not images:
            there = ", ".join(f"{column.name} {column.dtype} {column.shape}" for column in header.steps)
            raise SettingsError(f"no column holds images; there are: {there or 'no columns'}")
        return images
    known = {column.name: column for column in header.steps}
    for name in names:
        if name not in known:
            raise UnknownNameError("column of images", name, [column.name for column in images])
        if len(known[name].shape) not in (2, 3):
            raise SettingsError(f"{name} has shape {known[name].shape}; an image has (H, W) or (H, W, C)")
    return [known[name] for name in dict.fromkeys(names)]


def _resized(header: Header, new: Mapping[str, Column], height: int, width: int) -> Header:
    layout = without_chunks(header.layout, new)
    every = all(column.name in new for column in header.steps if image_of(column))
    said = f"images were resized to {height} x {width}: {', '.join(new)}; camera intrinsics were not adjusted"
    return header.with_(
        steps=tuple(new.get(column.name, column) for column in header.steps),
        layout=layout,
        env_args=_with_size(header.env_args, height, width) if every else header.env_args,
        warnings=(*header.warnings, said),
    )


def without_chunks(layout: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """A header's layout without how columns, whose size is another now, were cut into chunks."""
    if not isinstance(layout.get("columns"), Mapping):
        return dict(layout)
    gone = {path_of(name) for name in names}
    return {**layout, "columns": {path: how for path, how in layout["columns"].items() if path not in gone}}


def _with_size(env_args: Mapping[str, Any] | None, height: int, width: int) -> Mapping[str, Any] | None:
    """The environment renders what the dataset holds."""
    kwargs = (env_args or {}).get("env_kwargs")
    if env_args is None or not isinstance(kwargs, Mapping):
        return env_args
    sizes = {"camera_heights": height, "camera_widths": width}
    known = {name: size for name, size in sizes.items() if isinstance(kwargs.get(name), int)}
    return {**env_args, "env_kwargs": {**kwargs, **known}}


# ---- pixels ----------------------------------------------------------------------------------------------------


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("resizing images", "lerobot", str(error)) from error
    return Image


def nearest(images: Array, height: int, width: int) -> Array:
    """(N, height, width, ...). The pixels of images (N, H, W, ...) that lie nearest to each new pixel's middle."""
    rows, cols = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip((height, width), images.shape[1:3], strict=True)
    )
    return images[:, rows[:, None], cols]


def area(images: Array, height: int, width: int) -> Array:
    """(N, height, width, ...). The averages of what each new pixel covers of images (N, H, W, ...) of uint8."""
    found = np.empty((len(images), height, width, *images.shape[3:]), dtype=np.uint8)
    for i, one in enumerate(images):
        columns = _averages(one.swapaxes(0, 1).astype(np.float64), width).swapaxes(0, 1)
        found[i] = np.rint(_averages(columns, height))
    return found


def _averages(values: Array, size: int) -> Array:
    """(size, ...). The averages of `size` equal stretches of values (L, ...), which may end between two of them."""
    edges = np.arange(size + 1) * len(values) / size
    whole = np.minimum(edges.astype(np.intp), len(values) - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    return np.diff(sums[whole] + part * values[whole], axis=0) * (size / len(values))


def bilinear(images: Array, height: int, width: int) -> Array:
    """(N, height, width, ...). Images (N, H, W) or (N, H, W, C) of uint8 as Pillow resizes them, each channel alone."""
    image = _pillow()
    planes = images if images.ndim == 4 else images[..., None]
    found = np.empty((len(planes), height, width, planes.shape[3]), dtype=np.uint8)
    # three channels are one picture to Pillow, which is faster; it would take a second or fourth one for opacity
    together = [np.s_[at : at + 3] for at in range(0, planes.shape[3] - 2, 3)]
    alone = range(3 * len(together), planes.shape[3])
    for one, new in zip(planes, found, strict=True):
        for channels in (*together, *alone):
            picture = image.fromarray(np.ascontiguousarray(one[..., channels]))
            new[..., channels] = picture.resize((width, height), image.Resampling.BILINEAR)
    return found if images.ndim == 4 else found[..., 0]


# ---- parts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resizing:
    """What is done to every part; called with one."""

    before: Header
    header: Header
    new: Mapping[str, Column]
    method: Method

    def __call__(self, part: Part) -> "ResizedPart":
        return ResizedPart(part, self)

    def column(self, name: str, values: pa.Array) -> pa.Array:
        """Images of a column at their new size; null where they are."""
        old, new = self.before.column(name), self.new[name]
        if not values.null_count:
            return to_arrow(self._pixels(to_numpy(values, old), old, new), new)
        there = values.is_valid().to_numpy(zero_copy_only=False)
        if not there.any():
            return to_arrow(None, new, len(values))
        known = self.column(name, values.filter(pa.array(there)))
        return known.take(pa.array(np.cumsum(there) - 1, mask=~there))

    def _pixels(self, images: Array, old: Column, new: Column) -> Array:
        height, width = new.shape[:2]
        ways = {"area": area, "bilinear": bilinear, "nearest": nearest}
        return ways[self.method if image_of(old) == "color" else "nearest"](images, height, width)


@dataclass(frozen=True)
class ResizedPart(PartView):
    """A part of the source with other images. Implements `formats.Part`."""

    by: Resizing

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        schema = self.by.header.steps_schema
        wanted = schema.names if columns is None else list(columns)
        changed = [name for name in wanted if name in self.by.new]
        rows = max(1, BATCH_BYTES // max(sum(self.by.new[name].nbytes for name in changed), 1))
        for batch in self.part.steps(wanted):
            for start in range(0, batch.num_rows, rows) if changed else (0,):
                yield self._resized(batch.slice(start, rows) if changed else batch, changed, schema)

    def _resized(self, batch: pa.RecordBatch, changed: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
        for name in changed:
            at = batch.schema.get_field_index(name)
            batch = batch.set_column(at, schema.field(name), self.by.column(name, batch.column(name)))
        return batch
