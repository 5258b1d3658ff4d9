"""What is equal in two Parquet datasets."""

from collections.abc import Iterator
from itertools import zip_longest

import pyarrow as pa

from trajloom.formats.parquet.files import OURS, Files, Footer, find, footer


def equal(a: str, b: str) -> list[str]:
    """How two files, or two folders of files, differ: nothing where they are equal.

    Compared are the names of the files of folders, columns with their types and nulls, key-value metadata but for ours
    and Arrow's own schema, and all rows in order (NaN equals NaN). Row groups, encodings and compression, Parquet's
    field ids, and the order of the entries of dictionaries are not.
    """
    left, right = ([footer(url, name) for url, name in find(path)] for path in (a, b))
    names = [[f.file.name for f in footers] for footers in (left, right)]
    if len(left) != len(right) or (len(left) > 1 and names[0] != names[1]):
        return [f"files: {', '.join(names[0][:20])} and {', '.join(names[1][:20])}"]
    return [said for one, other in zip(left, right, strict=True) for said in _differences(one, other)]


def _differences(one: Footer, other: Footer) -> Iterator[str]:
    where = one.file.name
    mine, theirs = ({k: v for k, v in f.metadata.items() if k != OURS} for f in (one, other))
    if mine != theirs:
        yield f"{where}: metadata: {mine} and {theirs}"
    if not one.schema.equals(other.schema):
        yield f"{where}: columns: {_said(one.schema)} and {_said(other.schema)}"
        return
    if one.file.rows != other.file.rows:
        yield f"{where}: {one.file.rows} and {other.file.rows} rows"
        return
    for name in one.schema.names:
        row = _first_difference(one, other, name)
        if row is not None:
            yield f"{where}: {name}: differs from row {row} on"


def _said(schema: pa.Schema) -> str:
    return ", ".join(f"{f.name}: {f.type}{'' if f.nullable else ' not null'}" for f in schema)


def _first_difference(one: Footer, other: Footer, name: str) -> int | None:
    """About where a column differs first."""
    row = 0
    for left, right in zip_longest(_cells(one, name), _cells(other, name)):
        if left is None or right is None or not _same(left, right):
            return row
        row += len(left)
    return None


def _cells(footer_: Footer, name: str, rows: int = 1024) -> Iterator[pa.Array]:
    """A column in pieces whose sizes do not depend on row groups."""
    pending: list[pa.Array] = []
    for batch in Files((footer_.file,)).batches([name]):
        pending.append(batch.column(0))
        whole = pa.concat_arrays(pending) if len(pending) > 1 else pending[0]
        while len(whole) >= rows:
            yield whole.slice(0, rows)
            whole = whole.slice(rows)
        pending = [whole]
    if pending and len(pending[0]):
        yield pending[0]


def _same(left: pa.Array, right: pa.Array) -> bool:
    return left.equals(right) or repr(left.to_pylist()) == repr(right.to_pylist())
