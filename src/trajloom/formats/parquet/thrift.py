"""How many values and nulls a Parquet footer says that each column chunk has, read without Arrow.

Arrow ends the process when it decodes statistics that are damaged, so its own are not asked for. The footer is a Thrift
struct in the compact protocol, of which this reads what it needs to walk through.

Source:
    apache/parquet-format, parquet.thrift; apache/thrift, thrift-compact-protocol.md.
"""

import struct
from collections.abc import Iterator
from typing import Any

MAX_DEPTH = 32
NUM_ROWS, ROW_GROUPS, COLUMNS, META_DATA, PATH, NUM_VALUES, STATISTICS, NULL_COUNT = 3, 4, 1, 3, 3, 5, 12, 3
"""Numbers of fields: of FileMetaData (two), RowGroup, ColumnChunk, ColumnMetaData (three) and Statistics."""
MAX_VALUE, MIN_VALUE = 5, 6
"""Fields of Statistics: plainly encoded values."""

Chunk = tuple[int, int | None]
"""Values of a column chunk, and how many of them are null, or None."""


def chunks(file: Any, size: int) -> list[list[Chunk]]:
    """Row group -> its column chunks, in the order of the schema's leaves.

    Args:
        file: Of `size` bytes, open to read.
        size: In bytes.

    Raises:
        ValueError: It is no footer.
    """
    about = _footer(file, size)
    try:
        return [[_chunk(column) for column in group[COLUMNS]] for group in about[ROW_GROUPS]]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"a damaged footer ({type(error).__name__})") from error


def rows(file: Any, size: int) -> int:
    """How many rows a footer says that there are; ValueError where it is none."""
    try:
        return int(_footer(file, size)[NUM_ROWS])
    except (KeyError, TypeError) as error:
        raise ValueError(f"a damaged footer ({type(error).__name__})") from error


def bounds(file: Any, size: int) -> list[dict[str, tuple[bytes, bytes]]]:
    """Row group -> lowest and highest value of its leaves that say so, as they are encoded; ValueError as above."""
    try:
        return [dict(_bounds(group[COLUMNS])) for group in _footer(file, size)[ROW_GROUPS]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a damaged footer ({type(error).__name__})") from error


def _bounds(columns: Any) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    for column in columns:
        about = column[META_DATA]
        found = about.get(STATISTICS, {})
        low, high = found.get(MIN_VALUE), found.get(MAX_VALUE)
        if isinstance(low, bytes) and isinstance(high, bytes):
            yield ".".join(name.decode("utf-8", "replace") for name in about[PATH]), (low, high)


def _footer(file: Any, size: int) -> dict[int, Any]:
    file.seek(max(0, size - 8))
    length, magic = struct.unpack("<I4s", file.read(8))
    if magic != b"PAR1" or length + 8 > size:
        raise ValueError("no footer of Parquet")
    file.seek(size - 8 - length)
    try:
        return _Reader(bytes(file.read(length))).struct(0)
    except (IndexError, TypeError, struct.error) as error:
        raise ValueError(f"a damaged footer ({type(error).__name__})") from error


def _chunk(column: Any) -> Chunk:
    about = column[META_DATA]
    nulls = about.get(STATISTICS, {}).get(NULL_COUNT)
    return int(about[NUM_VALUES]), None if nulls is None else int(nulls)


class _Reader:
    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def struct(self, depth: int) -> dict[int, Any]:
        if depth > MAX_DEPTH:
            raise ValueError("a footer that is nested too deeply")
        return dict(self._fields(depth))

    def _fields(self, depth: int) -> Iterator[tuple[int, Any]]:
        number = 0
        while (head := self._byte()) & 15:
            number = number + (head >> 4) if head >> 4 else self._integer()
            yield number, self._value(head & 15, depth)

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._integer()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                return self._list(depth)
            case 12:
                return self.struct(depth + 1)
        raise ValueError(f"a damaged footer (type {kind})")

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        size = self._varint() if size == 15 else size
        if size > len(self._data) - self._at:  # each takes a byte or more
            raise ValueError("a damaged footer (a list longer than the file)")
        if kind in (1, 2):
            return list(self._take(size))
        return [self._value(kind, depth) for _ in range(size)]

    def _take(self, size: int) -> bytes:
        data = self._data[self._at : self._at + size]
        if len(data) < size:
            raise ValueError("a damaged footer (cut short)")
        self._at += size
        return data

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a damaged footer (a number that is too long)")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
