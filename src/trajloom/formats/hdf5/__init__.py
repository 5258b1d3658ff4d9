"""HDF5: robomimic's and MimicGen's demonstrations, and what robosuite's teleoperation writes.

    data/              attributes total, env_args (or env, env_info, repository_version)
      demo_<i>/        attributes num_samples, model_file
        actions [T, A]   states [T, D]   rewards [T]   dones [T]   obs/<key> [T, ...]   datagen_info/...
    mask/<key>         names of demonstrations

Whatever else a file holds is kept, so that file -> dataset -> file gives an equal file; see `equal`.
"""

import os

from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats.hdf5.dialect import ROBOMIMIC
from trajloom.formats.hdf5.doctoring import findings, repaired
from trajloom.formats.hdf5.equality import equal
from trajloom.formats.hdf5.file import has_signature
from trajloom.formats.hdf5.output import losses_of, write_file
from trajloom.formats.hdf5.source import read_source

__all__ = ["NAME", "PART_BYTES", "SUFFIXES", "equal", "findings", "losses", "read", "repaired", "sniff", "write"]

NAME = "hdf5"
SUFFIXES = (".hdf5", ".h5")
PART_BYTES = 64 << 20
"""Uncompressed size of the parts that a file is read in."""


def sniff(path: str) -> bool:
    """Whether a path is an HDF5 file; which layout it has, and whether it is one of ours, `read` says."""
    return has_signature(path)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise", part_bytes: int = PART_BYTES) -> Source:
    """Scan the metadata of a file and return it as a dataset.

    What is odd but can be kept (a wrong `total`, `demo1` for `demo_1`, ragged arrays, ...) is listed in
    `header.warnings` and said in one `TrajloomWarning`.

    Args:
        path: The file.
        on_error: "skip" leaves damaged episodes out with a warning; it reads all compressed arrays once to find them.
        part_bytes: Uncompressed size of a part, in whole episodes.

    Raises:
        LayoutError: it is no HDF5, or none of the layouts that we read.
        DamagedFileError: it is cut short, or episodes lack data; actions that are not finite are found when read.
        HostileFileError: it points out of itself, or into itself.
    """
    return read_source(os.fspath(path), on_error, part_bytes, ROBOMIMIC)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write a dataset as HDF5, whole or not at all.

    One that came from HDF5 is written as it was; any other in robomimic's layout, with its lineage under
    `trajloom/` in each demonstration, the ledger of attempts and whatever else the layout has no place for in the
    root group `trajloom`, and the filter keys `success` and `failed`. Reading that gives the same dataset again.

    Args:
        source: The dataset.
        path: The file to write; it is written beside it and renamed once complete.
        overwrite: Whether to replace a file that is there.
        progress: Called with episodes done and in all.

    Raises:
        OutputExistsError: there is a file already, and `overwrite` is off.
        SettingsError: the output is the input.
    """
    write_file(source, os.fspath(path), overwrite, progress, ROBOMIMIC)


def losses(source: Source) -> list[Loss]:
    """What of a dataset robomimic's layout has no place for; it is kept aside in the file."""
    return losses_of(source, ROBOMIMIC)
