"""A Zarr hierarchy as the files that it is made of: a folder on disk, at any fsspec URL, or a zip file."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.folder import Folder
from trajloom.formats._place import local_file
from trajloom.reopened import Reopened

MAX_FILE_BYTES = 1 << 30
"""Of one file: a chunk, a shard or metadata."""


class Tree(Protocol):
    """Files by key, such as `data/action/.zarray`. It can be sent to other processes."""

    @property
    def url(self) -> str: ...

    def names(self, key: str) -> Mapping[str, bool]:
        """Name -> whether it is a folder, of what lies in a folder; nothing where there is none."""
        ...

    def read(self, key: str) -> bytes | None:
        """A file's content, or None where there is none."""
        ...

    def size(self, key: str) -> int | None:
        """A file's size in bytes, or None where there is none."""
        ...


def open_tree(url: str) -> Tree:
    """The files of a hierarchy.

    Raises:
        HostileFileError: A zip file names files outside of itself.
        DamagedFileError: A zip file cannot be opened.
    """
    place = Folder(url)
    if place.fs.isdir(place.root):
        return DiskTree(url) if place.local else RemoteTree(url)
    return ZipTree(url)


@dataclass(frozen=True)
class DiskTree:
    """A folder on this machine's disk."""

    url: str

    @cached_property
    def root(self) -> str:
        return os.path.realpath(Folder(self.url).root)

    def names(self, key: str) -> Mapping[str, bool]:
        try:
            with os.scandir(self._path(key)) as found:
                return {entry.name: entry.is_dir() for entry in found}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def read(self, key: str) -> bytes | None:
        try:
            with open(self._path(key), "rb") as file:
                _check_size(os.fstat(file.fileno()).st_size, self.url, key)
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None

    def size(self, key: str) -> int | None:
        path = self._path(key)
        return os.path.getsize(path) if os.path.isfile(path) else None

    def _path(self, key: str) -> str:
        """Where a file lies; HostileFileError where a link leads out of the folder."""
        path = os.path.realpath(os.path.join(self.root, key))
        if path != self.root and not path.startswith(self.root + os.sep):
            raise HostileFileError(f"{self.url}: {key} leads out of the folder, to {path}")
        return path


@dataclass(frozen=True)
class RemoteTree(Reopened):
    """A folder at an fsspec URL."""

    url: str

    @cached_property
    def folder(self) -> Folder:
        return Folder(self.url)

    def names(self, key: str) -> Mapping[str, bool]:
        try:
            found: Any = self.folder.fs.ls(self._at(key), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        names = {entry["name"].rstrip("/").rsplit("/", 1)[-1]: entry["type"] == "directory" for entry in found}
        return {name: folder for name, folder in names.items() if name}

    def read(self, key: str) -> bytes | None:
        size = self.size(key)
        if size is None:
            return None
        _check_size(size, self.url, key)
        return bytes(self.folder.fs.cat_file(self._at(key)))  # type: ignore[arg-type]

    def _at(self, key: str) -> str:
        """Its path in the file system; archives do not know paths that begin at a root."""
        if self.folder.root == "/":
            return key
        return self.folder.at(key) if key else self.folder.root

    def size(self, key: str) -> int | None:
        try:
            found = self.folder.fs.info(self._at(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(found["size"]) if found["type"] == "file" else None


@dataclass(frozen=True)
class ZipTree(Reopened):
    """A zip file, which at a URL is fetched first."""

    url: str

    @cached_property
    def _file(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(local_file(self.url))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DamagedFileError(f"{self.url} cannot be opened as a zip file: {error}") from error

    @cached_property
    def _members(self) -> Mapping[str, zipfile.ZipInfo]:
        found = {}
        for member in self._file.infolist():
            if member.filename.startswith(("/", "\\")) or ".." in member.filename.replace("\\", "/").split("/"):
                raise HostileFileError(f"{self.url}: its member {member.filename!r} lies outside of it")
            found[member.filename] = member
        return found

    @cached_property
    def _folders(self) -> Mapping[str, Mapping[str, bool]]:
        folders: dict[str, dict[str, bool]] = {}
        for name in self._members:
            *above, last = name.rstrip("/").split("/")
            for depth, folder in enumerate(above):
                folders.setdefault("/".join(above[:depth]), {})[folder] = True
            folders.setdefault("/".join(above), {}).setdefault(last, name.endswith("/"))
        return folders

    def names(self, key: str) -> Mapping[str, bool]:
        return self._folders.get(key, {})

    def read(self, key: str) -> bytes | None:
        member = self._members.get(key)
        if member is None or member.is_dir():
            return None
        _check_size(member.file_size, self.url, key)
        try:
            return self._file.read(member)
        except Exception as error:  # zlib, bz2, lzma and zipfile each raise their own
            raise DamagedFileError(f"{self.url}: {key} cannot be read: {error}") from error

    def size(self, key: str) -> int | None:
        member = self._members.get(key)
        return None if member is None else member.file_size


def _check_size(size: int, url: str, key: str) -> None:
    if size > MAX_FILE_BYTES:
        raise HostileFileError(f"{url}: {key} is a file of {size:,} bytes; at most {MAX_FILE_BYTES:,} are read as one")
