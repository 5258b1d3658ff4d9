"""Zarr with a group for each demonstration, Isaac Lab's layout in Zarr; versions 2 and 3, folder, zip file or URL.

    attributes success_rate (null where of no episode it is known)
    data/                attributes total, env_args
      demo_<i>/          attributes num_samples, seed, success
        actions [T, A]   obs/<term> [T, ...]   states/... [T, ...]   initial_state/... [1, ...]
    trajloom/            what this layout has no place for, as arrays of bytes

`len(zarr.open(path)["data"])` counts the demonstrations.
"""

import os
from collections.abc import Iterator

from trajloom.errors import TrajloomError
from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats._aside import losses as kept_aside
from trajloom.formats._zarr.draft import WriteOptions
from trajloom.formats._zarr.equality import equal
from trajloom.formats._zarr.tree import looks_like_zarr, read_tree
from trajloom.formats.zarr_demos.source import holds_demos, read_source
from trajloom.formats.zarr_demos.writer import Plan, write_source

__all__ = ["NAME", "SPECIALISES", "SUFFIXES", "WriteOptions", "equal", "losses", "read", "sniff", "write"]

NAME = "zarr_demos"
SPECIALISES = "zarr"
SUFFIXES = (".demos.zarr", ".demos.zarr.zip")
DEFAULT = WriteOptions()


def sniff(path: str) -> bool:
    """Whether a path or URL holds Zarr with a group for each demonstration."""
    try:
        return looks_like_zarr(path) and holds_demos(read_tree(path))
    except TrajloomError:
        return False


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Source:
    """Scan the metadata and return the dataset.

    Args:
        path: Folder, `.zip` file or fsspec URL.
        on_error: "skip" leaves out demonstrations whose arrays do not agree on how long they are.

    Raises:
        LayoutError: There is no such layout.
        DamagedFileError: Metadata is missing or contradicts itself; chunks that cannot be unpacked are found when read.
        HostileFileError: Arrays of objects, codecs that run code, links, absurd sizes.
    """
    return read_source(os.fspath(path), on_error)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions = DEFAULT,
) -> None:  # fmt: skip
    """Write a dataset with a group for each demonstration, whole or not at all.

    One that came from this layout is written as it was.

    Raises:
        OutputExistsError: There is something that may not go.
        SettingsError: The output is the input.
    """
    write_source(source, os.fspath(path), overwrite, progress, options, sniff)


def losses(source: Source, options: WriteOptions = DEFAULT) -> Iterator[Loss]:
    """What it has no place for."""
    plan = Plan(source.header)
    holds = {"env_args", "success", "seed", "nulls"} | ({"rest", "attrs of the file"} if plan.exact else set())
    yield from kept_aside(source, plan.steps, plan.episodes, holds)
