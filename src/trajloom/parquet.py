"""How rows become Parquet files whose bytes depend on the rows alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

GROUP_BYTES = 16 << 20
"""Uncompressed size at which a row group is cut."""
GROUP_ROWS = 1 << 16
"""Rows at which a row group is cut, if its size did not do it."""
MAX_PENDING = 64
"""Batches that wait for a row group to be full before they are joined."""
COMPRESSION_LEVEL = 1


class ParquetFile:
    """Writes rows to one file in row groups; what it holds in memory is one row group.

    The cuts depend on the rows and not on the batches that they come in, so equal rows make equal bytes.
    """

    def __init__(self, path: Path, schema: pa.Schema, sink: pa.NativeFile | None = None, counted: bool = False):
        """Begin a file.

        Args:
            path: Where.
            schema: Of the rows.
            sink: That file, open, which stays open; None to open it here.
            counted: Whether to write statistics (how many nulls there are) of the values within lists and structs too.
        """
        self.path, self.schema = path, schema
        self.rows = 0
        self._writer = pq.ParquetWriter(path if sink is None else sink, schema, **_options(schema, counted))
        self._pending: list[pa.RecordBatch] = []
        self._weight = 0
        self._row_weight = sum(_nbytes(field.type) for field in schema)

    def write(self, batch: pa.RecordBatch) -> None:
        weights = np.cumsum(self._weights(batch))
        start = 0
        while start < batch.num_rows:
            spent = weights[start - 1] if start else 0
            room = GROUP_BYTES - self._weight + spent
            stop = min(int(np.searchsorted(weights, room)) + 1, batch.num_rows)
            self._pending.append(batch.slice(start, stop - start))
            self._weight += int(weights[stop - 1] - spent)
            start = stop
            if self._weight >= GROUP_BYTES:
                self._cut()
            elif len(self._pending) == MAX_PENDING:
                # NumPy's small arrays, left between large ones that are gone, keep their memory from being used again
                self._pending = self._joined().to_batches()
        self.rows += batch.num_rows

    def close(self, metadata: Mapping[str, str] | None = None) -> None:
        """Finish the file, with more key-value metadata."""
        self.flush()
        if metadata:
            self._writer.add_key_value_metadata(metadata)
        self._writer.close()

    def flush(self) -> None:
        """Write out the rows that are pending, as a row group."""
        self._cut()

    def _cut(self) -> None:
        if self._pending:
            table = self._joined()
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
            self._pending, self._weight = [], 0

    def _joined(self) -> pa.Table:
        """The rows that are pending, in one chunk: Parquet's pages are cut at the ends of chunks too."""
        return pa.Table.from_batches(self._pending, schema=self.schema).combine_chunks()

    def _weights(self, batch: pa.RecordBatch) -> np.ndarray:
        weights = np.full(batch.num_rows, max(self._row_weight, GROUP_BYTES // GROUP_ROWS), dtype=np.int64)
        for field, values in zip(batch.schema, batch.columns, strict=True):
            if pa.types.is_large_binary(field.type) or pa.types.is_string(field.type):
                weights += pc.fill_null(pc.binary_length(values), 0).to_numpy(zero_copy_only=False).astype(np.int64)
            elif pa.types.is_list(field.type):
                # nullable tensors and choices
                each = _nbytes(field.type.value_type)
                weights += each * pc.fill_null(pc.list_value_length(values), 0).to_numpy(zero_copy_only=False)
        return weights


def _nbytes(dtype: pa.DataType) -> int:
    """Bytes of a value of a type, as far as the type fixes them."""
    if isinstance(dtype, pa.BaseExtensionType):
        dtype = dtype.storage_type
    if pa.types.is_fixed_size_list(dtype):
        return dtype.list_size * _nbytes(dtype.value_type)
    if pa.types.is_struct(dtype):
        return sum(_nbytes(dtype.field(i).type) for i in range(dtype.num_fields))
    try:
        return max(1, dtype.bit_width // 8)
    except ValueError:
        return 8


def _options(schema: pa.Schema, counted: bool = False) -> dict[str, Any]:
    """Settings of `ParquetWriter`, chosen by column.

    Floats are split by byte, which packs them better and faster than a dictionary of them. Images and blobs
    are as they are: a dictionary or statistics of them cost time and room. Polars and DuckDB read it all.
    """
    leaves = {path: dtype for field in schema for path, dtype in _leaves(field.name, field.type)}
    blobs = {p for p, t in leaves.items() if pa.types.is_fixed_size_binary(t) or pa.types.is_large_binary(t)}
    split = {p for p, t in leaves.items() if pa.types.is_float32(t) or pa.types.is_float64(t)}
    floats = {p for p, t in leaves.items() if pa.types.is_floating(t)}
    return {
        "compression": "zstd",
        "compression_level": COMPRESSION_LEVEL,
        "use_compliant_nested_type": False,
        "store_schema": True,
        # False rather than an empty list, which would mean every column
        "use_dictionary": sorted(set(leaves) - blobs - floats) or False,
        "use_byte_stream_split": sorted(split) or False,
        "write_statistics": sorted(set(leaves) - blobs)
        if counted
        else [field.name for field in schema if field.name in leaves and field.name not in blobs],
    }


def _leaves(path: str, dtype: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of one field."""
    if isinstance(dtype, pa.BaseExtensionType):
        dtype = dtype.storage_type
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype) or pa.types.is_fixed_size_list(dtype):
        yield from _leaves(f"{path}.list.{dtype.value_field.name}", dtype.value_type)
    elif pa.types.is_struct(dtype):
        for i in range(dtype.num_fields):
            yield from _leaves(f"{path}.{dtype.field(i).name}", dtype.field(i).type)
    else:
        yield path, dtype
