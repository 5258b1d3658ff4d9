"""Other light and other colours."""

from dataclasses import dataclass

import numpy as np

from trajloom.augment import _checks, _images
from trajloom.augment._images import Images, OnCameras
from trajloom.tables import Array

LUMA = np.array([0.299, 0.587, 0.114])
"""How bright red, green and blue look (ITU-R BT.601)."""
TO_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
"""Red, green, blue -> brightness and two numbers of colour; a turn of those two is a turn of the hue."""


@dataclass(frozen=True, kw_only=True)
class ColorJitter(OnCameras):
    """Change brightness, contrast, saturation and hue of colour images, in this order, without rounding in between.

    Each factor is drawn evenly from [1 - x, 1 + x], not below 0. Gray images change in brightness and contrast alone; a
    fourth channel stays.
    """

    brightness: float = 0.2
    """The light is multiplied by the factor."""
    contrast: float = 0.2
    """The distance from the image's mean brightness is multiplied by the factor."""
    saturation: float = 0.2
    """The distance from the pixel's gray is multiplied by the factor."""
    hue: float = 0.05
    """Of a full circle: colours are turned by up to so much to either side, at the same brightness."""

    def __post_init__(self) -> None:
        _checks.at_least(0, brightness=self.brightness, contrast=self.contrast, saturation=self.saturation)
        _checks.share(hue=self.hue)

    def changed(self, images: Images) -> Array:
        unit = images.unit(4, self.each_frame)
        spread = np.array([self.brightness, self.contrast, self.saturation])
        factors = np.maximum(_images.within(1 - spread, 1 + spread, unit[:, :3]), 0)
        hue = _images.within(-self.hue, self.hue, unit[:, 3:])
        new = images.frames.copy()
        for rows in _images.runs(np.hstack([factors, hue]), _images.few(new)):
            _jitter(_images.as_channels(new[rows]), factors[rows.start], float(hue[rows.start, 0]))
        return new


def colour_matrix(saturation: float, turn: float) -> Array:
    """(3, 3). What a pixel's red, green and blue are multiplied by, from the left; gray stays gray.

    Args:
        saturation: Factor of the distance from gray.
        turn: Of the hue, in full circles.
    """
    cosine, sine = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    in_yiq = np.eye(3)
    in_yiq[1:, 1:] = saturation * np.array([[cosine, -sine], [sine, cosine]])
    return np.linalg.inv(TO_YIQ) @ in_yiq @ TO_YIQ


def _jitter(pixels: Array, factors: Array, turn: float) -> None:
    """Change pixels (N, H, W, C) in their own place, channel by channel: the same bits for any number of frames."""
    brightness, contrast, saturation = factors
    coloured = pixels.shape[-1] >= 3
    weights = LUMA if coloured else np.ones(1)
    matrix = brightness * contrast * (colour_matrix(saturation, turn) if coloured else np.eye(1))
    planes = [pixels[..., at].astype(np.float32) for at in range(len(weights))]
    mean = sum(w * plane.mean(axis=(1, 2), dtype=np.float64) for w, plane in zip(weights, planes, strict=True))
    # the mean is gray, which neither saturation nor hue changes
    offset = np.asarray(brightness * (1 - contrast) * mean, dtype=np.float32)[:, None, None]
    part = np.empty_like(planes[0])
    for at, row in enumerate(matrix.astype(np.float32)):
        total = planes[0] * row[0]
        for plane, factor in zip(planes[1:], row[1:], strict=True):
            total += np.multiply(plane, factor, out=part)
        total += offset
        pixels[..., at] = _images.to_pixels(total)
