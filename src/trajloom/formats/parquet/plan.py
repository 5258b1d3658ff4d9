"""How a dataset's columns become columns of Parquet: as we write them, or as they were."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import SchemaError
from trajloom.formats import Source
from trajloom.formats.parquet import kinds
from trajloom.formats.parquet.leaves import leaves_in
from trajloom.formats.parquet.names import Leaf, leaf_of, paths
from trajloom.formats.parquet.roles import Roles
from trajloom.formats.parquet.source import digest
from trajloom.schema import Column, Header, lineage_columns, path_of, stored_name

OWN = (
    ("episode", "episode_index", pa.int64(), False),
    ("frame", "frame_index", pa.int32(), False),
    ("time", "timestamp", pa.float64(), True),
    ("name", "episode_name", pa.string(), False),
    ("success", "success", pa.bool_(), True),
    ("task", "task", pa.string(), True),
)
"""Role, name, type and whether it may be null of the columns that we write beside the data."""


@dataclass(frozen=True)
class Plan:
    """What is written."""

    schema: pa.Schema
    roles: Roles
    columns: Mapping[Leaf, Column]
    """Leaf -> the column that it is written from."""
    rest: Mapping[Leaf, str] = field(default_factory=dict)
    """Leaf -> path in `rest` of what it is written from."""
    layout: Mapping[str, Any] | None = None
    """The header's, where files are written as they were."""
    as_it_was: bool = False
    """Whether nothing was changed since, so that nothing need be kept aside."""

    @property
    def read_as(self) -> dict[str, str]:
        """Column of ours -> the name under which it is read again."""
        named = paths(self._leaves())
        return {column.name: stored_name(named[leaf]) for leaf, column in self.columns.items()}

    @property
    def copies(self) -> frozenset[str]:
        """Names under which columns that play a role might be read as data."""
        used = set(self.roles.used())
        flat = [leaf for f in self.schema if f.name not in used for leaf in leaves_of(f)]
        named = {*paths(self._leaves()).values(), *paths(flat).values(), *used}
        return frozenset(map(stored_name, named)) - {*self.read_as.values()}

    def _leaves(self) -> list[Leaf]:
        used = set(self.roles.used())
        whole = {f.name for f in self.schema if (f.name,) in self.rest}
        kept = [f for f in self.schema if f.name not in used]
        return [leaf for f in kept for leaf in ([(f.name,)] if f.name in whole else leaves_of(f))]


def leaves_of(field_: pa.Field) -> list[Leaf]:
    if pa.types.is_struct(field_.type) and field_.type.num_fields:
        return [leaf for leaf, _ in leaves_in((field_.name,), field_.type)]
    return [(field_.name,)]


def plain(header: Header) -> Plan:
    """Every column under its own path, after those that say which step of which episode it is."""
    data = [
        *(Column(name=f.name, dtype=str(f.type), nullable=True) for f in lineage_columns(header.eefs)),
        *header.steps,
    ]
    names = {path_of(column.name) if not _is_own(column.name) else column.name: column for column in data}
    own = [(role, name, dtype, null) for role, name, dtype, null in OWN if name not in names]
    fields = [pa.field(name, dtype, nullable=null) for _, name, dtype, null in own]
    fields += [kinds.field_of(name, column) for name, column in names.items()]
    roles = Roles(**{role: name for role, name, _, _ in own})
    return Plan(pa.schema(fields), roles, {(name,): column for name, column in names.items()})


def _is_own(name: str) -> bool:
    return name.startswith("data/")


def as_they_were(source: Source) -> Plan | None:
    """The columns of the files that a dataset was read from; None where it was none, or its layout is damaged."""
    layout = source.header.layout
    if layout.get("format") != "parquet" or "schema" not in layout:
        return None
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(layout["schema"])))
        said = {leaf_of(leaf): str(name) for leaf, name in layout["columns"]}
        rest = {leaf_of(leaf): str(path) for leaf, path in layout["rest"]}
        roles = Roles(**layout["roles"])
    except (pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise SchemaError(f"header.layout is no layout of Parquet: {error}") from error
    known = {column.name: column for column in source.header.steps}
    columns = {leaf: known[name] for leaf, name in said.items() if name in known}
    return _fitted(Plan(schema, roles, columns, rest, layout, digest(source) == layout.get("as_read")))


def _fitted(plan: Plan) -> Plan:
    """Without columns that are gone, and with the types of those that changed."""
    fields, columns = [], dict(plan.columns)
    for f in plan.schema:
        found = _fitted_field(f, (f.name,), plan, columns)
        if found is not None:
            fields.append(found)
    return replace(plan, schema=pa.schema(fields), columns=columns)


def _fitted_field(f: pa.Field, leaf: Leaf, plan: Plan, columns: dict[Leaf, Column]) -> pa.Field | None:
    if f.name in plan.roles.used() and len(leaf) == 1:
        return f
    if leaf in plan.rest:
        return f
    if leaf in columns:
        column = columns[leaf]
        field_ = f if _holds(f, column) else kinds.field_of(f.name, column)
        if not plan.as_it_was:
            # where all its rows are null by now, nothing else says its shape
            field_ = field_.with_metadata({**(f.metadata or {}), **(kinds.field_of(f.name, column).metadata or {})})
        return field_.with_nullable(True) if column.nullable else field_
    if not pa.types.is_struct(f.type):
        return None
    inner = [
        _fitted_field(f.type.field(i), (*leaf, f.type.field(i).name), plan, columns) for i in range(f.type.num_fields)
    ]
    there = [i for i in inner if i is not None]
    return pa.field(f.name, pa.struct(there), f.nullable, f.metadata) if there else None


def _holds(f: pa.Field, column: Column) -> bool:
    kind = kinds.kind_of(f)
    if kind is None or kind.dtype != column.dtype:
        return False
    if kind.known is not None:
        return kind.known == column.shape
    return len(kind.dims) == len(column.shape) and all(
        n in (kinds.VARIES, m) for n, m in zip(kind.dims, column.shape, strict=True)
    )


# ---- values ----------------------------------------------------------------------------------------------------


@dataclass
class Rows:
    """Some consecutive rows of one episode to write."""

    batch: pa.RecordBatch | None
    """None for an episode without steps."""
    row: Mapping[str, Any]
    """The episode's row of `episodes`."""
    rest: Mapping[str, pa.Array]
    """Path -> all rows of the episode."""


def table(plan: Plan, rows: Rows) -> pa.RecordBatch:
    """Rows as they are written."""
    assert rows.batch is not None
    arrays = [_array(plan, (f.name,), f, rows, rows.batch) for f in plan.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=plan.schema)


def _array(plan: Plan, leaf: Leaf, f: pa.Field, rows: Rows, batch: pa.RecordBatch) -> pa.Array:
    role = _role(plan.roles, f.name) if len(leaf) == 1 else None
    if role is not None:
        return _played(role, f.type, rows, batch)
    if leaf in plan.columns:
        column = plan.columns[leaf]
        return kinds.write(batch.column(column.name), column, f.type)
    if leaf in plan.rest:
        return _of_rest(plan.rest[leaf], f, rows, batch)
    inner = [f.type.field(i) for i in range(f.type.num_fields)]
    return pa.StructArray.from_arrays([_array(plan, (*leaf, i.name), i, rows, batch) for i in inner], fields=inner)


def _role(roles: Roles, name: str) -> str | None:
    return next((role for role, *_ in OWN if getattr(roles, role) == name), None)


def _played(role: str, dtype: pa.DataType, rows: Rows, batch: pa.RecordBatch) -> pa.Array:
    if role in ("frame", "time"):
        values = batch.column({"frame": "frame_index", "time": "timestamp"}[role])
        return _cast(values, dtype)
    value = rows.row[{"name": "name", "success": "success", "task": "task"}.get(role, "episode_index")]
    if role == "episode":
        value = _key(rows.row, dtype)
    inner = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    return _cast(pa.array([value], type=inner).take(pa.array(np.zeros(batch.num_rows, dtype=np.int32))), dtype)


def _key(row: Mapping[str, Any], dtype: pa.DataType) -> Any:
    """What an episode column says of an episode: its name, or the number in it."""
    inner = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    if not pa.types.is_integer(inner):
        return row["name"]
    said = row["name"].removeprefix("episode_")
    is_number = said.removeprefix("-").isdecimal() and row["name"].startswith("episode_")
    return int(said) if is_number else row["episode_index"]


def _cast(values: pa.Array, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(dtype):
        return values.cast(dtype.value_type).dictionary_encode().cast(dtype)
    return values.cast(dtype, safe=False)


def _of_rest(path: str, f: pa.Field, rows: Rows, batch: pa.RecordBatch) -> pa.Array:
    """Rows of a column that was kept in `rest`; null where they are gone."""
    found = rows.rest.get(path)
    if found is None:
        return pa.nulls(batch.num_rows, f.type)
    if len(found) != rows.row["length"] or found.type != f.type:
        raise SchemaError(
            f"rest: {path} of {rows.row['name']} has {len(found)} rows of {found.type}, where {rows.row['length']} of "
            f"{f.type} were expected; write it as another format, or delete those rows"
        )
    return found.slice(batch.column("frame_index")[0].as_py(), batch.num_rows)
