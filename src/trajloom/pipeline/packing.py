"""Episodes as nested dicts, back into a batch of columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.batch import Batch
from trajloom.errors import SchemaError
from trajloom.pipeline.layout import Outputs, all_of, header_of, length_of, seen
from trajloom.pipeline.trajectory import FACTS, LINEAGE_GROUP, Origin, Trajectory, plain_attrs
from trajloom.pipeline.values import flat, rest_of
from trajloom.schema import LINEAGE, Column, Header, path_of
from trajloom.tables import Array, Rest, episodes_table, rest_batch, to_arrow


@dataclass(frozen=True)
class Packed:
    """An episode on its way into columns."""

    row: dict[str, Any]
    """Its row of `episodes`, without data columns."""
    values: dict[str, Array]
    """Path -> array."""
    lineage: dict[str, Array]
    """Lineage column -> (T,)."""
    rest: tuple[Rest, ...]
    """Rows of `rest` that it has whatever its columns are."""
    as_before: Mapping[str, Rest]
    """Path -> row of `rest`, for arrays that are what they were."""
    origin: Origin | None

    @property
    def length(self) -> int:
        return self.row["length"]

    def seen(self) -> Outputs:
        """What its arrays are."""
        return seen(self.row["name"], self.length, self.values, self.as_before)


def pack(
    trajectories: Sequence[Mapping[str, Any]], prior: Header, *, numbers: Sequence[int], names: Sequence[str],
    header: Header | None = None, models: Mapping[str, str] | None = None, rest: pa.Table | None = None,
) -> tuple[Batch, Outputs]:  # fmt: skip
    """A batch of some episodes, and what was seen of them.

    Args:
        trajectories: Nested dicts of arrays; a Trajectory also brings its attributes.
        prior: The header of what they were made from.
        numbers: `episode_index` of each.
        names: Of the episodes.
        header: Says what columns there are to be; None finds them.
        models: SHA-256 -> model XML.
        rest: Rows of `rest` of the file itself.

    Raises:
        SchemaError: A value is no array, or two episodes differ in what a column is.
    """
    packed = [
        _packed(trajectory, prior, number, name)
        for trajectory, number, name in zip(trajectories, numbers, names, strict=True)
    ]
    outputs = all_of(one.seen() for one in packed)
    header = header or header_of(outputs, prior)
    rows = [{**one.row, **_once(one, header)} for one in packed]
    more = pa.Table.from_batches([rest_batch(_rest(one, header)) for one in packed], header.schema_of("rest"))
    batch = Batch(
        header,
        _steps(packed, header),
        episodes_table(header, rows),
        more if rest is None else pa.concat_tables([rest, more]).combine_chunks(),
        models or {},
    )
    return batch, outputs


def _packed(trajectory: Mapping[str, Any], prior: Header, number: int, name: str) -> Packed:
    origin = trajectory.origin if isinstance(trajectory, Trajectory) else None
    found, rest = {}, []
    for path, value in flat(trajectory, name):
        if isinstance(value, dict):
            rest.append(Rest(path, "group", None, None))
        else:
            found[path] = value
    if not found:
        raise SchemaError(f"{name}: there is no array in it")
    length = length_of(found)
    lineage = {
        f"{kind}/{eef}": found.pop(path).astype(str(dtype), copy=False)
        for eef in prior.eefs
        for kind, dtype in LINEAGE.items()
        if (path := f"{LINEAGE_GROUP}/{kind}/{eef}") in found and _is_lineage(found[path], length)
    }
    attrs = dict(trajectory.attrs) if isinstance(trajectory, Trajectory) else {}
    if origin is None and prior.layout.get("format") == "hdf5":
        attrs["num_samples"] = length  # the writer of a file that is to be as it was adds nothing
    row = {"episode_index": number, "name": name, "length": length, **_about(attrs, origin, found, name)}
    as_before = {
        path: piece
        for path, (value, piece) in (origin.decoded if origin else {}).items()
        if found.get(path) is value or (path in found and _is_same(found[path], value))
    }
    return Packed(row, found, lineage, tuple(rest) + (origin.rest if origin else ()), as_before, origin)


def _is_lineage(value: Array, length: int) -> bool:
    return value.shape == (length,) and value.dtype.kind in "iu"


def _is_same(value: Array, before: Any) -> bool:
    """Whether an array is the text or array that was read from `rest`."""
    before = np.asarray(before, dtype=object) if isinstance(before, str) else before
    if value.shape != before.shape or value.dtype != before.dtype:
        return False
    return bool((value == before).all()) if value.dtype == object else value.tobytes() == before.tobytes()


# ---- attributes ------------------------------------------------------------------------------------------------


def _about(attrs: Mapping[str, Any], origin: Origin | None, paths: Mapping[str, Array], name: str) -> dict[str, Any]:
    """The row of `episodes` beyond number, name and length."""
    row = {"seed": None, "task": None, "success": None, "splits": [], "model": None}
    row |= {} if origin is None else {key: origin.row[key] for key in row}
    typed = {} if origin is None else origin.attrs
    before = {} if origin is None else plain_attrs(origin.row, typed)
    own = {key: attr for key, attr in typed.get("", {}).items() if key not in before or key in attrs}
    for key, value in attrs.items():
        if key not in before or not _equal(before[key], value):
            own[key] = spelled(value, f"{name}: attribute {key}")
    for fact, kind in zip(FACTS, (bool, int, str), strict=True):
        value = attrs.get(fact)
        value = value.item() if isinstance(value, np.generic) else value
        row[fact] = value if isinstance(value, kind) else None if fact not in attrs else row[fact]
        if fact in own and (origin is None or fact not in typed.get("", {})):
            del own[fact]  # it is a column, from which the writers make the attribute
    groups = {path.rsplit("/", n)[0] for path in paths for n in range(1, path.count("/") + 1)} | set(paths)
    kept = {path: found for path, found in typed.items() if path and (path in groups or path == "//")}
    return {**row, "attrs": json.dumps({"": own, **kept} if own or kept else {}, sort_keys=True)}


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and np.shape(one) == np.shape(other) and bool(np.all(one == other))


def spelled(value: Any, where: str) -> dict[str, Any]:
    """An attribute, typed as h5py would write it; SchemaError where HDF5 has no such type."""
    if isinstance(value, str):
        return {"dtype": "str", "value": value}
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return {"dtype": "str", "shape": list(array.shape), "value": array.reshape(-1).tolist()}
    if array.dtype.kind not in "biuf":
        raise SchemaError(f"{where} is a {type(value).__name__}; attributes are numbers, booleans, texts or arrays")
    head: dict[str, Any] = {"dtype": array.dtype.str}
    return {**head, "shape": list(array.shape), "value": array.reshape(-1).tolist()} if array.shape else {
        **head, "value": array.item()
    }  # fmt: skip


# ---- tables ----------------------------------------------------------------------------------------------------


def _steps(packed: Sequence[Packed], header: Header) -> pa.Table:
    lengths = np.array([one.length for one in packed], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    frame = (np.arange(lengths.sum()) - np.repeat(starts, lengths)).astype(np.int32)
    numbers = np.array([one.row["episode_index"] for one in packed], dtype=np.int64)
    arrays: list[Any] = [pa.array(np.repeat(numbers, lengths)), pa.array(frame), _times(packed, header, frame)]
    for eef in header.eefs:
        for kind, dtype in LINEAGE.items():
            pieces = [one.lineage.get(f"{kind}/{eef}") for one in packed]
            arrays.append(_joined([None if p is None else pa.array(p, dtype) for p in pieces], lengths, dtype))
    values = ([one.values.get(path_of(column.name)) for one in packed] for column in header.steps)
    arrays += [_column(of_each, lengths, column) for of_each, column in zip(values, header.steps, strict=True)]
    return pa.table(arrays, schema=header.steps_schema)


def _column(values: Sequence[Array | None], lengths: Array, column: Column) -> pa.Array | pa.ChunkedArray:
    there = [value for value in values if value is not None]
    if len(there) == len(values):
        joined = np.concatenate([np.empty((0, *column.shape), column.dtype), *there], dtype=column.dtype)
        return to_arrow(joined, column)
    pieces = [None if v is None else to_arrow(v.astype(column.dtype, copy=False), column) for v in values]
    return _joined(pieces, lengths, column.arrow_type)


def _joined(pieces: Sequence[pa.Array | None], lengths: Array, dtype: pa.DataType) -> pa.Array:
    """Pieces one after the other, nulls where there is none."""
    filled = [pa.nulls(n, dtype) if p is None else p for p, n in zip(pieces, lengths.tolist(), strict=True)]
    return pa.concat_arrays([pa.nulls(0, dtype), *filled])


def _times(packed: Sequence[Packed], header: Header, frame: Array) -> pa.Array | pa.ChunkedArray:
    """Timestamps: what the control rate says, else what the episode had where it is as long as it was."""
    if header.control_hz is not None:
        return pa.array(frame / header.control_hz)
    pieces = []
    for one in packed:
        times = one.origin.timestamps if one.origin else None
        kept = times is not None and len(times) == one.length
        pieces.append(times if kept else pa.nulls(one.length, pa.float64()))
    chunks = [chunk for p in pieces for chunk in (p.chunks if isinstance(p, pa.ChunkedArray) else [p])]
    return pa.concat_arrays([pa.nulls(0, pa.float64()), *chunks])


def _once(one: Packed, header: Header) -> dict[str, Array]:
    """Its arrays that are one an episode."""
    found = {column.name: one.values.get(path_of(column.name)) for column in header.episodes}
    dtypes = {column.name: column.dtype for column in header.episodes}
    return {name: value.astype(dtypes[name], copy=False) for name, value in found.items() if value is not None}


def _rest(one: Packed, header: Header) -> list[Rest]:
    """Its arrays that are no column."""
    columns = {path_of(column.name) for column in (*header.steps, *header.episodes)}
    number, name = one.row["episode_index"], one.row["name"]
    rows = list(one.rest)
    for path, value in one.values.items():
        if path not in columns:
            rows.append(one.as_before[path] if path in one.as_before else rest_of(path, value, name))
    return [replace(row, episode_index=number) for row in rows]
