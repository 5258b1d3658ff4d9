"""The contract of the tables: which columns there are, of which element type, shape, unit and frame; and the header.

The header (`dataset.json`) is the authority: Polars and Dask drop what Arrow fields say about themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom.errors import SchemaError

VERSION = 1
"""Version of the tables and of the store's layout."""

ELEMENT_TYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip
"""Element types of data columns, all little-endian; whatever else a file holds goes to `rest`."""

Encoding = Literal["value", "tensor", "list", "image"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One data column of `steps` or `episodes`."""

    name: str
    """Its path in a robomimic demonstration, such as `obs/robot0_eef_pos`; see `stored_name` for names that we use."""
    dtype: str
    """One of ELEMENT_TYPES."""
    shape: tuple[int, ...] = ()
    """Shape of one row; () is a scalar."""
    nullable: bool = False
    """Whether some episodes lack it; its rows are null there."""
    unit: str | None = None
    """SI unit, where known."""
    frame: str | None = None
    """Coordinate frame of a pose, position or rotation, where known."""
    when: Literal["before", "after"] | None = None
    """Whether the value was taken before or after the step's action, where known."""
    rotation: Literal["matrix", "xyzw", "wxyz"] | None = None
    """How the rotation in it is written, where known: a matrix (3, 3) or (4, 4), or a quaternion, last four numbers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        if self.dtype not in ELEMENT_TYPES:
            raise SchemaError(
                f"column {self.name}: no element type {self.dtype!r}; there are: {', '.join(ELEMENT_TYPES)}"
            )
        if any(n <= 0 for n in self.shape):
            raise SchemaError(
                f"column {self.name}: shape {self.shape} has a dimension below 1; such arrays go to `rest`"
            )

    @property
    def encoding(self) -> Encoding:
        """How a row is kept: a plain value, a tensor, a list (tensors that may be null), or an image's bytes."""
        if not self.shape:
            return "value"
        if self.dtype == "uint8" and len(self.shape) >= 2:
            return "image"
        # pyarrow cannot read a null among fixed-size lists back from Parquet
        return "list" if self.nullable else "tensor"

    @property
    def size(self) -> int:
        """Elements of one row."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of one row, uncompressed."""
        return self.size * np.dtype(self.dtype).itemsize

    @property
    def arrow_type(self) -> pa.DataType:
        value = pa.from_numpy_dtype(np.dtype(self.dtype))
        match self.encoding:
            case "value":
                return value
            case "image":
                return pa.binary(self.size)
            case "list":
                return pa.list_(value)
            case "tensor":
                return pa.fixed_shape_tensor(value, list(self.shape))

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape), "encoding": self.encoding}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Column":
        known = {key: value for key, value in values.items() if key != "encoding"}
        return cls(**{**known, "shape": tuple(known.get("shape", ()))})


# ---- the columns of our own ------------------------------------------------------------------------------------

STEPS = pa.schema(
    [
        pa.field("episode_index", pa.int64(), nullable=False),
        pa.field("frame_index", pa.int32(), nullable=False),
        pa.field("timestamp", pa.float64()),
    ]
)
"""Own columns of `steps`, one row a control step; `timestamp` in s, null where the rate is unknown."""

LINEAGE = {"subtask": pa.int8(), "source_episode": pa.int32(), "source_frame": pa.int32()}
"""Own columns of generated steps, one for each end effector: `subtask/robot0`, ...; -1 where there is none."""

EPISODES = pa.schema(
    [
        pa.field("episode_index", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("success", pa.bool_()),
        pa.field("seed", pa.int64()),
        pa.field("task", pa.string()),
        pa.field("splits", pa.list_(pa.string()), nullable=False),
        pa.field("model", pa.string()),
        pa.field("attrs", pa.string(), nullable=False),
    ]
)
"""Own columns of `episodes`: `model` is the SHA-256 of the model XML, `attrs` JSON (`{path: {name: typed value}}`)."""

CHOICE = pa.struct(
    [
        pa.field("eef", pa.string()),
        pa.field("subtask", pa.int8()),
        pa.field("source_episode", pa.int64()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("offset", pa.int32()),
    ]
)

ATTEMPTS = pa.schema(
    [
        pa.field("attempt", pa.int64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("success", pa.bool_(), nullable=False),
        pa.field("failed_subtask", pa.int8()),
        pa.field("reason", pa.string()),
        pa.field("steps", pa.int32(), nullable=False),
        pa.field("choices", pa.list_(CHOICE), nullable=False),
    ]
)
"""One row a try at an episode, also a failed one."""

TRY = pa.struct(
    [
        *CHOICE,
        pa.field("try", pa.int32()),
        pa.field("propensity", pa.float64()),
        pa.field("cell", pa.int8()),
        pa.field("success", pa.bool_()),
        pa.field("steps", pa.int32()),
        pa.field("reason", pa.string()),
    ]
)
TRIES = pa.field("tries", pa.list_(TRY), nullable=False)
"""One more column of `attempts`, where an attempt could go back: every try at a subtask, in the order made."""

REST = pa.schema(
    [
        pa.field("episode_index", pa.int64()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("dtype", pa.string(), nullable=False),
        pa.field("shape", pa.list_(pa.int64())),
        pa.field("bytes", pa.large_binary()),
        pa.field("attrs", pa.string(), nullable=False),
    ]
)
"""Arrays that are no regular column; `episode_index` is null for the file's own, `shape` null for a group."""

TABLES = ("steps", "episodes", "attempts", "rest")


def lineage_columns(eefs: Iterable[str]) -> list[pa.Field]:
    """The lineage columns of generated steps."""
    return [pa.field(f"{kind}/{eef}", dtype) for eef in eefs for kind, dtype in LINEAGE.items()]


def is_own_step(name: str) -> bool:
    """Whether a column of `steps` is one of ours rather than data."""
    return name in STEPS.names or name.split("/")[0] in LINEAGE


def stored_name(path: str, table: Literal["steps", "episodes"] = "steps") -> str:
    """The column of a demonstration's array: its path, or `data/<path>` where the path is a name that we use."""
    own = is_own_step(path) if table == "steps" else path in EPISODES.names
    return f"data/{path}" if own or path.startswith("data/") else path


def path_of(name: str) -> str:
    """The inverse of `stored_name`."""
    return name.removeprefix("data/")


# ---- the header ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is true of a whole dataset."""

    steps: tuple[Column, ...] = ()
    """Data columns of `steps`."""
    episodes: tuple[Column, ...] = ()
    """Data columns of `episodes`: arrays that are one a episode."""
    eefs: tuple[str, ...] = ()
    """End effectors whose lineage the steps carry; empty where the data was not generated."""
    control_hz: float | None = None
    """Control steps a second; null where unknown."""
    env_args: Mapping[str, Any] | None = None
    """robomimic's `env_args`."""
    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the source's own groups, `{path: {name: typed value}}`."""
    layout: Mapping[str, Any] = field(default_factory=dict)
    """What the source's format needs to write itself again: `{"format": "hdf5", ...}`."""
    sources: tuple[Mapping[str, Any], ...] = ()
    """Where the data came from: `{"id": ..., "sha256": ...}`."""
    generation: Mapping[str, Any] | None = None
    """Settings that made the data, where it was generated."""
    tries: bool = False
    """Whether attempts could go back, so that `attempts` has the column `tries`."""
    attempts_end: int | None = None
    """Attempts from this number on are hidden: they were made after the last one asked for."""
    made_by: Mapping[str, Any] = field(default_factory=dict)
    """Versions and platform."""
    warnings: tuple[str, ...] = ()
    """What the reader found odd in the source, and kept."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "format": "trajloom",
            "version": VERSION,
            "steps": [column.to_json() for column in self.steps],
            "episodes": [column.to_json() for column in self.episodes],
            **{name: _plain(getattr(self, name)) for name in _HEADER_JSON},
            **({"tries": True} if self.tries else {}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], where: str = "dataset.json") -> "Header":
        """From JSON values; SchemaError where they are no header of a version that we read."""
        if values.get("format") != "trajloom" or values.get("version") != VERSION:
            found = {key: values.get(key) for key in ("format", "version")}
            raise SchemaError(f"{where}: expected format 'trajloom', version {VERSION}; found {found}")
        unknown = set(values) - set(_HEADER_JSON) - {"format", "version", "steps", "episodes", "tries"}
        if unknown:
            raise SchemaError(f"{where}: unknown keys {sorted(unknown)}")
        plain = {name: values[name] for name in _HEADER_JSON if name in values}
        try:
            plain.update({name: tuple(plain.get(name) or ()) for name in ("eefs", "sources", "warnings")})
            return cls(
                steps=tuple(Column.from_json(column) for column in values.get("steps", ())),
                episodes=tuple(Column.from_json(column) for column in values.get("episodes", ())),
                tries=bool(values.get("tries", False)),
                **plain,
            )
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise SchemaError(f"{where} is no header: {error}") from error

    def with_(self, **changes: Any) -> "Header":
        """A copy with some fields changed."""
        return replace(self, **changes)

    @property
    def steps_schema(self) -> pa.Schema:
        """Arrow schema of the table `steps`."""
        return _with_data(STEPS, lineage_columns(self.eefs), self.steps)

    @property
    def episodes_schema(self) -> pa.Schema:
        """Arrow schema of the table `episodes`."""
        return _with_data(EPISODES, [], self.episodes)

    @property
    def attempts_schema(self) -> pa.Schema:
        """Arrow schema of the table `attempts`."""
        return ATTEMPTS.append(TRIES) if self.tries else ATTEMPTS

    def schema_of(self, table: str) -> pa.Schema:
        """Arrow schema of any table."""
        return REST if table == "rest" else getattr(self, f"{table}_schema")

    def column(self, name: str) -> Column:
        """The data column of `steps` of this name; SchemaError where there is none."""
        for column in self.steps:
            if column.name == name:
                return column
        raise SchemaError(f"no column {name!r} in steps; there are: {', '.join(c.name for c in self.steps)}")


_HEADER_JSON = (
    "eefs", "control_hz", "env_args", "attrs", "layout", "sources", "generation", "attempts_end", "made_by", "warnings",
)  # fmt: skip


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _with_data(own: pa.Schema, more: Sequence[pa.Field], data: Iterable[Column]) -> pa.Schema:
    return pa.schema([*own, *more, *(pa.field(c.name, c.arrow_type, nullable=c.nullable) for c in data)])


# ---- checking --------------------------------------------------------------------------------------------------


def check(table: pa.Table | pa.RecordBatch, schema: pa.Schema, what: str = "table") -> None:
    """Raise SchemaError, naming every fault, unless a table has exactly the columns, types and nulls of a schema."""
    faults = [*_missing(table.schema, schema), *_unexpected(table.schema, schema)]
    for wanted in schema:
        if table.schema.names.count(wanted.name) != 1:
            continue
        found = table.schema.field(wanted.name)
        if found.type != wanted.type:
            faults.append(f"{wanted.name}: wanted {wanted.type}, got {found.type}")
        elif not wanted.nullable and table.column(wanted.name).null_count:
            faults.append(f"{wanted.name}: {table.column(wanted.name).null_count} nulls where none may be")
    if faults:
        raise SchemaError(f"{what} does not match the schema; " + "; ".join(faults))


def _missing(found: pa.Schema, wanted: pa.Schema) -> list[str]:
    return [f"{name}: missing" for name in wanted.names if name not in found.names]


def _unexpected(found: pa.Schema, wanted: pa.Schema) -> list[str]:
    twice = [f"{name}: there twice" for name in sorted({n for n in found.names if found.names.count(n) > 1})]
    return [f"{name}: not expected" for name in found.names if name not in wanted.names] + twice
