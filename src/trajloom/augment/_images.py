"""What the augmentations of images share: which columns, which chance, which frames at a time.

An augmentation of images is a class with one method: `OnCameras.changed`, or `OnImages.changed` where the images of a
camera need not be changed alike.

Chance is drawn for every episode and camera: all frames of an episode are changed alike, so that motion stays motion,
unless `each_frame` is on. Cameras are independent of each other. A camera's columns (`agentview_image`,
`agentview_depth`, and the same under `next_obs/`) share their draws, so that a pixel of one stays that of the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import ClassVar

import numpy as np

from trajloom.augment import _draws
from trajloom.augment._columns import chosen
from trajloom.augment._draws import Streams
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.images import Kind, image_of
from trajloom.schema import Column, Header
from trajloom.tables import Array

IN_CACHE = 1 << 17
"""So many numbers are floats at a time: with what is made of them they stay in a core's cache."""

_KINDS = ("image", "images", "rgb", "color", "depth", "segmentation", "seg", "mask", "labels", "instance", "class",
          "element")  # fmt: skip

EVERY_KIND: tuple[Kind, ...] = ("color", "depth", "labels")


@dataclass(frozen=True)
class Images:
    """One column of a batch of N steps, to be changed."""

    batch: Batch
    column: Column
    rngs: Streams
    """(E). The stream of each episode."""
    drawn: dict[str, Array]
    """Camera -> what was drawn for it; all columns of the batch share this."""

    @property
    def frames(self) -> Array:
        """(N, H, W) or (N, H, W, C). The images, read-only."""
        return self.batch.array(self.column.name)

    def unit(self, count: int, each_frame: bool) -> Array:
        """(N, count). Numbers even in [0, 1) of the camera, the same at all steps of an episode unless `each_frame`."""
        camera = camera_of(self.column)
        if camera not in self.drawn:
            self.drawn[camera] = _draws.per_frame(self.batch, self.rngs, lambda rng: rng.random(count), each_frame)
        return self.drawn[camera]


@dataclass(frozen=True, kw_only=True)
class OnImages(Augmentation, ABC):
    """Base of what changes the pixels of each column of images; a subclass says how, in `changed`."""

    KINDS: ClassVar[tuple[Kind, ...]] = ("color",)
    """What kinds of images it can change."""

    columns: tuple[str, ...] = ("*",)
    """Names or patterns of columns of images."""

    def header(self, header: Header) -> Header:
        self.chosen(header)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        columns, header = self.chosen(batch.header), self.header(batch.header)
        images = partial(Images, batch, rngs=_draws.streams(batch, rng_of), drawn={})
        return batch.with_arrays({c.name: self.changed(images(c)) for c in columns}, *header.steps).under(header)

    @abstractmethod
    def changed(self, images: Images) -> Array:
        """(N, ...). The new images of a column, of its shape in `header`."""

    def chosen(self, header: Header) -> list[Column]:
        """The columns that are meant; raises as `_columns.chosen` does."""
        what = "images" if len(self.KINDS) > 1 else "colour images (uint8)"
        return chosen(header, self.columns, lambda column: image_of(column) in self.KINDS, what)


@dataclass(frozen=True, kw_only=True)
class OnCameras(OnImages):
    """Base of what changes all images of a camera alike, by `Images.unit`."""

    each_frame: bool = False
    """Whether every frame is changed in its own way; else all of an episode are changed alike."""


def camera_of(column: Column) -> str:
    """The camera that an image is from: its name, without what kind of image it is."""
    words = column.name.rpartition("/")[2].split("_")
    while len(words) > 1 and words[-1].lower() in _KINDS:
        words.pop()
    return "_".join(words)


def within(low: float | Array, high: float | Array, unit: Array) -> Array:
    """Numbers even in [low, high) of numbers even in [0, 1)."""
    return low + unit * (high - low)


def whole(low: int | Array, high: int | Array, unit: Array) -> Array:
    """Whole numbers even in low, ..., high of numbers even in [0, 1)."""
    return low + (unit * (high - low + 1)).astype(np.int64)


def few(frames: Array) -> int:
    """How many frames (N, ...) are worked on at a time where they become floats."""
    return max(IN_CACHE // max(frames[:1].size, 1), 1)


def runs(values: Array, at_most: int) -> Iterator[slice]:
    """Stretches of neighbouring rows (N, ...) that are equal, and not too long."""
    if not len(values):
        return
    flat = values.reshape(len(values), max(values[0].size, 1))
    cuts = [0, *(np.flatnonzero((flat[1:] != flat[:-1]).any(axis=1)) + 1).tolist(), len(values)]
    for start, stop in pairwise(cuts):
        for begin in range(start, stop, at_most):
            yield slice(begin, min(begin + at_most, stop))


def to_pixels(values: Array) -> Array:
    """uint8 of floats, rounded and clipped, which happens in their own place."""
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def as_channels(frames: Array) -> Array:
    """(N, H, W, C) of images (N, H, W) or (N, H, W, C)."""
    return frames if frames.ndim == 4 else frames[..., None]
