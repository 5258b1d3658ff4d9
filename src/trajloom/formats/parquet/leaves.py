"""Which leaves of a file's columns are arrays of ours, and which are kept in `rest`: decided once, from the footers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from trajloom.formats.parquet import kinds
from trajloom.formats.parquet.files import Files, Footer
from trajloom.formats.parquet.kinds import Kind
from trajloom.formats.parquet.names import Leaf, paths
from trajloom.schema import Column, stored_name


@dataclass
class Decision:
    """What the columns of the files are to us."""

    columns: dict[str, Leaf] = field(default_factory=dict)
    """Name of a column of ours -> the leaf."""
    header: list[Column] = field(default_factory=list)
    rest: dict[str, Leaf] = field(default_factory=dict)
    """Path in `rest` -> the leaf."""


def decide(files: Files, footers: Sequence[Footer], data: Sequence[str], to_rest: Collection[str]) -> Decision:
    """Decide for each leaf of some top-level columns.

    Lists whose sizes or nulls the footers leave open are read once, to the first row that decides.

    Args:
        files: The files, of one schema.
        footers: Of each.
        data: Names of top-level columns.
        to_rest: Columns, by name or by our path, that the user wants in `rest`.
    """
    schema, counts = footers[0].schema, _counts(footers)
    leaves = [leaf for name in data for leaf in _leaves(files, schema.field(name), counts[name])]
    named = paths(leaf for leaf, _, _ in leaves)
    decision = Decision()
    for leaf, field_, count in leaves:
        path = named[leaf]
        column = None
        if not {leaf[0], ".".join(leaf), path, stored_name(path)} & set(to_rest):
            column = _column(files, leaf, field_, path, count)
        if column is None:
            decision.rest[path] = leaf
        else:
            decision.columns[column.name] = leaf
            decision.header.append(column)
    return decision


@dataclass(frozen=True)
class Count:
    """What the footers say of a leaf."""

    nulls: int | None
    """None where they do not say."""
    per_row: int | None
    """Values of each row, where every row group has that many on average."""


def extract(batch: pa.RecordBatch, leaf: Leaf) -> pa.Array:
    """The values of a leaf."""
    values = batch.column(leaf[0])
    for name in leaf[1:]:
        values = values.flatten()[values.type.get_field_index(name)]
    return values


def _leaves(files: Files, field_: pa.Field, counts: Sequence[Count]) -> Iterator[tuple[Leaf, pa.Field, Count]]:
    """The leaves of a column: itself, or those of a struct that is never null."""
    dtype = field_.type
    if not pa.types.is_struct(dtype) or not dtype.num_fields or _is_doubtful(dtype):
        yield (field_.name,), field_, counts[0] if len(counts) == 1 else Count(None, None)
    elif any(count.nulls != 0 for count in counts) and _has_null_struct(files, field_):
        yield (field_.name,), field_, Count(None, None)
    else:
        rest = list(counts)
        for leaf, inner in leaves_in((field_.name,), dtype):
            n = _width(inner.type)
            yield leaf, inner, rest[0] if n == 1 else Count(None, None)
            del rest[:n]


def _is_doubtful(dtype: pa.DataType) -> bool:
    """Whether fields of a struct have one name, or none."""
    names = [dtype.field(i).name for i in range(dtype.num_fields)]
    inner = [dtype.field(i).type for i in range(dtype.num_fields) if pa.types.is_struct(dtype.field(i).type)]
    return len(set(names)) < len(names) or "" in names or any(_is_doubtful(t) or not t.num_fields for t in inner)


def leaves_in(above: Leaf, dtype: pa.DataType) -> Iterator[tuple[Leaf, pa.Field]]:
    """The leaves of a struct, and their fields."""
    for i in range(dtype.num_fields):
        inner = dtype.field(i)
        if pa.types.is_struct(inner.type):
            yield from leaves_in((*above, inner.name), inner.type)
        else:
            yield (*above, inner.name), inner


def _has_null_struct(files: Files, field_: pa.Field) -> bool:
    return any(_null_structs(batch.column(0)) for batch in files.batches([field_.name]))


def _null_structs(values: pa.Array) -> bool:
    if not pa.types.is_struct(values.type):
        return False
    return bool(values.null_count) or any(_null_structs(inner) for inner in values.flatten())


def _column(files: Files, leaf: Leaf, field_: pa.Field, path: str, count: Count) -> Column | None:
    kind = kinds.kind_of(field_)
    if kind is None:
        return None
    shape = kind.known
    nullable = count.nulls != 0 and not (kind.blob and not field_.nullable)
    if not kind.dims and not kind.blob and count.nulls is None:
        nullable = any(extract(batch, leaf).null_count for batch in files.batches([leaf[0]]))
    if kind.dims and not (shape is not None and (count.nulls == 0 or kind.shape is not None)):
        if count.nulls == 0 and count.per_row is None:
            return None  # rows differ in size
        found = _first_shape(files, leaf) if count.nulls == 0 else _shape_of_all(files, leaf)
        if found is None:
            return None
        shape, nullable = found
    return _made(path, kind, shape, nullable)


def _made(path: str, kind: Kind, shape: tuple[int, ...] | None, nullable: bool) -> Column | None:
    if shape is None or 0 in shape:
        return None
    when = {"next_obs": "after", "obs": "before", "states": "before"}.get(path.split("/")[0])
    return Column(name=stored_name(path), dtype=kind.dtype, shape=shape, nullable=nullable, when=when)  # type: ignore[arg-type]


def _first_shape(files: Files, leaf: Leaf) -> tuple[tuple[int, ...], bool] | None:
    batch = next((b for b in files.batches([leaf[0]]) if b.num_rows), None)
    shape = None if batch is None else kinds.shape_in(extract(batch, leaf))
    return None if shape is None else (shape, False)


def _shape_of_all(files: Files, leaf: Leaf) -> tuple[tuple[int, ...], bool] | None:
    """The one shape of all rows and whether some are null, or None where there is no such shape."""
    shape, nullable = None, False
    for batch in files.batches([leaf[0]]):
        values = extract(batch, leaf)
        nullable = nullable or bool(values.null_count)
        if values.null_count < len(values):
            found = kinds.shape_in(values)
            if found is None or (shape is not None and found != shape):
                return None
            shape = found
    return None if shape is None else (shape, nullable)


# ---- what the footers say --------------------------------------------------------------------------------------


def _counts(footers: Sequence[Footer]) -> dict[str, list[Count]]:
    """Top-level column -> what is said of each of its leaves."""
    found, at = {}, 0
    for field_ in footers[0].schema:
        width = _width(field_.type)
        found[field_.name] = [_count(footers, at + i) for i in range(width)]
        at += width
    return found


def _count(footers: Sequence[Footer], leaf: int) -> Count:
    nulls: int | None = 0
    per_row: set[float] = set()
    for footer in footers:
        for rows, group in zip(footer.file.groups, footer.chunks, strict=True):
            values, null = group[leaf]
            nulls = None if nulls is None or null is None else nulls + null
            if rows:
                per_row.add(values / rows)
    whole = len(per_row) == 1 and next(iter(per_row)).is_integer()
    return Count(nulls, int(per_row.pop()) if whole else None)


def _width(dtype: pa.DataType) -> int:
    """How many columns Parquet makes of a type."""
    if isinstance(dtype, pa.BaseExtensionType):
        dtype = dtype.storage_type
    if pa.types.is_struct(dtype):
        return sum(_width(dtype.field(i).type) for i in range(dtype.num_fields))
    if pa.types.is_map(dtype):
        return _width(dtype.key_type) + _width(dtype.item_type)
    if pa.types.is_nested(dtype):
        return _width(dtype.value_type)
    return 1
