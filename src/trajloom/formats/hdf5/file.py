"""An HDF5 file open for reading, twice: through HDF5, and as plain bytes for arrays that lie in one piece."""

import errno
import os
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np
from h5py import h5d, h5f, h5g, h5p, h5s
from numpy.typing import NDArray

from trajloom.errors import DamagedFileError, LayoutError, TrajloomError
from trajloom.folder import Folder
from trajloom.formats._place import local_file
from trajloom.formats.hdf5.columns import Plan
from trajloom.formats.hdf5.headers import Headers
from trajloom.formats.hdf5.heaps import has_endless_heap
from trajloom.formats.hdf5.scan import UNREADABLE, first_line, raw
from trajloom.formats.hdf5.values import rows_of, type_named

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_SIGNATURE_AT = 1 << 20
MAX_CHUNK_CACHE = 128 << 20
METADATA_CACHE = 4 << 20


def has_signature(path: str | os.PathLike[str]) -> bool:
    """Whether a file, at a path or fsspec URL, starts as HDF5 does, perhaps after a block of the user's."""
    try:
        place = Folder(os.fspath(path))
        with place.fs.open(place.root, "rb") as file:
            at = 0
            while at <= MAX_SIGNATURE_AT:
                file.seek(at)
                found = file.read(len(SIGNATURE))
                if found == SIGNATURE:
                    return True
                if len(found) < len(SIGNATURE):
                    return False
                at = at * 2 or 512
    except OSError:
        pass
    return False


class Hdf5File:
    """One file, open for reading."""

    def __init__(self, path: str, stamp: tuple[int, int] | None = None):
        """Open it.

        Raises:
            LayoutError: it is no HDF5.
            DamagedFileError: HDF5 cannot open it, or it is not the one that was scanned (`stamp`).
        """
        self.path = path
        place = Folder(path)
        if not place.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if not has_signature(path):
            raise LayoutError(f"{path}: expected an HDF5 file; it does not start like one")
        self._local = local_file(path)
        self.descriptor = os.open(self._local, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        stat = os.fstat(self.descriptor)
        # the time of a remote file's copy says nothing, and differs from process to process
        self.stamp = (stat.st_size, stat.st_mtime_ns if place.local else 0)
        if stamp is None and has_endless_heap(self.descriptor):
            self._forget()
            raise DamagedFileError(f"{path} cannot be opened: its heap of texts is damaged; nothing of it can be read")
        try:
            self.id = h5f.open(os.fsencode(self._local), h5f.ACC_RDONLY, file_access())
            self.root = h5g.open(self.id, b"/")
        except BlockingIOError:
            self._forget()
            raise  # somebody is writing it
        except UNREADABLE as error:
            self._forget()
            raise DamagedFileError(
                f"{path} cannot be opened: {first_line(error)}; nothing of it can be read"
            ) from error
        if stamp not in (None, self.stamp):
            self.close()
            raise DamagedFileError(f"{path} has changed since it was scanned; read it again")

    def close(self) -> None:
        """Close it."""
        if self.descriptor >= 0:
            self._forget()
            self.id.close()

    def _forget(self) -> None:
        os.close(self.descriptor)
        self.descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "descriptor", -1) >= 0:
            self.close()

    def __enter__(self) -> "Hdf5File":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
        if isinstance(error, UNREADABLE) and not isinstance(error, TrajloomError) and _is_of_hdf5(at):
            raise DamagedFileError(f"{self.path}: its structure cannot be read ({first_line(error)})") from error

    @cached_property
    def folder(self) -> Path:
        """Where it, or its copy, lies."""
        return Path(self._local).resolve().parent

    @cached_property
    def headers(self) -> Headers:
        """What is known of its datasets' headers."""
        return Headers(self.descriptor, self.id, self.stamp[0])

    def group(self, path: str) -> h5g.GroupID:
        """A group by its path, whose links the scan has checked."""
        return h5g.open(self.root, raw(path))

    def dataset(self, group: h5g.GroupID, path: str, cache_bytes: int = 0) -> h5d.DatasetID:
        """A dataset of a group, whose links the scan has checked.

        Args:
            group: Where the path begins.
            path: The dataset's.
            cache_bytes: Unpacked chunks to keep between reads of slices, so that none is unpacked twice.
        """
        if not cache_bytes:
            return h5d.open(group, raw(path))
        access = h5p.create(h5p.DATASET_ACCESS)
        access.set_chunk_cache(10_007, min(cache_bytes, MAX_CHUNK_CACHE), 1.0)
        return h5d.open(group, raw(path), access)

    def read_at(self, offset: int, into: NDArray[np.uint8]) -> None:
        """Fill an array with the bytes at an offset."""
        view = memoryview(into.reshape(-1).data)
        while len(view):
            got = os.preadv(self.descriptor, [view], offset)
            if got <= 0:
                raise DamagedFileError(f"{self.path} ends at byte {offset:,}, in the middle of an array")
            view, offset = view[got:], offset + got


def file_access() -> h5p.PropFAID:
    """How files are opened: with a cache of metadata that stays small however many datasets they hold.

    HDF5's own limit is 32 MiB of metadata, which take about 240 MB of memory.
    """
    access = h5p.create(h5p.FILE_ACCESS)
    cache = access.get_mdc_config()
    cache.max_size = cache.initial_size = METADATA_CACHE
    access.set_mdc_config(cache)
    return access


def _is_of_hdf5(at: TracebackType | None) -> bool:
    """Whether it was h5py that raised."""
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return at is not None and "h5py" in at.tb_frame.f_code.co_filename


def chunk_row_bytes(dataset: h5d.DatasetID) -> int:
    """Bytes of the chunks that one row lies in; 0 where the dataset is not chunked."""
    plist = dataset.get_create_plist()
    if plist.get_layout() != h5d.CHUNKED:
        return 0
    chunk = plist.get_chunk()
    sizes = [chunk[0], *(-(-n // c) * c for n, c in zip(dataset.shape[1:], chunk[1:], strict=True))]
    return int(np.prod(sizes, dtype=np.int64)) * dataset.get_type().get_size()


def read_rows(dataset: h5d.DatasetID, plan: Plan, into: np.ndarray, start: int | None = None) -> None:
    """Fill an array with the rows of a dataset from `start` on; with None, with all of it."""
    kind = type_named(np.dtype(plan.column.dtype).str)
    if start is None:
        dataset.read(h5s.ALL, h5s.ALL, into, kind.id)
    else:
        dataset.read(h5s.create_simple(into.shape), rows_of(dataset, start, start + len(into)), into, kind.id)
