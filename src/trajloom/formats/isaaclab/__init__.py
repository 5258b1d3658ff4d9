"""Isaac Lab's HDF5: what its recorders and its MimicGen write.

    /                  attribute format_version (1: quaternions xyzw; 0 or absent: wxyz)
    data/              attributes total, env_args (its type is 2)
      demo_<i>/        attributes num_samples, seed, success
        actions [T, A]   processed_actions [T, B] after the step
        obs/<term> [T, ...] before the step   obs/datagen_info/eef_pose/<eef> [T, 4, 4] ...
        states/<kind>/<asset>/{root_pose, ...} [T, ...] after the step
        initial_state/...  the same tree, one row

Values are kept as they lie in the file; `Column.rotation` says the order of quaternions, `Column.when` the moment.
"""

import os

from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats.hdf5 import PART_BYTES
from trajloom.formats.hdf5.equality import equal
from trajloom.formats.hdf5.output import losses_of, write_file
from trajloom.formats.hdf5.recognise import is_layout
from trajloom.formats.hdf5.source import read_source
from trajloom.formats.isaaclab.layout import ISAACLAB, looks

__all__ = ["NAME", "SPECIALISES", "SUFFIXES", "equal", "losses", "read", "sniff", "write"]

NAME = "isaaclab"
SPECIALISES = "hdf5"
SUFFIXES = ()


def sniff(path: str) -> bool:
    """Whether a path is an HDF5 file of Isaac Lab's."""
    return is_layout(path, ISAACLAB, looks)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise", part_bytes: int = PART_BYTES) -> Source:
    """Scan the metadata of a file, at a path or URL, and return it as a dataset; errors are those of `hdf5.read`."""
    return read_source(os.fspath(path), on_error, part_bytes, ISAACLAB)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
) -> None:
    """Write a dataset in this layout, whole or not at all; errors are those of `hdf5.write`.

    One that came from such a file is written as it was. Any other is written anew, and what the layout has no place for
    goes into the root group `trajloom`, so that reading it gives the same dataset.
    """
    write_file(source, os.fspath(path), overwrite, progress, ISAACLAB)


def losses(source: Source) -> list[Loss]:
    """What of a dataset the layout has no place for; it is kept aside in the file."""
    return losses_of(source, ISAACLAB)
