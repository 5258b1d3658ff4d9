"""Datasets as odd as they come, for properties of formats: Hypothesis strategies, and what makes two datasets equal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from in_memory import MemoryEpisode, MemorySource
from trajloom.formats import Source
from trajloom.schema import ELEMENT_TYPES, Column, Header, is_own_step, stored_name
from trajloom.tables import Rest

STEP_NAMES = (
    "actions", "states", "rewards", "dones", "obs/eef", "obs/nested/deep/er", "obs/grüße 你好", "next_obs/eef",
    "datagen_info/object_poses/cube A", "obs.eef", "observation.eef", "obs/a.b", "obs/a/b", "action", "index",
    "task_index", "episode", "frame_index", "timestamp", "name", "length", "data", "data/x", "meta/episode_ends",
    "observation.state", "observation.images.top", "obs/top_image", "trajloom/x", "subtask/robot0", "with space", "a-b",
)  # fmt: skip
"""Paths of steps' columns: common, nested, unicode, and such as collide with names of some format, or once renamed."""
EPISODE_NAMES = ("initial_state/articulation/robot/root_pose", "initial_state/x", "seed", "success", "camera/k", "ü")
SHAPES = ((), (1,), (7,), (4, 4), (3, 2, 1), (2, 1, 3, 1, 2), (6, 5, 3))


@st.composite
def datasets(
    draw: st.DrawFn, *, max_episodes: int = 5, max_steps: int = 6, rest: bool = True, gaps: bool = False
) -> MemorySource:
    """A dataset in memory with columns of any element type, ragged episodes, and columns that some of them lack.

    With `gaps`, columns that may be null are so at single steps too.
    """
    names = draw(st.lists(st.sampled_from(STEP_NAMES), unique=True, min_size=1, max_size=6))
    names = [name for name in names if not any(other.startswith(f"{name}/") for other in names)]
    lengths = draw(st.lists(st.integers(0, max_steps), min_size=1, max_size=max_episodes))
    steps = tuple(draw(_column(stored_name(name))) for name in names)
    given = draw(st.lists(st.sampled_from(EPISODE_NAMES), unique=True, max_size=2))
    episodes = tuple(draw(_column(stored_name(name, "episodes"))) for name in given)
    header = Header(
        steps=steps,
        episodes=episodes,
        control_hz=draw(st.sampled_from([None, 20.0, 30.0])),
        env_args=draw(st.sampled_from([None, {"env_name": "Lift", "type": 1, "env_kwargs": {"ü": [1, None]}}])),
    )
    members = [draw(_episode(header, i, n, gaps)) for i, n in enumerate(lengths)]
    rows = draw(st.lists(_rest_row(len(lengths)), max_size=3, unique_by=lambda r: (r.episode_index, r.path)))
    return MemorySource(
        header, members, rest_rows=_sorted(rows) if rest else (), episodes_per_part=max(1, len(members))
    )


@st.composite
def _column(draw: st.DrawFn, name: str) -> Column:
    dtype, shape = draw(st.sampled_from(ELEMENT_TYPES)), draw(st.sampled_from(SHAPES))
    return Column(name=name, dtype=dtype, shape=shape, nullable=draw(st.booleans()))


@st.composite
def _episode(draw: st.DrawFn, header: Header, index: int, length: int, gaps: bool) -> MemoryEpisode:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = {c.name: values(rng, c, length) for c in header.steps if not (c.nullable and draw(st.booleans()))}
    if length and not columns:
        columns = {header.steps[0].name: values(rng, header.steps[0], length)}
    row: dict[str, Any] = {
        "episode_index": index,
        "name": draw(st.sampled_from([f"demo_{index}", f"episode ü {index}"])),
        "length": length,
        "success": draw(st.sampled_from([None, True, False])),
        "seed": draw(st.sampled_from([None, 0, -7])),
        "task": draw(st.sampled_from([None, "pick the cube", "wörk"])),
        "splits": draw(st.lists(st.sampled_from(["train", "valid", "ü"]), unique=True)),
        "attrs": json.dumps(draw(st.sampled_from([{}, {"": {"note": {"dtype": "str", "value": "ü"}}}]))),
    }
    present = [c for c in header.episodes if not (c.nullable and draw(st.booleans()))]
    gappy = [c.name for c in header.steps if c.nullable and c.name in columns and length] if gaps else []
    nulls = {name: rng.random(length) < draw(st.sampled_from([0.0, 0.3, 0.8, 1.0])) for name in gappy}
    return MemoryEpisode({**row, **{c.name: values(rng, c, 1)[0] for c in present}}, columns, nulls)


def values(rng: np.random.Generator, column: Column, rows: int) -> Any:
    """Any bits at all: NaN, infinities and extremes included."""
    dtype = np.dtype(column.dtype)
    if column.dtype == "bool":
        return rng.integers(0, 2, (rows, *column.shape)).astype(bool)
    raw = rng.integers(0, 256, (rows, column.size * dtype.itemsize), dtype=np.uint8)
    found = raw.reshape(-1).view(dtype).reshape((rows, *column.shape)).copy()
    if dtype.kind == "f":  # one NaN, so that equality of bits is that of values
        found[np.isnan(found)] = np.nan
    # readers of the field's files refuse actions that are not finite
    return np.nan_to_num(found, nan=0, posinf=1, neginf=-1) if column.name in ("actions", "action") else found


@st.composite
def _rest_row(draw: st.DrawFn, episodes: int) -> Rest:
    path = draw(st.sampled_from(["odd/array", "scalar", "empty group", "obs/ragged"]))
    index = draw(st.one_of(st.none(), st.integers(0, episodes - 1)))
    kind = draw(st.sampled_from(["group", "<f8", ">i4", "|S3"]))
    if kind == "group":
        return Rest(path, "group", None, None, index, {})
    shape = draw(st.sampled_from([(), (0, 3), (2, 2)]))
    data = bytes(int(np.prod(shape)) * np.dtype(kind).itemsize)
    return Rest(path, kind, shape, data, index, {})


def _sorted(rows: list[Rest]) -> list[Rest]:
    return sorted(rows, key=lambda row: (-1 if row.episode_index is None else row.episode_index, row.path))


# ---- equality --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tables:
    """A dataset that has been read whole, to be compared with many."""

    header: Header
    tables: Mapping[str, pa.Table]
    models: Mapping[str, str]


def read_whole(source: Source) -> Tables:
    """All tables of a dataset."""
    names = ("steps", "episodes", "attempts", "rest")
    return Tables(source.header, {name: rows_of(source, name) for name in names}, dict(source.models()))


def assert_same(found: Source, wanted: Source | Tables, *, but_for: frozenset[str] = frozenset()) -> None:
    """Assert that two datasets hold the same, bit for bit, in all their tables.

    Args:
        found: One.
        wanted: The other.
        but_for: Fields of the header that may differ.
    """
    ours, theirs = (one if isinstance(one, Tables) else read_whole(one) for one in (found, wanted))
    told, expected = ({k: v for k, v in one.header.to_json().items() if k not in but_for} for one in (ours, theirs))
    assert told == expected
    for table, right in theirs.tables.items():
        left = ours.tables[table]
        assert left.schema.names == right.schema.names
        assert left.num_rows == right.num_rows, table
        for name in right.schema.names:
            assert same_values(left.column(name), right.column(name)), f"{table}: {name}"
    assert ours.models == theirs.models


def rows_of(source: Source, table: str) -> pa.Table:
    """A whole table."""
    schema = source.header.schema_of(table)
    pieces: list[Any] = []
    for part in source.parts():
        rows = getattr(part, table)()
        pieces += rows.to_batches() if isinstance(rows, pa.Table) else list(rows)
    return pa.Table.from_batches(pieces, schema=schema)


def same_values(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    """Whether two columns are equal; NaN equals NaN."""
    a, b = left.combine_chunks(), right.combine_chunks()
    if left.type != right.type:
        return False
    # spelling values out takes a hundred times as long as looking at their bits
    return _same_bits(a, b) or str(a.to_pylist()) == str(b.to_pylist())


def _same_bits(a: Any, b: Any) -> bool:
    """Whether two arrays are null in the same places and the same bytes elsewhere; False also where it cannot tell."""
    if isinstance(a, pa.ExtensionArray):
        a, b = a.storage, b.storage
    if len(a) != len(b) or not a.is_null().equals(b.is_null()):
        return False
    a, b = a.drop_null(), b.drop_null()
    while pa.types.is_fixed_size_list(a.type):
        a, b = a.flatten(), b.flatten()
    if not (pa.types.is_primitive(a.type) and a.null_count == b.null_count == 0):
        # what holds no floats has no NaN, and no zero of another sign
        return not _has_floats(a.type) and a.equals(b)
    return a.to_numpy(zero_copy_only=False).tobytes() == b.to_numpy(zero_copy_only=False).tobytes()


def _has_floats(kind: pa.DataType) -> bool:
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return pa.types.is_floating(kind) or any(_has_floats(one) for one in inner)


def lossy_columns(header: Header, holds: Mapping[str, Any]) -> list[str]:
    """Columns whose element type is not among those that a format holds."""
    return [c.name for c in header.steps if c.dtype not in holds and not is_own_step(c.name)]
