"""The files that are kept aside, as arrays of bytes in a group of an HDF5 file."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5g, h5s

from trajloom.errors import DamagedFileError
from trajloom.formats.hdf5.create import create, put_rows
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.scan import UNREADABLE, Walker, first_line
from trajloom.formats.hdf5.values import rows_of, type_named

GROUP = "aside"
"""Name of the group, within the one that holds what we export."""
PIECE_BYTES = 8 << 20


@dataclass(frozen=True)
class Hdf5Shelf:
    """The group in one file. Implements `_aside.Shelf`."""

    path: str
    stamp: tuple[int, int]
    """Size and time of the file when it was scanned."""
    group: str
    """Path of the group that holds what we export."""
    files: tuple[str, ...]

    def names(self) -> Sequence[str]:
        return self.files

    def open(self, name: str) -> Any:
        if name not in self.files:
            raise DamagedFileError(f"{self.path}: {self.group}/{GROUP} has no {name}")
        file = Hdf5File(self.path, self.stamp)
        return io.BufferedReader(_Bytes(file, file.dataset(file.root, f"{self.group}/{GROUP}/{name}")), 1 << 16)


class _Bytes(io.RawIOBase):
    """The values of an array of bytes, as a file."""

    def __init__(self, file: Hdf5File, dataset: h5d.DatasetID):
        super().__init__()
        self._file, self._dataset = file, dataset
        self._size, self._at = int(dataset.shape[0]), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        count = max(0, stop - self._at)
        if not count:
            return 0
        values = np.empty(count, dtype=np.uint8)
        try:
            self._dataset.read(h5s.create_simple((count,)), rows_of(self._dataset, self._at, stop), values)
        except UNREADABLE as error:
            raise OSError(first_line(error)) from error
        buffer[:count] = values.tobytes()
        self._at = stop
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def files_of(root: h5g.GroupID, group: h5g.GroupID, file_bytes: int) -> tuple[str, ...]:
    """Names of the files in a group that was found to be ours; what is no array of bytes is none."""
    found = Walker(root, file_bytes).walk(group).datasets
    lead = f"{GROUP}/"
    return tuple(
        path.removeprefix(lead)
        for path, signature, _ in found
        if path.startswith(lead) and signature.kind.column == "uint8" and len(signature.shape) == 1
    )


def put_files(owner: h5g.GroupID, folder: Path) -> None:
    """Copy a folder's files into the group, some MB at a time."""
    kind = type_named("|u1")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        dataset = create(owner, f"{GROUP}/{name}", kind, (path.stat().st_size,), {})
        at = 0
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                put_rows(dataset, kind, np.frombuffer(piece, dtype=np.uint8), at)
                at += len(piece)
