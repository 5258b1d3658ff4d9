"""Images moved by some pixels."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.schema import Column, Header
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Shift(Augmentation):
    """Move images, of all kinds, by whole pixels in each direction; their border is repeated into what falls free.

    Source:
        Kostrikov et al., Image Augmentation Is All You Need (DrQ), ICLR 2021 (arXiv:2004.13649): pad by 4, then crop.
    """

    pixels: int = 4
    """Farthest way in each direction; at most the image less one."""
    columns: tuple[str, ...] = ("*",)
    """Names or patterns of image columns."""
    each_frame: bool = False
    """Whether every frame has a shift of its own, as in DrQ."""

    def __post_init__(self) -> None:
        _checks.at_least(0, pixels=self.pixels)

    def header(self, header: Header) -> Header:
        self._columns(header)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        columns = self._columns(batch.header)
        drawn = _images.drawn(batch, rng_of, columns, 2, self.each_frame)
        return batch.with_arrays({c.name: self._shifted(batch.array(c.name), drawn[c.name]) for c in columns})

    def _shifted(self, frames: Array, unit: Array) -> Array:
        most = np.minimum(self.pixels, np.array(frames.shape[1:3]) - 1)
        way = _images.whole(-most, most, unit)
        new = np.empty_like(frames)
        for rows in _images.runs(way, at_most=len(way)):
            _shift(new[rows], frames[rows], *way[rows.start])
        return new

    def _columns(self, header: Header) -> list[Column]:
        return _images.images(header, self.columns, ("color", "depth", "labels"))


def _shift(new: Array, frames: Array, down: int, right: int) -> None:
    """Fill images (N, H, W, ...) with others, moved, whose border is repeated."""
    height, width = frames.shape[1:3]
    top, bottom, left, end = max(down, 0), min(height + down, height), max(right, 0), min(width + right, width)
    new[:, top:bottom, left:end] = frames[:, top - down : bottom - down, left - right : end - right]
    new[:, :top, left:end] = new[:, top : top + 1, left:end]
    new[:, bottom:, left:end] = new[:, bottom - 1 : bottom, left:end]
    new[:, :, :left] = new[:, :, left : left + 1]
    new[:, :, end:] = new[:, :, end - 1 : end]
