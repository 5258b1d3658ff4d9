"""Where the files that are kept aside lie."""

from collections.abc import Sequence
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
