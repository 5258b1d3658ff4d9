"""JPEG and PNG images of records, decoded with Pillow."""

import warnings
from io import BytesIO
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, MissingExtraError
from trajloom.tables import Array

MAX_PIXELS = 1 << 26

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def size_of(data: bytes, where: str) -> tuple[int, int, int]:
    """Height, width and channels of an encoded image, its pixels not unpacked."""
    image = _opened(data, where)
    return image.height, image.width, len(image.getbands())


def decoded(data: bytes, shape: tuple[int, ...], dtype: str, where: str) -> Array:
    """The pixels of an encoded image; float32 is what TFDS writes as the four bytes of a PNG's RGBA.

    Raises:
        DamagedFileError: It is no PNG or JPEG, or one of another size.
        HostileFileError: It says that it has more pixels than an image may.
        MissingExtraError: Pillow is not installed.
    """
    image = _opened(data, where)
    channels = 4 if dtype == "float32" else shape[-1]
    if (image.height, image.width) != shape[:2]:
        raise DamagedFileError(f"{where}: an image of {image.height} x {image.width} where {shape} was expected")
    try:
        if dtype == "uint16":
            values = np.asarray(image).astype(np.uint16)
        else:
            mode = _MODES[channels]
            values = np.asarray(image if image.mode == mode else image.convert(mode))
    except Exception as error:  # Pillow raises what it likes on damaged data
        raise DamagedFileError(f"{where}: an image cannot be unpacked ({error})") from error
    values = np.ascontiguousarray(values).view(np.float32) if dtype == "float32" else values
    if values.size != np.prod(shape):
        raise DamagedFileError(f"{where}: an image of shape {values.shape} where {shape} was expected")
    return values.reshape(shape).astype(dtype, copy=False)


def _opened(data: bytes, where: str) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("reading images of RLDS", "video", str(error)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=("PNG", "JPEG"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise HostileFileError(f"{where}: an image: {error}") from error
    except Exception as error:
        raise DamagedFileError(f"{where}: an image is no PNG or JPEG ({error})") from error
    if image.width * image.height > MAX_PIXELS:
        raise HostileFileError(f"{where}: an image says it has {image.width} x {image.height} pixels")
    return image
