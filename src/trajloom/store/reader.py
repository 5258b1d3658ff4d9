"""Reading a dataset: what its commits list, without the attempts that the header hides."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, LayoutError, SchemaError, TrajloomError
from trajloom.folder import Folder
from trajloom.schema import Header, check
from trajloom.store.commits import HEADER, MODELS, Commit, file_name, read_commits
from trajloom.tables import rows_where

BATCH_BYTES = 8 << 20
"""Uncompressed size of the batches that steps are read in."""
UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, OverflowError, EOFError)
"""What Arrow raises on a damaged file."""
AHEAD_GROUPS = 4
"""Row groups of a file at a URL that are fetched together."""
NATIVE = "trajloom"
"""The name of our own format, beside those of `formats`."""
INDEX_OF = {"steps": "episode_index", "episodes": "episode_index", "attempts": "attempt", "rest": "episode_index"}
"""The column that says which attempt a row belongs to."""


def is_store(path: str) -> bool:
    """Whether a path or URL holds a dataset of ours, by looking at its header."""
    return is_dataset(Folder(os.fspath(path)))


def is_dataset(folder: Folder) -> bool:
    try:
        values = json.loads(folder.read(HEADER))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and values.get("format") == NATIVE


def read_header(path: str) -> Header:
    """The header of a dataset; LayoutError where there is none."""
    folder = Folder(os.fspath(path))
    try:
        data = folder.read(HEADER)
    except OSError as error:
        found = ", ".join(folder.names()[:5]) or "nothing"
        raise LayoutError(f"{path} is no dataset of ours: expected {HEADER}, found {found}") from error
    try:
        values = json.loads(data)
    except ValueError as error:
        raise DamagedFileError(f"{path}: {HEADER} is no JSON: {error}") from error
    return Header.from_json(values, f"{path}: {HEADER}")


def open_store(path: str) -> "StoredDataset":
    """Open a dataset as it is now: parts committed later are seen by those who open it later."""
    return StoredDataset(path, read_header(path))


class StoredDataset:
    """A dataset in a folder or at a URL. Implements `formats.Source`."""

    def __init__(self, path: str, header: Header):
        self.folder, self.header = Folder(os.fspath(path)), header

    @property
    def path(self) -> str:
        return self.folder.url

    @cached_property
    def commits(self) -> tuple[Commit, ...]:
        """Of the parts that have anything to show, in the order of their rows."""
        end = self.header.attempts_end
        return tuple(c for c in read_commits(self.folder) if end is None or c.first is None or c.first < end)

    def parts(self) -> Sequence["StoredPart"]:
        return [StoredPart(self.folder, self.header, commit) for commit in self.commits]

    def models(self) -> Mapping[str, str]:
        return Models(self.folder)

    def files(self, table: str) -> list[str]:
        """Paths of a table's files, inside the folder's file system."""
        return [self.folder.at(table, file_name(c.part)) for c in self.commits if table in c.tables]

    def hides(self) -> bool:
        """Whether its files hold rows that the header hides."""
        end = self.header.attempts_end
        return end is not None and any(commit.last >= end for commit in self.commits)


@dataclass(frozen=True)
class StoredPart:
    """One part of a stored dataset. Implements `formats.Part`."""

    folder: Folder
    header: Header
    commit: Commit

    @property
    def num_episodes(self) -> int:
        return self._visible[0]

    @property
    def num_steps(self) -> int:
        return self._visible[1]

    @property
    def _visible(self) -> tuple[int, int]:
        end = self.header.attempts_end
        if end is None or self.commit.last < end:
            return self.commit.rows("episodes"), self.commit.rows("steps")
        lengths = self.table("episodes", ["length"]).column("length").to_pylist()
        return len(lengths), sum(lengths)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return self._batches("steps", columns)

    def may_hold(self, episode_index: int) -> bool:
        """Whether an episode's number lies between those of the part's first and last."""
        bounds = self.commit.episodes
        return bounds is not None and bounds[0] <= episode_index <= bounds[1]

    def steps_of(self, episode_index: int, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Steps of one episode; row groups that do not hold it are not read."""
        return self._batches("steps", columns, only=episode_index)

    def episodes(self) -> pa.Table:
        return self.table("episodes")

    def attempts(self) -> pa.Table:
        return self.table("attempts")

    def rest(self) -> Iterator[pa.RecordBatch]:
        return self._batches("rest")

    def table(self, table: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole table of the part, or some columns of it."""
        schema = self.header.schema_of(table)
        wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
        return pa.Table.from_batches(self._batches(table, columns), schema=wanted)

    def _batches(
        self, table: str, columns: Sequence[str] | None = None, only: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a table, in batches, without those that are hidden and, with `only`, of one episode alone."""
        schema = self.header.schema_of(table)
        wanted = list(schema.names) if columns is None else _known(columns, schema, table)
        if table not in self.commit.tables:
            return
        need = list(dict.fromkeys([*wanted, INDEX_OF[table]])) if self._cuts(only) else wanted
        try:
            yield from self._read(table, schema, wanted, need, only)
        except TrajloomError:
            raise
        except UNREADABLE as error:
            raise DamagedFileError(f"{self._name(table)} (part {self.commit.part}) cannot be read: {error}") from error

    def _read(
        self, table: str, schema: pa.Schema, wanted: list[str], need: list[str], only: int | None
    ) -> Iterator[pa.RecordBatch]:
        with self.folder.open(table, file_name(self.commit.part)) as data:
            # fetching row groups ahead pays at a URL; on a disk it would hold far more than a batch in memory
            file = pq.ParquetFile(data, pre_buffer=not self.folder.local)
            check(file.schema_arrow.empty_table(), schema, self._name(table))
            rows = file.metadata.num_rows
            if rows != self.commit.rows(table):
                raise DamagedFileError(
                    f"{self._name(table)} has {rows} rows; its commit says {self.commit.rows(table)}"
                )
            groups = range(file.num_row_groups) if only is None else _groups_with(file, self._rows_of(only))
            for batch in _batches_of(file, groups, need):
                kept = self._visible_rows(batch, INDEX_OF[table], only) if self._cuts(only) else batch
                if kept.num_rows:
                    yield kept.select(wanted)

    def _rows_of(self, episode_index: int) -> tuple[int, int]:
        """The rows [start, stop) of `steps` that are an episode's; those of attempts that the header hides count."""
        everything = replace(self, header=self.header.with_(attempts_end=None))
        episodes = everything.table("episodes", ["episode_index", "length"])
        index, length = (column.to_numpy() for column in episodes.columns)
        before = int(length[: np.argmax(index == episode_index)].sum()) if (index == episode_index).any() else 0
        return before, before + int(length[index == episode_index].sum())

    def _cuts(self, only: int | None) -> bool:
        """Whether some of the part's rows are to be left out."""
        end = self.header.attempts_end
        return only is not None or (end is not None and self.commit.last >= end)

    def _visible_rows(self, batch: pa.RecordBatch, index: str, only: int | None) -> pa.RecordBatch:
        numbers = batch.column(index).fill_null(-1).to_numpy(zero_copy_only=False)
        end = self.header.attempts_end
        keep = np.ones(len(numbers), dtype=bool) if end is None else numbers < end
        if only is not None:
            keep &= numbers == only
        return rows_where(batch, keep)

    def _name(self, table: str) -> str:
        return f"{self.folder.url}: {table}/{file_name(self.commit.part)}"


def _known(columns: Sequence[str], schema: pa.Schema, table: str) -> list[str]:
    unknown = [name for name in columns if name not in schema.names]
    if unknown:
        raise SchemaError(f"no columns {', '.join(unknown)} in {table}; there are: {', '.join(schema.names)}")
    return list(columns)


def _batches_of(file: pq.ParquetFile, groups: Sequence[int], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows of some row groups; a few of them at a time, for pyarrow keeps what it fetched until an iterator ends."""
    rows = _batch_rows(file)
    for start in range(0, len(groups), AHEAD_GROUPS):
        some = list(groups[start : start + AHEAD_GROUPS])
        yield from file.iter_batches(rows, row_groups=some, columns=columns)


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows of a batch of BATCH_BYTES; the row groups' sizes say what a row takes."""
    groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
    nbytes, rows = sum(g.total_byte_size for g in groups), sum(g.num_rows for g in groups)
    return int(min(max(BATCH_BYTES * rows // max(nbytes, 1), 1), 1 << 16)) if rows else 1


def _groups_with(file: pq.ParquetFile, rows: tuple[int, int]) -> list[int]:
    """Row groups that hold some of the rows [start, stop).

    Statistics would say where an episode is, but damaged ones make pyarrow end the process.
    """
    counts = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    ends = np.cumsum(counts, dtype=np.int64)
    return [n for n, end in enumerate(ends.tolist()) if end > rows[0] and end - counts[n] < rows[1]]


class Models(Mapping[str, str]):
    """SHA-256 -> model XML, each read when it is asked for."""

    def __init__(self, folder: Folder):
        self._folder = folder

    @cached_property
    def _names(self) -> dict[str, str]:
        return {n.removesuffix(".xml"): n for n in self._folder.names(MODELS) if n.endswith(".xml")}

    def __getitem__(self, sha: str) -> str:
        data = self._folder.read(MODELS, self._names[sha])
        if hashlib.sha256(data).hexdigest() != sha:
            raise DamagedFileError(f"{self._folder.url}: {MODELS}/{sha}.xml is not what its name says")
        return data.decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
