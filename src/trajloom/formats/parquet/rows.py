"""Values of Parquet's columns by row, and those of any type packed into rows of `rest`."""

import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError, SchemaError
from trajloom.formats._columnar import Values
from trajloom.formats.parquet import kinds
from trajloom.formats.parquet.files import Files, reading
from trajloom.formats.parquet.leaves import Decision, extract
from trajloom.reopened import Reopened
from trajloom.schema import Column
from trajloom.tables import Array, Rest

ARROW = "arrow"
"""Encoding of the rows of `rest` that hold a column's rows of one episode: an Arrow IPC stream, compressed."""
MAX_CURSORS = 4


class Cursor:
    """Rows of some columns as they are asked for, in order."""

    def __init__(self, files: Files, columns: Sequence[str], start: int):
        self.at = start
        self._batches = files.batches(columns, start)
        self._left: pa.RecordBatch | None = None

    def take(self, rows: int) -> list[pa.RecordBatch]:
        pieces = []
        while rows:
            batch = self._left if self._left is not None and self._left.num_rows else next(self._batches, None)
            if batch is None:
                break
            pieces.append(batch.slice(0, rows))
            self._left = batch.slice(pieces[-1].num_rows)
            rows -= pieces[-1].num_rows
            self.at += pieces[-1].num_rows
        return pieces


@dataclass(frozen=True)
class ParquetRows(Reopened):
    """Values of the columns of some files. Implements `_columnar.Rows`."""

    path: str
    files: Files
    columns: Mapping[str, Column]
    decision: Decision
    starts: Array
    """(E,). First row of each episode."""
    rows: int
    _cursors: dict[tuple[str, ...], Cursor] = field(default_factory=dict, init=False, compare=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, compare=False, repr=False)

    def raw(self, tops: Sequence[str], start: int, stop: int) -> list[pa.RecordBatch]:
        """Rows [start, stop) of top-level columns; quick where they follow those asked for last."""
        key = tuple(dict.fromkeys(tops))
        if start == stop or not key:
            return []
        with self._lock:
            cursor = self._cursors.pop(key, None)
        if cursor is None or cursor.at != start:
            cursor = Cursor(self.files, key, start)
        found = cursor.take(stop - start)
        with self._lock:
            if stop < self.rows:
                self._cursors[key] = cursor
            while len(self._cursors) > MAX_CURSORS:
                del self._cursors[next(iter(self._cursors))]
        if sum(batch.num_rows for batch in found) != stop - start:
            raise DamagedFileError(f"{self.path}: {', '.join(key)}: rows {start:,} to {stop:,} are not all there")
        return found

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        leaves = {name: self.decision.columns[name] for name in columns}
        batches = self.raw([leaf[0] for leaf in leaves.values()], start, stop)
        found: dict[str, Values] = {}
        with reading(self.path):
            for name, leaf in leaves.items():
                column = self.columns[name]
                pieces = [kinds.read(extract(batch, leaf), column, self.path) for batch in batches]
                found[name] = pa.concat_arrays(pieces) if pieces else pa.nulls(0, column.arrow_type)
        return found

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        if not self.decision.rest:
            return
        ends = [*self.starts.tolist(), self.rows]
        tops = [leaf[0] for leaf in self.decision.rest.values()]
        for episode in range(first, last):
            batches = self.raw(tops, ends[episode], ends[episode + 1])
            for path, leaf in self.decision.rest.items():
                if batches:
                    yield packed(path, [extract(batch, leaf) for batch in batches], episode)


@dataclass(frozen=True)
class Times:
    """Timestamps from a column."""

    rows: ParquetRows
    column: str

    def __call__(self, start: int, stop: int) -> Array:
        pieces = [batch.column(0).to_numpy(zero_copy_only=False) for batch in self.rows.raw([self.column], start, stop)]
        return np.concatenate([np.empty(0), *pieces]).astype(np.float64)


def packed(path: str, pieces: Sequence[pa.Array], episode: int | None) -> Rest:
    """Values of any type as a row of `rest`."""
    values = _as_made_anew(pa.concat_arrays(list(pieces)))
    sink = io.BytesIO()
    schema = pa.schema([pa.field("values", values.type)])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(pa.record_batch([values], schema=schema))
    data = sink.getvalue()
    attrs = {"encoding": {"dtype": "str", "value": ARROW}}
    return Rest(path, "|u1", (len(data),), data, episode, attrs)


def _as_made_anew(values: pa.Array) -> pa.Array:
    """The same values in memory of their own, so that equal values give equal bytes however they were read."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode().dictionary_encode().cast(values.type)
    return values.take(pa.array(np.arange(len(values))))


def unpacked(data: bytes, where: str) -> pa.Array:
    """The inverse of `packed`; SchemaError where it is none."""
    try:
        table = pa.ipc.open_stream(data).read_all()
        table.validate(full=True)
        pieces = table.column("values").chunks
        return pa.concat_arrays(pieces) if pieces else pa.nulls(0, table.schema.field(0).type)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise SchemaError(f"{where}: its bytes are no column of Parquet: {error}") from error
