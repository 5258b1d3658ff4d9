"""The records of an MCAP file: where each message lies, and the bytes of those asked for."""

import mmap
import os
import re
import struct
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from threading import Lock
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, MissingExtraError
from trajloom.folder import Folder
from trajloom.formats._place import local_file
from trajloom.tables import Array

MAGIC = b"\x89MCAP0\r\n"
MAX_CHUNK = 512 << 20
"""Bytes that a chunk may unpack to; writers make chunks of about 1 MB."""
CACHE_BYTES = 32 << 20
"""Bytes of unpacked chunks that are kept for the next rows."""

HEADER, SCHEMA, CHANNEL, MESSAGE, CHUNK, ATTACHMENT, METADATA, DATA_END = 1, 3, 4, 5, 6, 9, 12, 15
"""Opcodes of records."""
_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQII")


def files_of(path: str) -> list[str]:
    """The MCAP files at a path: itself, or those in the folder, in natural order."""
    place = Folder(path)
    if place.fs.isfile(place.root):
        return [path]
    names = [name for name in place.names() if name.endswith(".mcap")]
    return [_inside(path, name) for name in sorted(names, key=_natural)]


def _inside(path: str, name: str) -> str:
    base, *chained = path.split("::", 1)
    return "::".join([f"{base.rstrip('/')}/{name}", *chained])


def _natural(name: str) -> list[Any]:
    """Numbers in names count as numbers: rosbag2 splits into `bag_0`, ..., `bag_10`."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", name)]


def looks_like_mcap(path: str) -> bool:
    """Whether a path is a file that begins as MCAP does, or a folder whose first .mcap file does."""
    files = files_of(path)
    if not files:
        return False
    place = Folder(files[0])
    try:
        with place.fs.open(place.root, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


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


class _Chunks:
    """Unpacked chunks of whichever logs are read, those used last."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, int, str, int], memoryview] = OrderedDict()
        self._lock = Lock()
        self._size = 0

    def get(self, key: tuple[int, int, str, int]) -> memoryview | None:
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, key: tuple[int, int, str, int], content: memoryview) -> None:
        with self._lock:
            if key not in self._known:
                self._known[key] = content
                self._size += len(content)
            while len(self._known) > 1 and self._size > CACHE_BYTES:
                self._size -= len(self._known.popitem(last=False)[1])


_chunks = _Chunks()


class Log:
    """A file. It goes to other processes as its path, and what says that it is still the same file."""

    def __init__(self, path: str):
        self.path = path
        self._view: memoryview | None = None
        self._stamp: tuple[int, int] | None = None
        self._changed = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_view": None, "_stamp": self._stamp, "_changed": 0}

    @property
    def view(self) -> memoryview:
        """The file's bytes, mapped: only what is looked at is read."""
        view = self._view
        if view is None:
            view = self._view = self._mapped()
        return view

    def release(self) -> None:
        """Close the file; it opens again when it is read."""
        self._view = None

    def _mapped(self) -> memoryview:
        with open(local_file(self.path), "rb") as file:
            found = os.fstat(file.fileno())
            # another process copies a remote file at another time
            stamp = (found.st_size, found.st_mtime_ns if Folder(self.path).local else 0)
            if self._stamp not in (None, stamp):
                raise DamagedFileError(f"{self.path}: it has changed since it was opened; open it again")
            if file.read(len(MAGIC)) != MAGIC:
                raise DamagedFileError(f"{self.path}: it does not begin as MCAP does")
            self._stamp, self._changed = stamp, found.st_mtime_ns
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def index(self) -> Index:
        """Find every message; DamagedFileError where the file is cut short."""
        found = _Indexing(self.path)
        end = None
        for opcode, begin, stop in records(self.view, len(MAGIC), len(self.view), self.path):
            if opcode == CHUNK:
                position = begin
                content = self.chunk(position, stop)
                for inner, first, last in records(content, 0, len(content), f"{self.path}: chunk at byte {position}"):
                    found.take(inner, content, first, last, position)
            else:
                found.take(opcode, self.view, begin, stop, -1)
            if opcode == DATA_END:
                end = stop
                break
        if end is None:
            raise DamagedFileError(f"{self.path}: cut short: its data has no end, as when a recording was killed")
        return found.index

    def data(self, chunk: int, start: int, size: int) -> memoryview:
        """The bytes of a message."""
        whole = self.view if chunk < 0 else self.chunk(chunk)
        return whole[start : start + size]

    def chunk(self, position: int, stop: int | None = None) -> memoryview:
        """The unpacked content of the chunk whose record begins here."""
        key = (self.view.nbytes, self._changed, self.path, position)
        content = _chunks.get(key)
        if content is None:
            content, packed = self._unpacked(position, stop)
            if packed:
                _chunks.put(key, content)
        return content

    def _unpacked(self, position: int, stop: int | None) -> tuple[memoryview, bool]:
        """The content of a chunk, and whether it was compressed: what was not lies in the file as it is."""
        where = f"{self.path}: chunk at byte {position}"
        if stop is None:
            stop = position + _RECORD.unpack_from(self.view, position - _RECORD.size)[1]
        try:
            _, _, size, _, name_size = _CHUNK.unpack_from(self.view[:stop], position)
            at = position + _CHUNK.size
            kind = bytes(self.view[at : min(at + name_size, stop)]).decode("utf-8", "replace")
            at += name_size
            packed_size = struct.unpack_from("<Q", self.view[:stop], at)[0]
        except struct.error as error:
            raise DamagedFileError(f"{where}: its header is cut short") from error
        packed = self.view[at + 8 : at + 8 + packed_size]
        if at + 8 + packed_size > stop:
            raise DamagedFileError(f"{where}: {packed_size:,} bytes of content, where the record has {stop - at - 8:,}")
        if size > MAX_CHUNK:
            raise HostileFileError(f"{where}: it says that it unpacks to {size:,} bytes; at most {MAX_CHUNK:,} may be")
        content = _unpack(kind, packed, size, where)
        if len(content) != size:
            raise DamagedFileError(f"{where}: it unpacks to {len(content):,} bytes, where it says {size:,}")
        return memoryview(content), kind != ""


class _Indexing:
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
        if start + _RECORD.size > stop:
            raise DamagedFileError(f"{where}: cut short at byte {start} of {stop}")
        opcode, length = _RECORD.unpack_from(view, start)
        start += _RECORD.size
        if length > stop - start:
            raise DamagedFileError(f"{where}: cut short: the record at byte {start} has {length:,} bytes, "
                                   f"where {stop - start:,} are left")  # fmt: skip
        yield opcode, start, start + length
        start += length


def _unpack(kind: str, packed: memoryview, size: int, where: str) -> memoryview | bytes:
    """Unpack at most one byte more than a chunk says it holds, whatever the packed data claims."""
    if kind == "":
        return packed
    try:
        if kind == "zstd":
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
                return stream.read(size + 1)
        if kind == "lz4":
            from lz4.frame import LZ4FrameDecompressor

            return LZ4FrameDecompressor().decompress(bytes(packed), max_length=size + 1)
    except ImportError as error:
        raise MissingExtraError("reading MCAP", "mcap", str(error)) from error
    except Exception as error:  # both libraries raise what they like on damaged data
        raise DamagedFileError(f"{where}: {kind} cannot unpack it ({error})") from error
    raise DamagedFileError(f"{where}: compression {kind!r}; those that are read: none, zstd, lz4")


def as_times(values: array, where: str) -> Array:
    """Times (n,) int64 in ns; DamagedFileError for times after the year 2262."""
    times = np.frombuffer(values, dtype=np.uint64)
    if len(times) and times.max() > np.iinfo(np.int64).max:
        raise DamagedFileError(f"{where}: a time of {times.max():,} ns is beyond what a clock shows")
    return times.astype(np.int64)
