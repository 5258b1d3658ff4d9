"""The cache folder: where packed records lie, what is in it, and how it is emptied."""

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from trajloom.errors import UnknownNameError

VARIABLE = "TRAJLOOM_CACHE"
"""Environment variable that says where the cache is."""
ABOUT = "about.json"
"""Written last into the folder of a dataset; what lacks it is unfinished."""
USED = "used"
"""A file whose time of change says when a dataset was last opened."""
DRAFT = ".draft-"
"""How the name of a file begins that is being written."""


def cache_folder() -> Path:
    """Where packed records lie: $TRAJLOOM_CACHE, else `trajloom` in $XDG_CACHE_HOME, else in ~/.cache."""
    told = os.environ.get(VARIABLE)
    if told:
        return Path(told).expanduser()
    above = os.environ.get("XDG_CACHE_HOME")
    return (Path(above).expanduser() if above else Path.home() / ".cache") / "trajloom"


def packed_folder(cache: str | os.PathLike[str] | None = None) -> Path:
    """The folder of a cache (None: the user's) that holds packed records, one folder a dataset."""
    return (cache_folder() if cache is None else Path(cache)) / "packed"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The packed records of one dataset."""

    key: str
    """Name of its folder: the beginning of a hash of what it was made of."""
    of: str
    """Path or URL of the dataset, or "in memory"."""
    episodes: int
    steps: int
    nbytes: int
    """Bytes on disk."""
    built: float
    """Seconds since 1970."""
    used: float
    """When it was last opened, in seconds since 1970."""


def entries(cache: str | os.PathLike[str] | None = None) -> list[Entry]:
    """What the cache holds, the last used first."""
    root = packed_folder(cache)
    found = [_entry(path) for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(found, key=lambda entry: -entry.used)


def _entry(folder: Path) -> Entry:
    about = read_about(folder) or {}
    files = [path.stat() for path in folder.iterdir() if path.is_file()]
    changed = folder.stat().st_mtime
    used = folder / USED
    return Entry(
        key=folder.name,
        of=about.get("of", "unfinished"),
        episodes=about.get("episodes", 0),
        steps=about.get("steps", 0),
        nbytes=sum(stat.st_size for stat in files),
        built=about.get("built", changed),
        used=used.stat().st_mtime if used.exists() else changed,
    )


def read_about(folder: Path) -> dict[str, Any] | None:
    """What a dataset's folder says of itself; None where it is not finished or not there."""
    try:
        return json.loads((folder / ABOUT).read_text())
    except (OSError, ValueError):
        return None


def touch(folder: Path) -> None:
    """Note that a dataset's records are being used; a cache that cannot be written to stays as it is."""
    try:
        (folder / USED).touch()
    except OSError:
        return


def clear(
    what: str | None = None, *, older_than_days: float | None = None, cache: str | os.PathLike[str] | None = None
) -> list[Entry]:
    """Delete packed records; loaders that have them open go on reading them until they are closed.

    Args:
        what: Key of an entry, or its beginning, or the path of the dataset that it was made of; None means all.
        older_than_days: Only those that were not used for so many days.
        cache: The cache folder; None is the user's.

    Returns:
        What was deleted.

    Raises:
        UnknownNameError: `what` fits nothing.
    """
    found = entries(cache)
    if what is not None:
        chosen = [e for e in found if e.key.startswith(what) or _same(e.of, what)]
        if not chosen:
            raise UnknownNameError("entry of the cache", what, [f"{e.key} ({e.of})" for e in found])
        found = chosen
    if older_than_days is not None:
        found = [e for e in found if e.used < time.time() - older_than_days * 86400]
    for entry in found:
        shutil.rmtree(packed_folder(cache) / entry.key)
    return found


def _same(of: str, path: str) -> bool:
    return of == path or os.path.abspath(of) == os.path.abspath(path)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time build in a folder; the others wait, then find what it made.

    Where the system has no locks, or the disk takes none, several build the same: the last to finish replaces equal
    bytes with equal bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "ab") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass
        yield


@contextmanager
def draft(path: Path) -> Iterator[BinaryIO]:
    """A file to write that gets its name once it is whole."""
    hidden = path.with_name(f"{DRAFT}{uuid.uuid4().hex}")
    try:
        with open(hidden, "wb") as file:
            yield file
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
