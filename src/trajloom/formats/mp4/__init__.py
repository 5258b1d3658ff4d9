"""MP4: the cameras of a dataset as videos that any player shows; write-only.

    index.json                       what is in it: cameras with their column, size and codec; episodes with their files
    <camera>/episode_000000.mp4      one video an episode and camera
    grid/episode_000000.mp4          or, with `grid`, one an episode, its cameras side by side

A camera is a column of uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or one of depth: uint16 or float (H, W) or
(H, W, 1) of at least 16 x 16, scaled to 8 bit by the column's least and greatest value, which `index.json` holds.
Videos are yuv420p, whose sizes are even: an odd one is padded by repeating the last row or column. Steps at which a
camera has no image are black; an episode that never has one, or has no step, has no video of it.
"""

import os

from trajloom.formats import Progress, Source
from trajloom.formats.mp4.cameras import losses
from trajloom.formats.mp4.options import WriteOptions
from trajloom.formats.mp4.output import write_folder

__all__ = ["NAME", "SUFFIXES", "WriteOptions", "losses", "sniff", "write"]

NAME = "mp4"
SUFFIXES: tuple[str, ...] = ()


def sniff(path: str) -> bool:
    """Never: videos alone are no dataset that can be read back."""
    return False


def write(
    source: Source, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None,
    options: WriteOptions | None = None,
) -> None:  # fmt: skip
    """Write a dataset's cameras as videos, whole or not at all; several are encoded at once.

    Args:
        source: The dataset.
        path: A folder, or the URL of one.
        overwrite: Whether videos of ours that are there may go.
        progress: Called with episodes done and in all.
        options: Which cameras, how fast, how well.

    Raises:
        OutputExistsError: There is something already, and `overwrite` is off or it is not ours.
        SettingsError: The output is the input, there is no camera of a name, or the rate is not known.
        SchemaError: The dataset has no camera.
        MissingExtraError: trajloom[video] is not installed.
    """
    write_folder(source, os.fspath(path), overwrite, progress, options or WriteOptions())
