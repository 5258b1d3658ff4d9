"""A part of each image."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import EVERY_KIND, Images, OnCameras
from trajloom.edit.images import image_of
from trajloom.edit.resize import area, bilinear, nearest, without_chunks
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Crop(OnCameras):
    """Cut a rectangle out of images, of all kinds, at one random place for each episode and camera.

    Camera intrinsics, where columns or attributes hold any, are not adjusted.
    """

    KINDS = EVERY_KIND

    height: int
    """Of the rectangle, in pixels."""
    width: int
    """Of the rectangle, in pixels."""
    where: Literal["random", "center"] = "random"
    """Anywhere with the same chance, or in the middle."""
    then: Literal["keep", "resize", "pad"] = "keep"
    """Images become as large as the rectangle; or it is enlarged to their old size; or all around it becomes 0."""
    method: Literal["area", "bilinear", "nearest"] = "bilinear"
    """Of "resize", for colour images: see `edit.resize`; depth and labels take the nearest pixel. "bilinear" needs
    Pillow."""

    def __post_init__(self) -> None:
        _checks.at_least(1, height=self.height, width=self.width)
        _checks.one_of(("random", "center"), where=self.where)
        _checks.one_of(("keep", "resize", "pad"), then=self.then)
        _checks.one_of(("area", "bilinear", "nearest"), method=self.method)

    def header(self, header: Header) -> Header:
        found = self.chosen(header)
        small = [f"{c.name} {c.shape[:2]}" for c in found if c.shape[0] < self.height or c.shape[1] < self.width]
        if small:
            raise SettingsError(f"{self.height} x {self.width} cannot be cut out of {', '.join(small)}")
        for color in [c for c in found if self.then == "resize" and image_of(c) == "color"][:1]:
            self._resized(np.zeros((1, 1, 1), np.uint8), color, 1, 1)  # says what is missing
        if self.then != "keep":
            return header
        new = {c.name: replace(c, shape=(self.height, self.width, *c.shape[2:])) for c in found}
        steps = tuple(new.get(column.name, column) for column in header.steps)
        return header.with_(steps=steps, layout=without_chunks(header.layout, new))

    def changed(self, images: Images) -> Array:
        frames, unit = images.frames, images.unit(2, self.each_frame)
        room = np.array(frames.shape[1:3]) - (self.height, self.width)
        corner = _images.whole(0, room, unit) if self.where == "random" else np.broadcast_to(room // 2, (len(unit), 2))
        size = (self.height, self.width) if self.then == "keep" else frames.shape[1:3]
        begun = np.zeros if self.then == "pad" else np.empty
        new = begun((len(frames), *size, *frames.shape[3:]), dtype=frames.dtype)
        for rows in _images.runs(corner, len(corner)):
            top, left = corner[rows.start]
            inside = np.s_[:, top : top + self.height, left : left + self.width]
            cut = frames[rows][inside]
            if self.then == "pad":
                new[rows][inside] = cut
            else:
                new[rows] = self._resized(cut, images.column, *size) if self.then == "resize" else cut
        return new

    def _resized(self, frames: Array, column: Column, height: int, width: int) -> Array:
        method = self.method if image_of(column) == "color" else "nearest"
        return {"area": area, "bilinear": bilinear, "nearest": nearest}[method](frames, height, width)
