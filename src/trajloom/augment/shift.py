"""Images moved by some pixels."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import EVERY_KIND, Images, OnCameras
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Shift(OnCameras):
    """Move images, of all kinds, by whole pixels in each direction; their border is repeated into what falls free.

    Source:
        Kostrikov et al., Image Augmentation Is All You Need (DrQ), ICLR 2021 (arXiv:2004.13649): pad by 4, then crop,
        every frame by itself (`each_frame`).
    """

    KINDS = EVERY_KIND

    pixels: int = 4
    """Farthest way in each direction; at most the image less one."""

    def __post_init__(self) -> None:
        _checks.at_least(0, pixels=self.pixels)

    def changed(self, images: Images) -> Array:
        frames, unit = images.frames, images.unit(2, self.each_frame)
        most = np.minimum(self.pixels, np.array(frames.shape[1:3]) - 1)
        way = _images.whole(-most, most, unit)
        new = np.empty_like(frames)
        for rows in _images.runs(way, len(way)):
            _shift(new[rows], frames[rows], *way[rows.start])
        return new


def _shift(new: Array, frames: Array, down: int, right: int) -> None:
    """Fill images (N, H, W, ...) with others, moved, whose border is repeated."""
    height, width = frames.shape[1:3]
    top, bottom, left, end = max(down, 0), min(height + down, height), max(right, 0), min(width + right, width)
    new[:, top:bottom, left:end] = frames[:, top - down : bottom - down, left - right : end - right]
    new[:, :top, left:end] = new[:, top : top + 1, left:end]
    new[:, bottom:, left:end] = new[:, bottom - 1 : bottom, left:end]
    new[:, :, :left] = new[:, :, left : left + 1]
    new[:, :, end:] = new[:, :, end - 1 : end]
