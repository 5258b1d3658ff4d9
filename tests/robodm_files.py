"""RoboDM trajectories, written with PyAV as RoboDM lays them out; also pickled ones."""

import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MS = Fraction(1, 1000)


@dataclass(frozen=True)
class Written:
    """A feature to write: its values, their times, and how."""

    values: Any
    times: Sequence[int]
    """ms"""
    codec: str = "pyarrow_batch"
    """pyarrow_batch, pickle_raw, or a video codec."""
    said: str | None = None
    """FEATURE_TYPE, where it is to be another than the values'."""


def batch(values: Any, times: Sequence[int], **changes: Any) -> bytes:
    """Parquet of some values, as `pyarrow_batch` packs them."""
    columns = {
        "pts": list(times),
        "dts": list(times),
        "data_type": ["numpy"] * len(times),
        "data_shape": [list(values.shape[1:])] * len(times),
        "data_dtype": [str(values.dtype)] * len(times),
        "data_bytes": [value.tobytes() for value in values],
    }
    out = io.BytesIO()
    pq.write_table(pa.table({**columns, **changes}), out, compression="snappy")
    return out.getvalue()


def write(path: Path, features: Mapping[str, Written]) -> Path:
    """One trajectory."""
    with av.open(str(path), "w", format="matroska") as container:
        streams = {name: _stream(container, name, written) for name, written in features.items()}
        for name, written in features.items():
            for packet in _packets(streams[name], written):
                container.mux(packet)
    return path


def _stream(container: Any, name: str, written: Written) -> Any:
    raw = written.codec in ("pyarrow_batch", "pickle_raw")
    stream = container.add_stream("rawvideo" if raw else written.codec, rate=None if raw else 10)
    shape = np.asarray(written.values).shape[1:]
    stream.width, stream.height = (1, 1) if raw else (shape[1], shape[0])
    if not raw:
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MS
    stream.time_base = MS
    stream.metadata["FEATURE_NAME"] = name
    stream.metadata["FEATURE_TYPE"] = written.said or f"dtype={np.asarray(written.values).dtype}; shape={shape})"
    stream.metadata["SELECTED_CODEC"] = "rawvideo" if raw else written.codec
    stream.metadata["INTERNAL_CODEC"] = written.codec
    return stream


def _packets(stream: Any, written: Written) -> Any:
    values = written.values
    if written.codec == "pickle_raw":
        for value, time in zip(values, written.times, strict=True):
            yield _packet(stream, pickle.dumps(value), time)
    elif written.codec == "pyarrow_batch":
        for i in range(0, len(values), 100):
            times = written.times[i : i + 100]
            yield _packet(stream, batch(values[i : i + 100], times), times[0])
    else:
        for value, time in zip(values, written.times, strict=True):
            frame = av.VideoFrame.from_ndarray(value, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, MS
            yield from stream.encode(frame)
        yield from stream.encode(None)


def _packet(stream: Any, data: bytes, time: int) -> Any:
    packet = av.Packet(data)
    packet.stream, packet.pts, packet.dts, packet.time_base = stream, time, time, MS
    return packet


def frames(count: int, height: int = 16, width: int = 32) -> Any:
    """Grey frames that get brighter: 20 a frame."""
    shade = (np.arange(count) * 20 % 256).astype(np.uint8)
    return np.broadcast_to(shade[:, None, None, None], (count, height, width, 3)).copy()


def trajectory(steps: int = 5, **more: Written) -> dict[str, Written]:
    """Actions each 100 ms, states twice as often, images each 200 ms from 100 ms on."""
    times = np.arange(steps) * 100
    fast = np.arange(2 * steps) * 50
    return {
        "action": Written(np.arange(steps * 2, dtype=np.float32).reshape(steps, 2), times.tolist()),
        "observation/state": Written(np.arange(2 * steps, dtype=np.float64), fast.tolist()),
        "observation/image": Written(frames(steps // 2), (100 + np.arange(steps // 2) * 200).tolist(), "libx264"),
        **more,
    }
