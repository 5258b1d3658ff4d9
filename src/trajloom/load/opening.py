"""From whatever a loader is given to packed records: found in the cache, or made."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trajloom import store
from trajloom.dataset import NATIVE, Dataset, read
from trajloom.errors import SettingsError
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
class Opened:
    """Packed records with what is known of them."""

    records: Records
    header: Header
    columns: tuple[Column, ...]
    """Those that were chosen, as the source has them."""
    of: str
    """What the dataset is called, for people."""


def open_packed(
    data: Data, columns: Columns, dtype: Dtype, cache: str | os.PathLike[str] | None, options: Mapping[str, Any]
) -> Opened:
    """Open the packed records of a dataset, made now if they are not in the cache.

    Args:
        data: A path or URL of any format, or a `Dataset`. One that was changed in memory has no place that could tell
            it apart, so that its columns are read once more each time.
        columns: Names or patterns of columns; None takes all.
        dtype: Element type of float columns.
        cache: The cache folder; None is the user's.
        options: How `read` is to read a path.
    """
    columns = None if columns is None else [columns] if isinstance(columns, str) else list(columns)
    if isinstance(data, Dataset):
        if options:
            raise SettingsError(f"a Dataset is read already; {', '.join(options)} belong to a path")
        return _of_dataset(data, columns, dtype, cache)
    path = os.fspath(data)
    if options.get("format", NATIVE) == NATIVE and store.is_store(path):
        return _of_dataset(read(path, **options), columns, dtype, cache)
    key = identity.of_files(path, options)
    if key is None:
        # says what is wrong with the path
        return _of_dataset(read(path, **options), columns, dtype, cache)
    folder = packed_folder(cache) / key
    about = read_about(folder)
    opened: Callable[[], Dataset] = partial(read, path, **options)
    if about is not None:
        header = Header.from_json(about["header"], str(folder))
    else:
        dataset = opened()
        header, opened = dataset.header, lambda: dataset
    return _packed(folder, path, header, columns, dtype, opened)


def _of_dataset(dataset: Dataset, columns: Columns, dtype: Dtype, cache: str | os.PathLike[str] | None) -> Opened:
    header = dataset.header
    if isinstance(dataset.source, StoredDataset):
        key = identity.of_store(dataset.source)
    else:
        key = identity.of_content(dataset, [column.name for column in chosen(header, columns)])
    of = dataset.path if isinstance(dataset.source, StoredDataset) else None
    return _packed(packed_folder(cache) / key, of or "in memory", header, columns, dtype, lambda: dataset)


def _packed(
    folder: Path, of: str, header: Header, columns: Columns, dtype: Dtype, opened: Callable[[], Dataset]
) -> Opened:
    found = chosen(header, columns)
    groups = grouped(found, dtype)
    pack(folder, of, groups, opened)
    return Opened(open_records(folder, groups), header, tuple(found), of)
