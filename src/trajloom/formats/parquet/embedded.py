"""Files of ours inside a Parquet file: between its rows and its footer, where no reader of Parquet looks.

The file's key-value metadata has the key `trajloom`: JSON that says where each of them begins and how long it is. Other
tools that write the file anew may keep that key without the bytes, so each is checked by its hash.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from trajloom.folder import Folder
from trajloom.formats.parquet.files import OURS

VERSION = 1
CHECKED_BYTES = 1 << 16
"""How much of the beginning of each file its hash covers."""


def append(sink: pa.NativeFile, folder: Path) -> dict[str, list[Any]]:
    """Write the files of a folder into a file that is being written; name -> [begin, size, hash of its beginning]."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        begin = sink.tell()
        with path.open("rb") as file:
            sha = hashlib.sha256(file.read(CHECKED_BYTES)).hexdigest()
            file.seek(0)
            shutil.copyfileobj(file, sink, 1 << 20)
        found[path.relative_to(folder).as_posix()] = [begin, path.stat().st_size, sha]
    return found


@dataclass(frozen=True)
class EmbeddedShelf:
    """The files inside of a Parquet file. Implements `_aside.Shelf`."""

    url: str
    files: Mapping[str, tuple[int, int, str]]

    def names(self) -> Sequence[str]:
        return list(self.files)

    def open(self, name: str) -> Any:
        begin, size, _ = self.files[name]
        place = Folder(self.url)
        return Window(place, begin, size)


class Window(io.RawIOBase):
    """A range of a file, as a file."""

    def __init__(self, place: Folder, begin: int, size: int):
        self._place = place  # a file system closes its files when nothing holds it
        self._file: Any = place.fs.open(place.root, "rb")
        self._begin, self._size, self._at = begin, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._begin + self._at)
        data = self._file.read(wanted)
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def said(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What a file of ours says about itself; empty where it is none, or of a version that we do not know."""
    try:
        about = json.loads(metadata.get(OURS, b"{}"))
    except ValueError:
        return {}
    return about if isinstance(about, dict) and about.get("version") == VERSION else {}


def shelf(url: str, about: Mapping[str, Any]) -> EmbeddedShelf:
    """The files inside of a file; without any where the bytes are not what the file says."""
    files = about.get("files")
    if not isinstance(files, dict) or not files:
        return EmbeddedShelf(url, {})
    found = {str(name): _range(entry) for name, entry in files.items()}
    whole = EmbeddedShelf(url, {name: entry for name, entry in found.items() if entry is not None})
    return whole if len(whole.files) == len(files) and _is_there(whole) else EmbeddedShelf(url, {})


def _range(entry: Any) -> tuple[int, int, str] | None:
    if not isinstance(entry, list) or len(entry) != 3 or not all(type(n) is int and n >= 0 for n in entry[:2]):
        return None
    return entry[0], entry[1], str(entry[2])


def _is_there(whole: EmbeddedShelf) -> bool:
    for name, (_, size, sha) in whole.files.items():
        with whole.open(name) as file:
            data = file.read(CHECKED_BYTES)
        if len(data) != min(size, CHECKED_BYTES) or hashlib.sha256(data).hexdigest() != sha:
            return False
    return True
