"""What becomes of each column in LeRobot: its feature, its type in Parquet, and what is kept aside."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom.errors import SettingsError
from trajloom.formats.lerobot.names import RESERVED, their_names
from trajloom.formats.lerobot.video import CODECS, pixel_format
from trajloom.schema import LINEAGE, Column, Header, is_own_step

HOLDS = frozenset(
    {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float16", "float32", "float64"}
)
"""Element types of features; torch, into which LeRobot reads, overflows on uint64."""
MAX_DIMENSIONS = 5
MADE = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64",
        "task_index": "int64"}  # fmt: skip
"""Features that LeRobot has in every dataset."""


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How a LeRobot dataset is written."""

    images: Literal["png", "mp4"] = "png"
    """"png" keeps every pixel, in the Parquet files; "mp4" makes videos, which are smaller and lose some of it."""
    fps: float | None = None
    """Frames a second, where the dataset does not say its rate."""
    codec: str = "h264"
    """Of videos: "h264", "hevc" or "av1"."""
    robot_type: str | None = None
    """What `info.json` is to call the robot."""
    threads: int | None = None
    """How many threads pack images; all cores by default."""

    def __post_init__(self) -> None:
        if self.images not in ("png", "mp4"):
            raise SettingsError(f"images must be png or mp4, got {self.images!r}")
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise SettingsError(f"fps must be above 0, got {self.fps}")
        if self.codec not in CODECS:
            raise SettingsError(f"codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        if self.threads is not None and self.threads < 1:
            raise SettingsError(f"threads must be at least 1, got {self.threads}")


@dataclass(frozen=True)
class Native:
    """One column of ours that LeRobot holds."""

    source: str
    """Our name of it."""
    name: str
    """The feature's."""
    column: Column
    kind: Literal["number", "image", "video"]

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """LeRobot has no scalars."""
        return self.column.shape or (1,)

    @property
    def is_scalar(self) -> bool:
        return self.feature_shape == (1,)

    @property
    def arrow_type(self) -> pa.DataType:
        if self.kind == "image":
            return pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
        kind = pa.from_numpy_dtype(np.dtype(self.column.dtype))
        if self.is_scalar:
            return kind
        if len(self.feature_shape) == 1:
            return pa.list_(kind, self.feature_shape[0])
        for _ in self.feature_shape:
            kind = pa.list_(kind)
        return kind

    @property
    def huggingface(self) -> dict[str, Any]:
        """How `datasets` describes it."""
        if self.kind == "image":
            return {"_type": "Image"}
        value = {"dtype": self.column.dtype, "_type": "Value"}
        if self.is_scalar:
            return value
        if len(self.feature_shape) == 1:
            return {"feature": value, "length": self.feature_shape[0], "_type": "Sequence"}
        dimensions = len(self.feature_shape)
        return {"shape": list(self.feature_shape), "dtype": self.column.dtype, "_type": f"Array{dimensions}D"}


def natives(header: Header, options: WriteOptions) -> list[Native]:
    """The columns that LeRobot holds, under its names for them."""
    lineage = [Column(name=f"{kind}/{eef}", dtype=str(dtype)) for eef in header.eefs for kind, dtype in LINEAGE.items()]
    columns = [c for c in (*header.steps, *lineage) if c.dtype in HOLDS and len(c.shape) <= MAX_DIMENSIONS]
    names = their_names({c.name: _is_image(c) for c in columns}, _known_names(header))
    return [Native(c.name, names[c.name], c, _kind(c, options)) for c in columns]


def _known_names(header: Header) -> dict[str, str]:
    """What a LeRobot source itself called its columns."""
    if header.layout.get("format") != "lerobot":
        return {}
    allowed = {"task_index"} if keeps_task_index(header) else set()
    return {
        ours: theirs
        for ours, theirs in header.layout.get("names", {}).items()
        if theirs not in RESERVED - allowed and "/" not in theirs
    }


def keeps_task_index(header: Header) -> bool:
    """Whether the steps say their tasks themselves, as in a LeRobot dataset whose tasks change within episodes."""
    wanted = Column(name="task_index", dtype="int64")
    named = header.layout.get("names", {}).get("task_index") == "task_index"
    return named and header.layout.get("format") == "lerobot" and wanted in header.steps


def _is_image(column: Column) -> bool:
    return column.dtype == "uint8" and len(column.shape) == 3 and column.shape[2] == 3


def _kind(column: Column, options: WriteOptions) -> Literal["number", "image", "video"]:
    if not _is_image(column) or is_own_step(column.name):
        return "number"
    return "video" if options.images == "mp4" else "image"


def fps_of(header: Header, options: WriteOptions) -> float:
    """Frames a second.

    Raises:
        SettingsError: Nothing says it, or two things say it otherwise.
    """
    if header.control_hz is None and options.fps is None:
        raise SettingsError("LeRobot needs a rate, which this dataset does not say; give it: fps=20")
    if header.control_hz and options.fps and header.control_hz != options.fps:
        raise SettingsError(
            f"fps is {options.fps:g}, but the dataset says that it was made at {header.control_hz:g} Hz"
        )
    return float(header.control_hz or options.fps or 0)


def features_json(
    columns: Sequence[Native], fps: float, known: Mapping[str, Any], options: WriteOptions, texts: Sequence[str] = ()
) -> dict[str, Any]:
    """`features` of info.json; what a LeRobot source said of one is kept."""
    found: dict[str, Any] = {}
    for native in columns:
        shape = list(native.feature_shape)
        dtype = native.column.dtype if native.kind == "number" else native.kind
        about = {"dtype": dtype, "shape": shape, "names": _names_of(native, known.get(native.name))}
        if native.kind == "video":
            about["info"] = {
                "video.height": shape[0], "video.width": shape[1], "video.codec": options.codec,
                "video.pix_fmt": pixel_format(shape), "video.is_depth_map": False, "video.fps": fps,
                "video.channels": 3, "has_audio": False,
            }  # fmt: skip
        found[native.name] = about
    for name in texts:
        found[name] = {"dtype": "string", "shape": [1], "names": None}
    made = {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in MADE.items()}
    return {**{name: about for name, about in found.items() if name not in made}, **made}


def _names_of(native: Native, known: Any) -> Any:
    if native.kind != "number":
        return ["height", "width", "channels"]
    said = known.get("names") if isinstance(known, Mapping) else None
    return said if isinstance(known, Mapping) and tuple(known.get("shape", ())) == native.feature_shape else None


def data_schema(columns: Sequence[Native], texts: Sequence[str] = ()) -> pa.Schema:
    """Schema of the data files, with what `datasets` reads the features from."""
    stored = [n for n in columns if n.kind != "video" and n.name not in MADE]
    fields = [pa.field(n.name, n.arrow_type) for n in stored]
    fields += [pa.field(name, pa.from_numpy_dtype(np.dtype(dtype))) for name, dtype in MADE.items()]
    fields += [pa.field(name, pa.string()) for name in texts]
    features = {n.name: n.huggingface for n in stored}
    features |= {name: {"dtype": "string", "_type": "Value"} for name in texts}
    features |= {name: {"dtype": dtype, "_type": "Value"} for name, dtype in MADE.items()}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def source_info(header: Header) -> Mapping[str, Any]:
    """info.json of the LeRobot dataset that this one was, where it was one."""
    found = header.layout.get("info") if header.layout.get("format") == "lerobot" else None
    return found if isinstance(found, Mapping) else {}
