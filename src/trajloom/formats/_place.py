"""Where outputs appear, whole or not at all, and where the bytes of a remote file are found on this machine."""

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from trajloom.errors import OutputExistsError, SettingsError
from trajloom.folder import Folder, same_place
from trajloom.formats import Source


def check_not_input(source: Source, path: str) -> None:
    """Raise SettingsError where a dataset would be written over what it is read from."""
    origin = getattr(source, "path", None)
    if isinstance(origin, str | os.PathLike) and same_place(os.fspath(origin), path):
        raise SettingsError(f"{path} is what is read, or one lies within the other; choose another output")


@contextmanager
def appearing_file(source: Source, path: str, overwrite: bool) -> Iterator[Path]:
    """A path on this machine's disk to write a file at; it becomes `path`, a URL too, once the block ends.

    Where the block raises, nothing is left of it.

    Raises:
        OutputExistsError: There is a file and `overwrite` is off, or a folder.
        SettingsError: `path` is what the source is read from.
    """
    check_not_input(source, path)
    place = Folder(path)
    check_file(place, overwrite)
    draft = draft_beside(place)
    try:
        yield draft
        check_file(place, overwrite)  # it may have appeared meanwhile
        place.publish(draft)
    finally:
        _remove(draft)


@contextmanager
def appearing_folder(
    source: Source, path: str, overwrite: bool, is_one: Callable[[str], bool], last: str
) -> Iterator[Path]:
    """A folder on this machine's disk to write into; it becomes `path`, a URL too, once the block ends.

    Args:
        source: What is written.
        path: Folder or fsspec URL. On a local disk the new folder takes the old one's place by a rename.
        overwrite: Whether a dataset of the same format that is there may go.
        is_one: Whether a path holds a dataset of this format; nothing else is ever overwritten.
        last: The file that makes the folder a dataset, relative to it. At a URL it is written after all others, and
            deleted before any other.

    Raises:
        OutputExistsError: There is something that may not go.
        SettingsError: `path` is what the source is read from.
    """
    check_not_input(source, path)
    place = Folder(path)
    check_folder(place, overwrite, is_one)
    draft = draft_beside(place)
    draft.mkdir(parents=True)
    try:
        yield draft
        check_folder(place, overwrite, is_one)
        if place.local:
            _swap(draft, Path(place.root))
        else:
            _upload(draft, place, last)
    finally:
        _remove(draft)


def check_file(place: Folder, overwrite: bool) -> None:
    """Raise OutputExistsError unless a file may be written here."""
    if place.fs.isdir(place.root):
        raise OutputExistsError(f"{place.url} is a folder; choose a file's name")
    if place.fs.exists(place.root) and not overwrite:
        raise OutputExistsError(f"{place.url} exists already; choose another name, or say overwrite")


def check_folder(place: Folder, overwrite: bool, is_one: Callable[[str], bool]) -> None:
    """Raise OutputExistsError unless a folder may be written here."""
    if place.fs.isfile(place.root):
        raise OutputExistsError(f"{place.url} is a file; choose a folder's name")
    found = place.names()
    if found and not is_one(place.url):
        raise OutputExistsError(f"{place.url} holds something else: {', '.join(found[:5])}; choose another folder")
    if found and not overwrite:
        raise OutputExistsError(f"{place.url} exists already; choose another name, or say overwrite")


def draft_beside(place: Folder) -> Path:
    """A free path where a draft can be renamed from, or, for a URL, in this machine's temporary folder."""
    if not place.local:
        return Path(tempfile.mkdtemp(prefix="trajloom-")) / "draft"
    target = Path(place.root)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.partial")


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft, ignore_errors=True)
    draft.unlink(missing_ok=True)
    if draft.name == "draft":
        draft.parent.rmdir()


def _swap(draft: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.old")
    if target.exists():
        os.rename(target, old)
    os.rename(draft, target)
    shutil.rmtree(old, ignore_errors=True)


def _upload(draft: Path, place: Folder, last: str) -> None:
    place.remove(*last.split("/"))
    place.remove_all()
    files = sorted(str(file.relative_to(draft)) for file in draft.rglob("*") if file.is_file())
    for name in [*(name for name in files if name != last), last]:
        place.fs.put_file(str(draft / name), place.at(*name.split("/")))


# ---- remote files ----------------------------------------------------------------------------------------------

_copies: dict[tuple[str, str], str] = {}


def local_file(path: str) -> str:
    """A path on this machine's disk with a file's bytes: its own, or that of a copy, made once a process.

    Libraries that read in place (HDF5) need one. Copies are deleted when the process ends.
    """
    place = Folder(path)
    if place.local:
        return place.root
    key = (path, str(place.fs.ukey(place.root)))
    if key not in _copies:
        folder = tempfile.mkdtemp(prefix="trajloom-remote-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        target = os.path.join(folder, place.root.rstrip("/").rsplit("/", 1)[-1])
        place.fs.get_file(place.root, target)
        _copies[key] = target
    return _copies[key]
