"""An MCAP file: its bytes as they are asked for, those of compressed chunks among them."""

import mmap
import os
import struct
from collections import OrderedDict
from threading import Lock
from typing import Any

from trajloom.errors import DamagedFileError, HostileFileError, MissingExtraError
from trajloom.folder import Folder
from trajloom.formats._place import local_file
from trajloom.formats.mcap.files import MAGIC
from trajloom.formats.mcap.records import CHUNK, DATA_END, RECORD, Index, Indexing, records

MAX_CHUNK = 512 << 20
"""Bytes that a chunk may unpack to; writers make chunks of about 1 MB."""
CACHE_BYTES = 32 << 20
"""Bytes of unpacked chunks that are kept for the next rows."""
_CHUNK = struct.Struct("<QQQII")


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
        found = Indexing(self.path)
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
            stop = position + RECORD.unpack_from(self.view, position - RECORD.size)[1]
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
