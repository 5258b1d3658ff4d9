"""Records of episodes, written as TensorFlow would: TFRecord framing, tf.train.Example, TensorProto, features.json."""

import io
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trajloom.formats.rlds.crc import masked

DTYPES = {"<f4": 1, "<f8": 2, "<i4": 3, "|u1": 4, "<i8": 9, "|b1": 10}


def varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(values: Any, packed: bool = True) -> bytes:
    """A list of bytes, floats or whole numbers by what it is given."""
    if isinstance(values, list):
        return field(1, b"".join(field(1, v if isinstance(v, bytes) else v.encode()) for v in values))
    flat = np.asarray(values).reshape(-1)
    if flat.dtype.kind == "f":
        numbers = flat.astype("<f4")
        content = field(1, numbers.tobytes()) if packed else b"".join(b"\x0d" + n.tobytes() for n in numbers)
        return field(2, content)
    pieces = [varint(int(n)) for n in flat]
    return field(3, field(1, b"".join(pieces)) if packed else b"".join(b"\x08" + piece for piece in pieces))


def example(values: Mapping[str, Any], packed: bool = True) -> bytes:
    entries = [field(1, name.encode()) + field(2, feature(value, packed)) for name, value in values.items()]
    return field(1, b"".join(field(1, entry) for entry in entries))


def record(data: bytes) -> bytes:
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked(head)) + data + struct.pack("<I", masked(data))


def tensor_proto(values: Any) -> bytes:
    """What `tf.io.serialize_tensor` gives."""
    if isinstance(values, list):
        shape = field(2, b"\x08" + varint(len(values)))
        return b"\x08\x07" + field(2, shape) + b"".join(field(8, text.encode()) for text in values)
    sizes = b"".join(field(2, b"\x08" + varint(n)) for n in values.shape)
    return b"\x08" + varint(DTYPES[values.dtype.str]) + field(2, sizes) + field(4, values.tobytes())


def png(values: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, "PNG")
    return out.getvalue()


def tensor(dtype: str, *shape: int, encoding: str = "none") -> dict[str, Any]:
    return {"tensor": {"dtype": dtype, "shape": {"dimensions": [str(n) for n in shape]}, "encoding": encoding}}


def features_dict(features: Mapping[str, Any]) -> dict[str, Any]:
    return {"featuresDict": {"features": features}}


FEATURES = features_dict(
    {
        "steps": {
            "sequence": {
                "length": "-1",
                "feature": features_dict(
                    {
                        "observation": features_dict(
                            {
                                "state": tensor("float32", 2, 2),
                                "image": {"image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}}},
                                "blob": tensor("int32", 2, encoding="bytes"),
                            }
                        ),
                        "action": tensor("float64", 2),
                        "reward": tensor("float32"),
                        "is_first": tensor("bool"),
                        "count": tensor("int16"),
                        "points": {"sequence": {"feature": tensor("float32"), "length": "-1"}},
                        "language_instruction": {"text": {}},
                        "note": {"text": {}},
                    }
                ),
            }
        },
        "episode_metadata": features_dict({"success": tensor("bool"), "gains": tensor("float32", 3)}),
    }
)


def episode(length: int) -> dict[str, Any]:
    """An episode whose values count up from its length."""
    frame = np.arange(length)
    return {
        "steps/observation/state": (np.arange(length * 4) + length).astype("f4"),
        "steps/observation/image": [png(image(length, i)) for i in frame],
        "steps/observation/blob": [np.array([i, -length], "<i4").tobytes() for i in frame],
        "steps/action": (np.arange(length * 2) * 0.5).astype("f4"),
        "steps/reward": (frame == length - 1).astype("f4"),
        "steps/is_first": frame == 0,
        "steps/count": frame - 300,
        "steps/points/ragged_flat_values": np.arange(length + 3).astype("f4"),
        "steps/points/ragged_row_lengths_0": np.array([length + 3] + [0] * (length - 1)),
        "steps/language_instruction": ["pick the cup"] * length,
        "steps/note": [f"step {i}" for i in frame],
        "episode_metadata/success": np.array([length % 2]),
        "episode_metadata/gains": np.array([1, 2, 3], "f4"),
    }


def image(length: int, frame: int) -> Any:
    return ((np.arange(4 * 5 * 3) * 3 + length + frame) % 256).astype(np.uint8).reshape(4, 5, 3)


def write(folder: Path, splits: Mapping[str, Sequence[bytes]], features: Any = FEATURES) -> Path:
    """A dataset folder with one file a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, records in splits.items():
        (folder / f"toy-{split}.tfrecord-00000-of-00001").write_bytes(b"".join(map(record, records)))
    if features is not None:
        (folder / "features.json").write_text(json.dumps(features))
    return folder
