"""Images out of focus."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import Images, OnCameras
from trajloom.tables import Array


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
        for rows in _images.runs(sigma):
            if sigma[rows.start] > 0:
                weights = gaussian(float(sigma[rows.start]))
                once = convolved(new[rows].astype(np.float32), weights, axis=1)
                new[rows] = _images.to_pixels(convolved(once, weights, axis=2))
        return new


def gaussian(sigma: float) -> Array:
    """(2 R + 1,) float32. Weights that add up to 1, out to R >= 3 sigma."""
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def convolved(values: Array, weights: Array, axis: int) -> Array:
    """Values with each replaced by the sum of its neighbours along an axis, whose ends are repeated.

    Args:
        values: Floats.
        weights: (2 R + 1,). Of each neighbour; the same on both sides.
        axis: Of the neighbours.
    """
    reach = len(weights) // 2
    around = [(0, 0)] * values.ndim
    around[axis] = (reach, reach)
    padded = np.pad(values, around, mode="edge")

    def moved(by: int) -> Array:
        return padded[(slice(None),) * axis + (slice(reach + by, reach + by + values.shape[axis]),)]

    total, pair = moved(0) * weights[reach], np.empty_like(values)
    for by in range(1, reach + 1):
        np.add(moved(by), moved(-by), out=pair)
        total += np.multiply(pair, weights[reach + by], out=pair)
    return total
