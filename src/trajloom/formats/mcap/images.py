"""Images in ROS messages: raw ones as their encoding says, compressed ones through Pillow."""

import warnings
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, MissingExtraError
from trajloom.formats.mcap.definitions import Field, Message
from trajloom.formats.mcap.wire import Value, values_of
from trajloom.tables import Array

MAX_PIXELS = 64 << 20

_RAW = {
    "rgb8": ("u1", 3), "bgr8": ("u1", 3), "rgba8": ("u1", 4), "bgra8": ("u1", 4), "mono8": ("u1", 0), "8UC1": ("u1", 0),
    "8UC3": ("u1", 3), "mono16": ("u2", 0), "16UC1": ("u2", 0), "32FC1": ("f4", 0),
}  # fmt: skip
"""Encoding of sensor_msgs/Image -> element type and channels, 0 for an image without an axis of channels."""
_PIL_MODES = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "I;16": "I;16", "P": "RGB", "1": "L", "CMYK": "RGB", "LA": "RGBA"}
_PIL_CHANNELS = {"L": ("u1", ()), "RGB": ("u1", (3,)), "RGBA": ("u1", (4,)), "I;16": ("u2", ())}


def _with_text(message: Message, name: str) -> tuple[Message, str]:
    """The message with a text field as bytes, which are numbers that can be read, and the name of that field."""
    as_bytes = [Field(f.name, np.dtype("u1"), -1) if f.name == name else f for f in message.fields]
    return Message(message.name, tuple(as_bytes)), name


class RawImages:
    """Decodes sensor_msgs/Image. Implements `decoders.Decoder`."""

    steady = False

    def __init__(self, message: Message, ros1: bool):
        self._message, self._encoding = _with_text(message, "encoding")
        self._ros1 = ros1

    def describe(self, data: memoryview) -> Mapping[str, tuple[np.dtype, tuple[int, ...]] | str]:
        image = self._image(data)
        return {"": image if isinstance(image, str) else (image.dtype.newbyteorder("="), image.shape)}

    def values(self, data: memoryview) -> Mapping[str, Value]:
        image = self._image(data)
        if isinstance(image, str):
            return {"": image}
        encoding = self._encoding_of(values_of(self._message, data, self._ros1))
        if encoding.startswith("bgr"):
            image = image[:, :, [2, 1, 0, *range(3, image.shape[2])]]
        return {"": np.ascontiguousarray(image).astype(image.dtype.newbyteorder("="), copy=False)}

    def _encoding_of(self, found: Mapping[str, Any]) -> str:
        return found[self._encoding].tobytes().rstrip(b"\0").decode("ascii", "replace")

    def _image(self, data: memoryview) -> Array | str:
        """The image as it lies in the message, or why it cannot be read."""
        found: Mapping[str, Any] = values_of(self._message, data, self._ros1)
        encoding = self._encoding_of(found)
        if encoding not in _RAW:
            return f"images of encoding {encoding[:20]!r}; those that are read: {', '.join(_RAW)}"
        kind, channels = _RAW[encoding]
        dtype = np.dtype(kind).newbyteorder(">" if found["is_bigendian"] else "<")
        height, width, step = (int(found[name]) for name in ("height", "width", "step"))
        row = width * max(channels, 1) * dtype.itemsize
        if not height or not width:
            return "images without pixels"
        if step < row or height * step > len(found["data"]):
            said = f"an image of {height} x {width} {encoding} with {step} bytes a row"
            raise DamagedFileError(f"{said} cannot have {len(found['data']):,} bytes")
        pixels = found["data"][: height * step].reshape(height, step)[:, :row]
        shape = (height, width, channels) if channels else (height, width)
        return (
            np.ascontiguousarray(pixels).view(dtype).reshape(shape)
            if step != row
            else pixels.view(dtype).reshape(shape)
        )


class CompressedImages:
    """Decodes sensor_msgs/CompressedImage: PNG and JPEG. Implements `decoders.Decoder`."""

    steady = False

    def __init__(self, message: Message, ros1: bool):
        self._message, self._format = _with_text(message, "format")
        self._ros1 = ros1

    def describe(self, data: memoryview) -> Mapping[str, tuple[np.dtype, tuple[int, ...]] | str]:
        image = self._opened(data)
        if isinstance(image, str):
            return {"": image}
        kind, channels = _PIL_CHANNELS[_PIL_MODES[image.mode]]
        return {"": (np.dtype(kind), (image.height, image.width, *channels))}

    def values(self, data: memoryview) -> Mapping[str, Value]:
        image = self._opened(data)
        if isinstance(image, str):
            return {"": image}
        try:
            mode = _PIL_MODES[image.mode]
            return {"": np.asarray(image if image.mode == mode else image.convert(mode)).copy()}
        except Exception as error:  # Pillow raises what it likes on damaged data
            raise DamagedFileError(f"a compressed image cannot be unpacked ({error})") from error

    def _opened(self, data: memoryview) -> Any:
        """The image, its pixels not yet unpacked, or why it cannot be read."""
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtraError("reading compressed images of MCAP", "mcap", str(error)) from error
        found: Mapping[str, Any] = values_of(self._message, data, self._ros1)
        if b"compressedDepth" in found[self._format].tobytes():
            return "compressed depth images"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(BytesIO(found["data"].tobytes()), formats=("PNG", "JPEG"))
        except Image.DecompressionBombError as error:
            raise HostileFileError(f"a compressed image: {error}") from error
        except Exception as error:
            raise DamagedFileError(f"a compressed image is no PNG or JPEG ({error})") from error
        if image.width * image.height > MAX_PIXELS:
            raise HostileFileError(f"a compressed image says it has {image.width} x {image.height} pixels")
        return image if image.mode in _PIL_MODES else f"compressed images of mode {image.mode}"
