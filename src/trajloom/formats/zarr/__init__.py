"""Zarr: the replay buffer of diffusion_policy and of UR5 / WBCMimic, versions 2 and 3, as a folder, zip file or URL.

    attributes success_rate
    data/<path>         every array, its rows those of all episodes one after the other; `action` is our `actions`
    data/<path>         arrays that are one an episode have a row for each (`initial_state/...`)
    meta/episode_ends   [E] int64, cumulative exclusive; attributes total, env_args, success_<i>, seed_<i>
    trajloom/           what this layout has no place for, as arrays of bytes

Values of columns that some episodes lack are NaN or 0 there; reading what we wrote gives null.
"""

import os
from collections.abc import Iterator

from trajloom.errors import TrajloomError
from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats._aside import losses as kept_aside
from trajloom.formats._zarr.draft import WriteOptions
from trajloom.formats._zarr.equality import equal
from trajloom.formats._zarr.tree import looks_like_zarr, read_tree
from trajloom.formats.zarr.source import is_buffer, read_source
from trajloom.formats.zarr.writer import Plan, write_source

__all__ = ["NAME", "SUFFIXES", "WriteOptions", "equal", "losses", "read", "sniff", "write"]

NAME = "zarr"
SUFFIXES = (".zarr", ".zarr.zip")
DEFAULT = WriteOptions()


def sniff(path: str) -> bool:
    """Whether a path or URL holds a replay buffer."""
    try:
        return looks_like_zarr(path) and is_buffer(read_tree(path))
    except TrajloomError:
        return looks_like_zarr(path)  # what is wrong with it, `read` says


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Source:
    """Scan the metadata of a replay buffer and return it as a dataset.

    Args:
        path: Folder, `.zip` file or fsspec URL.
        on_error: Has no effect: its arrays run over all episodes, so that none is damaged alone.

    Raises:
        LayoutError: There is no replay buffer.
        DamagedFileError: Metadata is missing or contradicts itself; chunks that cannot be unpacked are found when read.
        HostileFileError: Arrays of objects, codecs that run code, links, absurd sizes.
    """
    return read_source(os.fspath(path))


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions = DEFAULT,
) -> None:  # fmt: skip
    """Write a dataset as a replay buffer, whole or not at all.

    One that came from a replay buffer is written as it was.

    Raises:
        OutputExistsError: There is something that may not go.
        SettingsError: The output is the input.
    """
    write_source(source, os.fspath(path), overwrite, progress, options, sniff)


def losses(source: Source, options: WriteOptions = DEFAULT) -> Iterator[Loss]:
    """What it has no place for."""
    plan = Plan(source.header)
    holds = {"env_args", "success", "seed"} | ({"rest", "attrs of the file"} if plan.exact else set())
    yield from kept_aside(source, plan.steps, plan.episodes, holds)
