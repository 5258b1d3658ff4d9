"""Between the types of Parquet columns and ours: which are arrays, of which element type and shape."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.errors import DamagedFileError
from trajloom.schema import ELEMENT_TYPES, Column
from trajloom.tables import Array

SHAPE = b"trajloom.shape"
"""Key of a field's metadata: the shape of a row, as JSON, where the type alone does not say it."""
VARIES = -1
MAX_ROW_BYTES = 64 << 20
_ELEMENTS = {pa.from_numpy_dtype(np.dtype(name)): name for name in ELEMENT_TYPES}


@dataclass(frozen=True)
class Kind:
    """What a row of a column is."""

    dtype: str
    dims: tuple[int, ...] = ()
    """Sizes of its lists, outermost first; VARIES where the type does not fix one."""
    shape: tuple[int, ...] | None = None
    """Shape of a row, where something other than `dims` says it."""
    blob: bool = False
    """Whether a row is the bytes of an array of uint8."""

    @property
    def known(self) -> tuple[int, ...] | None:
        """Shape of a row, or None where only the data can say it."""
        if self.shape is not None:
            return self.shape
        return None if VARIES in self.dims else self.dims

    def of_shape(self, shape: tuple[int, ...]) -> "Kind":
        return replace(self, shape=shape)


def kind_of(field: pa.Field) -> Kind | None:
    """What a field is to us, or None where its rows are no arrays of our element types."""
    dtype, shape = field.type, _said_shape(field)
    if isinstance(dtype, pa.FixedShapeTensorType):
        in_order = dtype.permutation is None or list(dtype.permutation) == sorted(dtype.permutation)
        shape, dtype = tuple(dtype.shape) if in_order else None, dtype.storage_type
    if pa.types.is_fixed_size_binary(dtype):
        fits = shape is not None and int(np.prod(shape, dtype=np.int64)) == dtype.byte_width
        return _bounded(Kind("uint8", shape=shape, blob=True)) if fits else None
    dims: list[int] = []
    while pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        dims.append(dtype.list_size if pa.types.is_fixed_size_list(dtype) else VARIES)
        dtype = dtype.value_type
    element = element_type(dtype)
    return None if element is None else _bounded(Kind(element, tuple(dims), shape))


def element_type(dtype: pa.DataType) -> str | None:
    """Our element type of values: times are integers."""
    if pa.types.is_dictionary(dtype):
        dtype = dtype.value_type
    if pa.types.is_temporal(dtype) and not pa.types.is_interval(dtype):
        return "int32" if dtype.bit_width == 32 else "int64"
    return _ELEMENTS.get(dtype)


def _said_shape(field: pa.Field) -> tuple[int, ...] | None:
    try:
        said = json.loads((field.metadata or {}).get(SHAPE, b"null"))
        shape = None if said is None else tuple(said)
    except (ValueError, TypeError):
        return None
    if shape is None or not all(type(n) is int and 0 < n < 1 << 31 for n in shape):
        return None
    return shape


def _bounded(kind: Kind) -> Kind | None:
    """None where a row is empty or absurdly large, or where its shape contradicts its type."""
    size = np.dtype(kind.dtype).itemsize
    for n in kind.shape if kind.shape is not None else kind.dims:
        size *= n if n != VARIES else 1
        if size == 0 or size > MAX_ROW_BYTES:
            return None
    if kind.shape is not None and VARIES not in kind.dims and kind.dims:
        return kind if np.prod(kind.shape) == np.prod(kind.dims) else None
    return kind


# ---- reading ---------------------------------------------------------------------------------------------------


def read(values: pa.Array, column: Column, where: str) -> pa.Array:
    """Rows of a column of a file as an Arrow array of our column's type.

    Raises:
        DamagedFileError: Rows differ in size, or there are nulls where none may be.
    """
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if not values.null_count:
        return _full(values, column, where)
    if not column.nullable:
        raise DamagedFileError(f"{where}: {column.name}: {values.null_count} rows are null where none was expected")
    valid = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    present = _full(values.take(pa.array(valid)), column, where)
    return _scattered(present, valid, len(values))


def _full(values: pa.Array, column: Column, where: str) -> pa.Array:
    flat = elements(values, column.name, where)
    if flat.size != len(values) * column.size:
        raise DamagedFileError(
            f"{where}: {column.name}: rows have {flat.size / max(1, len(values)):g} elements on average, where each "
            f"was expected to have {column.size} (shape {column.shape}); ReadOptions(rest={column.name!r}) keeps "
            "the column as it is"
        )
    return tables.to_arrow(flat.reshape(len(values), *column.shape).astype(column.dtype, copy=False), column)


def elements(values: pa.Array, name: str, where: str) -> Array:
    """All elements of rows without nulls, in order; DamagedFileError where rows differ in size."""
    if pa.types.is_fixed_size_binary(values.type):
        buffer, width = values.buffers()[1], values.type.byte_width
        return np.frombuffer(buffer, np.uint8, len(values) * width, values.offset * width)
    while _is_list(values.type):
        if values.null_count:
            raise DamagedFileError(f"{where}: {name}: nulls within a row")
        if not pa.types.is_fixed_size_list(values.type) and len(values):
            sizes = values.value_lengths().to_numpy(zero_copy_only=False)
            if sizes.min() != sizes.max():
                raise DamagedFileError(
                    f"{where}: {name}: rows of {sizes.min()} and of {sizes.max()} elements, where all were expected to "
                    f"have one size; ReadOptions(rest={name!r}) keeps the column as it is"
                )
        values = values.flatten()
    if values.null_count:
        raise DamagedFileError(f"{where}: {name}: nulls within a row")
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_temporal(values.type):
        values = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64())
    return values.to_numpy(zero_copy_only=False)


def shape_in(values: pa.Array) -> tuple[int, ...] | None:
    """Shape of the rows of lists, where all that are there have one and none of their elements is null."""
    shape: list[int] = []
    values = values.drop_null()
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    while _is_list(values.type):
        if values.null_count or not len(values):
            return None
        sizes = {values.type.list_size} if pa.types.is_fixed_size_list(values.type) else _sizes(values)
        if len(sizes) != 1:
            return None
        shape += sizes
        values = values.flatten()
    return None if values.null_count or 0 in shape else tuple(shape)


def _sizes(values: pa.Array) -> set[int]:
    sizes = values.value_lengths().to_numpy(zero_copy_only=False)
    return {int(sizes.min()), int(sizes.max())}


def _is_list(dtype: pa.DataType) -> bool:
    return pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype)


def _scattered(present: pa.Array, valid: Array, rows: int) -> pa.Array:
    """Values put where they belong among nulls."""
    where = np.full(rows, -1)
    where[valid] = np.arange(len(valid))
    return present.take(pa.array(where, mask=where < 0))


# ---- writing ---------------------------------------------------------------------------------------------------


def field_of(name: str, column: Column) -> pa.Field:
    """The field in which we write a column: nested lists, fixed in size unless they may be null; images as bytes."""
    said = {SHAPE: json.dumps(column.shape).encode()} if column.shape else None
    if column.encoding == "image":
        return pa.field(name, pa.binary(column.size), column.nullable, said)
    dtype: pa.DataType = pa.from_numpy_dtype(np.dtype(column.dtype))
    for n in reversed(column.shape):
        dtype = pa.list_(pa.field("item", dtype)) if column.nullable else pa.list_(pa.field("item", dtype), n)
    return pa.field(name, dtype, column.nullable, said)


def write(values: pa.Array, column: Column, dtype: pa.DataType) -> pa.Array:
    """Rows of a column of ours as a type of Parquet's, the inverse of `read`."""
    if values.type == dtype:
        return values
    if not values.null_count:
        return _nested(tables.to_numpy(values, column), dtype)
    valid = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    present = _nested(tables.to_numpy(values.take(pa.array(valid)), column), dtype)
    return _scattered(present, valid, len(values))


def _nested(values: Array, dtype: pa.DataType) -> pa.Array:
    if isinstance(dtype, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(dtype, _nested(values, dtype.storage_type))
    if pa.types.is_fixed_size_binary(dtype):
        return pa.Array.from_buffers(dtype, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
    kinds: list[pa.DataType] = []
    while _is_list(dtype):
        kinds.append(dtype)
        dtype = dtype.value_type
    rows = len(values)
    sizes = list(values.shape[1:]) if len(kinds) == values.ndim - 1 else [int(np.prod(values.shape[1:]))]
    flat = _leaf(values.reshape(-1), dtype)
    return _lists(flat, kinds, sizes, rows)


def _lists(flat: pa.Array, kinds: Sequence[pa.DataType], sizes: Sequence[int], rows: int) -> pa.Array:
    for depth in range(len(kinds) - 1, -1, -1):
        outer = rows * int(np.prod(sizes[:depth], dtype=np.int64))
        kind, size = kinds[depth], sizes[depth]
        if pa.types.is_fixed_size_list(kind):
            flat = pa.FixedSizeListArray.from_arrays(flat, type=kind)
        else:
            large = pa.types.is_large_list(kind)
            offsets = np.arange(outer + 1, dtype=np.int64 if large else np.int32) * size
            made = pa.LargeListArray if large else pa.ListArray
            flat = made.from_arrays(pa.array(offsets), flat, type=kind)
    return flat


def _leaf(flat: Array, dtype: pa.DataType) -> pa.Array:
    if pa.types.is_temporal(dtype):
        return pa.array(np.ascontiguousarray(flat)).view(dtype)
    if pa.types.is_dictionary(dtype):
        return pa.array(flat, type=dtype.value_type).dictionary_encode().cast(dtype)
    return pa.array(flat, type=dtype)
