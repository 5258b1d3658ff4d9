"""From whatever a loader is given to packed records: found in the cache, or made."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trajloom import store
from trajloom.dataset import NATIVE, Dataset, read
from trajloom.errors import SettingsError
from trajloom.folder import Folder
from trajloom.load import identity
from trajloom.load.groups import Dtype, grouped
from trajloom.load.names import chosen
from trajloom.load.packing import pack
from trajloom.load.place import packed_folder, read_about
from trajloom.load.records import Records, open_records
from trajloom.schema import Column, Header
from trajloom.store import StoredDataset

Data = str | os.PathLike[str] | Dataset
Columns = str | Iterable[str] | None


@dataclass(frozen=True)
class Found:
    """A dataset that was looked at: its header, and where in the cache its packed records belong."""

    header: Header
    of: str
    """What it is called, for people."""
    folder_of: Callable[[Sequence[str]], Path]
    """Columns -> the folder of their packed records."""
    opened: Callable[[], Dataset]
    """Opens it, to read its rows."""

    def packed(self, columns: Columns, dtype: Dtype) -> "Opened":
        """Open its packed records, made now if they are not in the cache."""
        wanted = chosen(self.header, columns)
        groups = grouped(wanted, dtype)
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


def find(data: Data | Found, cache: str | os.PathLike[str] | None, options: Mapping[str, Any]) -> Found:
    """Look at a dataset; one of another format whose packed records are there is not opened.

    Args:
        data: A path or URL of any format, or a `Dataset`. One that was changed in memory has no place that could tell
            it apart, so that its columns are read once more each time.
        cache: The cache folder; None is the user's.
        options: How `read` is to read a path.
    """
    if isinstance(data, Found):
        return data
    if isinstance(data, Dataset):
        if options:
            raise SettingsError(f"a Dataset is read already; {', '.join(options)} belong to a path")
        return _dataset(data, cache)
    path = os.fspath(data)
    native = options.get("format", NATIVE) == NATIVE and store.is_store(path)
    key = None if native else identity.of_files(path, options)
    # where there is nothing, reading says so
    return _dataset(read(path, **options), cache) if key is None else _files(path, key, cache, options)


def _dataset(dataset: Dataset, cache: str | os.PathLike[str] | None) -> Found:
    source, folder = dataset.source, packed_folder(cache)
    if isinstance(source, StoredDataset):
        key = identity.of_store(source)
        return Found(dataset.header, _place(source.path), lambda _: folder / key, lambda: dataset)
    return Found(
        dataset.header, "in memory", lambda names: folder / identity.of_content(dataset, names), lambda: dataset
    )


def _files(path: str, key: str, cache: str | os.PathLike[str] | None, options: Mapping[str, Any]) -> Found:
    folder = packed_folder(cache) / key
    about = read_about(folder)
    if about is not None:
        header = Header.from_json(about["header"], str(folder))
        return Found(header, _place(path), lambda _: folder, lambda: read(path, **options))
    dataset = read(path, **options)
    return Found(dataset.header, _place(path), lambda _: folder, lambda: dataset)


def _place(path: str) -> str:
    """The path or URL for people, wherever they stand."""
    return os.path.abspath(path) if Folder(path).local else path
