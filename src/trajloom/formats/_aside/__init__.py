"""What a format has no place for, kept beside its own data, so that reading the output gives the dataset again.

A dataset written in another format carries a few files of ours, on a `Shelf` that the format finds room for (a folder,
a group): `aside.json` (the header, and which column became which of the format's own), `episodes.parquet`,
`attempts.parquet`, `rest.parquet`, `steps.parquet` (columns that the format cannot hold), `times.parquet` (timestamps
that are no multiples of a period), and `models/<sha256>.xml`. A format's reader first reads its own data as if there
were nothing else; `restored` then puts the two together. Whoever changes the data with the format's own tools keeps
working data: where episodes no longer agree with what was kept aside, that is ignored, with a warning.
"""

from trajloom.formats._aside.losses import losses
from trajloom.formats._aside.restored import restored
from trajloom.formats._aside.shelf import FOLDER, ArrayFile, FolderShelf, Shelf
from trajloom.formats._aside.writer import AsideWriter

__all__ = ["FOLDER", "ArrayFile", "AsideWriter", "FolderShelf", "Shelf", "losses", "restored"]
