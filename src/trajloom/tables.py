"""The only bridge between Arrow columns and NumPy arrays, and the nested view of one episode."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trajloom.errors import SchemaError, ShapeError
from trajloom.schema import CHOICE, EPISODES, LINEAGE, REST, STEPS, Column, Header, is_own_step, path_of

Array = NDArray[Any]


def to_arrow(values: Array | None, column: Column, rows: int | None = None) -> pa.Array:
    """A column of Arrow from an array (T, *column.shape) of the column's element type, without a copy where Arrow can.

    Args:
        values: The array, or None for `rows` nulls.
        column: Says element type and shape; nothing is cast.
        rows: How many nulls.
    """
    if values is None:
        return pa.nulls(rows or 0, column.arrow_type)
    values = np.ascontiguousarray(values)
    if values.shape[1:] != column.shape:
        raise ShapeError(f"{column.name} must have shape (T, {', '.join(map(str, column.shape))}), got {values.shape}")
    if values.dtype != np.dtype(column.dtype):
        raise SchemaError(f"{column.name} must have element type {column.dtype}, got {values.dtype}")
    if column.encoding == "value":
        return pa.array(values)
    if column.encoding == "image":
        return pa.Array.from_buffers(column.arrow_type, len(values), [None, pa.py_buffer(values)])
    flat = pa.array(values.reshape(-1))
    if column.encoding == "list":
        if values.size > np.iinfo(np.int32).max:
            raise ShapeError(f"{column.name}: {len(values)} rows are too many for one batch; write fewer at a time")
        offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(column.size)
        return pa.ListArray.from_arrays(pa.array(offsets), flat)
    storage = pa.FixedSizeListArray.from_arrays(flat, column.size)
    return pa.ExtensionArray.from_storage(column.arrow_type, storage)


def to_numpy(values: pa.Array | pa.ChunkedArray, column: Column) -> Array:
    """An array (T, *column.shape) from a column of Arrow, without a copy where it can; SchemaError on nulls."""
    if isinstance(values, pa.ChunkedArray):
        if not values.num_chunks:
            return np.empty((0, *column.shape), dtype=column.dtype)
        values = values.chunk(0) if values.num_chunks == 1 else pa.concat_arrays(values.chunks)
    if values.null_count:
        raise SchemaError(f"{column.name} has {values.null_count} nulls, which have no value as an array")
    dtype, shape = np.dtype(column.dtype), (len(values), *column.shape)
    if column.encoding == "image":
        buffer = values.buffers()[1]
        start = values.offset * column.size
        return np.frombuffer(buffer, dtype=dtype, count=len(values) * column.size, offset=start).reshape(shape)
    flat = values
    if column.encoding == "tensor":
        flat = values.storage.flatten() if isinstance(values, pa.ExtensionArray) else values.flatten()
    elif column.encoding == "list":
        flat = values.flatten()
    return flat.to_numpy(zero_copy_only=False).astype(dtype, copy=False).reshape(shape)


def filled(values: pa.Array, column: Column, *, nan: bool = True) -> Array:
    """An array (T, *column.shape) from a column of Arrow; where it is null stands NaN, or 0 where there is none.

    Args:
        values: The column.
        column: Says element type and shape.
        nan: Whether floats are NaN there; else they are 0 too.
    """
    if not values.null_count:
        return to_numpy(values, column)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    dtype = np.dtype(column.dtype)
    out = np.full((len(values), *column.shape), np.nan if nan and dtype.kind == "f" else 0, dtype)
    if present.any():
        out[present] = to_numpy(values.drop_null(), column)
    return out


def steps_batch(
    header: Header,
    episode_index: int,
    columns: Mapping[str, Array],
    start: int = 0,
) -> pa.RecordBatch:
    """Rows of `steps` for some consecutive frames of one episode.

    Args:
        header: Says which columns there are; a data column absent from `columns` is null.
        episode_index: Whose frames they are.
        columns: Column name -> (T, ...), data and lineage alike.
        start: Number of the first frame.
    """
    rows = len(next(iter(columns.values())))
    return steps_rows(header, np.full(rows, episode_index), np.arange(start, start + rows), columns)


def steps_rows(
    header: Header, episode_index: Array, frame_index: Array, columns: Mapping[str, Array]
) -> pa.RecordBatch:
    """Rows of `steps` for frames of any episodes.

    Args:
        header: Says which columns there are; a data column absent from `columns` is null.
        episode_index: (T,). Whose frames they are.
        frame_index: (T,). Their numbers in their episodes.
        columns: Column name -> (T, ...), data and lineage alike.
    """
    rows, frame = len(frame_index), frame_index.astype(np.int32, copy=False)
    time = pa.nulls(rows, pa.float64()) if header.control_hz is None else pa.array(frame / header.control_hz)
    arrays: list[pa.Array] = [pa.array(episode_index.astype(np.int64, copy=False)), pa.array(frame), time]
    for eef in header.eefs:
        for kind, dtype in LINEAGE.items():
            values = columns.get(f"{kind}/{eef}")
            arrays.append(pa.nulls(rows, dtype) if values is None else pa.array(values, type=dtype))
    arrays += [to_arrow(columns.get(column.name), column, rows) for column in header.steps]
    return pa.record_batch(arrays, schema=header.steps_schema)


def episodes_table(header: Header, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of `episodes` from dicts of our own columns and of arrays of the data columns (absent: null)."""
    arrays = [
        pa.array([row.get(f.name, [] if f.name == "splits" else None) for row in rows], type=f.type) for f in EPISODES
    ]
    arrays += [_episode_column(column, [row.get(column.name) for row in rows]) for column in header.episodes]
    return pa.table(arrays, schema=header.episodes_schema)


def _episode_column(column: Column, values: Sequence[Array | None]) -> pa.Array:
    pieces = [to_arrow(None if v is None else np.asarray(v)[None], column, 1) for v in values]
    return pa.concat_arrays(pieces) if pieces else pa.nulls(0, column.arrow_type)


@dataclass(frozen=True)
class Rest:
    """One row of `rest`: an array that is no regular column, or a group (shape None)."""

    path: str
    dtype: str
    """NumPy's type string with byte order (`<f8`, `|S5`, `>i4`), a name that a format defines, or "group"."""
    shape: tuple[int, ...] | None
    data: bytes | None
    episode_index: int | None = None
    attrs: Mapping[str, Any] | None = None


def rest_batch(rows: Iterable[Rest]) -> pa.RecordBatch:
    """Rows of `rest`."""
    rows = list(rows)
    values = [
        [row.episode_index for row in rows],
        [row.path for row in rows],
        [row.dtype for row in rows],
        [None if row.shape is None else list(row.shape) for row in rows],
        [row.data for row in rows],
        [json.dumps(row.attrs or {}) for row in rows],
    ]
    return pa.record_batch([pa.array(v, type=f.type) for v, f in zip(values, REST, strict=True)], schema=REST)


def rest_rows(batch: pa.RecordBatch | pa.Table) -> list[Rest]:
    """The inverse of `rest_batch`."""
    return [
        Rest(
            path=row["path"],
            dtype=row["dtype"],
            shape=None if row["shape"] is None else tuple(row["shape"]),
            data=row["bytes"],
            episode_index=row["episode_index"],
            attrs=json.loads(row["attrs"]),
        )
        for row in batch.to_pylist()
    ]


def choices_array(per_attempt: Sequence[Sequence[Mapping[str, Any]]]) -> pa.Array:
    """The column `choices` of `attempts`."""
    return pa.array([list(choices) for choices in per_attempt], type=pa.list_(CHOICE))


def columns_of(batch: pa.RecordBatch | pa.Table, header: Header) -> dict[str, Array]:
    """Data and lineage columns of some rows of `steps` as arrays (T, ...); without columns that are all null."""
    known = {column.name: column for column in header.steps}
    arrays: dict[str, Array] = {}
    for name in batch.schema.names:
        values = batch.column(name)
        if name in STEPS.names or (len(values) and values.null_count == len(values)):
            continue
        if is_own_step(name):
            arrays[name] = np.asarray(
                values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy()
            )
        else:
            arrays[name] = to_numpy(values, known[name])
    return arrays


def rows_where(batch: pa.RecordBatch, keep: Array) -> pa.RecordBatch:
    """The rows of a batch that a mask (T,) keeps, without a copy where they are neighbours."""
    chosen = np.flatnonzero(keep)
    if not len(chosen):
        return batch.slice(0, 0)
    if chosen[-1] - chosen[0] + 1 == len(chosen):
        return batch.slice(int(chosen[0]), len(chosen))
    return batch.take(pa.array(chosen))


def nest(columns: Mapping[str, Array]) -> dict[str, Any]:
    """The nested view of one episode, as it would lie in HDF5: `obs/x` becomes `["obs"]["x"]`."""
    return nested({path_of(name): values for name, values in columns.items()})


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Path -> value as dicts in dicts."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *groups, leaf = path.split("/")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = value
    return tree
