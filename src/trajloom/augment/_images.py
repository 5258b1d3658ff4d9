"""What the augmentations of images share: which columns, which chance, which frames at a time.

Chance is drawn for every episode and camera: all frames of an episode are changed alike, so that motion stays motion,
unless `each_frame` is on. Cameras are independent of each other. A camera's columns (`agentview_image`,
`agentview_depth`, and the same under `next_obs/`) share their draws, so that a pixel of one stays that of the other.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from trajloom.augment import _draws
from trajloom.augment._columns import chosen
from trajloom.augmentation import RngOf
from trajloom.batch import Batch
from trajloom.edit.images import Kind, image_of
from trajloom.schema import Column, Header
from trajloom.tables import Array

FRAMES = 8
"""At most so many frames are floats at a time: of 84 x 84 pixels they stay in a core's cache."""

_KINDS = ("image", "images", "rgb", "color", "depth", "segmentation", "seg", "mask", "labels", "instance", "class",
          "element")  # fmt: skip


def images(header: Header, patterns: Sequence[str], kinds: tuple[Kind, ...] = ("color",)) -> list[Column]:
    """The columns of images that are meant; raises as `_columns.chosen` does."""
    what = "images" if len(kinds) > 1 else "colour images (uint8)"
    return chosen(header, patterns, lambda column: image_of(column) in kinds, what)


def camera_of(column: Column) -> str:
    """The camera that an image is from: its name, without what kind of image it is."""
    words = column.name.rpartition("/")[2].split("_")
    while len(words) > 1 and words[-1].lower() in _KINDS:
        words.pop()
    return "_".join(words)


def drawn(batch: Batch, rng_of: RngOf, columns: Sequence[Column], count: int, each_frame: bool) -> dict[str, Array]:
    """Column -> (N, count). Numbers even in [0, 1), for each episode and camera, or each of its frames."""
    rngs = _draws.streams(batch, rng_of)
    cameras = dict.fromkeys(camera_of(column) for column in columns)
    found = {camera: _draws.per_frame(batch, rngs, lambda rng: rng.random(count), each_frame) for camera in cameras}
    return {column.name: found[camera_of(column)] for column in columns}


def within(low: float | Array, high: float | Array, unit: Array) -> Array:
    """Numbers even in [low, high) of numbers even in [0, 1)."""
    return low + unit * (high - low)


def whole(low: int | Array, high: int | Array, unit: Array) -> Array:
    """Whole numbers even in low, ..., high of numbers even in [0, 1)."""
    return low + (unit * (high - low + 1)).astype(np.int64)


def runs(values: Array, at_most: int = FRAMES) -> Iterator[slice]:
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
