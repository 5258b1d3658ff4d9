"""Which columns say where episodes begin, which frame a row is, and what is true of a whole episode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom.errors import DamagedFileError, LayoutError, UnknownNameError
from trajloom.formats.parquet.files import Files
from trajloom.tables import Array

EPISODE = (
    "episode_index", "episode_id", "episode_idx", "episode_number", "episode", "traj_id", "traj_index", "traj",
    "trajectory_id", "trajectory_index", "trajectory", "demo_id", "demo_index", "demo", "rollout_id", "rollout",
)  # fmt: skip
FRAME = ("frame_index", "frame_id", "frame", "step_index", "step_id", "timestep", "step", "t")
TIME = ("timestamp", "time", "time_s", "t")
TASK = ("task", "language_instruction", "instruction", "task_description", "language", "prompt")
SUCCESS = ("success", "is_success", "episode_success")
NAME = ("episode_name",)


@dataclass(frozen=True)
class Roles:
    """Names of columns that are no data; None where there is none."""

    episode: str | None = None
    frame: str | None = None
    time: str | None = None
    task: str | None = None
    success: str | None = None
    name: str | None = None

    def used(self) -> list[str]:
        return [name for name in (self.episode, self.frame, self.time, self.task, self.success, self.name) if name]


def find(schema: pa.Schema, wanted: Mapping[str, str | None], where: str) -> Roles:
    """The columns that play a role: those asked for, else the first of a usual name and type.

    Args:
        schema: Of the files.
        wanted: Role -> column that the user named, or None.
        where: For messages.
    """
    for name in wanted.values():
        if name is not None and name not in schema.names:
            raise UnknownNameError(f"column of {where}", name, schema.names)

    def first(role: str, names: Sequence[str], fits: Any, taken: Sequence[str | None] = ()) -> str | None:
        if wanted.get(role) is not None:
            return wanted[role]
        lower = {name.lower(): name for name in reversed(schema.names)}
        there = [lower[name] for name in names if name in lower and lower[name] not in taken]
        return next((name for name in there if fits(schema.field(name).type)), None)

    episode = first("episode", EPISODE, _is_key)
    if episode is not None and not _is_key(schema.field(episode).type):
        raise LayoutError(f"{where}: {episode}: episodes must be numbers or text, got {schema.field(episode).type}")
    frame = first("frame", FRAME, pa.types.is_integer, [episode])
    time = first("time", TIME, pa.types.is_floating, [frame])
    task, name = first("task", TASK, _is_text, [episode]), first("name", NAME, _is_text, [episode])
    return Roles(episode, frame, time, task, first("success", SUCCESS, pa.types.is_boolean), name)


def _is_text(dtype: pa.DataType) -> bool:
    dtype = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    return pa.types.is_string(dtype) or pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype)


def _is_key(dtype: pa.DataType) -> bool:
    return _is_text(dtype) or pa.types.is_integer(dtype)


@dataclass
class Episodes:
    """Where the episodes lie, and what is said of each."""

    starts: list[int] = field(default_factory=list)
    """First row of each."""
    rows: int = 0
    ids: list[Any] = field(default_factory=list)
    facts: dict[str, list[Any]] = field(default_factory=dict)
    """Role ("task", "success", "name") -> value of each episode, where it is one for all rows of every episode."""
    counted: bool = False
    """Whether the frame column counts 0, 1, 2, ... in each episode."""
    control_hz: float | None = None
    timed: bool = False
    """Whether the time column has no nulls."""

    @property
    def lengths(self) -> Array:
        return np.diff([*self.starts, self.rows]).astype(np.int64)


def scan(files: Files, roles: Roles, where: str) -> Episodes:
    """Find the episodes by streaming the columns that play a role, and nothing else.

    Raises:
        LayoutError: Rows of an episode do not follow one another, or not in the order of their frames.
    """
    reader = _Scan(files, roles, where)
    if roles.used():
        for batch in files.batches(roles.used()):
            reader.take(batch)
    elif any(file.rows < 0 for file in files.files):
        raise DamagedFileError(f"{where}: a negative number of rows")
    return reader.finish()


class _Scan:
    def __init__(self, files: Files, roles: Roles, where: str):
        self.roles, self.where, self.files = roles, where, files
        self.found = Episodes(counted=roles.frame is not None, timed=roles.time is not None)
        self.last: dict[str, Any] = {}
        self.constant = {r: [] for r in ("task", "success", "name") if getattr(roles, r)}
        self.periods = [np.inf, -np.inf, 0.0, 0]
        self._boundaries = np.unique(files.starts[:-1])
        self._seen: set[Any] = set()
        if roles.episode is None:
            self.found.starts = files.starts[:-1].tolist()
            # a file's own name is not its content's
            self.found.ids = [file.name for file in files.files] if len(files.files) > 1 else [0]

    def take(self, batch: pa.RecordBatch) -> None:
        first, rows = self.found.rows, batch.num_rows
        if not rows:
            return
        begins = self._begins(batch, first)
        self._frames(batch, begins, first)
        self._times(batch, begins)
        for role in list(self.constant):
            self._fact(role, batch.column(getattr(self.roles, role)), begins)
        self.found.rows += rows

    def finish(self) -> Episodes:
        found = self.found
        found.rows = self.files.rows
        low, high, total, count = self.periods
        if found.timed and count and low > 0 and high - low <= 1e-3 * (total / count):
            found.control_hz = float(round(count / total, 3))
        if any(len(values) != np.count_nonzero(found.lengths) for values in self.constant.values()):
            self.constant = {}
        filled = np.flatnonzero(found.lengths)
        for role, values in self.constant.items():
            spread: list[Any] = [None] * len(found.starts)
            for i, value in zip(filled.tolist(), values, strict=True):
                spread[i] = value
            found.facts[role] = spread
        return found

    def _begins(self, batch: pa.RecordBatch, first: int) -> Array:
        """(n,) bool. Rows at which an episode begins."""
        if self.roles.episode is None:
            return np.isin(np.arange(first, first + batch.num_rows), self._boundaries)
        key = batch.column(self.roles.episode)
        if key.null_count:
            raise LayoutError(f"{self.where}: {self.roles.episode} is null in {key.null_count} rows")
        key = _plain(key)
        begins = _changes(key, self.last.get("episode"), first == 0)
        self.last["episode"] = key[-1].as_py()
        at = np.flatnonzero(begins)
        ids = key.take(pa.array(at)).to_pylist()
        for name in ids:
            if name in self._seen:
                raise LayoutError(
                    f"{self.where}: the rows of {self.roles.episode} {name!r} do not follow one another; sort the "
                    "rows by episode and frame first"
                )
            self._seen.add(name)
        self.found.starts += (at + first).tolist()
        self.found.ids += ids
        return begins

    def _frames(self, batch: pa.RecordBatch, begins: Array, first: int) -> None:
        if self.roles.frame is None:
            return
        values = batch.column(self.roles.frame)
        if values.null_count:
            self.found.counted = False
            return
        frame = values.to_numpy(zero_copy_only=False).astype(np.int64)
        before = np.concatenate([[self.last.get("frame", frame[0])], frame[:-1]])
        falls = np.flatnonzero((frame < before) & ~begins)
        if len(falls):
            row = first + int(falls[0])
            raise LayoutError(
                f"{self.where}: row {row:,}: {self.roles.frame} falls from {before[falls[0]]} to {frame[falls[0]]} "
                f"within an episode; sort the rows by episode and frame first"
            )
        follows = np.where(begins, frame == 0, frame == before + 1)
        self.found.counted = self.found.counted and bool(follows.all())
        self.last["frame"] = int(frame[-1])

    def _times(self, batch: pa.RecordBatch, begins: Array) -> None:
        if self.roles.time is None or not self.found.timed:
            return
        values = batch.column(self.roles.time)
        if values.null_count:
            self.found.timed = False
            return
        time = values.to_numpy(zero_copy_only=False).astype(np.float64)
        with np.errstate(invalid="ignore"):
            steps = np.diff(np.concatenate([[self.last.get("time", time[0])], time]))[~begins]
        self.last["time"] = time[-1]
        if len(steps):
            low, high, total, count = self.periods
            self.periods = [min(low, steps.min()), max(high, steps.max()), total + steps.sum(), count + len(steps)]

    def _fact(self, role: str, values: pa.Array, begins: Array) -> None:
        """Note what is said of the episodes that begin; forget the role where it changes within one."""
        values = _plain(values)
        known = role in self.last
        changes = _changes(values, self.last.get(role), not known)
        if (changes & ~begins).any():
            del self.constant[role]
            return
        self.constant[role] += values.take(pa.array(np.flatnonzero(begins))).to_pylist()
        self.last[role] = values[-1].as_py()


def _plain(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if isinstance(values, pa.DictionaryArray) else values


def _changes(values: pa.Array, last: Any, is_first: bool) -> Array:
    """(n,) bool. Rows that differ from the row before; nulls equal nulls."""
    before, after = values.slice(0, len(values) - 1), values.slice(1)
    differ = pc.fill_null(pc.not_equal(before, after), False).to_numpy(zero_copy_only=False)
    nulls = values.is_null().to_numpy(zero_copy_only=False)
    differ = differ | (nulls[1:] != nulls[:-1])
    return np.concatenate([[is_first or values[0].as_py() != last], differ]).astype(bool)
