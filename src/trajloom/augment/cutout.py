"""Something in front of the camera."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import Images, OnCameras
from trajloom.errors import SettingsError
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Cutout(OnCameras):
    """Cover rectangles of colour images with one colour; they lie whole within the image, and may overlap.

    Source:
        DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017
        (arXiv:1708.04552).
    """

    size: tuple[float, float] = (0.1, 0.3)
    """Height and width of a rectangle, each as a share of the image's, drawn evenly from this range."""
    count: int = 1
    """Rectangles of each image."""
    fill: int | None = 0
    """Their colour, 0 to 255 in all channels; None draws one for each rectangle."""

    def __post_init__(self) -> None:
        _checks.rising(size=self.size)
        _checks.share(size=self.size[0], **{"size's end": self.size[1]})
        _checks.at_least(1, count=self.count)
        if self.fill is not None and not 0 <= self.fill <= 255:
            raise SettingsError(f"fill must be from 0 to 255, got {self.fill}")

    def changed(self, images: Images) -> Array:
        new, unit = images.frames.copy(), images.unit(7 * self.count, self.each_frame)
        for rows in _images.runs(unit, len(unit)):
            for numbers in unit[rows.start].reshape(self.count, 7):
                self._cover(_images.as_channels(new[rows]), numbers)
        return new

    def _cover(self, frames: Array, unit: Array) -> None:
        full = np.array(frames.shape[1:3])
        size = np.rint(_images.within(*self.size, unit[:2]) * full).astype(np.int64)
        top, left = _images.whole(0, full - size, unit[2:4])
        colours = min(frames.shape[3], 3)
        colour = _images.whole(0, 255, unit[4 : 4 + colours]) if self.fill is None else self.fill
        frames[:, top : top + size[0], left : left + size[1], :colours] = colour
