"""Which columns are cameras, and how their values become pictures."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from trajloom.errors import MissingExtraError, SchemaError, SettingsError
from trajloom.formats import Loss, Source
from trajloom.formats.mp4.options import WriteOptions
from trajloom.schema import Column, Header, path_of
from trajloom.tables import Array, to_numpy

MIN_DEPTH_SIZE = 16
"""Of height and width: a smaller matrix of numbers is a pose or the like."""


@dataclass(frozen=True)
class Camera:
    """A column that is shown."""

    column: Column
    name: str
    """Of its folder."""
    span: tuple[float, float] | None = None
    """Least and greatest value of depth, which become black and white."""
    label: bool = False

    @property
    def height(self) -> int:
        return self.column.shape[0]

    @property
    def width(self) -> int:
        return self.column.shape[1]

    @property
    def is_depth(self) -> bool:
        return self.column.dtype != "uint8"

    def pictures(self, values: pa.Array) -> Array:
        """Pictures (n, height, width, 3), uint8 RGB; black where a value is null."""
        shape = (len(values), self.height, self.width, 3)
        there = np.asarray(values.is_valid())
        pictures = np.zeros(shape, np.uint8)
        if there.any():
            images = to_numpy(values if there.all() else values.drop_null(), self.column)
            pictures[there] = self._rgb(images)
        if self.label:
            height, width = self._text.shape
            pictures[:, :height, :width] = self._text[:, :, None]
        return pictures

    def _rgb(self, images: Array) -> Array:
        if self.span is not None:
            images = _scaled(images, *self.span)
        images = images.reshape(*images.shape[:3], -1)
        # one channel is spread over three; of four the last is how opaque a pixel is
        return images[..., :3]

    @cached_property
    def _text(self) -> Array:
        """The name as grey values, no larger than the picture."""
        try:
            from PIL import Image, ImageDraw, ImageFont
        except ImportError as error:
            raise MissingExtraError("labels in videos", "video", str(error)) from error
        font = ImageFont.load_default(max(8.0, self.height / 16))
        left, _, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).textbbox((2, 2), self.name, font)
        image = Image.new("L", (int(min(right + left, self.width)), int(min(bottom + 2, self.height))))
        ImageDraw.Draw(image).text((2, 2), self.name, 255, font)
        return np.asarray(image)


def _scaled(depth: Array, low: float, high: float) -> Array:
    """Depth as uint8; what is not finite is black."""
    share = (depth.astype(np.float64) - low) / ((high - low) or 1.0)
    return (np.clip(np.nan_to_num(share, nan=0.0, posinf=0.0, neginf=0.0), 0, 1) * 255).round().astype(np.uint8)


def cameras_of(header: Header, options: WriteOptions) -> list[Camera]:
    """The cameras to show; depth still without its span.

    Raises:
        SettingsError: A column asked for is none, or no image.
        SchemaError: There is no camera.
    """
    known = {column.name: column for column in header.steps if _is_camera(column)}
    wanted = options.columns.split(",") if isinstance(options.columns, str) else options.columns
    chosen = list(known) if wanted is None else [name.strip() for name in wanted]
    wrong = [name for name in chosen if name not in known]
    if wrong:
        raise SettingsError(f"no image in {', '.join(wrong)}; columns with images: {', '.join(known) or 'none'}")
    if not chosen:
        names = ", ".join(column.name for column in header.steps)
        raise SchemaError(f"no column holds images, which is all that MP4 holds; there are: {names or 'none'}")
    folders = _folders(list(dict.fromkeys(chosen)))
    return [Camera(known[name], folder, label=options.labels) for name, folder in folders.items()]


def _is_camera(column: Column) -> bool:
    shape = column.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        return False
    if column.dtype == "uint8":
        return True
    flat = len(shape) == 2 or shape[2] == 1
    return column.dtype in ("uint16", "float16", "float32", "float64") and flat and min(shape[:2]) >= MIN_DEPTH_SIZE


def _folders(columns: Sequence[str]) -> dict[str, str]:
    """Column -> a folder's name: the end of its path, or all of it where others end alike."""
    ends = [name.split("/")[-1] for name in columns]
    folders: dict[str, str] = {}
    for name, end in zip(columns, ends, strict=True):
        plain = end if ends.count(end) == 1 else path_of(name).replace("/", ".")
        plain = re.sub(r"[^\w.-]", "_", plain).lstrip(".") or "camera"
        number = sum(known == plain or known.startswith(f"{plain}~") for known in folders.values())
        folders[name] = f"{plain}~{number}" if number else plain
    return folders


def with_spans(cameras: Sequence[Camera], source: Source) -> list[Camera]:
    """The cameras, those of depth with their least and greatest value; reads all depth once."""
    depth = [camera for camera in cameras if camera.is_depth]
    spans: dict[str, tuple[float, float]] = {}
    for part in source.parts() if depth else ():
        for batch in part.steps([camera.column.name for camera in depth]):
            for camera in depth:
                found = _span(batch.column(camera.column.name), camera.column)
                low, high = spans.get(camera.name, found)
                spans[camera.name] = (min(low, found[0]), max(high, found[1]))
    done = {name: (low, high) if low <= high else (0.0, 1.0) for name, (low, high) in spans.items()}
    return [replace(c, span=done.get(c.name, (0.0, 1.0))) if c.is_depth else c for c in cameras]


def _span(values: pa.Array, column: Column) -> tuple[float, float]:
    numbers = to_numpy(values.drop_null(), column)
    numbers = numbers[np.isfinite(numbers)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (np.inf, -np.inf)


def losses(source: Source, options: WriteOptions | None = None) -> Iterator[Loss]:
    """What videos do not hold: all but the pictures, and of those their exact values."""
    cameras = cameras_of(source.header, options or WriteOptions())
    shown = {camera.column.name for camera in cameras}
    others = [column.name for column in source.header.steps if column.name not in shown]
    yield Loss("everything but images: facts and arrays of episodes, attempts, the rest, and "
               f"columns of steps: {', '.join(others) or 'none'}")  # fmt: skip
    yield Loss(f"exact values of pixels, as video is lossy: {', '.join(shown)}")
    depth = [camera.column.name for camera in cameras if camera.is_depth]
    if depth:
        yield Loss(f"depth is scaled to 8 bit: {', '.join(depth)}")


def described(camera: Camera) -> Mapping[str, object]:
    """What `index.json` says of a camera."""
    about = {"column": camera.column.name, "height": camera.height, "width": camera.width}
    return about if camera.span is None else {**about, "depth": {"black": camera.span[0], "white": camera.span[1]}}
