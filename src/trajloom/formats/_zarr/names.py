"""Which columns can be arrays of a hierarchy, and under which paths."""

from collections.abc import Collection, Iterable, Mapping

from trajloom.formats._aside import FOLDER
from trajloom.formats._zarr.arrays import MAX_ROW_BYTES
from trajloom.schema import Column, stored_name

PER_EPISODE = "initial_state/"
"""Arrays below this have a row for each episode, or lie once in a demonstration."""


def is_path(path: str) -> bool:
    """Whether a path can be one in Zarr: no empty names, none that Zarr or a file system gives a meaning to."""
    names = path.split("/")
    return all(name and len(name.encode()) < 200 and not _is_taken(name) for name in names) and names[0] != FOLDER


def _is_taken(name: str) -> bool:
    odd = any(c in name for c in '\\\0<>:"|?*')
    return odd or name.startswith((".z", "__")) or name in ("zarr.json", ".", "..")


def clashes(path: str, used: Iterable[str]) -> bool:
    """Whether a path cannot be there beside others: it is one of them, above one, or below one."""
    return any(p == path or p.startswith(f"{path}/") or path.startswith(f"{p}/") for p in used)


def read_name(path: str, paths: Collection[str]) -> str:
    """What the reader calls an array with a row for each step."""
    return stored_name("actions" if path == "action" and "actions" not in paths else path)


def fitting(columns: Iterable[Column], paths: Mapping[str, str], used: list[str]) -> dict[str, str]:
    """The columns that can be arrays, with their paths; `used` are those taken, and grows."""
    found = {}
    for column in columns:
        path = paths.get(column.name)
        if path is not None and is_path(path) and column.nbytes <= MAX_ROW_BYTES and not clashes(path, used):
            found[column.name] = path
            used.append(path)
    return found
