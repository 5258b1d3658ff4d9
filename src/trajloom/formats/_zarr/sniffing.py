"""Whether a path holds some layout in Zarr."""

import zipfile
from collections.abc import Callable

from trajloom.errors import TrajloomError
from trajloom.folder import Folder
from trajloom.formats._zarr.tree import Tree, open_tree


def looks(path: str, is_one: Callable[[Tree], bool]) -> bool:
    """Whether there is a hierarchy at a path, and it looks like one of a kind."""
    place = Folder(path)
    if not place.fs.isdir(place.root) and not _is_zip(place):
        return False
    try:
        tree = open_tree(path)
        names = tree.names("")
        return (".zgroup" in names or "zarr.json" in names) and is_one(tree)
    except TrajloomError:
        return False


def _is_zip(place: Folder) -> bool:
    """Whether a file is a zip file; without fetching it where it is not on this machine and begins otherwise."""
    if not place.fs.isfile(place.root):
        return False
    if place.local:
        return zipfile.is_zipfile(place.root)
    with place.fs.open(place.root, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
