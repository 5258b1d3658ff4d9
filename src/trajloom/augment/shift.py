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
    """Farthest way in each direction."""
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
        way = _images.whole(-self.pixels, self.pixels, unit)
        height, width = frames.shape[1:3]
        new = np.empty_like(frames)
        for rows in _images.runs(way):
            down, right = way[rows.start]
            from_row = np.clip(np.arange(height) - down, 0, height - 1)
            from_column = np.clip(np.arange(width) - right, 0, width - 1)
            new[rows] = frames[rows][:, from_row[:, None], from_column]
        return new

    def _columns(self, header: Header) -> list[Column]:
        return _images.images(header, self.columns, ("color", "depth", "labels"))
