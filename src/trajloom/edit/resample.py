"""Another rate: a dataset's steps at so many a second, whatever rate or jitter they came with."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trajloom import osc
from trajloom.edit.grid import Grid, grid
from trajloom.edit.images import image_of
from trajloom.edit.rotations import between, rotation_of
from trajloom.edit.stream import along, by_episode
from trajloom.edit.view import View
from trajloom.errors import SchemaError, SettingsError, UnknownNameError
from trajloom.formats import Part, Source
from trajloom.schema import Column, Header, is_own_step, path_of
from trajloom.tables import rest_batch, rest_rows, to_arrow, to_numpy

Method = Literal["linear", "nearest"]
Rule = Literal["linear", "slerp", "nearest", "previous"]
"""How a column gets its value at a new instant; "previous" is the last one at or before it."""

RULES: tuple[Rule, ...] = ("linear", "slerp", "nearest", "previous")
STREAMED_BYTES = 4096
"""A row that is larger than this is not held for a whole episode, where its rule only chooses among rows."""
BATCH_ROWS = 10_000


def resample(
    source: Source,
    hz: float,
    *,
    method: Method = "linear",
    columns: Mapping[str, Rule] | None = None,
    from_hz: float | None = None,
) -> Source:
    """A dataset at another rate, by its timestamps, which need not be regular.

    Every episode begins at its first instant and has a step every 1 / `hz` seconds up to its last: no value is made up
    beyond what was recorded, and a last step off the new grid goes, with its reward and `done`. A step that falls on
    one that there is, within a thousandth of a frame, is that one to the bit; so the same rate again changes nothing.

    By default floats are interpolated linearly and rotations evenly the short way round (SLERP; `edit.rotations` says
    which columns those are); a boolean keeps its last value at or before the instant; whole numbers, images, depth and
    lineage are those of the nearest step. Vectors that mix kinds (`states`, `obs/object`) are numbers like others,
    the quaternions in them too: "nearest" keeps them true.

    Actions are treated as their columns are and **never rescaled**: a delta action still says how far to go in a step
    of the old rate, and played back at the new rate goes too far or not far enough (`edit.actions` makes them
    absolute first). Absolute actions of robosuite's OSC are those of the last step at or before, as their controller
    holds a target until the next. `next_obs/...` remain a step of the old rate ahead.

    Args:
        source: The dataset.
        hz: Steps a second, above 0.
        method: "nearest" interpolates nothing.
        columns: Rules of single columns, by name. "linear" needs floats, and "slerp" a column whose rotations
            `edit.rotations` knows; images are always the nearest.
        from_hz: The rate that the steps had, for a dataset that says neither rate nor timestamps.

    Raises:
        SettingsError: A rate is not above 0 or not known, or a rule does not fit its column.
        UnknownNameError: There is no such column or rule.
        SchemaError: As it is read: timestamps do not rise, or a rotation is none; names episode and frame or column.
    """
    _check(source, hz, method, from_hz)
    rules = rules_for(source.header, method, columns or {})
    header = source.header
    resampled = Resampling(header, _resampled(header, hz, rules), hz, header.control_hz or from_hz, rules)
    return View(source, resampled.header, resampled)


def _check(source: Source, hz: float, method: str, from_hz: float | None) -> None:
    for name, rate in (("hz", hz), ("from_hz", from_hz)):
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise SettingsError(f"{name} must be above 0, got {rate}")
    if method not in ("linear", "nearest"):
        raise UnknownNameError("method of resampling", method, ("linear", "nearest"))
    known = source.header.control_hz
    if known and from_hz:
        raise SettingsError(f"the dataset says its rate itself ({known:g} Hz), so from_hz={from_hz:g} is not asked for")
    if not known and not from_hz and not _has_timestamps(source):
        raise SettingsError("the dataset says neither timestamps nor a rate; say the rate that it has: from_hz")


def _has_timestamps(source: Source) -> bool:
    """Whether the first rows have, where there are any."""
    for part in source.parts():
        for batch in part.steps(["timestamp"]):
            if batch.num_rows:
                return not batch.column("timestamp").null_count
    return True


# ---- rules -----------------------------------------------------------------------------------------------------


def rules_for(header: Header, method: Method, chosen: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rule of every data column; raises as `resample` does where a chosen one does not fit."""
    known = {column.name for column in header.steps}
    for name, rule in chosen.items():
        if name not in known:
            raise UnknownNameError("column in steps", name, known)
        if rule not in RULES:
            raise UnknownNameError("rule of resampling", rule, RULES)
    rules: dict[str, Rule] = {column.name: _rule(header, column, method) for column in header.steps}
    for column in header.steps:
        if column.name in chosen:
            _check_rule(column, chosen[column.name])
            rules[column.name] = chosen[column.name]
    return rules


def _rule(header: Header, column: Column, method: Method) -> Rule:
    if column.dtype == "bool":
        return "previous"
    if path_of(column.name) == "actions" and is_absolute(header):
        return "previous"
    if method == "nearest" or not column.dtype.startswith("float") or image_of(column):
        return "nearest"
    return "slerp" if rotation_of(column) else "linear"


def _check_rule(column: Column, rule: Rule) -> None:
    what = f"{column.dtype} {column.shape}"
    if rule == "slerp" and not rotation_of(column):
        raise SettingsError(f"{column.name}: slerp needs rotations; {what} under this name are none that we know")
    if rule == "linear" and not column.dtype.startswith("float"):
        raise SettingsError(f"{column.name}: linear needs floats, not {what}; there are: nearest, previous")
    if rule != "nearest" and image_of(column):
        raise SettingsError(f"{column.name} holds images, which are always the nearest, not {rule}")


def is_absolute(header: Header) -> bool:
    """Whether `env_args` says that the arm's controller takes target poses."""
    kwargs = (header.env_args or {}).get("env_kwargs")
    config = kwargs.get("controller_configs") if isinstance(kwargs, Mapping) else None
    return isinstance(config, Mapping) and osc.is_absolute(config)


def _resampled(header: Header, hz: float, rules: Mapping[str, Rule]) -> Header:
    """The header of the result; the same one where the rate is the same."""
    if header.control_hz == hz:
        return header
    warnings = (*header.warnings, *_said(header, hz, rules))
    return header.with_(control_hz=hz, env_args=with_rate(header.env_args, hz), warnings=warnings)


def with_rate(env_args: Mapping[str, Any] | None, hz: float) -> Mapping[str, Any] | None:
    """`env_args` at another rate: robosuite's `control_freq` is what readers of HDF5 go by."""
    kwargs = (env_args or {}).get("env_kwargs")
    if env_args is None or not isinstance(kwargs, Mapping):
        return env_args
    if "control_freq" not in kwargs and env_args.get("type") != 1:
        return env_args
    return {**env_args, "env_kwargs": {**kwargs, "control_freq": int(hz) if hz == int(hz) else hz}}


def _said(header: Header, hz: float, rules: Mapping[str, Rule]) -> Iterator[str]:
    before = f"from {header.control_hz:g} Hz" if header.control_hz else "by its timestamps"
    by_rule = {rule: [name for name, its in rules.items() if its == rule] for rule in RULES if rule != "linear"}
    used = "".join(f"{rule}: {', '.join(names)}; " for rule, names in by_rule.items() if names)
    yield f"resampled {before} to {hz:g} Hz ({used}linear: all other columns)"
    if "actions" in rules and not is_absolute(header):
        yield "actions were not rescaled: a delta action still says how far to go in a step of the old rate"
    if any(path_of(name).startswith("next_obs/") for name in rules):
        yield "next_obs/... are still a step of the old rate ahead"
    yield "arrays in `rest` with a row for every old step were left out of episodes whose steps changed"


# ---- parts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Resampling:
    """What is done to every part; called with one."""

    before: Header
    header: Header
    hz: float
    old_hz: float | None
    """The rate of steps without timestamps."""
    rules: Mapping[str, Rule]

    def __call__(self, part: Part) -> "ResampledPart":
        return ResampledPart(part, self)

    def grid(self, rows: pa.Table) -> Grid:
        """The new instants of an episode."""
        times = rows.column("timestamp")
        if times.null_count == len(times) and self.old_hz:
            return grid(np.arange(len(times)) / self.old_hz, self.hz)
        if times.null_count:
            raise SchemaError(f"{times.null_count} of {len(times)} frames have no timestamp")
        return grid(times.to_numpy(), self.hz)

    def is_streamed(self, name: str) -> bool:
        """Whether a column's rows are chosen as they come by."""
        own = is_own_step(name)
        return not own and self.rules[name] == "nearest" and self.before.column(name).nbytes > STREAMED_BYTES

    def new_column(self, name: str, rows: pa.Table, at: Grid) -> pa.Array:
        """A column of an episode, held whole, at the new instants."""
        rule = "nearest" if is_own_step(name) else self.rules[name]
        values = rows.column(name).combine_chunks()
        values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
        if rule in ("linear", "slerp") and at.fraction.any() and values.null_count < len(values):
            return self._interpolated(self.before.column(name), values, at)
        return taken(values, at.before if rule != "nearest" else at.nearest)

    def _interpolated(self, column: Column, values: pa.Array, at: Grid) -> pa.Array:
        array = to_numpy(values, column)
        new, moved = array[at.before], at.fraction > 0
        start, end, fraction = new[moved], array[at.after[moved]], at.fraction[moved]
        try:
            new[moved] = interpolated(self.rules[column.name], column, start, end, fraction)
        except SchemaError as error:
            said = f"{column.name} {error}, so it cannot be interpolated; choose a rule for it: columns="
            raise SchemaError(f'{said}{{"{column.name}": "nearest"}}') from error
        return to_arrow(new, column)


def interpolated(
    rule: Rule, column: Column, start: NDArray[Any], end: NDArray[Any], fraction: NDArray[np.float64]
) -> NDArray[Any]:
    """Values (N, *shape), float64, between pairs of rows of a column; `fraction` (N,) is 0 at `start`, 1 at `end`."""
    kind = rotation_of(column)
    if rule == "slerp" and kind is not None:
        return between(kind, start, end, fraction)
    start = start.astype(np.float64, copy=False)
    return start + fraction.reshape(-1, *[1] * (start.ndim - 1)) * (end - start)


def taken(values: pa.Array, rows: NDArray[np.intp]) -> pa.Array:
    """Chosen rows of a column; the column itself where they are all of them."""
    if np.array_equal(rows, np.arange(len(values))):
        return values
    if isinstance(values, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(values.type, values.storage.take(pa.array(rows)))
    return values.take(pa.array(rows))


@dataclass(frozen=True)
class ResampledPart:
    """A part of the source at the new rate. Implements `formats.Part`.

    One episode's columns are held at a time, but images and other large rows that are only chosen from are not.
    """

    part: Part
    by: Resampling

    @property
    def num_episodes(self) -> int:
        return self.part.num_episodes

    @property
    def num_steps(self) -> int:
        return sum(len(at) for at in self._grids.values())

    @cached_property
    def _grids(self) -> dict[int, Grid]:
        """Episode -> its new instants; those without steps are left out."""
        rows = by_episode(self.part.steps(["episode_index", "timestamp"]))
        return {episode: self._grid(episode, table) for episode, table in rows}

    def _grid(self, episode: int, rows: pa.Table) -> Grid:
        try:
            return self.by.grid(rows)
        except (SchemaError, SettingsError) as error:
            raise type(error)(f"{self._name(episode)}: {error}") from error

    def _name(self, episode: int) -> str:
        names = self.part.episodes()
        at = names.column("episode_index").to_pylist().index(episode)
        return f"episode {episode} ({names.column('name')[at].as_py()})"

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        lengths = [len(self._grids.get(index, ())) for index in table.column("episode_index").to_pylist()]
        at = table.schema.get_field_index("length")
        return table.set_column(at, table.schema.field(at), pa.array(lengths, type=pa.int64()))

    def attempts(self) -> pa.Table:
        """As they were made: their steps are those that were simulated."""
        return self.part.attempts()

    def rest(self) -> Iterator[pa.RecordBatch]:
        for batch in self.part.rest():
            kept = [row for row in rest_rows(batch) if not self._outlived(row.episode_index, row.shape)]
            if kept:
                yield batch if len(kept) == batch.num_rows else rest_batch(kept)

    def _outlived(self, episode: int | None, shape: tuple[int, ...] | None) -> bool:
        """Whether an array had a row for every step of an episode whose steps are others now."""
        at = None if episode is None else self._grids.get(episode)
        return at is not None and not at.unchanged and bool(shape) and shape[:1] == (at.old,)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = self.by.header.steps_schema.names if columns is None else list(columns)
        streamed = [name for name in wanted if self.by.is_streamed(name)]
        held = self._held([name for name in wanted if name not in streamed])
        if not streamed:
            for _, (at, new) in held:
                yield from _pieces(new.select(wanted), 0, len(at), BATCH_ROWS)
            return
        rows = self.part.steps(["episode_index", *streamed])
        for (at, new), start, batch in along(rows, held):
            first, last = np.searchsorted(at.nearest, [start, start + batch.num_rows])
            for piece in _pieces(new, int(first), int(last), max(batch.num_rows, 1)):
                chosen = at.nearest[first : first + piece.num_rows] - start
                first += piece.num_rows
                yield _with(piece, batch, streamed, chosen).select(wanted)

    def _held(self, names: Sequence[str]) -> Iterator[tuple[int, tuple[Grid, pa.RecordBatch]]]:
        """Episode -> its new instants, and all columns but the large ones at them."""
        needed = list(dict.fromkeys(["episode_index", "timestamp", *names]))
        fields = [self.by.header.steps_schema.field(name) for name in dict.fromkeys([*names, "frame_index"])]
        for episode, rows in by_episode(self.part.steps(needed)):
            at = self._grid(episode, rows)
            arrays = [self._column(field.name, episode, rows, at) for field in fields]
            yield episode, (at, pa.record_batch(arrays, schema=pa.schema(fields)))

    def _column(self, name: str, episode: int, rows: pa.Table, at: Grid) -> pa.Array:
        match name:
            case "episode_index":
                return pa.array(np.full(len(at), episode, dtype=np.int64))
            case "frame_index":
                return pa.array(np.arange(len(at), dtype=np.int32))
            case "timestamp":
                return pa.array(at.times)
        try:
            return self.by.new_column(name, rows, at)
        except SchemaError as error:
            raise SchemaError(f"{self._name(episode)}: {error}") from error


def _pieces(rows: pa.RecordBatch, first: int, last: int, at_most: int) -> Iterator[pa.RecordBatch]:
    """Rows from `first` to before `last`, some at a time."""
    for start in range(first, last, at_most):
        yield rows.slice(start, min(at_most, last - start))


def _with(
    rows: pa.RecordBatch, batch: pa.RecordBatch, names: Sequence[str], chosen: NDArray[np.intp]
) -> pa.RecordBatch:
    """Rows with more columns, from chosen rows of a batch."""
    fields = [batch.schema.field(name) for name in names]
    arrays = [*rows.columns, *(taken(batch.column(name), chosen) for name in names)]
    return pa.record_batch(arrays, schema=pa.schema([*rows.schema, *fields]))
