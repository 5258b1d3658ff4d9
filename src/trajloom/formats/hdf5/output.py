"""A file that appears whole or not at all."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from h5py import h5f

from trajloom.folder import Folder
from trajloom.formats import Progress, Source
from trajloom.formats._place import appearing_file
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.file import file_access
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.writer import Writer


def write_file(source: Source, path: str, overwrite: bool, progress: Progress | None, dialect: Dialect) -> None:
    """Write a dataset to a file; see `hdf5.write`."""
    place = Folder(path)
    models = NamedModels(Path(place.root).parent if place.local else None)
    with appearing_file(source, path, overwrite) as draft, TemporaryDirectory(prefix="trajloom-") as folder:
        access = file_access()
        # attributes over 64 KiB and the like need more than the oldest format, which it is else
        access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
        draft.parent.mkdir(parents=True, exist_ok=True)
        file = h5f.create(os.fsencode(draft), h5f.ACC_EXCL, None, access)
        try:
            writer = Writer(file, source, models, dialect, Path(folder))
            try:
                writer.write(progress)
            finally:
                writer.close()
            del writer  # it holds objects of the file, which stays open as long as they do
        finally:
            file.close()
