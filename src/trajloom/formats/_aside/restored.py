"""A dataset as it was before it was written in another format: the format's own data, and what was kept aside."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom import tables
from trajloom.errors import DamagedFileError, SchemaError, TrajloomWarning
from trajloom.formats import Part, Source
from trajloom.formats._aside.shelf import Shelf
from trajloom.formats._aside.stored import Stored, load
from trajloom.schema import Column, Header
from trajloom.tables import Array


def restored(native: Source, shelf: Shelf, where: str) -> Source:
    """A dataset with what was kept aside, or itself where nothing was, or where it no longer fits.

    Args:
        native: What the format's own data holds, its episodes numbered by their order from 0.
        shelf: Where the files lie.
        where: The dataset, for messages.
    """
    stored = load(shelf, where)
    if stored is None:
        return native
    episodes = stored.episodes()
    lengths = [n for part in native.parts() for n in part.episodes().column("length").to_pylist()]
    if lengths != episodes.column("length").to_pylist():
        said = "the episodes were changed since; what had been kept aside (attributes, models, ...) is ignored"
        warnings.warn(f"{where}: {said}", TrajloomWarning, stacklevel=3)
        return native
    return Restored(native, _fitted(native.header, stored), episodes)


def _fitted(native: Header, stored: Stored) -> Stored:
    """What was kept aside, without columns that are gone, and with those that came since."""
    steps = _known(native.steps, stored.header.steps, stored.columns, stored)
    episodes = _known(native.episodes, stored.header.episodes, stored.episode_columns, stored)
    used = {*stored.columns.values(), *stored.copies}
    new = [c for c in native.steps if c.name not in used]
    columns = {**stored.columns, **{c.name: c.name for c in new}}
    header = replace(stored.header, steps=(*steps, *new), episodes=tuple(episodes))
    return replace(stored, header=header, columns=columns)


def _known(
    native: Sequence[Column], wanted: Sequence[Column], names: Mapping[str, str], stored: Stored
) -> list[Column]:
    there = {column.name: column for column in native}
    fits = {
        c.name: c.name not in names or c.name in stored.nowhere or _same_values(there.get(names[c.name]), c)
        for c in wanted
    }
    gone = [name for name, fit in fits.items() if not fit]
    if gone:
        said = f"columns were deleted or changed their type since: {', '.join(gone)}"
        warnings.warn(f"{stored.where}: {said}", TrajloomWarning, stacklevel=5)
    return [column for column in wanted if fits[column.name]]


def _same_values(native: Column | None, wanted: Column) -> bool:
    return native is not None and native.dtype == wanted.dtype and native.size == wanted.size


@dataclass(frozen=True)
class Restored:
    """The two put together. Implements `formats.Source`."""

    native: Source
    stored: Stored
    all_episodes: pa.Table

    @property
    def header(self) -> Header:
        return self.stored.header

    @property
    def path(self) -> str | None:
        return getattr(self.native, "path", None)

    def models(self) -> Mapping[str, str]:
        return Models(self.stored)

    def parts(self) -> Sequence["RestoredPart"]:
        return self._parts

    @cached_property
    def _parts(self) -> list["RestoredPart"]:
        found, first, row = [], 0, 0
        attempts, natives = self.stored.attempts(), self.native.parts()
        index = self.all_episodes.column("episode_index").to_numpy()
        for number, part in enumerate(natives):
            last = first + part.num_episodes
            is_last = number == len(natives) - 1
            low = int(index[first]) if number and first < len(index) else None
            high = int(index[last]) if not is_last and last < len(index) else None
            mine = _between(attempts, low, high) if number == 0 or low is not None else attempts.slice(0, 0)
            episodes = self.all_episodes.slice(first, last - first)
            found.append(RestoredPart(part, self.stored, episodes, mine, first, row, number == 0))
            first, row = last, row + part.num_steps
        return found


def _between(attempts: pa.Table, low: int | None, high: int | None) -> pa.Table:
    number = attempts.column("attempt")
    if low is not None:
        attempts = attempts.filter(pc.greater_equal(number, low))
        number = attempts.column("attempt")
    return attempts if high is None else attempts.filter(pc.less(number, high))


@dataclass(frozen=True)
class RestoredPart:
    """A range of episodes. Implements `formats.Part`."""

    native: Part
    stored: Stored
    own: pa.Table
    """Rows of `episodes`, without data columns that the format holds."""
    ledger: pa.Table
    first_episode: int
    """How many episodes come before."""
    first_row: int
    """How many steps come before."""
    is_first: bool

    @property
    def num_episodes(self) -> int:
        return self.native.num_episodes

    @property
    def num_steps(self) -> int:
        return self.native.num_steps

    def attempts(self) -> pa.Table:
        return self.ledger

    def episodes(self) -> pa.Table:
        header, stored = self.stored.header, self.stored
        native = self.native.episodes()
        columns = {column.name: column for column in header.episodes}
        arrays = []
        for field in header.episodes_schema:
            if field.name not in stored.episode_columns:
                arrays.append(self.own.column(field.name))
                continue
            if field.name in stored.nowhere:
                arrays.append(pa.nulls(native.num_rows, field.type))
                continue
            found = native.column(stored.episode_columns[field.name]).combine_chunks()
            found = found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
            arrays.append(self._as(found, columns[field.name], self.first_episode))
        return pa.table(arrays, schema=header.episodes_schema)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        header, stored = self.stored.header, self.stored
        names = list(header.steps_schema.names if columns is None else columns)
        unknown = [name for name in names if name not in header.steps_schema.names]
        if unknown:
            there = ", ".join(header.steps_schema.names)
            raise SchemaError(f"{stored.where} has no columns {', '.join(unknown)}; there are: {there}")
        native = [stored.columns[name] for name in names if name in stored.columns and name not in stored.nowhere]
        asked = list(dict.fromkeys(["episode_index", "frame_index", *native]))
        end = self.first_row + self.num_steps
        kept_names = [name for name in names if name in stored.kept()]
        kept = Cursor(stored.steps(kept_names, self.first_row, end)) if kept_names else None
        irregular = "timestamp" in names and "times.parquet" in stored.files
        times = Cursor(stored.times(self.first_row, end)) if irregular else None
        row = self.first_row
        for batch in self.native.steps(asked):
            aside = kept.take(batch.num_rows) if kept else {}
            time = times.take(batch.num_rows) if times else {}
            yield self._batch(names, batch, {**aside, **time}, row)
            row += batch.num_rows

    def rest(self) -> Iterator[pa.RecordBatch]:
        numbers = self.own.column("episode_index").to_pylist()
        first, last = (numbers[0], numbers[-1]) if numbers else (0, -1)
        yield from self.stored.rest(first, last, self.is_first)

    def _batch(
        self, names: Sequence[str], native: pa.RecordBatch, aside: Mapping[str, pa.Array], row: int
    ) -> pa.RecordBatch:
        header = self.stored.header
        arrays = [self._column(name, native, aside, row) for name in names]
        return pa.record_batch(arrays, schema=pa.schema([header.steps_schema.field(name) for name in names]))

    def _column(self, name: str, native: pa.RecordBatch, aside: Mapping[str, pa.Array], row: int) -> pa.Array:
        if name in aside:
            return aside[name]
        if name == "frame_index":
            return native.column(name)
        if name == "episode_index":
            numbers = self.own.column(name).to_numpy()
            return pa.array(numbers[native.column(name).to_numpy() - self.first_episode])
        if name == "timestamp":
            hz = self.stored.header.control_hz
            frames = native.column("frame_index").to_numpy()
            return pa.nulls(len(frames), pa.float64()) if hz is None else pa.array(frames / hz)
        if name in self.stored.nowhere:
            return pa.nulls(native.num_rows, self.stored.header.steps_schema.field(name).type)
        values = native.column(self.stored.columns[name])
        column = next((c for c in self.stored.header.steps if c.name == name), None)
        return self._lineage(name, values, row) if column is None else self._as(values, column, row)

    def _lineage(self, name: str, values: pa.Array, row: int) -> pa.Array:
        return self._with_nulls(values.cast(self.stored.header.steps_schema.field(name).type), name, row)

    def _as(self, values: pa.Array, column: Column, row: int) -> pa.Array:
        """Values as a column of the header's type, null where they were."""
        if values.type != column.arrow_type:
            values = _retyped(values, column)
        return self._with_nulls(values, column.name, row)

    def _with_nulls(self, values: pa.Array, name: str, row: int) -> pa.Array:
        ranges = self.stored.nulls.get(name)
        if ranges is None:
            return values
        mask = _mask(ranges, row, row + len(values))
        return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values) if mask.any() else values


def _retyped(values: pa.Array, column: Column) -> pa.Array:
    """Values of another shape or encoding of the same element type and size."""
    if values.null_count:
        # nulls come as nulls again, whatever stands in their place here
        present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        found = _retyped(values.take(pa.array(present)), column)
        where = np.full(len(values), -1)
        where[present] = np.arange(len(present))
        return found.take(pa.array(where, mask=where < 0))
    flat = _elements(values)
    return tables.to_arrow(flat.reshape(len(values), *column.shape).astype(column.dtype, copy=False), column)


def _elements(values: pa.Array) -> Array:
    """Elements of values of any of our encodings."""
    if pa.types.is_fixed_size_binary(values.type):
        return np.frombuffer(b"".join(values.to_pylist()), dtype=np.uint8)
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        values = values.flatten()
    return values.to_numpy(zero_copy_only=False)


def _mask(ranges: Array, start: int, stop: int) -> Array:
    """Which of the rows [start, stop) lie in some ranges."""
    mask = np.zeros(stop - start, dtype=bool)
    low = np.searchsorted(ranges[:, 1], start, side="right")
    for a, b in ranges[low:]:
        if a >= stop:
            break
        mask[max(a - start, 0) : b - start] = True
    return mask


class Cursor:
    """Takes rows off a stream of batches in numbers of its own."""

    def __init__(self, batches: Iterator[pa.RecordBatch]):
        self._batches = batches
        self._held: list[pa.RecordBatch] = []

    def take(self, rows: int) -> dict[str, Any]:
        """The next rows, column by column."""
        while sum(batch.num_rows for batch in self._held) < rows:
            batch = next(self._batches, None)
            if batch is None:
                raise DamagedFileError("what was kept aside has fewer steps than the data")
            self._held.append(batch)
        table = pa.Table.from_batches(self._held)
        self._held = table.slice(rows).to_batches()
        return {name: _one(table.column(name).slice(0, rows)) for name in table.column_names}


def _one(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks)


class Models(Mapping[str, str]):
    """SHA-256 -> model XML, each read when it is asked for."""

    def __init__(self, stored: Stored):
        self._stored = stored

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return self._stored.models()

    def __getitem__(self, sha: str) -> str:
        with self._stored.shelf.open(self._names[sha]) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != sha:
            raise DamagedFileError(f"{self._stored.where}: the model {sha} is not what its name says")
        return bytes(data).decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
