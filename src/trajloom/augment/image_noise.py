"""Noise of the camera's sensor."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import Images, OnImages
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class ImageNoise(OnImages):
    """Add noise to every number of colour images: independent of other pixels, frames and cameras."""

    sigma: float = 5.0
    """Of "gaussian": standard deviation, where 255 is white."""
    kind: Literal["gaussian", "salt_and_pepper"] = "gaussian"
    """Normal, rounded and clipped to 0 to 255; or some pixels white and as many black, in all channels."""
    share: float = 0.01
    """Of "salt_and_pepper": of the pixels."""

    def __post_init__(self) -> None:
        _checks.at_least(0, sigma=self.sigma)
        _checks.share(share=self.share)
        _checks.one_of(("gaussian", "salt_and_pepper"), kind=self.kind)

    def changed(self, images: Images) -> Array:
        new, starts = images.frames.copy(), images.batch.starts
        noisy = self._gaussian if self.kind == "gaussian" else self._salted
        for rng, start, stop in zip(images.rngs, starts[:-1], starts[1:], strict=True):
            for begin in range(start, stop, _images.FRAMES):
                rows = slice(begin, min(begin + _images.FRAMES, stop))
                new[rows] = noisy(new[rows], rng)
        return new

    def _gaussian(self, frames: Array, rng: np.random.Generator) -> Array:
        noise = rng.standard_normal(frames.shape, dtype=np.float32)
        noise *= np.float32(self.sigma)
        noise += frames
        return _images.to_pixels(noise)

    def _salted(self, frames: Array, rng: np.random.Generator) -> Array:
        drawn = rng.random(frames.shape[:3], dtype=np.float32)
        frames = frames.copy()
        frames[drawn < self.share / 2] = 0
        frames[drawn >= 1 - self.share / 2] = 255
        return frames
