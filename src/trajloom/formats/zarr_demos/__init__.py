"""Demonstrations one a group in Zarr: the layout of Isaac Lab's HDF5 files, as `ZarrDatasetFileHandler` writes it.

    data/                    attributes total, env_args
      demo_<i>/              attributes num_samples, seed, success
        actions [T, A]   obs/<term> [T, ...]   states/... [T, ...]   initial_state/... [1, ...]   ...
    trajloom/                what Zarr has no place for, as arrays of bytes; see `formats._aside`

`len(zarr.open(path)["data"])` counts the demonstrations, and `zarr.open(path).attrs["success_rate"]` is the share of
them that succeeded, null where none says so. What many loaders prefer, all episodes in one array, is the format `zarr`.
"""

import os
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats._aside import losses as _losses
from trajloom.formats._zarr.equality import differences
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats._zarr.sniffing import looks
from trajloom.formats._zarr.tree import Tree
from trajloom.formats.zarr_demos.doctoring import findings as _findings
from trajloom.formats.zarr_demos.doctoring import repaired
from trajloom.formats.zarr_demos.plan import plan
from trajloom.formats.zarr_demos.source import read_source
from trajloom.formats.zarr_demos.writer import write_demos

__all__ = [
    "NAME",
    "SPECIALISES",
    "SUFFIXES",
    "WriteOptions",
    "equal",
    "findings",
    "losses",
    "read",
    "repaired",
    "sniff",
    "write",
]

NAME = "zarr_demos"
SPECIALISES = "zarr"
SUFFIXES: tuple[str, ...] = ()
"""None of its own: `.zarr` is written as a replay buffer unless this format is named."""

DEFAULT = WriteOptions()


def sniff(path: str) -> bool:
    """Whether a path holds a Zarr hierarchy whose `data` has groups `demo_<i>`, or none, and no `meta/episode_ends`."""
    return looks(path, _has_demos)


def _has_demos(tree: Tree) -> bool:
    folders = [name for name, is_folder in tree.names("data").items() if is_folder]
    if "episode_ends" in tree.names("meta") or not {".zgroup", "zarr.json"} & set(tree.names("data")):
        return False
    return not folders or any(name.startswith("demo") for name in folders)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Source:
    """Look at the metadata of a hierarchy of demonstrations and return it as a dataset.

    Args:
        path: A folder, a zip file, or an fsspec URL of either.
        on_error: "skip" leaves demonstrations with damaged metadata out, with a warning.

    Raises:
        LayoutError: There are no demonstrations.
        DamagedFileError: Metadata is not what it must be; chunks that cannot be decoded are found when read.
        HostileFileError: It holds pickles, absurd shapes, or ways out of itself.
        MissingExtraError: Zarr is not installed.
    """
    return read_source(os.fspath(path), on_error)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions = DEFAULT,
) -> None:  # fmt: skip
    """Write a dataset one group a demonstration, whole or not at all; one that came from there is written as it was.

    Args:
        source: The dataset. Demonstrations lack the arrays of columns that they lack.
        path: Folder or fsspec URL; one that ends in `.zip` becomes a zip file.
        overwrite: Whether to replace a Zarr hierarchy that is there.
        progress: Called with episodes done and in all.
        options: Version and compressor.

    Raises:
        OutputExistsError: There is something already, and `overwrite` is off, or it is no Zarr hierarchy.
        SettingsError: The output is the input.
        MissingExtraError: Zarr is not installed.
    """
    write_demos(source, os.fspath(path), overwrite, progress, options)


def losses(source: Source, options: WriteOptions = DEFAULT) -> list[Loss]:
    """What of a dataset demonstrations in Zarr have no place for; all of it is kept aside."""
    made = plan(source.header, options)
    exact = ["attrs of the file", "rest", "attrs"] if made.exact else []
    return list(_losses(source, made.steps, made.episodes, ["success", "seed", "env_args", "nulls", *exact]))


def equal(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> list[str]:
    """What differs between two Zarr hierarchies; see `zarr.equal` for what counts."""
    return differences(os.fspath(one), os.fspath(other))


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """What is wrong in the hierarchy beyond its data: counts, rates and repeated metadata that are stale."""
    return _findings(os.fspath(path))
