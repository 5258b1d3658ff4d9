"""TFRecord: one record after another, each with its length and two checksums."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trajloom.errors import DamagedFileError
from trajloom.formats._place import local_file
from trajloom.formats.rlds.crc import masked

HEAD, FOOT = 12, 4
"""Bytes before a record (length as uint64, its checksum) and after it (its checksum)."""


@dataclass(frozen=True)
class Record:
    """Where a record lies in its file."""

    path: str
    number: int
    start: int
    size: int

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"{self.path}: record {self.number}"

    def read(self) -> memoryview:
        """Its bytes, mapped and not copied; DamagedFileError where they are not what their checksum says."""
        data = mapped(self.path)[self.start :]
        if len(data) < self.size + FOOT:
            left = min(len(data), self.size)
            raise DamagedFileError(f"{self.where} is cut short: {left:,} of {self.size:,} bytes")
        data, foot = data[: self.size], data[self.size : self.size + FOOT]
        found, said = masked(data), struct.unpack("<I", foot)[0]
        if found != said:
            raise DamagedFileError(f"{self.where} is damaged: its checksum is {found:08x}, the file says {said:08x}")
        return data


def looks_like_records(path: str) -> bool:
    """Whether a file begins with a record's length and its checksum."""
    with open(local_file(path), "rb") as file:
        head = file.read(HEAD)
    return len(head) == HEAD and masked(head[:8]) == struct.unpack("<I", head[8:])[0]


def mapped(path: str) -> memoryview:
    """A file's bytes, of which only those that are looked at are read."""
    with open(local_file(path), "rb") as file:
        file.seek(0, 2)
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b"")


def records(path: str, data: memoryview) -> Iterator[Record]:
    """Where the records of a file lie; the records themselves are not looked at.

    Raises:
        DamagedFileError: A length lies, or the file ends inside a record.
    """
    at, number = 0, 0
    while at < len(data):
        head = data[at : at + HEAD]
        if len(head) < HEAD or masked(head[:8]) != struct.unpack("<I", head[8:])[0]:
            raise DamagedFileError(f"{path}: record {number} (at byte {at:,}): its length is damaged or cut short")
        size = struct.unpack("<Q", head[:8])[0]
        if size > len(data) - at - HEAD - FOOT:
            left = max(0, len(data) - at - HEAD - FOOT)
            raise DamagedFileError(f"{path}: record {number} is cut short: {left:,} of {size:,} bytes")
        yield Record(path, number, at + HEAD, size)
        at, number = at + HEAD + size + FOOT, number + 1
