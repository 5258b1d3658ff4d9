"""Large datasets for `bench_memory.py`: as HDF5, and as the formats that we only read, by the helpers of the tests."""

import json
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

sys.path.append(str(Path(__file__).parent.parent / "tests"))
rlds_files, robodm_files = import_module("rlds_files"), import_module("robodm_files")

HZ = 20
NUMBERS: Mapping[str, tuple[int, ...]] = {
    "actions": (7,), "states": (45,), "rewards": (), **{f"obs/key{i}": (8,) for i in range(11)}
}  # fmt: skip


class Shape(NamedTuple):
    """What a dataset is made of: episodes with numbers, or with actions and cameras."""

    episodes: int
    steps: int
    """Of each."""
    cameras: tuple[str, ...] = ()
    height: int = 0
    width: int = 0
    depth: bool = False


def numbers(gigabytes: float) -> Shape:
    """Low-dimensional data, 1.1 kB a step."""
    return Shape(max(1, round(gigabytes * 1e9 / (500 * 141 * 8))), 500)


def camera(gigabytes: float) -> Shape:
    """A camera of 240x320 with depth of 120x160, 307 kB a step."""
    return Shape(max(1, round(gigabytes * 1e9 / (200 * 240 * 320 * 4))), 200, ("obs/front",), 240, 320, depth=True)


def long(steps: int) -> Shape:
    """One episode with three cameras of 480x640, 2.8 MB a step."""
    return Shape(1, steps, ("obs/front", "obs/left", "obs/wrist"), 480, 640)


def frames(shape: Shape, seed: int) -> Any:
    """(steps, height, width, 3) uint8. A camera that pans over a scene with texture in its middle; a view."""
    # a frame that comes again within zstd's window would pack to nothing
    pan = 1 if shape.height * shape.width * 3 > 1 << 19 else shape.width
    rng = np.random.default_rng(seed)
    scene = np.add.outer(np.arange(shape.height), np.arange(shape.steps * pan + shape.width)) // 4 % 200
    picture = np.repeat(scene.astype(np.uint8)[:, :, None], 3, axis=2)
    textured = picture[shape.height // 3 : shape.height * 2 // 3]
    textured += rng.integers(0, 16, textured.shape, np.uint8)
    return sliding_window_view(picture, shape.width, axis=1)[:, : shape.steps * pan : pan].transpose(1, 0, 3, 2)


def values(shape: Shape, episode: int) -> dict[str, Any]:
    """Arrays of an episode by path."""
    rng = np.random.default_rng(episode)
    kinds = {"actions": (7,)} if shape.cameras else NUMBERS
    made: dict[str, Any] = {path: rng.normal(size=(shape.steps, *size)) for path, size in kinds.items()}
    if shape.depth:
        made["obs/front_depth"] = _depth(shape.steps)
    return made | {path: frames(shape, i + episode) for i, path in enumerate(shape.cameras)}


def _depth(steps: int) -> Any:
    """(steps, 120, 160, 1) float32, metres: a slope that comes nearer."""
    slope = np.add.outer(np.linspace(1, 2, 120), np.linspace(0, 0.5, 160))[:, :, None]
    return (slope * np.linspace(1, 0.5, steps)[:, None, None, None]).astype(np.float32)


def write_hdf5(path: Path, shape: Shape) -> None:
    """As robomimic lays it out."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(total=shape.episodes * shape.steps, env_args=f'{{"env_kwargs": {{"control_freq": {HZ}}}}}')
        for i in range(shape.episodes):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = shape.steps
            for name, array in values(shape, i).items():
                made = demo.create_dataset(name, array.shape, array.dtype)
                for start in range(0, shape.steps, 50):
                    made[start : start + 50] = array[start : start + 50]


def write_rlds(path: Path, shape: Shape) -> None:
    """TFRecords of whole episodes, images as PNG."""
    path.mkdir()
    features: dict[str, Any] = {}
    with open(path / "toy-train.tfrecord-00000-of-00001", "wb") as file:
        for i in range(shape.episodes):
            arrays = {name.replace("obs/", "observation/"): array for name, array in values(shape, i).items()}
            features = features or {name: _rlds_feature(array) for name, array in arrays.items()}
            packed = {f"steps/{name}": _rlds_values(array) for name, array in arrays.items()}
            file.write(rlds_files.record(rlds_files.example(packed)))
    sequence = {"sequence": {"length": "-1", "feature": rlds_files.features_dict(features)}}
    (path / "features.json").write_text(json.dumps(rlds_files.features_dict({"steps": sequence})))


def _rlds_feature(array: Any) -> dict[str, Any]:
    if array.dtype == np.uint8:
        return {"image": {"dtype": "uint8", "shape": {"dimensions": [str(n) for n in array.shape[1:]]}}}
    return rlds_files.tensor("float32", *array.shape[1:])


def _rlds_values(array: Any) -> Any:
    if array.dtype != np.uint8:
        return array
    few = [rlds_files.png(frame) for frame in array[:8]]  # packing them all would take most of the benchmark's time
    return [few[i % len(few)] for i in range(len(array))]


def write_robodm(path: Path, shape: Shape) -> None:
    """One trajectory a file; images as H.264."""
    path.mkdir()
    times = (np.arange(shape.steps) * (1000 // HZ)).tolist()
    for i in range(shape.episodes):
        written = {
            name: robodm_files.Written(array, times, "libx264" if array.dtype == np.uint8 else "pyarrow_batch")
            for name, array in values(shape, i).items()
        }
        robodm_files.write(path / f"{i}.vla", written)


def write_mcap(path: Path, shape: Shape) -> None:
    """One log a recording, of ROS 2 messages: one with all numbers of a step, and raw images."""
    from mcap.writer import Writer

    path.mkdir()
    for i in range(shape.episodes):
        with open(path / f"{i}.mcap", "wb") as file:
            writer = Writer(file)
            writer.start()
            arrays = values(shape, i)
            messages: dict[str, tuple[tuple[str, str, bytes], Iterator[bytes]]]
            messages = {name: (IMAGE, _images(arrays.pop(name))) for name in shape.cameras}
            flat = np.concatenate([array.reshape(shape.steps, -1) for array in arrays.values()], axis=1)
            messages["robot"] = NUMBERS_MESSAGE, _lists(flat)
            schemas = {kind: writer.register_schema(*kind) for kind, _ in messages.values()}
            channels = {n: writer.register_channel(f"/{n}", "cdr", schemas[kind]) for n, (kind, _) in messages.items()}
            for step, each in enumerate(zip(*(data for _, data in messages.values()), strict=True)):
                time = (step * 1000 // HZ + 1) * 1_000_000
                for name, data in zip(messages, each, strict=True):
                    writer.add_message(channels[name], time, data, time)
            writer.finish()


NUMBERS_MESSAGE: tuple[str, str, bytes] = "bench_msgs/msg/Numbers", "ros2msg", b"float64[] data"
IMAGE: tuple[str, str, bytes] = (
    "sensor_msgs/msg/Image",
    "ros2msg",
    b"uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step\nuint8[] data",
)
_CDR = b"\0\1\0\0"
"""Little-endian; alignment counts from after it."""


def _lists(rows: Any) -> Iterator[bytes]:
    for row in rows:
        yield _CDR + struct.pack("<Ixxxx", len(row)) + row.tobytes()


def _images(frames: Any) -> Iterator[bytes]:
    for frame in frames:
        height, width, _ = frame.shape
        head = struct.pack("<III5sBxxII", height, width, 5, b"rgb8", 0, width * 3, frame.size)
        yield _CDR + head + np.ascontiguousarray(frame).tobytes()


READ_ONLY: Mapping[str, Callable[[Path, Shape], None]] = {
    "mcap": write_mcap, "rlds": write_rlds, "robodm": write_robodm
}  # fmt: skip
"""Format -> how an input of it is made."""
