"""The Matroska file: its streams, their times, and their values one after another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, MissingExtraError, TrajloomError
from trajloom.formats._place import local_file
from trajloom.formats.robodm import batches
from trajloom.formats.robodm.features import MAX_VALUE_BYTES, Feature, feature_of
from trajloom.formats.robodm.segment import check_whole
from trajloom.tables import Array


@dataclass(frozen=True)
class Stream:
    """A feature and when its values were taken."""

    feature: Feature
    times: Array
    """(n,) int64, µs, rising."""


@dataclass(frozen=True)
class Survey:
    """What a file holds, without its values."""

    path: str
    streams: Mapping[str, Stream]
    left_out: Mapping[str, str]
    """Feature -> why it is no column."""
    empty: tuple[str, ...] = ()
    """Features without a value."""


@contextmanager
def opened(path: str) -> Iterator[Any]:
    """The file as PyAV has it, read as Matroska and nothing else; whatever it stumbles over is a DamagedFileError."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("reading RoboDM", "video", str(error)) from error
    try:
        # a file object, for FFmpeg would follow a name that is a URL
        with open(local_file(path), "rb") as file, av.open(file, format="matroska", metadata_errors="replace") as found:
            yield found
    except TrajloomError as error:
        if len(error.args) != 1 or path in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    except (av.error.FFmpegError, ValueError, EOFError, IndexError, OverflowError) as error:
        raise DamagedFileError(f"{path} cannot be read ({error})") from error


def survey(path: str, without_pickled: bool) -> Survey:
    """The streams of a file and their times; goes through its packets once.

    Raises:
        DamagedFileError: It is cut short, or a stream is not what it says.
        HostileFileError: Values are pickled and may not be left out, or sizes are absurd.
    """
    check_whole(path)
    with opened(path) as container:
        features = _features(container, path)
        left_out = {feature.name: feature.odd for feature in features.values() if feature.odd}
        chosen = {index: feature for index, feature in features.items() if feature.name not in left_out}
        times: dict[int, list[Array]] = {index: [] for index in chosen}
        wanted = [stream for stream in container.streams if stream.index in chosen]
        for packet in container.demux(wanted) if wanted else ():
            feature = chosen[packet.stream.index]
            if not packet.size or feature.name in left_out:
                continue
            try:
                times[feature.index].append(_packet_times(packet, feature))
            except batches.Pickled:
                if not without_pickled:
                    raise
                left_out[feature.name] = "its values are pickled"
    kept = {feature.name: feature for feature in chosen.values() if feature.name not in left_out}
    streams = {name: Stream(feature, _joined(times[feature.index], feature, path)) for name, feature in kept.items()}
    empty = tuple(name for name, stream in streams.items() if not len(stream.times))
    return Survey(path, {n: s for n, s in streams.items() if n not in empty}, left_out, empty)


def _features(container: Any, path: str) -> dict[int, Feature]:
    found: dict[int, Feature] = {}
    for stream in container.streams:
        context = stream.codec_context
        video = stream.type == "video" and context is not None and context.name != "rawvideo"
        feature = feature_of(stream.index, stream.metadata, video, path)
        if feature is None:
            continue
        if context is None:
            raise DamagedFileError(f"{path}: {feature.name} has a codec that FFmpeg does not know")
        if feature.name in {other.name for other in found.values()}:
            raise DamagedFileError(f"{path}: two streams are {feature.name}")
        if video:
            _check_video(context, feature, path)
        found[stream.index] = feature
    return found


def _check_video(context: Any, feature: Feature, path: str) -> None:
    if context.width * context.height * 3 > MAX_VALUE_BYTES:
        raise HostileFileError(f"{path}: {feature.name} has frames of {context.width} x {context.height}")
    if feature.shape != (context.height, context.width, 3):
        raise DamagedFileError(
            f"{path}: {feature.name} should have shape {feature.shape}; its video is {context.height} x {context.width}"
        )


def _packet_times(packet: Any, feature: Feature) -> Array:
    if not feature.video:
        batches.check_codec(feature)
        return batches.times(bytes(packet), feature) * 1000
    if packet.pts is None or packet.time_base is None:
        raise DamagedFileError(f"{feature.name} has a frame without a time")
    stamp = round(packet.pts * packet.time_base * 1_000_000)
    if abs(stamp) > batches.MAX_TIME_MS * 1000:
        raise DamagedFileError(f"{feature.name} has a frame at {stamp} µs")
    return np.array([stamp], dtype=np.int64)


def _joined(pieces: list[Array], feature: Feature, path: str) -> Array:
    times = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
    if feature.video:
        return np.sort(times)  # packets come in the order of decoding
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        raise DamagedFileError(f"{path}: {feature.name}: times go back after value {back[0]}")
    return times


def values(path: str, feature: Feature) -> Iterator[Array]:
    """The values of a feature in the order of their times, some at once, (n, *shape)."""
    with opened(path) as container:
        stream = container.streams[feature.index]
        if feature.video:
            for frame in container.decode(stream):
                if (frame.height, frame.width, 3) != feature.shape:
                    raise DamagedFileError(f"{feature.name} has a frame of {frame.height} x {frame.width}")
                yield frame.to_ndarray(format="rgb24")[None]
            return
        for packet in container.demux(stream):
            if packet.size:
                yield batches.values(bytes(packet), feature)
