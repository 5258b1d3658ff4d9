"""RLDS: episodes as TensorFlow Datasets writes them into TFRecords; read-only, and without TensorFlow.

    features.json        element type and shape of every feature
    dataset_info.json    splits
    <name>-<split>.tfrecord-<k>-of-<n>      one record (tf.train.Example) an episode
      steps/observation/<x>   steps/action   steps/reward   steps/is_first, is_last, is_terminal   steps/discount
      steps/language_instruction           one value a step, all steps behind one another
      episode_metadata/<x>                 one value an episode

`steps/observation/x` is the column `obs/x`, `steps/action` `actions`, `steps/reward` `rewards`; the rest of `steps/`
keeps its name. Splits are those of the files. Encoded images are decoded. The language instruction is the episode's
`task`; text that never changes in an episode and what it has once are its attributes. What is no regular column (text
that changes, lists of any length) is kept in `rest` as it lies.

Without a features.json the first record says what there is: shapes are flat then. Records of serialized tensors
(`tf.io.serialize_tensor`: `observations/x`, `actions`, ...) are read too.
"""

import os
from collections.abc import Iterator
from pathlib import PurePosixPath

from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.rlds.doctoring import findings as _findings
from trajloom.formats.rlds.features import FILE
from trajloom.formats.rlds.framing import looks_like_records
from trajloom.formats.rlds.names import file_parts
from trajloom.formats.rlds.source import read_source

__all__ = ["NAME", "SUFFIXES", "findings", "read", "sniff"]

NAME = "rlds"
SUFFIXES = (".tfrecord",)


def sniff(path: str) -> bool:
    """Whether a path is a file of TFRecords, or a folder with some in it or in a version's folder."""
    place = Folder(os.fspath(path))
    if place.fs.isfile(place.root):
        named = ".tfrecord" in PurePosixPath(place.root).name
        return (named or place.local) and looks_like_records(path)
    names = place.names()
    if any(file_parts(name) for name in names):
        return True
    return any(place.exists(name, FILE) and any(file_parts(inner) for inner in place.names(name)) for name in names)


def read(path: str | os.PathLike[str], *, on_error: OnError = "raise") -> ColumnarSource:
    """Scan the records of a dataset and return it.

    The scan reads where records lie and the names, counts and texts of each; values and checksums are for later.

    Args:
        path: The folder of a dataset, one of its files, or the URL of either; what is remote is copied to this machine.
        on_error: "skip" leaves damaged episodes out with a warning; it reads all records once to find them.

    Raises:
        LayoutError: It is no TFRecord, or a dataset of TFDS without steps.
        DamagedFileError: A file is cut short, or a record is not what its checksum or the features say.
        HostileFileError: Absurd shapes, nesting beyond reason, or images that unpack to too many pixels.
        MissingExtraError: There are images, and trajloom[video] is not installed; found when they are read.
    """
    return read_source(os.fspath(path), on_error)


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """Counts of `dataset_info.json` that are stale, and flags of steps that stand elsewhere."""
    return _findings(os.fspath(path))
