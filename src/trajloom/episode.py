"""Episodes of a dataset as arrays, cut from the stream of their part's steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.formats import Part
from trajloom.schema import EPISODES, Header
from trajloom.store import StoredPart


@dataclass(frozen=True)
class Episode:
    """One episode in memory."""

    row: Mapping[str, Any]
    """Its row of `episodes`: our own columns as Python values, its data columns as arrays."""
    columns: Mapping[str, Any]
    """Data and lineage columns of its steps, (T, ...) each; those that it lacks are left out."""
    lacking: Mapping[str, Any] = field(default_factory=dict)
    """Data column that some of its steps lack (a topic that began late) -> (T,) bool, those steps; there it is NaN, or
    0 where its type has none."""

    @property
    def index(self) -> int:
        return self.row["episode_index"]

    def nested(self) -> dict[str, Any]:
        """Everything as it would lie in HDF5: `obs/x` is `["obs"]["x"]`."""
        arrays = {name: values for name, values in self.row.items() if name not in EPISODES.names}
        return tables.nest({**self.columns, **arrays})


def episodes_of(part: Part, header: Header, columns: Sequence[str] | None) -> Iterator[Episode]:
    """Cut the stream of a part's steps where the episodes end."""
    batches = part.steps(_with_index(columns))
    rest: pa.RecordBatch | None = None
    for row in episode_rows(part.episodes(), header):
        pieces, missing = [], row["length"]
        while missing:
            batch = rest if rest is not None and rest.num_rows else next(batches)
            pieces.append(batch.slice(0, missing))
            rest = batch.slice(pieces[-1].num_rows)
            missing -= pieces[-1].num_rows
        yield _episode(row, pieces, header, columns)


def _with_index(columns: Sequence[str] | None) -> list[str] | None:
    """`episode_index` too, so that rows can be told apart however few columns are asked for."""
    return None if columns is None else list(dict.fromkeys(["episode_index", *columns]))


def _episode(
    row: Mapping[str, Any], batches: Sequence[pa.RecordBatch], header: Header, columns: Sequence[str] | None
) -> Episode:
    if not batches:
        schema = header.steps_schema
        batches = [pa.record_batch([pa.nulls(0, f.type) for f in schema], names=schema.names)]
        batches = [batches[0] if columns is None else batches[0].select(columns)]
    steps = pa.Table.from_batches(batches).combine_chunks()
    lacking = {
        column.name: values.is_null().to_numpy()
        for column in header.steps
        if column.name in steps.column_names and 0 < (values := steps.column(column.name)).null_count < len(values)
    }
    whole = tables.columns_of(steps.drop_columns(list(lacking)), header)
    some = {name: tables.filled(_array(steps.column(name)), header.column(name)) for name in lacking}
    arrays = {**whole, **some}
    return Episode(row, {name: arrays[name] for name in steps.column_names if name in arrays}, lacking)


def _array(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks)


def episode_rows(table: pa.Table, header: Header) -> Iterator[dict[str, Any]]:
    """Rows of `episodes` as `tables.episodes_table` takes them: Python values, and arrays of the data columns.

    A data column that an episode lacks is left out of its row.
    """
    for number, row in enumerate(table.select(EPISODES.names).to_pylist()):
        for column in header.episodes:
            value = table.column(column.name).slice(number, 1)
            if not value.null_count:
                row[column.name] = tables.to_numpy(value, column)[0]
        yield row


def find(part: Part, episode_index: int, header: Header, columns: Sequence[str] | None) -> Episode | None:
    """The episode of this number, where the part has it."""
    row = _row_of(part, episode_index, header)
    return None if row is None else _episode(row, _steps_of(part, episode_index, columns), header, columns)


def _row_of(part: Part, episode_index: int, header: Header) -> dict[str, Any] | None:
    if isinstance(part, StoredPart) and not part.may_hold(episode_index):
        return None
    episodes = part.episodes()
    at = np.flatnonzero(episodes.column("episode_index").to_numpy() == episode_index)
    return next(episode_rows(episodes.slice(at[0], 1), header)) if len(at) else None


def _steps_of(part: Part, episode_index: int, columns: Sequence[str] | None) -> list[pa.RecordBatch]:
    if isinstance(part, StoredPart):
        return list(part.steps_of(episode_index, columns))
    pieces = []
    for batch in part.steps(_with_index(columns)):
        at = np.flatnonzero(batch.column("episode_index").to_numpy() == episode_index)
        if len(at):
            pieces.append(batch.slice(at[0], len(at)))
        elif pieces:
            break
    return pieces
