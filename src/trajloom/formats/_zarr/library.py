"""Zarr's own library, which decodes and encodes chunks. Importing this module imports it; see `library`."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from trajloom.errors import DamagedFileError, HostileFileError, TrajloomError
from trajloom.formats._zarr.nodes import Node
from trajloom.formats._zarr.tree import Tree
from trajloom.tables import Array


class TreeStore(Store):
    """The files of a tree, for Zarr to read those of one array."""

    def __init__(self, tree: Tree, node: Node):
        super().__init__(read_only=True)
        self.tree, self.node = tree, node
        self.most = math.prod(node.chunks) * (node.dtype.itemsize if node.dtype else 1)
        """Bytes that a file may unpack to."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        data = await asyncio.to_thread(self.tree.read, key)
        if data is None:
            return None
        if not key.endswith((".zarray", ".zattrs", "zarr.json")):
            self._check(key, data)
        return (prototype or default_buffer_prototype()).buffer.from_bytes(_cut(data, byte_range))

    def _check(self, key: str, data: bytes) -> None:
        """Refuse what would unpack to far more than a chunk, before anything is unpacked."""
        if len(data) > 2 * self.most + (64 << 10):
            raise HostileFileError(f"{self.tree.url}: {key} has {len(data):,} bytes, for a chunk of {self.most:,}")
        said = int.from_bytes(data[4:8], "little") if self.node.is_blosc else 0  # the size in Blosc's own header
        if said > self.most:
            raise HostileFileError(f"{self.tree.url}: {key} unpacks to {said:,} bytes, for a chunk of {self.most:,}")

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        return self.tree.size(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()  # it is not

    async def delete(self, key: str) -> None:
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for name, is_folder in self.tree.names(prefix.rstrip("/")).items():
            key = f"{prefix.rstrip('/')}/{name}".lstrip("/")
            if not is_folder:
                yield key
                continue
            async for inner in self.list_prefix(key):
                yield inner

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in self.tree.names(prefix.rstrip("/")):
            yield name

    @property
    def supports_writes(self) -> bool:
        return False

    @property
    def supports_deletes(self) -> bool:
        return False

    @property
    def supports_listing(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeStore) and (self.tree, self.node.path) == (other.tree, other.node.path)


def _cut(data: bytes, wanted: ByteRequest | None) -> bytes:
    match wanted:
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:]
    return data


class ArrayReader:
    """Reads rows of one array in order; a file that holds rows of this read and of the next is decoded once."""

    HELD_BYTES = 32 << 20

    def __init__(self, tree: Tree, node: Node):
        self.node, self.where = node, f"{tree.url}: {node.path}"
        self._held: tuple[int, Array] = (0, np.empty(0))
        version: Any = node.version
        try:
            self._array: Any = zarr.open_array(TreeStore(tree, node), path=node.path, mode="r", zarr_format=version)
        except TrajloomError:
            raise
        except Exception as error:  # the library raises whatever its parts raise
            raise DamagedFileError(f"{self.where}: Zarr cannot open it: {error}") from error

    def all(self) -> Array:
        """All values of a small array."""
        if 0 in self.node.shape:
            assert self.node.dtype is not None
            return np.empty(self.node.shape, self.node.dtype)
        return self._decoded(() if not self.node.shape else slice(None), "its values")

    def rows(self, start: int, stop: int) -> Array:
        """Rows [start, stop), in this machine's byte order."""
        if start >= stop:
            return np.empty((0, *self.node.shape[1:]), self.node.column_type)
        each, (first, held) = self.node.chunks[0], self._held
        if not first <= start < first + len(held):
            first, held = start // each * each, held[:0]
        pieces, end = [held] if len(held) else [], first + len(held)
        if end < stop:
            high = min(-(-stop // each) * each, self.node.shape[0])
            pieces.append(self._decoded(slice(end, high), f"rows {end:,} to {high:,}"))
            end = high
        self._hold(pieces[-1], end, stop)
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return values[start - first : stop - first]

    def _hold(self, last: Array, end: int, stop: int) -> None:
        """Keep the rows of the last file, where some of them are still to come."""
        each = self.node.chunks[0]
        keep = last[max(0, len(last) - (end - (end - 1) // each * each)) :]
        small = end > stop and keep.nbytes <= self.HELD_BYTES
        self._held = (end - len(keep), keep.copy() if keep.base is not None else keep) if small else (0, np.empty(0))

    def _decoded(self, index: Any, what: str) -> Array:
        try:
            values = np.asarray(self._array[index])
        except TrajloomError:
            raise
        except Exception as error:  # codecs raise whatever they like
            raise DamagedFileError(f"{self.where}: {what} cannot be decoded: {error}") from error
        return values.astype(values.dtype.newbyteorder("="), copy=False) if self.node.column_type else values


class ArrayWriter:
    """Writes rows of one array in order, whole files at a time, whatever batches they come in."""

    def __init__(self, root: Path, node: Node, block_bytes: int):
        self.rows = 0
        self._array: Any = open_for_writing(root, node)
        each, row_bytes = node.chunks[0], max(1, node.nbytes // max(1, node.shape[0]))
        block = each * max(1, block_bytes // (each * row_bytes))
        self._buffer = np.empty((min(block, max(each, node.shape[0])), *node.shape[1:]), node.dtype)
        self._waiting = 0

    def write(self, values: Array) -> None:
        """Take the next rows."""
        size = len(self._buffer)
        while len(values):
            if not self._waiting and len(values) >= size:
                self._put(values[: len(values) // size * size])
                values = values[len(values) // size * size :]
                continue
            piece = values[: size - self._waiting]
            self._buffer[self._waiting : self._waiting + len(piece)] = piece
            self._waiting += len(piece)
            values = values[len(piece) :]
            if self._waiting == size:
                self.close()

    def close(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._put(self._buffer[: self._waiting])
            self._waiting = 0

    def _put(self, values: Array) -> None:
        self._array[self.rows : self.rows + len(values)] = values
        self.rows += len(values)


def open_for_writing(root: Path, node: Node) -> Any:
    """Zarr's own array for a node whose metadata is written already; it leaves no file out."""
    version: Any = node.version
    # zarr's own default leaves out chunks of the fill value alone, which looks like a copy that lacks files
    with zarr.config.set({"array.write_empty_chunks": True}):
        return zarr.open_array(LocalStore(root), path=node.path, mode="r+", zarr_format=version)
