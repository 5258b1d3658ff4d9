"""MP4: frames by their time in a file, read in order without holding more than is asked for; and frames encoded."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, MissingExtraError
from trajloom.folder import Folder
from trajloom.formats import _video
from trajloom.tables import Array

UNREADABLE = (OSError, ValueError, EOFError, IndexError, RuntimeError, TypeError, OverflowError)
CODECS = {
    "h264": _video.CODECS["h264"],
    # x265 would write into the file which processor it ran on
    "hevc": ("libx265", {"x265-params": "log-level=error:info=0"}),
    "av1": ("libsvtav1", {}),
}
"""Codec as LeRobot names it -> the encoder of FFmpeg's, and that encoder's own options."""
THREADS = 4
"""Of an encoder, on any machine: how many there are decides what x264 and x265 write."""
QUALITY = {"h264": "18", "hevc": "20", "av1": "30"}
KEY_FRAMES = 2
"""Every other frame stands alone, as in LeRobot's own videos, so that any frame is near one."""


def library() -> ModuleType:
    """PyAV; MissingExtraError where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("videos of LeRobot", "lerobot", str(error)) from error
    return av


def frame_shape(folder: Folder, name: str) -> tuple[int, int, int]:
    """(H, W, 3) of a video; DamagedFileError where it is none."""
    try:
        with folder.fs.open(folder.at(*name.split("/")), "rb") as file, library().open(file) as container:
            stream = container.streams.video[0]
            return (stream.codec_context.height, stream.codec_context.width, 3)
    except UNREADABLE as error:
        raise DamagedFileError(f"{folder.url}/{name} cannot be read as a video: {error}") from error


class Frames:
    """One video, read forward from some time on."""

    def __init__(self, folder: Folder, name: str, start: float, tolerance: float):
        """Open it.

        Args:
            folder: The dataset.
            name: File in it.
            start: Time (s) from which frames will be asked for.
            tolerance: How far (s) a frame may be from the time that it is asked for by.
        """
        self.where = f"{folder.url}/{name}"
        self.tolerance = tolerance
        self._file: Any = None
        self._container: Any = None
        try:
            self._file = folder.fs.open(folder.at(*name.split("/")), "rb")
            self._container = library().open(self._file)
            stream = self._container.streams.video[0]
            stream.thread_type = "AUTO"
            self._base = float(stream.time_base)
            if start > tolerance:
                self._container.seek(int((start - tolerance) / self._base), stream=stream, backward=True)
            self._decoded: Iterator[Any] = self._container.decode(stream)
        except UNREADABLE as error:
            self.close()
            raise DamagedFileError(f"{self.where} cannot be read as a video: {error}") from error

    def take(self, times: Sequence[float], shape: tuple[int, ...]) -> Array:
        """Frames (N, H, W, 3) at times (s) that ascend; DamagedFileError where one is not there."""
        out = np.empty((len(times), *shape), dtype=np.uint8)
        for number, time in enumerate(times):
            found = self._at(time)
            if (found.height, found.width, 3) != tuple(shape):
                raise DamagedFileError(f"{self.where}: expected frames {shape}, found {(found.height, found.width, 3)}")
            try:
                out[number] = found.to_ndarray(format="rgb24")
            except UNREADABLE as error:
                raise DamagedFileError(f"{self.where}: the frame at {time:.3f} s cannot be read: {error}") from error
        return out

    def _at(self, time: float) -> Any:
        try:
            for frame in self._decoded:
                at = 0.0 if frame.pts is None else frame.pts * self._base
                if at > time + self.tolerance:
                    break
                if at >= time - self.tolerance:
                    return frame
        except UNREADABLE as error:
            raise DamagedFileError(f"{self.where} cannot be read at {time:.3f} s: {error}") from error
        raise DamagedFileError(f"{self.where} has no frame at {time:.3f} s, where one was expected")

    def close(self) -> None:
        """Close it."""
        if self._container is not None:
            self._container.close()
        if self._file is not None:
            self._file.close()


class VideoWriter:
    """Encodes the frames of one camera into a file at a constant rate: the same bytes for the same frames."""

    def __init__(self, path: Path, fps: float, codec: str):
        av = library()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.frames = path, 0
        self._rate = Fraction(fps).limit_denominator(1_000_000)
        self._codec = codec
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: Any = None

    def write(self, frames: Array) -> None:
        """Append frames (N, H, W, 3)."""
        av = library()
        for frame in frames:
            if self._stream is None:
                self._stream = self._opened(frame.shape)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = self.frames, 1 / self._rate
            self._container.mux(self._stream.encode(picture))
            self.frames += 1

    def _opened(self, shape: tuple[int, ...]) -> Any:
        encoder, options = CODECS[self._codec]
        stream = self._container.add_stream(encoder, rate=self._rate)
        stream.height, stream.width = shape[:2]
        stream.pix_fmt = pixel_format(shape)
        stream.time_base = 1 / self._rate
        stream.codec_context.thread_count = THREADS
        stream.codec_context.gop_size = KEY_FRAMES
        stream.options = {"crf": QUALITY[self._codec], "g": str(KEY_FRAMES), **options}
        return stream

    def close(self) -> None:
        """Finish the file."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())
        self._container.close()


def pixel_format(shape: Sequence[int]) -> str:
    """Half the colours, as everywhere, but where an odd size does not allow it."""
    return "yuv444p" if shape[0] % 2 or shape[1] % 2 else "yuv420p"
