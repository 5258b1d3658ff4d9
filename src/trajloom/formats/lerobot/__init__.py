"""LeRobot: folders of Parquet and MP4 for Hugging Face's LeRobot. v2.0, v2.1 and v3.0 are read, v3.0 is written.

    meta/info.json                                     version, fps, features with their types and shapes
    meta/stats.json                                    statistics of each feature
    meta/tasks.parquet                                 task_index, text
    meta/episodes/chunk-000/file-000.parquet           one row an episode: length, tasks, where it lies, statistics
    data/chunk-000/file-000.parquet                    one row a step; many episodes a file
    videos/<feature>/chunk-000/file-000.mp4            many episodes a file
    trajloom/                                          what LeRobot has no place for; see `formats._aside`

v2 has `meta/tasks.jsonl`, `meta/episodes.jsonl` and one file an episode. `actions` is LeRobot's `action`, `obs/x` its
`observation.x`, or `observation.images.x` for images, `rewards` and `dones` are `next.reward` and `next.done`, and any
other `a/b` is `a.b`. A row of a column that an episode lacks is NaN, 0 or black. Paths in data files are not
followed.
"""

import os
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.formats import Loss, OnError, Progress, Source
from trajloom.formats.lerobot.checks import found_in
from trajloom.formats.lerobot.equality import equal
from trajloom.formats.lerobot.output import losses as _losses
from trajloom.formats.lerobot.output import write_folder
from trajloom.formats.lerobot.plan import WriteOptions
from trajloom.formats.lerobot.source import is_one, read_source

__all__ = ["NAME", "SUFFIXES", "WriteOptions", "equal", "findings", "losses", "read", "sniff", "write"]

NAME = "lerobot"
SUFFIXES = (".lerobot",)


def sniff(path: str) -> bool:
    """Whether a path is a folder with LeRobot's `meta/info.json`."""
    return is_one(path)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> Source:
    """Scan the metadata and the index columns of a folder or fsspec URL, and return it as a dataset.

    Wrong totals, cameras without a video and the like are listed in `header.warnings` and said in one
    `TrajloomWarning`.

    Args:
        path: The folder.
        on_error: "skip" leaves out episodes whose rows are missing or cannot be read.

    Raises:
        LayoutError: It is no LeRobot dataset, or of a version that we do not read.
        DamagedFileError: Files are cut short or missing, or say what cannot be.
        HostileFileError: `info.json` leads out of the folder.
    """
    return read_source(os.fspath(path), on_error)


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions | None = None,
) -> None:  # fmt: skip
    """Write a dataset as LeRobot v3.0, whole or not at all.

    Args:
        source: The dataset.
        path: Folder or fsspec URL.
        overwrite: Whether a LeRobot dataset that is there may go.
        progress: Called with episodes done and in all.
        options: How images are written, and what the dataset does not say.

    Raises:
        OutputExistsError: There is something, and `overwrite` is off, or it is no LeRobot dataset.
        SettingsError: The output is the input, or nothing says the rate.
    """
    write_folder(source, os.fspath(path), overwrite, progress, options or WriteOptions())


def losses(source: Source, options: WriteOptions | None = None) -> list[Loss]:
    """What LeRobot has no place for: kept aside in the folder, but for pixels where images become videos."""
    return list(_losses(source, options or WriteOptions()))


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """What is odd in a folder beyond its data: totals that lie, cameras without videos, statistics that are stale."""
    return found_in(os.fspath(path))
