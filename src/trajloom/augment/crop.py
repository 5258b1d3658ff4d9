"""A part of each image."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.images import image_of
from trajloom.edit.resize import area, bilinear, nearest, without_chunks
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Crop(Augmentation):
    """Cut a rectangle out of images, of all kinds, at one random place for each episode and camera.

    Camera intrinsics, where columns or attributes hold any, are not adjusted.
    """

    height: int
    """Of the rectangle, in pixels."""
    width: int
    """Of the rectangle, in pixels."""
    columns: tuple[str, ...] = ("*",)
    """Names or patterns of image columns."""
    where: Literal["random", "center"] = "random"
    """Anywhere with the same chance, or in the middle."""
    then: Literal["keep", "resize", "pad"] = "keep"
    """Images become as large as the rectangle; or it is enlarged to their old size; or all around it becomes 0."""
    method: Literal["area", "bilinear", "nearest"] = "bilinear"
    """Of "resize", for colour images: see `edit.resize`; depth and labels take the nearest pixel. "bilinear" needs
    Pillow."""
    each_frame: bool = False
    """Whether every frame has a place of its own."""

    def __post_init__(self) -> None:
        _checks.at_least(1, height=self.height, width=self.width)
        _checks.one_of(("random", "center"), where=self.where)
        _checks.one_of(("keep", "resize", "pad"), then=self.then)
        _checks.one_of(("area", "bilinear", "nearest"), method=self.method)

    def header(self, header: Header) -> Header:
        found = self._columns(header)
        small = [f"{c.name} {c.shape[:2]}" for c in found if c.shape[0] < self.height or c.shape[1] < self.width]
        if small:
            raise SettingsError(f"{self.height} x {self.width} cannot be cut out of {', '.join(small)}")
        if self.then == "resize" and any(image_of(c) == "color" for c in found):
            self._resized(np.zeros((1, 1, 1), np.uint8), found[0], 1, 1)  # says what is missing
        if self.then != "keep":
            return header
        new = {c.name: replace(c, shape=(self.height, self.width, *c.shape[2:])) for c in found}
        steps = tuple(new.get(column.name, column) for column in header.steps)
        return header.with_(steps=steps, layout=without_chunks(header.layout, new))

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        columns, header = self._columns(batch.header), self.header(batch.header)
        drawn = _images.drawn(batch, rng_of, columns, 2, self.each_frame)
        new = {c.name: self._cropped(batch.array(c.name), c, drawn[c.name]) for c in columns}
        return batch.with_arrays(new, *header.steps).under(header)

    def _cropped(self, frames: Array, column: Column, unit: Array) -> Array:
        room = np.array(frames.shape[1:3]) - (self.height, self.width)
        corner = _images.whole(0, room, unit) if self.where == "random" else np.broadcast_to(room // 2, (len(unit), 2))
        size = (self.height, self.width) if self.then == "keep" else frames.shape[1:3]
        new = np.zeros((len(frames), *size, *frames.shape[3:]), dtype=frames.dtype)
        for rows in _images.runs(corner):
            top, left = corner[rows.start]
            inside = np.s_[:, top : top + self.height, left : left + self.width]
            cut = frames[rows][inside]
            if self.then == "pad":
                new[rows][inside] = cut
            else:
                new[rows] = self._resized(cut, column, *size) if self.then == "resize" else cut
        return new

    def _resized(self, frames: Array, column: Column, height: int, width: int) -> Array:
        method = self.method if image_of(column) == "color" else "nearest"
        return {"area": area, "bilinear": bilinear, "nearest": nearest}[method](frames, height, width)

    def _columns(self, header: Header) -> list[Column]:
        return _images.images(header, self.columns, ("color", "depth", "labels"))
