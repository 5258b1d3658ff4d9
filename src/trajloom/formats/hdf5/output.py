"""A file that appears whole or not at all."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from h5py import h5f

from trajloom.folder import Folder
from trajloom.formats import Loss, Progress, Source, _aside
from trajloom.formats._place import appearing_file
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.file import file_access
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.native import Native, is_exact, is_spelled_as_hdf5
from trajloom.formats.hdf5.writer import Writer


def write_file(source: Source, path: str, overwrite: bool, progress: Progress | None, dialect: Dialect) -> None:
    """Write a dataset to a file; see `hdf5.write`."""
    place = Folder(path)
    models = NamedModels(Path(place.root).parent if place.local else None)
    with (
        appearing_file(source, path, overwrite) as draft,
        TemporaryDirectory(prefix=".trajloom-", dir=draft.parent) as folder,
    ):
        access = file_access()
        # attributes over 64 KiB and the like need more than the oldest format, which it is else
        access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
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


HOLDS = {
    "robomimic": ("success", "seed", "task", "splits", "model", "attempts", "nulls", "env_args"),
    "isaaclab": ("success", "seed", "splits", "nulls", "env_args"),
    "none": ("nulls",),
}
"""What a layout's attributes, filter keys and absent arrays hold; see `_aside.losses`."""


def losses_of(source: Source, dialect: Dialect) -> list[Loss]:
    """What of a dataset a layout has no place for."""
    if is_exact(source.header, dialect):
        return []
    native = Native(source.header, dialect)
    as_it_is = dialect.demo_attrs == "robomimic" and is_spelled_as_hdf5(source.header)
    holds = (*HOLDS[dialect.demo_attrs], *(("attrs", "rest") if as_it_is else ()))
    return list(_aside.losses(source, native.steps, native.episodes, holds))
