"""A dataset whose columns are read by row: what a format's reader gives once it knows lengths, columns and how to read.

A format implements `Rows` and fills in a `ColumnarSource`; parts, batches, nulls, timestamps and errors are made here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom import tables
from trajloom.errors import DamagedFileError, SchemaError
from trajloom.formats._parts import part_bounds
from trajloom.schema import EPISODES, Header
from trajloom.tables import Array, Rest

PART_BYTES = 64 << 20
"""Uncompressed size of a part, in whole episodes."""
BATCH_BYTES = 16 << 20
"""Uncompressed size of a batch of steps."""

Values = Array | pa.Array
"""Rows of a column: an array (n, *shape) of the column's element type, or an Arrow array of its type, also with nulls
(see `with_nulls`) where the column is nullable."""


class Rows(Protocol):
    """How a format hands out the values of its columns. It can be sent to other processes."""

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        """Values of columns of `steps`, by name, for the rows [start, stop) counted over all episodes.

        Rows of a column in episodes that lack it are to be there, with any value. Whatever cannot be read is a
        DamagedFileError that names the file and the column.
        """
        ...

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        """Values of data columns of `episodes`, by name, for episodes number `first` to `last` - 1."""
        ...

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        """Rows of `rest` of episodes number `first` to `last` - 1, and with `first` 0 those of the file itself."""
        ...


@dataclass(frozen=True)
class ColumnarSource:
    """A dataset read through `Rows`. Implements `formats.Source`; its episodes are numbered from 0."""

    path: str
    header: Header
    lengths: Array
    """(E,) int64. Steps of each episode."""
    rows: Rows
    own: Mapping[str, Sequence[Any]]
    """Column of `schema.EPISODES` -> value of each episode; those left out are null, `name` "episode_<i>"."""
    absent: Mapping[str, Array] = field(default_factory=dict)
    """Nullable column of `steps` or `episodes` -> (E,) bool, the episodes that lack it."""
    times: Callable[[int, int], Array] | None = None
    """Timestamps (s) of the rows [start, stop); None where `header.control_hz` says it all."""
    xml: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of a model XML -> the XML."""
    part_bytes: int = PART_BYTES

    def models(self) -> Mapping[str, str]:
        return self.xml

    def parts(self) -> Sequence["ColumnarPart"]:
        return self._parts

    @cached_property
    def _parts(self) -> list["ColumnarPart"]:
        ends = np.cumsum(self.lengths)
        starts = ends - self.lengths
        return [ColumnarPart(self, a, b, int(starts[a]) if b > a else 0) for a, b in self._bounds()]

    def _bounds(self) -> list[tuple[int, int]]:
        weights = 200 + self.lengths * row_bytes(self.header) + sum(c.nbytes for c in self.header.episodes)
        return part_bounds(weights.tolist(), self.part_bytes)


def row_bytes(header: Header, columns: Sequence[str] | None = None) -> int:
    """Bytes of a row of `steps`, uncompressed."""
    return 20 + sum(c.nbytes for c in header.steps if columns is None or c.name in columns)


@dataclass(frozen=True)
class ColumnarPart:
    """Episodes number `first` to `last` - 1. Implements `formats.Part`."""

    source: ColumnarSource
    first: int
    last: int
    first_row: int

    @property
    def num_episodes(self) -> int:
        return self.last - self.first

    @property
    def num_steps(self) -> int:
        return int(self._lengths.sum())

    @property
    def _lengths(self) -> Array:
        return self.source.lengths[self.first : self.last]

    def attempts(self) -> pa.Table:
        return self.source.header.attempts_schema.empty_table()

    def episodes(self) -> pa.Table:
        header, source = self.source.header, self.source
        numbers = np.arange(self.first, self.last)
        values = {name: list(found[self.first : self.last]) for name, found in source.own.items()}
        values.setdefault("name", [f"episode_{i}" for i in numbers])
        values.update(episode_index=numbers.tolist(), length=self._lengths.tolist())
        defaults: Mapping[str, Any] = {"splits": [], "attrs": "{}"}
        arrays = [pa.array(values.get(f.name, [defaults.get(f.name)] * len(numbers)), type=f.type) for f in EPISODES]
        data = source.rows.episodes([c.name for c in header.episodes], self.first, self.last)
        for column in header.episodes:
            found = as_arrow(data[column.name], column, source.path)
            arrays.append(with_nulls(found, self._absent(column.name)))
        return pa.table(arrays, schema=header.episodes_schema)

    def rest(self) -> Iterator[pa.RecordBatch]:
        batch: list[Rest] = []
        weight = 0
        for row in self.source.rows.rest(self.first, self.last):
            batch.append(row)
            weight += len(row.data or b"") + 200
            if weight > BATCH_BYTES:
                yield tables.rest_batch(batch)
                batch, weight = [], 0
        if batch:
            yield tables.rest_batch(batch)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        schema = self.source.header.steps_schema
        names = list(schema.names if columns is None else columns)
        unknown = [name for name in names if name not in schema.names]
        if unknown:
            raise SchemaError(
                f"{self.source.path} has no columns {', '.join(unknown)}; there are: {', '.join(schema.names)}"
            )
        ends = np.cumsum(self._lengths)
        most = max(1, BATCH_BYTES // row_bytes(self.source.header, names))
        for start, stop in self._cuts(ends, most):
            yield self._batch(names, pa.schema([schema.field(name) for name in names]), ends, start, stop)

    def _cuts(self, ends: Array, most: int) -> Iterator[tuple[int, int]]:
        """Ranges of rows of at most `most`, cut at ends of episodes where that can be."""
        start, total = 0, int(ends[-1]) if len(ends) else 0
        while start < total:
            whole = int(ends[np.searchsorted(ends, start + most, side="right") - 1]) if ends[0] <= start + most else 0
            stop = whole if whole > start else min(start + most, total)
            yield start, stop
            start = stop

    def _batch(self, names: Sequence[str], schema: pa.Schema, ends: Array, start: int, stop: int) -> pa.RecordBatch:
        rows = np.arange(start, stop)
        episode = np.searchsorted(ends, rows, side="right")
        frame = rows - (ends - self._lengths)[episode]
        known = {column.name: column for column in self.source.header.steps}
        first = self.first_row
        found = self.source.rows.steps([name for name in names if name in known], first + start, first + stop)
        arrays: list[pa.Array] = []
        for name in names:
            if name == "episode_index":
                arrays.append(pa.array(episode + self.first))
            elif name == "frame_index":
                arrays.append(pa.array(frame.astype(np.int32)))
            elif name == "timestamp":
                arrays.append(self._times(frame, first + start, first + stop))
            else:
                values = as_arrow(found[name], known[name], self.source.path)
                missing = self._absent(name)
                arrays.append(with_nulls(values, None if missing is None else missing[episode]))
        _check_rows(arrays, names, stop - start, self.source.path)
        return pa.record_batch(arrays, schema=schema)

    def _times(self, frame: Array, start: int, stop: int) -> pa.Array:
        if self.source.times is not None:
            return pa.array(self.source.times(start, stop), type=pa.float64())
        hz = self.source.header.control_hz
        return pa.nulls(len(frame), pa.float64()) if hz is None else pa.array(frame / hz)

    def _absent(self, name: str) -> Array | None:
        found = self.source.absent.get(name)
        return None if found is None else found[self.first : self.last]


def as_arrow(values: Values, column: Any, where: str) -> pa.Array:
    """Values as an Arrow array of a column's type."""
    if not isinstance(values, pa.Array):
        return tables.to_arrow(values, column)
    if values.type != column.arrow_type:
        raise SchemaError(f"{where}: {column.name}: expected {column.arrow_type}, found {values.type}")
    return values


def with_nulls(values: pa.Array, mask: Array | None) -> pa.Array:
    """Values with nulls where a mask (T,) is true; `Rows` may return such arrays for nullable columns."""
    if mask is None or not mask.any():
        return values
    return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)


def _check_rows(arrays: Sequence[pa.Array], names: Sequence[str], rows: int, where: str) -> None:
    for name, values in zip(names, arrays, strict=True):
        if len(values) != rows:
            raise DamagedFileError(f"{where}: {name} has {len(values)} of {rows} rows where they were expected")
