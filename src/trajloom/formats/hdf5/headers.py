"""Datasets known again by the bytes of their headers, so that HDF5 need not open each of them.

To open a dataset through HDF5 and ask what it is takes 0.15 ms, and a file of demonstrations has tens of thousands,
which differ in how many rows they have and where these lie. Once HDF5 has read the header of one, those with the
same bytes but for these numbers are of the same kind, which takes a twentieth of that to see.

Only headers of version 1 that are in one piece, which is what h5py writes by default, are known again: later versions
end in a checksum, which HDF5 is to look at. All others, and all whose numbers do not fit each other and the file, are
left to HDF5, and so is what is wrong with them.

Source:
    HDF5 File Format Specification 3.0, IV.A.1.a (version 1 of the prefix), IV.A.2.b, .i and .s (messages).
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from h5py import h5d, h5f

from trajloom.formats.hdf5.storage import Signature

PREFIX = struct.Struct("<BxHII4x")
"""Version, number of messages, links to it, bytes of the messages."""
MESSAGE = struct.Struct("<HHB3x")
"""Kind, bytes, flags."""
SPACE, LAYOUT, CONTINUED, TIME = 0x01, 0x08, 0x10, 0x12
SHARED = 2
NUMBER, TWO = struct.Struct("<Q"), struct.Struct("<QQ")
NOWHERE = (1 << 64) - 1
READ_BYTES = 512
"""Longer headers, which hold attributes or a compact dataset's values, are left to HDF5."""
MAX_KINDS = 20_000


class Found(NamedTuple):
    """What a header says of its dataset."""

    signature: Signature
    offset: int
    """Of its values in the file; -1 where they do not lie in one piece."""
    has_attrs: bool


class _Places(NamedTuple):
    """Where in a header those numbers lie in which datasets of one kind differ."""

    spans: tuple[tuple[int, int], ...]
    """From and to, in order."""
    where: int
    """The place of the values, or of the index of their chunks."""
    rows: int
    """The first dimension, and behind `rank` numbers the most that it may be; 0 where neither may differ."""
    rank: int


@dataclass(frozen=True)
class _Kind:
    """What all datasets with the same header but for these numbers are."""

    example: Signature
    has_attrs: bool


class Headers:
    """The headers of one file's datasets, as far as HDF5 has shown what they mean."""

    def __init__(self, descriptor: int, file: h5f.FileID, file_bytes: int):
        """Begin with none.

        Args:
            descriptor: The file, open for reading.
            file: The same in HDF5.
            file_bytes: Its size.
        """
        plain = file.get_create_plist()
        self._readable = plain.get_sizes() == (8, 8) and plain.get_userblock() == 0
        self._descriptor, self._file_bytes = descriptor, file_bytes
        self._places: dict[str, _Places] = {}
        """By the path of the dataset that was last learnt from."""
        self._kinds: dict[tuple[_Places, bytes], _Kind] = {}
        self._signatures: dict[tuple[int, int], Signature] = {}

    def find(self, path: str, address: int) -> Found | None:
        """What is at an address, where it is a dataset of a kind that is known and whole; else None.

        Args:
            path: In its demonstration, where another one was learnt from.
            address: Of its header in the file.
        """
        places = self._places.get(path)
        header = None if places is None else self._read(address)
        kind = None if places is None or header is None else self._kinds.get((places, _without(header, places)))
        if places is None or header is None or kind is None:
            return None
        if not places.rows:
            return Found(kind.example, -1, kind.has_attrs)
        (rows,), (limit,) = (NUMBER.unpack_from(header, places.rows + 8 * at) for at in (0, places.rank))
        offset, nbytes = TWO.unpack_from(header, places.where)
        signature = self._with_rows(kind.example, rows)
        if limit != rows or nbytes != signature.nbytes or offset + nbytes > self._file_bytes:
            return None
        return Found(signature, offset, kind.has_attrs)

    def _with_rows(self, example: Signature, rows: int) -> Signature:
        key = (id(example), rows)
        if key not in self._signatures:
            self._signatures[key] = example._replace(shape=(rows, *example.shape[1:]))
        return self._signatures[key]

    def learn(self, path: str, address: int, found: Found) -> None:
        """Remember what HDF5 says of a dataset, by its header."""
        header = self._read(address)
        places = None if header is None else _places(header, found)
        if header is not None and places is not None and len(self._kinds) < MAX_KINDS:
            self._places[path] = places
            self._kinds[places, _without(header, places)] = _Kind(found.signature, found.has_attrs)

    def _read(self, address: int) -> bytes | None:
        if not self._readable or not 0 < address < self._file_bytes:
            return None
        read = os.pread(self._descriptor, READ_BYTES, address)
        if len(read) < PREFIX.size:
            return None
        version, _, _, size = PREFIX.unpack_from(read)
        return read[: PREFIX.size + size] if version == 1 and PREFIX.size + size <= len(read) else None


def _without(header: bytes, places: _Places) -> bytes:
    at, kept = 0, []
    for start, stop in places.spans:
        kept.append(header[at:start])
        at = stop
    return b"".join([*kept, header[at:]])


def _places(header: bytes, found: Found) -> _Places | None:
    """Where the numbers of a header lie, as far as they are what HDF5 said; None where it is no header that we know."""
    messages = _messages(header)
    if messages is None or SPACE not in messages or LAYOUT not in messages:
        return None
    times = [(messages[TIME] + 4, messages[TIME] + 8)] if TIME in messages else []
    layout, shape = messages[LAYOUT], found.signature.shape
    version, how = header[layout : layout + 2]
    if version == 3 and how == h5d.CHUNKED:
        return _Places(_sorted([(layout + 3, layout + 11), *times]), layout + 3, 0, 0)
    rank, rows = len(shape), messages[SPACE] + 8
    sized = (*shape, *shape, found.offset, found.signature.nbytes)
    if version != 3 or how != h5d.CONTIGUOUS or not rank or _numbers(header, rows, 2 * rank, layout + 2) != sized:
        return None
    first, last = (rows, rows + 8), (rows + 8 * rank, rows + 8 * rank + 8)
    return _Places(_sorted([first, last, (layout + 2, layout + 18), *times]), layout + 2, rows, rank)


def _sorted(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(spans))


def _numbers(header: bytes, at: int, count: int, layout: int) -> tuple[int, ...] | None:
    """So many numbers of the space, and the two of the layout."""
    space = header[at : at + 8 * count]
    return (*struct.unpack(f"<{count}Q", space), *TWO.unpack_from(header, layout)) if len(space) == 8 * count else None


def _messages(header: bytes) -> dict[int, int] | None:
    """Kind -> where its content begins; None where there is more of the header elsewhere."""
    at, found = PREFIX.size, {}
    while at + MESSAGE.size <= len(header):
        kind, size, flags = MESSAGE.unpack_from(header, at)
        at += MESSAGE.size
        if kind == CONTINUED or (flags & SHARED and kind in (SPACE, LAYOUT)) or at + size > len(header):
            return None
        found.setdefault(kind, at)
        at += size
    return found
