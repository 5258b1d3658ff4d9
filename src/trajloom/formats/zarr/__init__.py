"""Zarr: the replay buffer of diffusion_policy, which Isaac Lab's WBCMimic and many trainers write and read too.

    data/                    arrays with a row for each step, all episodes after one another
      action [N, A]   img [N, H, W, C]   state [N, D]   obs/<term>   obs/images/camera_<k>   ...
      initial_state/...      arrays with a row for each episode [E, ...]
    meta/                    attributes total, env_args, seed_<i>, success_<i>
      episode_ends [E]       where each episode ends: cumulative, exclusive
      ...                    whatever else; kept in `rest`
    trajloom/                what Zarr has no place for, as arrays of bytes; see `formats._aside`

`action` is our column `actions`; all other columns are called as their array is, without `data/`. Versions 2 and 3 of
Zarr are read and written, folders and `.zip` files. The root of what we write carries the attribute `success_rate`,
null where no episode says whether it succeeded.
"""

import os
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats._aside import losses as _losses
from trajloom.formats._zarr.equality import differences
from trajloom.formats._zarr.nodes import read_node
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats._zarr.sniffing import looks
from trajloom.formats.zarr.doctoring import findings as _findings
from trajloom.formats.zarr.doctoring import repaired
from trajloom.formats.zarr.plan import plan
from trajloom.formats.zarr.scan import ENDS
from trajloom.formats.zarr.source import read_source
from trajloom.formats.zarr.writer import write_buffer

__all__ = ["NAME", "SUFFIXES", "WriteOptions", "equal", "findings", "losses", "read", "repaired", "sniff", "write"]

NAME = "zarr"
SUFFIXES = (".zarr", ".zarr.zip")

DEFAULT = WriteOptions()


def sniff(path: str) -> bool:
    """Whether a path holds a Zarr hierarchy with the array `meta/episode_ends`."""
    return looks(path, lambda tree: (node := read_node(tree, ENDS)) is not None and node.is_array)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Source:
    """Look at the metadata of a replay buffer and return it as a dataset.

    Args:
        path: A folder, a zip file, or an fsspec URL of either.
        on_error: Arrays are shared by all episodes, so that none can be skipped: both choices raise.

    Raises:
        LayoutError: There is no replay buffer.
        DamagedFileError: Metadata is not what it must be; chunks that cannot be decoded are found when read.
        HostileFileError: It holds pickles, absurd shapes, or ways out of itself.
        MissingExtraError: Zarr is not installed.
    """
    return read_source(os.fspath(path))


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions = DEFAULT,
) -> None:  # fmt: skip
    """Write a dataset as a replay buffer, whole or not at all; one that came from Zarr is written as it was.

    Args:
        source: The dataset. Rows of columns that an episode lacks are NaN, or 0 where there is none.
        path: Folder or fsspec URL; one that ends in `.zip` becomes a zip file.
        overwrite: Whether to replace a Zarr hierarchy that is there.
        progress: Called with episodes done and in all.
        options: Version and compressor.

    Raises:
        OutputExistsError: There is something already, and `overwrite` is off, or it is no Zarr hierarchy.
        SettingsError: The output is the input.
        MissingExtraError: Zarr is not installed.
    """
    write_buffer(source, os.fspath(path), overwrite, progress, options)


def losses(source: Source, options: WriteOptions = DEFAULT) -> list[Loss]:
    """What of a dataset a replay buffer has no place for; all of it is kept aside."""
    made = plan(source.header, options)
    holds = ["success", "seed", "env_args", *(["attrs of the file", "rest"] if made.exact else [])]
    return list(_losses(source, made.steps, made.episodes, holds))


def equal(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> list[str]:
    """What differs between two Zarr hierarchies of any kind; nothing where they are equal.

    What counts: which groups and arrays there are, all their metadata (shape, element type, chunks, compressor,
    filters, order, fill value, ...) and attributes, whether there is a place for attributes, whether the metadata is
    repeated at the root, and all values, bit for bit. What does not: the group `trajloom`, the order of keys and white
    space in JSON, and whether a chunk that holds the fill value alone has a file.
    """
    return differences(os.fspath(one), os.fspath(other))


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """What is wrong in the hierarchy beyond its data: counts, rates and repeated metadata that are stale."""
    return _findings(os.fspath(path))
