"""Images out of focus."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import Images, OnCameras
from trajloom.tables import Array

STRIP = 1 << 16
"""So many numbers are blurred at a time: the sums stay in a core's cache."""


@dataclass(frozen=True, kw_only=True)
class Blur(OnCameras):
    """Blur colour images with a Gaussian; their border is repeated outwards."""

    sigma: tuple[float, float] = (0.1, 2.0)
    """Standard deviation in pixels, drawn evenly from this range."""
    probability: float = 1.0
    """Of being blurred at all."""

    def __post_init__(self) -> None:
        _checks.rising(sigma=self.sigma)
        _checks.above(0, sigma=self.sigma[0])
        _checks.share(probability=self.probability)

    def changed(self, images: Images) -> Array:
        unit = images.unit(2, self.each_frame)
        sigma = np.where(unit[:, 0] < self.probability, _images.within(*self.sigma, unit[:, 1]), 0)
        new = images.frames.copy()
        for rows in _images.runs(sigma, _images.few(new)):
            if sigma[rows.start] > 0:
                new[rows] = blurred(new[rows], gaussian(float(sigma[rows.start])))
        return new


def gaussian(sigma: float) -> Array:
    """(2 R + 1,) float32. Weights that add up to 1, out to R >= 3 sigma."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def blurred(frames: Array, weights: Array) -> Array:
    """Images (N, H, W, ...) of uint8 under weights (2 R + 1,) along both sides, a strip of rows at a time."""
    reach, height = len(weights) // 2, frames.shape[1]
    tall = max(STRIP // max(frames[:, 0].size, 1), 1)
    padded = np.pad(frames, [(0, 0), (reach, reach), (reach, reach)] + [(0, 0)] * (frames.ndim - 3), mode="edge")
    new = np.empty_like(frames)
    for top in range(0, height, tall):
        strip = padded[:, top : min(top + tall, height) + 2 * reach].astype(np.float32)
        new[:, top : top + tall] = _images.to_pixels(convolved(convolved(strip, weights, axis=1), weights, axis=2))
    return new


def convolved(values: Array, weights: Array, axis: int) -> Array:
    """The weighted sum of every 2 R + 1 neighbours along an axis, which becomes shorter by 2 R.

    Args:
        values: Floats.
        weights: (2 R + 1,). Of each neighbour; the same on both sides.
        axis: Of the neighbours.
    """
    reach = len(weights) // 2
    size = values.shape[axis] - 2 * reach

    def moved(by: int) -> Array:
        return values[(slice(None),) * axis + (slice(reach + by, reach + by + size),)]

    total = moved(0) * weights[reach]
    pair = np.empty_like(total)
    for by in range(1, reach + 1):
        np.add(moved(by), moved(-by), out=pair)
        total += np.multiply(pair, weights[reach + by], out=pair)
    return total
