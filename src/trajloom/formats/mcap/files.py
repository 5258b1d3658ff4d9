"""Which files of a path are MCAP, and in what order."""

import re
from typing import Any

from trajloom.folder import Folder

MAGIC = b"\x89MCAP0\r\n"


def files_of(path: str) -> list[str]:
    """The MCAP files at a path: itself, or those in the folder, in natural order."""
    place = Folder(path)
    if place.fs.isfile(place.root):
        return [path]
    names = [name for name in place.names() if name.endswith(".mcap")]
    return [_inside(path, name) for name in sorted(names, key=_natural)]


def _inside(path: str, name: str) -> str:
    base, *chained = path.split("::", 1)
    return "::".join([f"{base.rstrip('/')}/{name}", *chained])


def _natural(name: str) -> list[Any]:
    """Numbers in names count as numbers: rosbag2 splits into `bag_0`, ..., `bag_10`."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", name)]


def looks_like_mcap(path: str) -> bool:
    """Whether a path is a file that begins as MCAP does, or a folder whose first .mcap file does."""
    files = files_of(path)
    if not files:
        return False
    place = Folder(files[0])
    try:
        with place.fs.open(place.root, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
