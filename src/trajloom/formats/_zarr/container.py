"""Opening arrays with the library, once their documents were found to be harmless."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, MissingExtraError, TrajloomError
from trajloom.formats._place import local_file
from trajloom.formats._zarr.tree import Node, container, is_zip
from trajloom.tables import Array

MAX_HELD = 64 << 20
"""Bytes of rows that are kept for the next call, where the chunks do not end with it."""


def library() -> Any:
    """zarr-python."""
    try:
        import zarr
        import zarr.storage
    except ImportError as error:
        raise MissingExtraError("Zarr", "zarr", str(error)) from error
    return zarr


def open_store(path: str) -> Any:
    """A read-only store of the library."""
    zarr = library()
    if is_zip(path):
        return zarr.storage.ZipStore(local_file(path), mode="r")
    folder = container(path)
    if folder.local:
        return zarr.storage.LocalStore(folder.root, read_only=True)
    return zarr.storage.FsspecStore.from_url(path, read_only=True) if _is_async(folder.fs) else _wrapped(folder)


def _is_async(fs: Any) -> bool:
    return bool(getattr(fs, "async_impl", False))


def _wrapped(folder: Any) -> Any:
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

    return library().storage.FsspecStore(AsyncFileSystemWrapper(folder.fs), read_only=True, path=folder.root)


@dataclass
class Arrays:
    """The arrays of a hierarchy, opened when they are first read. It can be sent to other processes."""

    path: str
    nodes: Mapping[str, Node]
    """Path from the root -> array."""
    _store: Any = None
    _open: dict[str, Any] = field(default_factory=dict)
    _held: dict[str, tuple[int, Array]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "nodes": self.nodes}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["path"], state["nodes"])

    def read(self, path: str, start: int, stop: int) -> Array:
        """Rows [start, stop) of an array, its chunks unpacked once by whoever reads in order.

        Raises:
            DamagedFileError: A chunk cannot be read.
        """
        node = self.nodes[path]
        if start >= stop or 0 in node.shape:
            return np.empty((max(stop - start, 0), *node.shape[1:]), dtype=node.dtype)
        first, held = self._held.get(path, (0, None))
        if held is not None and first <= start < first + len(held):
            known = held[start - first : stop - first]
            more = start + len(known)
            return known if more >= stop else np.concatenate([known, self.read(path, more, stop)])
        step = node.chunks[0]
        low, high = start // step * step, min(-(-stop // step) * step, node.shape[0])
        row = math.prod(node.shape[1:]) * node.dtype.itemsize
        if (high - low) * row > MAX_HELD + (stop - start) * row:
            low, high = start, stop
        values = self._values(path, slice(low, high))
        tail = max(low, (high - 1) // step * step)
        self._held[path] = (tail, values[tail - low :])
        return values[start - low : stop - low]

    def scalar(self, path: str) -> Array:
        """A whole array, for those without rows."""
        return self._values(path, ...)

    def _values(self, path: str, which: Any) -> Array:
        try:
            return np.ascontiguousarray(np.asarray(self._array(path)[which]))
        except TrajloomError:
            raise
        except Exception as error:
            # codecs raise what they like
            raise DamagedFileError(f"{self.path}: {path} cannot be read ({error})") from error

    def _array(self, path: str) -> Any:
        if path not in self._open:
            zarr = library()
            if self._store is None:
                self._store = open_store(self.path)
            node = self.nodes[path]
            self._open[path] = zarr.open_array(self._store, path=path, mode="r", zarr_format=node.version)
        return self._open[path]
