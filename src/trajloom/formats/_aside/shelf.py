"""Where the files that are kept aside lie."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trajloom.folder import Folder

FOLDER = "trajloom"
"""Name of the folder or group in which they lie, in every format."""


class Shelf(Protocol):
    """Files by name; it can be sent to other processes."""

    def names(self) -> Sequence[str]:
        """What there is, such as `aside.json` or `models/<sha256>.xml`; nothing where nothing was kept aside."""
        ...

    def open(self, name: str) -> Any:
        """A file to read, with `read`, `seek`, `tell` and `close`."""
        ...


@dataclass(frozen=True)
class FolderShelf:
    """A folder beside the data, at a path or fsspec URL."""

    url: str
    """Of the dataset; the folder is `trajloom` in it."""

    def names(self) -> Sequence[str]:
        folder = Folder(self.url)
        found = folder.names(FOLDER)
        models = [f"models/{name}" for name in folder.names(FOLDER, "models")] if "models" in found else []
        return [name for name in found if name != "models"] + models

    def open(self, name: str) -> Any:
        folder = Folder(self.url)
        file: Any = folder.fs.open(folder.at(FOLDER, name), "rb")
        # an archive's files close with the last reference to its file system
        file.folder = folder
        return file


class ArrayFile(io.RawIOBase):
    """An array of bytes as a file."""

    def __init__(self, size: int, values: Callable[[int, int], bytes], close: Callable[[], None] | None = None):
        """Make it.

        Args:
            size: Bytes in all.
            values: Gives the bytes [start, stop).
            close: Closes what they are read from.
        """
        super().__init__()
        self._size, self._values, self._close, self._at = size, values, close, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        if stop <= self._at:
            return 0
        data = self._values(self._at, stop)
        buffer[: len(data)] = data
        self._at = stop
        return len(data)

    def close(self) -> None:
        if self._close is not None and not self.closed:
            self._close()
        super().close()
