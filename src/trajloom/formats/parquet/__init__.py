"""Parquet that is not ours: one file or a folder of files, a row a step.

    episode_index  frame_index  timestamp  episode_name  success  task   <column of data> ...

Read is any file with a column that says which episode a row belongs to (`episode_index`, `episode_id`, `traj_id`,
`demo`, ...), or a folder of files without one, each an episode, `ep_2` before `ep_10`. Rows of an episode must follow
one another in the order of their frames. A frame column that counts from 0 and a time column are ours; text that is one
an episode and has a usual name is the episode's `task`; dots and fields of structs become slashes; lists whose rows are
of one size are arrays; whatever else there is (other text, encoded images, ragged lists, nested tables) is kept in
`rest` as it is, a row of it an episode's rows in Arrow IPC.

Written is one file, or a folder with a file for each episode: arrays as (nested) fixed-size lists, lists where they may
be null; images as binary of H x W x C bytes, their shape in the field's metadata (`trajloom.shape`). What such columns
cannot hold lies in the (last) file too, between rows and footer, where readers of Parquet do not look; the key
`trajloom` of the file's metadata says where. Files that came from Parquet are written as they were; see `equal`.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trajloom.errors import SettingsError
from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.formats import Loss, OnError, Progress, Source, _aside
from trajloom.formats.parquet import plan as _plans
from trajloom.formats.parquet.doctoring import findings as _findings
from trajloom.formats.parquet.equality import equal
from trajloom.formats.parquet.files import SUFFIX, is_parquet
from trajloom.formats.parquet.output import write_files
from trajloom.formats.parquet.source import read_source

__all__ = ["NAME", "SUFFIXES", "ReadOptions", "WriteOptions", "equal", "findings", "losses", "read", "sniff", "write"]

NAME = "parquet"
SUFFIXES = (SUFFIX,)


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Which columns are what; those of usual names are found without."""

    episode: str | None = None
    """Column that says which episode a row belongs to: numbers or text."""
    frame: str | None = None
    """Column of whole numbers that never falls within an episode."""
    time: str | None = None
    """Column of seconds."""
    rest: str = ""
    """Columns, divided by commas, that are kept in `rest` as they are, such as lists that look regular and are not."""


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How many files."""

    files: Literal["one", "episode"] | None = None
    """"one", or a folder with one for each "episode"; unless said, the suffix of the path says it."""

    def __post_init__(self) -> None:
        if self.files not in (None, "one", "episode"):
            raise SettingsError(f"files must be one or episode, got {self.files!r}")


def sniff(path: str) -> bool:
    """Whether a path is a Parquet file, or a folder of them that is no dataset of ours and none of LeRobot."""
    place = Folder(path)
    if place.fs.isfile(place.root):
        return is_parquet(path)
    if place.exists("dataset.json") or place.exists("meta", "info.json"):
        return False
    try:
        return any(name.lower().endswith(SUFFIX) for name in place.fs.find(place.root))
    except (OSError, ValueError):
        return False


def read(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", options: ReadOptions = ReadOptions()
) -> Source:  # fmt: skip
    """Scan footers and the columns that say which episode and frame a row is, and return the files as a dataset.

    Args:
        path: A file, or a folder of files of the same columns; an fsspec URL too.
        on_error: "skip" leaves out files that cannot be read, with a warning.
        options: Which columns are what.

    Raises:
        LayoutError: There is no Parquet file; files differ in their columns; rows are not sorted by episode and frame.
        DamagedFileError: A file is cut short, or its counts contradict its data.
        HostileFileError: A link leads out of the folder.
        UnknownNameError: There is no column of a name in `options`.
    """
    wanted = {"episode": options.episode, "frame": options.frame, "time": options.time}
    to_rest = [name.strip() for name in options.rest.split(",") if name.strip()]
    return read_source(os.fspath(path), on_error, wanted, to_rest)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions = WriteOptions(),
) -> None:  # fmt: skip
    """Write a dataset as Parquet, whole or not at all.

    Args:
        source: The dataset; one that came from Parquet is written as it was, where the path has the same form.
        path: A name that ends in `.parquet` is a file, any other a folder; an fsspec URL too.
        overwrite: Whether to replace what is there.
        progress: Called with episodes done and in all.
        options: How many files.

    Raises:
        OutputExistsError: There is something already, and `overwrite` is off.
        SettingsError: The output is the input.
    """
    write_files(source, os.fspath(path), options.files, overwrite, progress, sniff)


def losses(source: Source, options: WriteOptions = WriteOptions()) -> Iterator[Loss]:
    """What columns of Parquet have no place for; it is kept aside in the same file."""
    columns = [*(c.name for c in source.header.steps), *(_plans.plain(source.header).read_as)]
    yield from _aside.losses(source, columns, holds=("success", "task", "nulls", "gaps"))


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """Statistics and a `_metadata` that lie, and a frame column that does not count; reads all plain numbers."""
    return _findings(os.fspath(path))
