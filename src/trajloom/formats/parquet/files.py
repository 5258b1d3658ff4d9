"""The files of a Parquet dataset: which there are, their footers, and their rows as a stream."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomError
from trajloom.folder import Folder
from trajloom.formats.parquet import thrift

MAGIC = b"PAR1"
SUFFIX = ".parquet"
BATCH_BYTES = 8 << 20
"""Uncompressed size of what is decoded at a time."""
MAX_BATCH_ROWS = 1 << 16
BUFFER_BYTES = 1 << 20
OURS = b"trajloom"
"""Key of the file's metadata under which we say what a file of ours holds."""
UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, OverflowError, MemoryError, EOFError)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn what Arrow raises on a bad file into a DamagedFileError."""
    try:
        yield
    except (TrajloomError, FileNotFoundError):
        raise
    except UNREADABLE as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedFileError(f"{where}: cannot be read: {said[:300]}") from error


@dataclass(frozen=True)
class ParquetOnDisk:
    """One file, by path or fsspec URL."""

    url: str
    name: str
    """Its path in the folder, without the suffix."""
    rows: int
    groups: tuple[int, ...]
    """Rows of each row group."""
    row_bytes: int
    """Mean uncompressed bytes of a row."""


@dataclass(frozen=True)
class Footer:
    """What a file says about itself."""

    file: ParquetOnDisk
    schema: pa.Schema
    """Without metadata of the file."""
    metadata: dict[bytes, bytes]
    """Key-value metadata but for Arrow's own schema."""
    chunks: list[list[thrift.Chunk]]
    """Row group -> values and nulls of each leaf."""


@dataclass(frozen=True)
class Files:
    """Files that follow one another as one table. It can be sent to other processes."""

    files: tuple[ParquetOnDisk, ...]

    @cached_property
    def starts(self) -> Any:
        """(F + 1,) int64. First row of each file, and the number of all rows."""
        return np.cumsum([0, *(file.rows for file in self.files)])

    @property
    def rows(self) -> int:
        return int(self.starts[-1])

    def batches(self, columns: Sequence[str], start: int = 0) -> Iterator[pa.RecordBatch]:
        """Rows from `start` on, some top-level columns, as a stream in bounded memory."""
        for file, first in zip(self.files, self.starts[:-1].tolist(), strict=True):
            if first + file.rows > start:
                yield from _rows_of(file, columns, max(0, start - first))


def _rows_of(file: ParquetOnDisk, columns: Sequence[str], skip: int) -> Iterator[pa.RecordBatch]:
    ends = np.cumsum(file.groups)
    group = int(np.searchsorted(ends, skip, side="right"))
    skip -= int(ends[group - 1]) if group else 0
    expected = sum(file.groups[group:])
    batch_rows = int(min(MAX_BATCH_ROWS, max(1, BATCH_BYTES // max(1, file.row_bytes))))
    seen = 0
    with reading(file.url), opened(file.url) as data:
        parquet = pq.ParquetFile(data, pre_buffer=False, buffer_size=BUFFER_BYTES)
        groups = list(range(group, len(file.groups)))
        for batch in parquet.iter_batches(batch_rows, row_groups=groups, columns=list(columns), use_threads=False):
            if seen + batch.num_rows > skip:
                yield batch.slice(max(0, skip - seen)).select(list(columns))
            seen += batch.num_rows
    if seen != expected:
        raise DamagedFileError(f"{file.url}: {', '.join(columns)}: {seen} of {expected} rows are there")


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A file to read at random."""
    place = Folder(url)
    file = pa.OSFile(place.root) if place.local else place.fs.open(place.root, "rb")
    try:
        yield file
    finally:
        file.close()


def _stem(name: str) -> str:
    return re.sub(r"\.parquet$", "", name, flags=re.IGNORECASE)


def footer(url: str, name: str) -> Footer:
    """Read and check what a file, known by a name in its folder, says about itself.

    Raises:
        DamagedFileError: It is cut short, no Parquet, or its counts contradict each other.
        LayoutError: Two of its columns have one name.
    """
    with reading(url), opened(url) as data:
        file = pq.ParquetFile(data, pre_buffer=False)
        about, schema = file.metadata, file.schema_arrow
        data.seek(0, 2)
        size = data.tell()
        chunks = thrift.chunks(data, size)
    groups = tuple(about.row_group(i).num_rows for i in range(about.num_row_groups))
    if len(chunks) != len(groups) or any(len(group) != about.num_columns for group in chunks):
        raise DamagedFileError(f"{url}: its row groups do not have the columns of its schema")
    if any(n < 0 for n in groups) or sum(groups) != about.num_rows:
        raise DamagedFileError(f"{url}: it says {about.num_rows} rows, and its row groups {sum(groups)}")
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise LayoutError(f"{url}: columns that are there twice: {', '.join(twice)}")
    nbytes = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
    found = ParquetOnDisk(url, name, about.num_rows, groups, max(1, nbytes // max(1, about.num_rows)))
    metadata = {k: v for k, v in (about.metadata or {}).items() if k != b"ARROW:schema"}
    return Footer(found, schema.remove_metadata(), metadata, chunks)


def find(path: str) -> list[tuple[str, str]]:
    """URL and name of the files at a path: itself, or those of a folder in natural order, also of folders in it.

    A name is the path in the folder without the suffix.

    Raises:
        LayoutError: There is none.
        HostileFileError: A link in the folder leads out of it.
    """
    place = Folder(path)
    if place.fs.isfile(place.root):
        return [(path, _stem(path.rstrip("/").rsplit("/", 1)[-1]))]
    names = [name for name in _names(place) if not any(part.startswith((".", "_")) for part in name.split("/"))]
    if not names:
        raise LayoutError(f"{path}: there is no {SUFFIX} file in it")
    return [(_url(path, place, name), _stem(name)) for name in sorted(names, key=natural)]


def _names(place: Folder) -> list[str]:
    found = place.fs.find(place.root)
    names = [file[len(place.root.rstrip("/")) + 1 :] for file in found if file.lower().endswith(SUFFIX)]
    if place.local:
        home = os.path.realpath(place.root)
        for name in names:
            if not os.path.realpath(place.at(name)).startswith(home + os.sep):
                raise HostileFileError(f"{place.url}: {name} is a link that leads out of the folder")
    return names


def _url(path: str, place: Folder, name: str) -> str:
    if place.local or "::" in path:
        return place.at(name) if place.local else _chained(path, name)
    return f"{path.rstrip('/')}/{name}"


def _chained(path: str, name: str) -> str:
    """A file in a folder of a chained URL: `zip://folder::x.zip`."""
    first, rest = path.split("::", 1)
    lead = first if first.endswith("://") else first.rstrip("/") + "/"
    return f"{lead}{name}::{rest}"


def natural(name: str) -> list[Any]:
    """A key to sort by, in which 2 comes before 10."""
    pieces = re.split(r"(\d+)", name)
    return [[(0, int(p), "") if p.isdecimal() else (1, 0, p)] for p in pieces]


def is_parquet(url: str) -> bool:
    """Whether a file begins and ends as Parquet does."""
    place = Folder(url)
    try:
        with place.fs.open(place.root, "rb") as file:
            return file.read(4) == MAGIC
    except (OSError, ValueError):
        return False
