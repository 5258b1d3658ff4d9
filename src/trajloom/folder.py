"""Where a dataset lies: a folder on disk or at any fsspec URL, and how a file appears in it whole or not at all."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from trajloom.reopened import Reopened


@dataclass(frozen=True)
class Folder(Reopened):
    """A folder, by path or fsspec URL. It goes to other processes as its URL alone."""

    url: str

    @cached_property
    def _resolved(self) -> tuple[AbstractFileSystem, str]:
        fs, root = url_to_fs(os.fspath(self.url))
        # the top of an archive is "", that of a disk "/"
        return fs, root.rstrip("/") or root[:1]

    @property
    def fs(self) -> AbstractFileSystem:
        return self._resolved[0]

    @property
    def root(self) -> str:
        """Its path inside the file system."""
        return self._resolved[1]

    @property
    def local(self) -> bool:
        """Whether it lies on this machine's disk, where a rename publishes a file at once."""
        protocol = self.fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def at(self, *names: str) -> str:
        """Path of something in it, for `fs` and, on disk, for anything else."""
        return "/".join([self.root.rstrip("/"), *names] if self.root else names)

    def exists(self, *names: str) -> bool:
        return self.fs.exists(self.at(*names))

    def names(self, *names: str) -> list[str]:
        """Names of what lies in it or in a folder of it; none where that folder is not there."""
        where = self.at(*names)
        self.fs.invalidate_cache(where)
        try:
            found = self.fs.ls(where, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found)

    def open(self, *names: str) -> Any:
        """A file to read from; Arrow reads those on disk itself."""
        where = self.at(*names)
        return pa.OSFile(where) if self.local else self.fs.open(where, "rb")

    def read(self, *names: str) -> bytes:
        return bytes(self.fs.cat_file(self.at(*names)))  # pyright: ignore[reportArgumentType]

    def read_many(self, folder: str, names: Sequence[str]) -> dict[str, bytes]:
        """Name -> content of files of one folder; at a URL they come at the same time."""
        paths = {self.at(folder, name): name for name in names}
        if not paths:
            return {}
        if self.local:
            return {name: self.read(folder, name) for name in names}
        found: Any = self.fs.cat(list(paths))
        # a list of one path gives its bytes bare
        return {paths[p]: d for p, d in found.items()} if isinstance(found, dict) else {names[0]: found}

    def put(self, data: bytes, *names: str) -> None:
        """Write a small file: a reader sees the old one or the new one, never a half."""
        target = self.at(*names)
        if not self.local:
            self.fs.pipe_file(target, data)
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        draft = Path(f"{target}.{uuid.uuid4().hex}.tmp")
        draft.write_bytes(data)
        draft.replace(target)

    def put_json(self, values: Mapping[str, Any], *names: str) -> None:
        self.put((json.dumps(values, indent=1) + "\n").encode(), *names)

    def publish(self, staged: Path, *names: str) -> None:
        """Move a finished file from this machine's disk to its place."""
        target = self.at(*names)
        if self.local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
        else:
            self.fs.put_file(str(staged), target)
            staged.unlink()

    def remove(self, *names: str) -> None:
        """Delete a file; nothing happens where it is gone."""
        with suppress(FileNotFoundError):
            self.fs.rm_file(self.at(*names))

    def remove_all(self, *names: str) -> None:
        """Delete a file or a folder and what is in it; nothing happens where it is gone."""
        where = self.at(*names)
        if self.local and os.path.isdir(where) and not os.path.islink(where):
            shutil.rmtree(where, ignore_errors=True)
        elif self.local:
            Path(where).unlink(missing_ok=True)
        elif self.fs.exists(where):
            self.fs.rm(where, recursive=True)


def same_place(one: str, other: str) -> bool:
    """Whether two paths or URLs are one place, or one lies inside the other."""
    a, b = Folder(os.fspath(one)), Folder(os.fspath(other))
    if a.local != b.local or (not a.local and a.fs != b.fs):
        return False
    first, second = (os.path.realpath(f.root) if f.local else f.root for f in (a, b))
    return first == second or first.startswith(second + "/") or second.startswith(first + "/")
