"""The records of an MCAP file, and where each message lies."""

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, MissingExtraError
from trajloom.tables import Array

HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, ATTACHMENT, METADATA, DATA_END = 1, 3, 4, 5, 6, 9, 12, 15
"""Opcodes of records."""
RECORD = struct.Struct("<BQ")
"""What a record begins with: opcode and length."""
_MESSAGE = struct.Struct("<HIQQ")


@dataclass(frozen=True)
class Channel:
    """A topic as one publisher writes it."""

    topic: str
    encoding: str
    """Of the messages: "cdr", "ros1", "json", ..."""
    schema_name: str = ""
    schema_encoding: str = ""
    schema: bytes = b""


@dataclass
class Messages:
    """Where the messages of a channel lie, in the file's order."""

    chunk: array = field(default_factory=lambda: array("q"))
    """Where the record of the chunk begins in the file; -1 for a message outside chunks."""
    start: array = field(default_factory=lambda: array("q"))
    """Where its data begins in the unpacked chunk, or in the file."""
    size: array = field(default_factory=lambda: array("q"))
    log_time: array = field(default_factory=lambda: array("Q"))
    publish_time: array = field(default_factory=lambda: array("Q"))


@dataclass
class Index:
    """What a file holds."""

    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, Messages] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    """Kind of record -> how many there are that are not read."""


class Indexing:
    """An index that grows by records."""

    def __init__(self, path: str):
        self.path, self.index = path, Index()
        self._schemas: dict[int, Any] = {}

    def take(self, opcode: int, view: memoryview, begin: int, stop: int, chunk: int) -> None:
        if opcode == MESSAGE:
            self._message(view, begin, stop, chunk)
        elif opcode in (SCHEMA, CHANNEL):
            self._declared(opcode, view[begin:stop])
        elif opcode in (ATTACHMENT, METADATA):
            kind = {ATTACHMENT: "attachments", METADATA: "metadata records"}[opcode]
            self.index.others[kind] = self.index.others.get(kind, 0) + 1

    def _message(self, view: memoryview, begin: int, stop: int, chunk: int) -> None:
        if stop - begin < _MESSAGE.size:
            raise DamagedFileError(f"{self.path}: a message of {stop - begin} bytes is shorter than its own header")
        channel, _, log_time, publish_time = _MESSAGE.unpack_from(view, begin)
        if channel not in self.index.channels:
            raise DamagedFileError(f"{self.path}: a message of channel {channel}, which is nowhere declared before it")
        found = self.index.messages.setdefault(channel, Messages())
        found.chunk.append(chunk)
        found.start.append(begin + _MESSAGE.size)
        found.size.append(stop - begin - _MESSAGE.size)
        found.log_time.append(log_time)
        found.publish_time.append(publish_time)

    def _declared(self, opcode: int, content: memoryview) -> None:
        library = records_library()
        stream = library.ReadDataStream(BytesIO(content))
        try:
            if opcode == SCHEMA:
                schema = library.Schema.read(stream)
                self._schemas[schema.id] = schema
                return
            read = library.Channel.read(stream)
        except (ValueError, struct.error, library.EndOfFile) as error:
            kind = "schema" if opcode == SCHEMA else "channel"
            raise DamagedFileError(f"{self.path}: the record of a {kind} cannot be read ({error})") from error
        schema = self._schemas.get(read.schema_id)
        about = (schema.name, schema.encoding, schema.data) if schema else ()
        self.index.channels[read.id] = Channel(read.topic, read.message_encoding, *about)


@dataclass(frozen=True)
class _Library:
    Schema: Any
    Channel: Any
    ReadDataStream: Any
    EndOfFile: Any


def records_library() -> _Library:
    """The classes of the library `mcap`; MissingExtraError where it is not installed."""
    try:
        from mcap.data_stream import ReadDataStream
        from mcap.exceptions import EndOfFile
        from mcap.records import Channel, Schema
    except ImportError as error:
        raise MissingExtraError("reading MCAP", "mcap", str(error)) from error
    return _Library(Schema, Channel, ReadDataStream, EndOfFile)


def records(view: memoryview, start: int, stop: int, where: str) -> Iterator[tuple[int, int, int]]:
    """Opcode, begin and end of each record's content; DamagedFileError where one is longer than what is left."""
    while start < stop:
        if start + RECORD.size > stop:
            raise DamagedFileError(f"{where}: cut short at byte {start} of {stop}")
        opcode, length = RECORD.unpack_from(view, start)
        start += RECORD.size
        if length > stop - start:
            raise DamagedFileError(f"{where}: cut short: the record at byte {start} has {length:,} bytes, "
                                   f"where {stop - start:,} are left")  # fmt: skip
        yield opcode, start, start + length
        start += length


def as_times(values: array, where: str) -> Array:
    """Times (n,) int64 in ns; DamagedFileError for times after the year 2262."""
    times = np.frombuffer(values, dtype=np.uint64)
    if len(times) and times.max() > np.iinfo(np.int64).max:
        raise DamagedFileError(f"{where}: a time of {times.max():,} ns is beyond what a clock shows")
    return times.astype(np.int64)
