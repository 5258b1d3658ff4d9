"""Noise of the camera's sensor."""

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

import numpy as np

from trajloom.augment import _checks
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
        for rng, start, stop in zip(images.rngs, starts[:-1], starts[1:], strict=True):
            for frame in new[start:stop]:
                if self.kind == "gaussian":
                    _add_normal(frame, self.sigma, rng)
                else:
                    _salt(frame, self.share, rng)
        return new


def _add_normal(frame: Array, sigma: float, rng: np.random.Generator) -> None:
    # 64 bits at a time are drawn twice as fast as 16
    bits = rng.integers(0, 2**64 - 1, -(-frame.size // 4), dtype=np.uint64, endpoint=True).view(np.uint16)
    noise = np.take(rounded_normal(sigma), bits[: frame.size]).reshape(frame.shape)
    noise += frame
    frame[:] = np.clip(noise, 0, 255, out=noise)


def _salt(frame: Array, share: float, rng: np.random.Generator) -> None:
    drawn, pixels = rng.random(frame.shape[:2], dtype=np.float32).reshape(-1), frame.reshape(-1, *frame.shape[2:])
    pixels[np.flatnonzero(drawn < share / 2)] = 0
    pixels[np.flatnonzero(drawn >= 1 - share / 2)] = 255


@lru_cache(maxsize=8)
def rounded_normal(sigma: float) -> Array:
    """(65536,) int16. Whole numbers, of which one drawn at random is a rounded draw of N(0, sigma).

    Each comes as often as its chance says, to 1 in 65,536; beyond +-255 nothing changes what a pixel becomes. A draw
    takes a fifth of the time of a normal one.
    """
    if sigma == 0:
        return np.zeros(1 << 16, np.int16)
    below = [NormalDist(0, sigma).cdf(edge) for edge in np.arange(-254.5, 255)]
    ends = np.rint(np.array([0, *below, 1]) * (1 << 16)).astype(np.int64)
    return np.repeat(np.arange(-255, 256, dtype=np.int16), np.diff(ends))
