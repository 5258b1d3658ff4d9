"""RoboDM: trajectories as Matroska files, a stream a feature; read-only.

    <name>.vla, .mkv     one file is one episode, named after it
      stream             FEATURE_NAME, FEATURE_TYPE (`dtype=...; shape=(...))`), SELECTED_CODEC, INTERNAL_CODEC
        video            arrays (H, W, 3), as H.264, H.265, AV1 or FFV1
        rawvideo         packets of Parquet, a hundred values each (`pyarrow_batch`), or pickles (`pickle_raw`)
    <folder>/*.vla       a folder of them is a dataset; its files are episodes in natural order

A feature is a column: `observation/x` is `obs/x`, `action` `actions`, the rest keeps its name. Streams have times of
their own (ms), rows do not: a row stands at each value of one feature, the clock (or at a fixed rate), and holds of
every other feature the latest value at or before it. Before a feature's first value it is null; most other formats hold
NaN or 0 there and the nulls beside; `complete` leaves such rows out. `timestamp` counts from the episode's first row.
Videos are lossy: frames are what the decoder gives. Features that are no numbers are left out, with a warning that
names them.

Pickled values, which is what RoboDM writes unless told otherwise, are refused: loading a pickle runs code of the file.
Types of features are parsed, not evaluated.
"""

import os
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.robodm.doctoring import findings as _findings
from trajloom.formats.robodm.options import ReadOptions
from trajloom.formats.robodm.source import SUFFIXES, files_of, read_source

__all__ = ["NAME", "SUFFIXES", "ReadOptions", "findings", "read", "sniff"]

NAME = "robodm"
_EBML = b"\x1a\x45\xdf\xa3"
_HEAD_BYTES = 1 << 20
"""Tags of streams lie before the packets."""


def sniff(path: str) -> bool:
    """Whether a path is a Matroska file with features, or a folder whose first one is."""
    files = files_of(os.fspath(path))
    if not files:
        return False
    with Folder(files[0]).open() as file:
        if file.read(len(_EBML)) != _EBML:
            return False
        return b"FEATURE_NAME" in file.read(_HEAD_BYTES)


def read(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", options: ReadOptions | None = None
) -> ColumnarSource:
    """Go through the packets of a file, or of a folder of files, for their times, and return it as a dataset.

    Args:
        path: A file, a folder, or the URL of one; what is remote is copied to this machine.
        on_error: "skip" leaves files out that cannot be read, with a warning; it reads all values once to find them.
        options: Which feature is the clock, and what to leave out.

    Raises:
        LayoutError: It is Matroska without features.
        DamagedFileError: A file is cut short, or a stream is not what it says.
        HostileFileError: Values are pickled, or sizes are absurd.
        SettingsError: The clock asked for is no feature.
        MissingExtraError: trajloom[video] is not installed.
    """
    return read_source(os.fspath(path), on_error, options or ReadOptions())


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """What streams lack: values, or those of the end; and files whose writer was killed."""
    return _findings(os.fspath(path))
