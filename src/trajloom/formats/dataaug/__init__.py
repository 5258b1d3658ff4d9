"""DataAug Platform's HDF5: demonstrations without any attributes.

    data/
      demo_<i>/        one dataset an array, groups as nested dicts

Counts, environment, models and all else that attributes would say is kept aside.
"""

import os

from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats.dataaug.layout import DATAAUG, looks
from trajloom.formats.hdf5 import PART_BYTES
from trajloom.formats.hdf5.equality import equal
from trajloom.formats.hdf5.output import losses_of, write_file
from trajloom.formats.hdf5.recognise import is_layout
from trajloom.formats.hdf5.source import read_source

__all__ = ["NAME", "SPECIALISES", "SUFFIXES", "equal", "losses", "read", "sniff", "write"]

NAME = "dataaug"
SPECIALISES = "hdf5"
SUFFIXES = ()


def sniff(path: str) -> bool:
    """Whether we wrote an HDF5 file in this layout; those of others are found as `hdf5`."""
    return is_layout(path, DATAAUG, looks)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise", part_bytes: int = PART_BYTES) -> Source:
    """Scan the metadata of a file, at a path or URL, and return it as a dataset; errors are those of `hdf5.read`."""
    return read_source(os.fspath(path), on_error, part_bytes, DATAAUG)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write a dataset in this layout, whole or not at all; errors are those of `hdf5.write`.

    One that came from such a file is written as it was. Any other is written anew, and what the layout has no place for
    goes into the root group `trajloom`, so that reading it gives the same dataset.
    """
    write_file(source, os.fspath(path), overwrite, progress, DATAAUG)


def losses(source: Source) -> list[Loss]:
    """What of a dataset the layout has no place for; it is kept aside in the file."""
    return losses_of(source, DATAAUG)
