"""Videos: encoding frame by frame, and decoding."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, MissingExtraError, SettingsError, ShapeError
from trajloom.tables import Array

CODECS = {
    # what x264 otherwise computes with a processor's own instructions differs, even from run to run
    "h264": ("libx264", {"x264-params": "cpu-independent=1"}),
    # hvc1 is the tag that QuickTime plays; x265 would print its settings, and write its processor into the file
    "hevc": ("libx265", {"x265-params": "log-level=error:pools=1:frame-threads=1:info=0"}),
}
"""Name of a codec -> its encoder and that encoder's own options."""
QUALITIES = range(0, 52)
_BT601, _LIMITED = 6, 1


def library() -> Any:
    """The module `av`; MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("encoding video", "video", str(error)) from error
    return av


class VideoWriter:
    """An MP4 file that grows by frames: yuv420p, one thread, the same bytes for the same frames.

    Such videos have even sizes: an odd height or width is padded by repeating the last row or column.
    """

    def __init__(self, path: str | Path, fps: float, height: int, width: int, codec: str = "h264", quality: int = 23):
        """Open a file.

        Args:
            path: The file, on this machine's disk.
            fps: Frames a second.
            height: Of the frames.
            width: Of the frames.
            codec: One of CODECS.
            quality: Constant rate factor: 0 is best and 51 smallest.

        Raises:
            SettingsError: There is no such codec or quality, or this build of `av` lacks the encoder.
        """
        av = library()
        if codec not in CODECS:
            raise SettingsError(f"no codec {codec!r}; there are: {', '.join(CODECS)}")
        if quality not in QUALITIES:
            raise SettingsError(f"quality must be {QUALITIES.start} to {QUALITIES.stop - 1}, got {quality}")
        self._frame, self._shape = av.VideoFrame, (height, width, 3)
        self._pad = ((0, 0), (0, height % 2), (0, width % 2), (0, 0))
        encoder, options = CODECS[codec]
        if encoder not in av.codecs_available:
            raise SettingsError(f"this build of av has no {encoder}, which encodes {codec}")
        self._rate = Fraction(fps).limit_denominator(100_000)
        self._file = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream = self._file.add_stream(encoder, rate=self._rate, options={"crf": str(quality), **options})
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = _BT601, _LIMITED
        if codec == "hevc":
            context.codec_tag = "hvc1"
        self._count = 0

    def add(self, frames: Array) -> None:
        """Append frames (n, height, width, 3), uint8, RGB."""
        if frames.shape[1:] != self._shape or frames.dtype != np.uint8:
            raise ShapeError(f"frames must be uint8 (n, {', '.join(map(str, self._shape))}), got {frames.shape}")
        for frame in frames:
            padded = np.pad(frame[None], self._pad, mode="edge")[0] if any(map(any, self._pad)) else frame
            image = self._frame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
            image.pts, image.time_base = self._count, 1 / self._rate
            self._file.mux(self._stream.encode(image))
            self._count += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.mux(self._stream.encode(None))
        self._file.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close() if error is None else self._file.close()


def frames(path: str | Path) -> Iterator[Array]:
    """The frames of a video, (height, width, 3) uint8 RGB each, one in memory at a time.

    Raises:
        DamagedFileError: It cannot be decoded.
    """
    av = library()
    try:
        with av.open(str(path)) as file:
            for frame in file.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:
        raise DamagedFileError(f"{path}: it cannot be decoded ({error})") from error
