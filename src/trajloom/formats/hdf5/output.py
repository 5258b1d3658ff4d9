"""A file that appears whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from h5py import h5f

from trajloom.errors import OutputExistsError, SettingsError
from trajloom.formats import Progress, Source
from trajloom.formats.hdf5.file import file_access
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.writer import Writer


def write_file(source: Source, path: str, overwrite: bool, progress: Progress | None) -> None:
    """Write a dataset to a file; see `hdf5.write`."""
    target = Path(path)
    _check(source, target, overwrite)
    with appearing(target, overwrite) as beside:
        access = file_access()
        # attributes over 64 KiB and the like need more than the oldest format, which it is else
        access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
        file = h5f.create(os.fsencode(beside), h5f.ACC_EXCL, None, access)
        try:
            writer = Writer(file, source, NamedModels(target.parent))
            writer.write(progress)
            del writer  # it holds objects of the file, which stays open as long as they do
        finally:
            file.close()


def _check(source: Source, target: Path, overwrite: bool) -> None:
    origin = getattr(source, "path", None)
    if target.exists() and isinstance(origin, str | os.PathLike) and Path(origin).exists() and target.samefile(origin):
        raise SettingsError(f"{target} is both what is read and what is written; choose another output")
    if target.is_dir():
        raise OutputExistsError(f"{target} is a folder; choose a file's name")
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists already; choose another name, or say overwrite")


@contextmanager
def appearing(target: Path, overwrite: bool) -> Iterator[Path]:
    """A path beside the target that becomes it once the block ends, and vanishes where it raises."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.partial")
    try:
        yield beside
        if target.exists() and not overwrite:
            raise OutputExistsError(f"{target} appeared while it was being written; choose another name")
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
