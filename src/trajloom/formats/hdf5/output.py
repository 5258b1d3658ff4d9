"""A file that appears whole or not at all."""

import os
from pathlib import Path

from h5py import h5f

from trajloom.folder import Folder
from trajloom.formats import Progress, Source
from trajloom.formats._place import appearing_file
from trajloom.formats.hdf5.file import file_access
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.writer import Writer


def write_file(source: Source, path: str, overwrite: bool, progress: Progress | None) -> None:
    """Write a dataset to a file; see `hdf5.write`."""
    place = Folder(path)
    with appearing_file(source, path, overwrite) as beside:
        access = file_access()
        # attributes over 64 KiB and the like need more than the oldest format, which it is else
        access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
        file = h5f.create(os.fsencode(beside), h5f.ACC_EXCL, None, access)
        try:
            writer = Writer(file, source, NamedModels(Path(place.root).parent if place.local else None))
            writer.write(progress)
            del writer  # it holds objects of the file, which stays open as long as they do
        finally:
            file.close()
