"""Values that are no video: Parquet of a hundred of them a packet. Pickled ones are refused, never loaded."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.formats.robodm.features import MAX_VALUE_BYTES, Feature
from trajloom.tables import Array

MAX_ROWS = 100_000
MAX_TIME_MS = 1 << 50
_MAGIC = b"PAR1"
_DICTIONARIES = ["data_type", "data_dtype", "data_bytes"]
_COLUMNS = ["pts", *_DICTIONARIES]
_PICKLED = ("pickle_raw", "rawvideo_pickle")
_ADVICE = (
    "which runs code of the file when loaded, and is refused; write the file again with RoboDM's "
    'raw_codec="rawvideo_pyarrow", or read without such features: without_pickled=True'
)


class Pickled(HostileFileError):
    """Values that are pickled."""


def check_codec(feature: Feature) -> None:
    """Raise Pickled where a stream says that its values are."""
    if feature.codec in _PICKLED:
        raise Pickled(f"{feature.name} is pickled ({feature.codec}), {_ADVICE}")


def times(data: bytes, feature: Feature) -> Array:
    """Times of a packet's values, (n,) int64, ms."""
    found = _table(data, feature, ["pts", "data_type"])
    _check_types(found, feature)
    values = found.column("pts").combine_chunks()
    if values.null_count or not pa.types.is_integer(values.type):
        raise DamagedFileError(f"{feature.name}: the times of a packet are {values.type}, some may be null")
    stamps = values.to_numpy(zero_copy_only=False).astype(np.int64)
    if len(stamps) and max(abs(int(stamps.min())), abs(int(stamps.max()))) > MAX_TIME_MS:
        raise DamagedFileError(f"{feature.name}: a time of a packet is beyond {MAX_TIME_MS} ms")
    return stamps


def values(data: bytes, feature: Feature) -> Array:
    """A packet's values, (n, *feature.shape) of the feature's element type.

    Raises:
        DamagedFileError: It is no Parquet, or holds other values than the stream says.
        HostileFileError: It unpacks to too much.
        Pickled: Some are pickled.
    """
    # `data_shape` is not read: a list of few bytes can say that it is long, and the stream has said its shape
    found = _table(data, feature, _DICTIONARIES)
    _check_types(found, feature)
    said = {str(value) for value in pc.unique(found.column("data_dtype")).to_pylist()}
    if said - {feature.dtype}:
        raise DamagedFileError(f"{feature.name} holds {', '.join(sorted(said))} where {feature.dtype} was expected")
    dtype = np.dtype(feature.dtype)
    size = int(np.prod(feature.shape, dtype=np.int64)) * dtype.itemsize
    if found.num_rows * size > MAX_VALUE_BYTES:
        raise HostileFileError(f"{feature.name}: a packet unpacks to more than {MAX_VALUE_BYTES >> 20} MB")
    out = np.empty((found.num_rows, *feature.shape), dtype=dtype)
    for row, raw in enumerate(_bytes(found.column("data_bytes"))):
        if raw is None or len(raw) != size:
            raise DamagedFileError(f"{feature.name}: a value has {len(raw or b'')} bytes where {size} were expected")
        out[row] = np.frombuffer(raw, dtype=dtype).reshape(feature.shape)
    return out


def _bytes(column: pa.ChunkedArray) -> Sequence[bytes | None]:
    """The values one by one; a dictionary's are not written out."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_binary(column.type.value_type):
        raise DamagedFileError(f"the values of a packet are {column.type}, where bytes were expected")
    found: list[bytes | None] = []
    for chunk in column.chunks:
        known = chunk.dictionary.to_pylist()
        found += [None if i is None else known[i] for i in chunk.indices.to_pylist()]
    return found


def _check_types(found: pa.Table, feature: Feature) -> None:
    kinds = {str(value) for value in pc.unique(found.column("data_type")).to_pylist()}
    if "pickle" in kinds:
        raise Pickled(f"{feature.name} has pickled values, {_ADVICE}")
    if kinds - {"numpy"}:
        raise DamagedFileError(f"{feature.name} has values of kind {', '.join(sorted(kinds))}, not numpy")


def _table(data: bytes, feature: Feature, columns: list[str]) -> pa.Table:
    if not data.startswith(_MAGIC):
        if data.startswith(b"\x80"):
            raise Pickled(f"{feature.name} is pickled, {_ADVICE}")
        raise DamagedFileError(f"{feature.name}: a packet is no Parquet (it begins with {data[:4]!r})")
    try:
        schema = pq.read_schema(pa.BufferReader(data))
        missing = [name for name in _COLUMNS if name not in schema.names]
        if missing or schema.names != list(dict.fromkeys(schema.names)):
            raise DamagedFileError(f"{feature.name}: a packet has columns {', '.join(schema.names)[:200]}")
        # dictionaries stay dictionaries: a few bytes may stand for many rows of large values
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=_DICTIONARIES)
        _check_size(file.metadata, feature)
        table = file.read(columns=columns, use_threads=False)
        table.validate(full=True)  # text that is none, and numbers of dictionaries beyond their ends
        return table
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        if isinstance(error, DamagedFileError | HostileFileError):
            raise
        raise DamagedFileError(f"{feature.name}: a packet is no whole Parquet ({error})") from error


def _check_size(metadata: Any, feature: Feature) -> None:
    # never ask for a column's own metadata: pyarrow ends the process where it is damaged
    if metadata.num_rows > MAX_ROWS or metadata.num_row_groups > MAX_ROWS:
        raise HostileFileError(f"{feature.name}: a packet says it has {metadata.num_rows:,} values")
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    if any(group.num_rows > MAX_ROWS for group in groups) or sum(g.total_byte_size for g in groups) > MAX_VALUE_BYTES:
        raise HostileFileError(f"{feature.name}: a packet unpacks to more than {MAX_VALUE_BYTES >> 20} MB")
