"""From whatever a loader is given to packed records: found in the cache, or made.

What is in the cache is opened without `trajloom.dataset`, whose import takes longer than all else here.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from trajloom import store
from trajloom.errors import SettingsError
from trajloom.folder import Folder
from trajloom.formats import Source
from trajloom.load import identity
from trajloom.load.groups import Dtype, Packed, grouped
from trajloom.load.names import chosen
from trajloom.load.packing import pack
from trajloom.load.place import packed_folder, read_about
from trajloom.load.records import Records, open_records
from trajloom.schema import Column, Header
from trajloom.store import NATIVE, StoredDataset

if TYPE_CHECKING:
    from trajloom.dataset import Dataset

Data: TypeAlias = "str | os.PathLike[str] | Dataset"
Columns = str | Iterable[str] | None


@dataclass(frozen=True)
class Found:
    """A dataset that was looked at: its header, and where in the cache its packed records belong."""

    header: Header
    of: str
    """What it is called, for people."""
    folder_of: Callable[[Sequence[str]], Path]
    """Columns -> the folder of their packed records."""
    opened: Callable[[], Source]
    """Opens it, to read its rows."""

    def packed(self, columns: Columns, dtype: Dtype, images: Packed) -> "Opened":
        """Open its packed records, made now if they are not in the cache."""
        wanted = chosen(self.header, columns)
        groups = grouped(wanted, dtype, images)
        folder = self.folder_of([column.name for column in wanted])
        pack(folder, self.of, groups, self.opened)
        return Opened(open_records(folder, groups), self.header, tuple(wanted), self.of)


@dataclass(frozen=True)
class Opened:
    """Packed records with what is known of them."""

    records: Records
    header: Header
    columns: tuple[Column, ...]
    """Those that were chosen, as the source has them."""
    of: str


def find(data: "Data | Found", cache: str | os.PathLike[str] | None, options: Mapping[str, Any]) -> Found:
    """Look at a dataset; one of another format whose packed records are there is not opened.

    Args:
        data: A path or URL of any format, or a `Dataset`. One that was changed in memory has no place that could tell
            it apart, so that its columns are read once more each time.
        cache: The cache folder; None is the user's.
        options: How `read` is to read a path.
    """
    if isinstance(data, Found):
        return data
    folder = packed_folder(cache)
    if not isinstance(data, str | os.PathLike):
        if not hasattr(data, "source"):
            raise SettingsError(f"data must be a path, a URL or a Dataset, got {data!r}")
        if options:
            raise SettingsError(f"a Dataset is read already; {', '.join(options)} belong to a path")
        return _source(data.source, folder)
    path = os.fspath(data)
    native = options.get("format", NATIVE) == NATIVE and store.is_store(path)
    if native and not options:
        return _source(store.open_store(path), folder)
    key = None if native else identity.of_files(path, options)
    # where there is nothing, reading says so
    return _source(_read(path, options), folder) if key is None else _files(path, folder / key, options)


def _source(source: Source, folder: Path) -> Found:
    if isinstance(source, StoredDataset):
        key = identity.of_store(source)
        return Found(source.header, _place(source.path), lambda _: folder / key, lambda: source)
    return Found(source.header, "in memory", lambda names: folder / identity.of_content(source, names), lambda: source)


def _files(path: str, folder: Path, options: Mapping[str, Any]) -> Found:
    about = read_about(folder)
    if about is not None:
        header = Header.from_json(about["header"], str(folder))
        return Found(header, _place(path), lambda _: folder, partial(_read, path, options))
    source = _read(path, options)
    return Found(source.header, _place(path), lambda _: folder, lambda: source)


def _read(path: str, options: Mapping[str, Any]) -> Source:
    from trajloom.dataset import read

    return read(path, **options).source


def _place(path: str) -> str:
    """The path or URL for people, wherever they stand."""
    return os.path.abspath(path) if Folder(path).local else path
