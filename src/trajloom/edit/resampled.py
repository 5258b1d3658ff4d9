"""A part of a dataset at another rate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trajloom.edit.grid import Grid, grid
from trajloom.edit.resample_rules import Rule
from trajloom.edit.rotations import between, rotation_of
from trajloom.edit.stream import along, by_episode
from trajloom.edit.view import PartView
from trajloom.errors import SchemaError, SettingsError
from trajloom.formats import Part
from trajloom.formats._columnar import with_nulls
from trajloom.schema import Column, Header, is_own_step
from trajloom.tables import rest_batch, rest_rows, to_arrow, to_numpy

STREAMED_BYTES = 4096
"""A row that is larger than this is not held for a whole episode, where its rule only chooses among rows."""
BATCH_ROWS = 10_000


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
        there = values.is_valid().to_numpy(zero_copy_only=False)
        array = to_numpy(values if there.all() else values.take(pa.array(_nearest_known(there))), column)
        new, moved = array[at.before], at.fraction > 0
        start, end, fraction = new[moved], array[at.after[moved]], at.fraction[moved]
        try:
            new[moved] = interpolated(self.rules[column.name], column, start, end, fraction)
        except SchemaError as error:
            said = f"{column.name} {error}, so it cannot be interpolated; choose a rule for it: columns="
            raise SchemaError(f'{said}{{"{column.name}": "nearest"}}') from error
        lacking = ~there[at.before] | (moved & ~there[at.after])
        return with_nulls(to_arrow(new, column), lacking)


def _nearest_known(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """For each row the last one up to it that is there, or the first: what stands in for it while others move."""
    rows = np.maximum.accumulate(np.where(there, np.arange(len(there)), -1))
    return np.where(rows < 0, np.argmax(there), rows)


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
class ResampledPart(PartView):
    """A part of the source at the new rate; attempts stay as they were made, with the steps that were simulated.

    One episode's columns are held at a time, but images and other large rows that are only chosen from are not.
    """

    by: Resampling

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
