"""One schema for all: columns inferred from the first part, and widened where later ones need it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.schema import Column, stored_name
from trajloom.tables import Array

EXACT = 2**53
"""float64 holds every integer up to this."""
Schema = dict[str, Column]
"""Columns of `steps` by name."""


def inferred(arrays: Mapping[str, Array]) -> Schema:
    """Columns for arrays (N, ...) by path."""
    columns = [
        Column(name=stored_name(path), dtype=array.dtype.name, shape=array.shape[1:]) for path, array in arrays.items()
    ]
    return {column.name: column for column in columns}


def joined(schemas: Iterable[Schema]) -> Schema:
    """The schema that holds all of some, in order.

    A column that one lacks may be null; of two element types the one that holds both counts. Of two shapes the first
    counts: what has the other goes to `rest`.
    """
    whole: Schema | None = None
    for schema in schemas:
        whole = dict(schema) if whole is None else _join(whole, schema)
    return whole or {}


def _join(one: Schema, other: Schema) -> Schema:
    found = {name: _both(column, other.get(name)) for name, column in one.items()}
    new = {name: replace(column, nullable=True) for name, column in other.items() if name not in one}
    return {**found, **new}


def _both(one: Column, other: Column | None) -> Column:
    if other is None or one.shape != other.shape:
        return replace(one, nullable=True)
    dtype = np.result_type(np.dtype(one.dtype), np.dtype(other.dtype)).name
    return replace(one, dtype=dtype, nullable=one.nullable or other.nullable)


def fits(array: Array, column: Column) -> Array | None:
    """An array as a column has it, every number still the same; None where it has another shape, or would change."""
    if array.shape[1:] != column.shape:
        return None
    dtype = np.dtype(column.dtype)
    if array.dtype == dtype:
        return array
    wide = array.astype(dtype)
    return None if dtype.kind == "f" and has_large(array) else wide


def has_large(array: Array) -> bool:
    """Whether there are integers that float64 has no room for."""
    if array.dtype.kind not in "iu" or array.itemsize < 8 or not array.size:
        return False
    return int(array.max()) > EXACT or int(array.min()) < -EXACT


def recast(values: pa.Array, old: Column, new: Column) -> pa.Array | None:
    """A column of Arrow as another column has it; None where it does not fit."""
    if not values.null_count:
        array = fits(tables.to_numpy(values, old), new)
        return None if array is None else tables.to_arrow(array, new)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    array = fits(tables.to_numpy(values.drop_null(), old), new)
    if array is None:
        return None
    where = np.cumsum(present) - 1
    return tables.to_arrow(array, new).take(pa.array(where, mask=~present))
