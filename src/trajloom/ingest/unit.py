"""One part: its items transformed, made columns and written, with a record of what came of them."""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom import tables
from trajloom.folder import Folder
from trajloom.ingest import oddities
from trajloom.ingest.blocks import TIME, Block, Trajectory, What, blocks_of, what_items_are
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.groups import Unit
from trajloom.ingest.interface import DataIngestionInterface
from trajloom.ingest.taking import LeftOut, Taken, left_out_table, own_chance, take
from trajloom.ingest.widening import Schema, fits, has_large, inferred, joined
from trajloom.schema import Column, Header, path_of, stored_name
from trajloom.store import Writer
from trajloom.store.commits import file_name
from trajloom.tables import Rest

LEFT_OUT_FOLDER = "left_out"
BATCH_BYTES = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a worker needs to make any part."""

    out: str
    ingester: DataIngestionInterface
    config: IngestionConfig
    base: Schema | None = None
    """Columns of the first part; None while there is none."""
    what: What | None = None
    """What an item is; None where the first part is to say it."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What came of the items of a part. It is kept in the part's commit record until the dataset is whole."""

    columns: tuple[Column, ...]
    what: What
    items: int
    stored: int
    trajectories: int
    left_out: Mapping[str, int]
    """Problem -> items."""
    first_reason: str | None
    moved: int
    """Timestamps that were put after the one before."""
    timed: int
    """Trajectories whose items have timestamps."""
    item_bytes: int | None
    """Of one item, as it came or as it is stored; None where none is stored."""
    odd_columns: tuple[str, ...] = ()
    """Paths whose values in some trajectory do not fit their column, so that they are in `rest` there."""
    large: tuple[str, ...] = ()
    """Columns with integers that float64 has no room for."""

    @property
    def schema(self) -> Schema:
        return {column.name: column for column in self.columns}

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "columns": [column.to_json() for column in self.columns]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Record":
        columns = tuple(Column.from_json(column) for column in values["columns"])
        names = {name: tuple(values[name]) for name in ("odd_columns", "large")}
        return cls(**{**values, "columns": columns, **names})


def make(job: Job, unit: Unit, raw_bytes: int = 0) -> Callable[[], Record]:
    """Transform the items of a part and make columns of them; what is returned writes the part."""
    with own_chance(job.ingester):
        taken = [take(job.ingester, group, job.config.seed) for group in unit.groups]
    what = job.what or what_items_are(taken, job.config)
    blocks = list(blocks_of(taken, what, job.config))
    left_out = [row for t in taken for row in t.left_out]
    left_out += [LeftOut(n, "ungrouped", "group_items_into_trajectories left it out") for n in unit.ungrouped]
    schema = joined([*([job.base] if job.base else []), *(inferred(block.arrays) for block in blocks)])
    odd = _fit(blocks, schema)
    schema |= {name: replace(schema[name], nullable=True) for path in odd if (name := stored_name(path)) in schema}
    record = _record(taken, unit, blocks, left_out, schema, what, raw_bytes, odd)
    number = unit.number  # not the unit: its items are done with
    return lambda: _write(job, number, blocks, left_out, record)


def _record(
    taken: Sequence[Taken], unit: Unit, blocks: Sequence[Block], left_out: Sequence[LeftOut], schema: Schema,
    what: What, raw_bytes: int, odd: Sequence[str],
) -> Record:  # fmt: skip
    items = sum(len(group.items) for group in unit.groups) + len(unit.ungrouped)
    stored = items - len(left_out)
    problems = [row.problem for row in left_out]
    stored_bytes = sum(block.nbytes for block in blocks)
    return Record(
        columns=tuple(schema.values()),
        what=what,
        items=items,
        stored=stored,
        trajectories=sum(len(block.trajectories) for block in blocks),
        left_out={problem: problems.count(problem) for problem in dict.fromkeys(problems)},
        first_reason=f"item {left_out[0].item}: {left_out[0].reason}" if left_out else None,
        moved=sum(block.moved for block in blocks),
        timed=sum(len(block.trajectories) for block in blocks if block.time is not None),
        item_bytes=max(raw_bytes // max(items, 1), stored_bytes // stored) if stored else None,
        odd_columns=tuple(odd),
        large=tuple(dict.fromkeys(stored_name(path) for b in blocks for path, a in b.arrays.items() if has_large(a))),
    )


# ---- fitting to the schema -------------------------------------------------------------------------------------


def _fit(blocks: Sequence[Block], schema: Schema) -> list[str]:
    """Give the arrays of some blocks the types of the schema; those that have other shapes go to `rest`."""
    paths = {path_of(name): column for name, column in schema.items()}
    odd: dict[str, None] = {}
    for block in blocks:
        for path in list(block.arrays):
            array = fits(block.arrays[path], paths[path])
            if array is not None:
                block.arrays[path] = array
                continue
            odd[path] = None
            _to_rest(block, path, block.arrays.pop(path))
    return list(odd)


def _to_rest(block: Block, path: str, array: tables.Array) -> None:
    starts = block.starts
    for at, trajectory in enumerate(block.trajectories):
        trajectory.rest.append(oddities.array_row(path, array[starts[at] : starts[at + 1]], trajectory.index))


# ---- writing ---------------------------------------------------------------------------------------------------


def _write(job: Job, number: int, blocks: Sequence[Block], left_out: Sequence[LeftOut], record: Record) -> Record:
    header = Header(steps=record.columns)
    with Writer(job.out, header).part(number, run={"ingest": record.to_json()}) as part:
        for block in blocks:
            for batch in _rows(header, block, job.config.fps):
                part.write_steps(batch)
        trajectories = [trajectory for block in blocks for trajectory in block.trajectories]
        part.write_episodes(tables.episodes_table(header, [_row(trajectory) for trajectory in trajectories]))
        rest: list[Rest] = [row for trajectory in trajectories for row in trajectory.rest]
        if rest:
            part.write_rest(tables.rest_batch(rest))
        if left_out:
            _write_left_out(job.out, number, left_out)
    return record


def _rows(header: Header, block: Block, fps: float) -> Iterator[pa.RecordBatch]:
    """Rows of `steps`, with their times."""
    starts = block.starts
    lengths = np.diff(starts)
    index = np.repeat([trajectory.index for trajectory in block.trajectories], lengths)
    frame = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
    time = frame / fps if block.time is None else block.time
    named = {column.name: block.arrays.get(path_of(column.name)) for column in header.steps}
    columns = {name: array for name, array in named.items() if array is not None}
    step = max(1, BATCH_BYTES // max(1, block.nbytes // max(1, starts[-1])))
    for start in range(0, starts[-1], step):
        rows = slice(start, start + step)
        batch = tables.steps_rows(header, index[rows], frame[rows], {name: a[rows] for name, a in columns.items()})
        yield batch.set_column(batch.schema.names.index(TIME), batch.schema.field(TIME), pa.array(time[rows]))


def _row(trajectory: Trajectory) -> dict[str, Any]:
    return {
        "episode_index": trajectory.index,
        "name": trajectory.name,
        "length": trajectory.length,
        "attrs": json.dumps({"": trajectory.attrs} if trajectory.attrs else {}),
    }


def _write_left_out(out: str, part: int, rows: Sequence[LeftOut]) -> None:
    buffer = io.BytesIO()
    pq.write_table(left_out_table(rows), buffer, compression="zstd")
    Folder(out).put(buffer.getvalue(), LEFT_OUT_FOLDER, file_name(part))
