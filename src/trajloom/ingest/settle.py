"""Parts that were written with a narrower schema than the whole dataset has, written again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.ingest import oddities
from trajloom.ingest.unit import Record
from trajloom.ingest.widening import Schema, recast
from trajloom.schema import Column, Header, path_of
from trajloom.store import Commit, StoredPart, Writer
from trajloom.tables import Rest


@dataclass(frozen=True)
class Task:
    """A part, and the columns that it is to have."""

    out: str
    commit: Commit
    columns: tuple[Column, ...]


def settle(task: Task) -> Record:
    """Write a part again, with the columns of the whole dataset; what does not fit into them goes to `rest`."""
    old = Record.from_json(task.commit.run["ingest"])
    schema: Schema = {column.name: column for column in task.columns}
    writer = Writer(task.out, Header(steps=task.columns))
    part = StoredPart(writer.folder, Header(steps=old.columns), task.commit)
    odd = [column for column in old.columns if not _fits(part, column, schema[column.name])]
    record = _changed(old, task.columns, odd)
    with writer.part(task.commit.part, replace=True, run={"ingest": record.to_json()}) as out:
        for batch in part.steps():
            out.write_steps(_recast(batch, old.schema, schema, {column.name for column in odd}, writer.header))
        out.write_episodes(part.episodes())
        for batch in part.rest():
            out.write_rest(batch)
        for column in odd:
            out.write_rest(tables.rest_batch(_rest_of(part, column)))
    return record


def _changed(old: Record, columns: tuple[Column, ...], odd: Sequence[Column]) -> Record:
    names = dict.fromkeys([*old.odd_columns, *(path_of(column.name) for column in odd)])
    return Record.from_json({**old.to_json(), "columns": [c.to_json() for c in columns], "odd_columns": list(names)})


def _fits(part: StoredPart, old: Column, new: Column) -> bool:
    """Whether every value of a column fits the new one."""
    if old.dtype == new.dtype or old.shape != new.shape:
        return old.shape == new.shape
    return all(recast(batch.column(old.name), old, new) is not None for batch in part.steps([old.name]))


def _recast(batch: pa.RecordBatch, old: Schema, new: Schema, odd: set[str], header: Header) -> pa.RecordBatch:
    arrays = []
    for field in header.steps_schema:
        if field.name not in new:
            arrays.append(batch.column(field.name))
        elif field.name in odd or field.name not in old:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            arrays.append(recast(batch.column(field.name), old[field.name], new[field.name]))
    return pa.record_batch(arrays, schema=header.steps_schema)


def _rest_of(part: StoredPart, column: Column) -> Iterator[Rest]:
    """The values of a column, an array an episode that has it."""
    for index in part.table("episodes", ["episode_index"]).column(0).to_pylist():
        batches = list(part.steps_of(index, [column.name]))
        pieces = [tables.to_numpy(values, column) for batch in batches if not (values := batch.column(0)).null_count]
        if pieces:
            yield oddities.array_row(path_of(column.name), np.concatenate(pieces), index)
