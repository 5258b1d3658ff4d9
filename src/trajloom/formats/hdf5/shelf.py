"""The files that are kept aside, as arrays of bytes in a group of an HDF5 file."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from h5py import h5d, h5g, h5s

from trajloom.errors import DamagedFileError
from trajloom.formats._aside import ArrayFile
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
        dataset = file.dataset(file.root, f"{self.group}/{GROUP}/{name}")
        return io.BufferedReader(ArrayFile(int(dataset.shape[0]), partial(_bytes, dataset), file.close), 1 << 16)


def _bytes(dataset: h5d.DatasetID, start: int, stop: int) -> bytes:
    """The values [start, stop) of an array of bytes."""
    found = np.empty(stop - start, dtype=np.uint8)
    try:
        dataset.read(h5s.create_simple(found.shape), rows_of(dataset, start, stop), found)
    except UNREADABLE as error:
        raise OSError(first_line(error)) from error
    return found.tobytes()


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
