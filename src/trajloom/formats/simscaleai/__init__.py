"""SimScaleAI's HDF5: episodes in the file's root.

    /                  attributes env_name, n_episodes, policy_type, seed, ...
    episode_<i>/       episode_00000 as its code writes it, episode_0 as its documents say
      observations/<key> [T, ...]   actions [T, A]   rewards [T]

`observations/<key>` is our column `obs/<key>`.
"""

import os

from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats.hdf5 import PART_BYTES
from trajloom.formats.hdf5.equality import equal
from trajloom.formats.hdf5.output import losses_of, write_file
from trajloom.formats.hdf5.recognise import is_layout
from trajloom.formats.hdf5.source import read_source
from trajloom.formats.simscaleai.layout import SIMSCALEAI, WriteOptions, looks, named

__all__ = ["NAME", "SPECIALISES", "SUFFIXES", "WriteOptions", "equal", "losses", "read", "sniff", "write"]

NAME = "simscaleai"
SPECIALISES = "hdf5"
SUFFIXES = ()


def sniff(path: str) -> bool:
    """Whether a path is an HDF5 file of SimScaleAI's."""
    return is_layout(path, SIMSCALEAI, looks)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise", part_bytes: int = PART_BYTES) -> Source:
    """Scan the metadata of a file, at a path or URL, and return it as a dataset; errors are those of `hdf5.read`."""
    return read_source(os.fspath(path), on_error, part_bytes, SIMSCALEAI)


def write(
    source: Source,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    options: WriteOptions | None = None,
) -> None:
    """Write a dataset in this layout, whole or not at all; errors are those of `hdf5.write`.

    One that came from such a file is written as it was. Any other is written anew, and what the layout has no place for
    goes into a group `trajloom` of the first episode, so that reading it gives the same dataset, and counting the
    groups of the root still counts the episodes.
    """
    write_file(source, os.fspath(path), overwrite, progress, named(options or WriteOptions()))


def losses(source: Source, options: WriteOptions | None = None) -> list[Loss]:
    """What of a dataset the layout has no place for; it is kept aside in the file."""
    return losses_of(source, SIMSCALEAI)
