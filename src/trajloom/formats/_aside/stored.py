"""Reading the files that were kept aside."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, TrajloomError
from trajloom.formats._aside.shelf import Shelf
from trajloom.formats._aside.writer import TIMES, VERSION
from trajloom.schema import REST, Header, check
from trajloom.tables import Array

UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError)
MAX_JSON_BYTES = 256 << 20


@dataclass(frozen=True)
class Stored:
    """What was kept aside, without its tables."""

    shelf: Shelf
    where: str
    """The dataset, for messages."""
    files: frozenset[str]
    format: str
    header: Header
    columns: Mapping[str, str]
    episode_columns: Mapping[str, str]
    copies: frozenset[str]
    nulls: Mapping[str, Array]
    """Column -> (n, 2) ranges of rows (of `steps`, or of `episodes`) in which it is null."""
    nowhere: frozenset[str] = frozenset()
    """Columns that are null everywhere, for which the format may have nothing at all."""

    def episodes_schema(self) -> pa.Schema:
        """Own columns, and data columns that the format does not hold."""
        return pa.schema([f for f in self.header.episodes_schema if f.name not in self.episode_columns])

    def episodes(self) -> pa.Table:
        """All rows of `episodes`."""
        return pa.Table.from_batches(
            self.batches("episodes.parquet", self.episodes_schema()), schema=self.episodes_schema()
        )

    def attempts(self) -> pa.Table:
        """All rows of `attempts`."""
        schema = self.header.attempts_schema
        if "attempts.parquet" not in self.files:
            return schema.empty_table()
        return pa.Table.from_batches(self.batches("attempts.parquet", schema), schema=schema)

    def rest(self, first: int, last: int, with_file: bool) -> Iterator[pa.RecordBatch]:
        """Rows of `rest` of episodes `first` to `last` and, on request, of the file itself."""
        if "rest.parquet" not in self.files:
            return
        for batch in self._rest_groups(first, last):
            index = batch.column("episode_index")
            numbers = index.fill_null(-1).to_numpy(zero_copy_only=False)
            keep = (numbers >= first) & (numbers <= last) & index.is_valid().to_numpy(zero_copy_only=False)
            keep |= index.is_null().to_numpy(zero_copy_only=False) & with_file
            if keep.any():
                yield batch.filter(pa.array(keep))

    def _rest_groups(self, first: int, last: int) -> Iterator[pa.RecordBatch]:
        """The row groups of `rest` that may have rows of some episodes, or of the file itself."""
        start = 0
        for rows, low, high in self._rest_bounds:
            if low < 0 or (low <= last and high >= first):
                yield from self.batches("rest.parquet", REST, rows=(start, start + rows))
            start += rows

    @cached_property
    def _rest_bounds(self) -> list[tuple[int, int, int]]:
        """(rows, lowest episode, highest episode) of each row group of `rest`; -1 for the file itself.

        Statistics would say so too, but damaged ones make pyarrow end the process.
        """
        index = self.batches("rest.parquet", REST, ["episode_index"])
        numbers = (batch.column(0).fill_null(-1).to_numpy(zero_copy_only=False) for batch in index)
        return [(len(found), int(found.min()), int(found.max())) for found in numbers]

    def kept(self) -> list[str]:
        """Columns of `steps` that are kept aside whole."""
        own = ("episode_index", "frame_index", "timestamp")
        return [f.name for f in self.header.steps_schema if f.name not in own and f.name not in self.columns]

    def steps(self, names: Sequence[str], start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """Rows [start, stop) of columns that are kept aside."""
        schema = pa.schema([self.header.steps_schema.field(name) for name in self.kept()])
        yield from self.batches("steps.parquet", schema, names, (start, stop))

    def times(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        """Rows [start, stop) of `timestamp`, where they were kept."""
        yield from self.batches("times.parquet", TIMES, rows=(start, stop))

    def batches(
        self,
        name: str,
        schema: pa.Schema,
        columns: Sequence[str] | None = None,
        rows: tuple[int, int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a file, a batch or more a row group: some columns, some rows."""
        try:
            with self.shelf.open(name) as data:
                file = pq.ParquetFile(data)
                check(file.schema_arrow.empty_table(), schema, f"{self.where}: {name}")
                yield from _read(file, list(columns or schema.names), rows)
        except TrajloomError:
            raise
        except UNREADABLE as error:
            raise DamagedFileError(f"{self.where}: {name}, kept aside, cannot be read: {error}") from error

    def models(self) -> Mapping[str, str]:
        """Names of the models' files by hash."""
        names = [name for name in self.files if name.startswith("models/") and name.endswith(".xml")]
        return {name.removeprefix("models/").removesuffix(".xml"): name for name in names}


def _read(file: pq.ParquetFile, columns: list[str], rows: tuple[int, int] | None) -> Iterator[pa.RecordBatch]:
    first = 0
    for number in range(file.num_row_groups):
        count = file.metadata.row_group(number).num_rows
        start, stop = (0, count) if rows is None else (max(rows[0] - first, 0), min(rows[1] - first, count))
        first += count
        if start >= stop:
            continue
        table = file.read_row_group(number, columns=columns).select(columns).combine_chunks()
        table.validate(full=True)
        yield from table.slice(start, stop - start).to_batches()


def load(shelf: Shelf, where: str) -> Stored | None:
    """What lies on a shelf, or None where nothing was kept aside.

    Raises:
        DamagedFileError: Something was, and cannot be read.
    """
    files = frozenset(shelf.names())
    if "aside.json" not in files:
        return None
    try:
        with shelf.open("aside.json") as file:
            about = json.loads(file.read(MAX_JSON_BYTES))
        if about["version"] != VERSION:
            raise ValueError(f"version {about['version']}, where {VERSION} is known")
        nulls = {name: np.array(runs, dtype=np.int64).reshape(-1, 2) for name, runs in about["nulls"].items()}
        return Stored(
            shelf=shelf,
            where=where,
            files=files,
            format=str(about["format"]),
            header=Header.from_json(about["header"], f"{where}: aside.json"),
            columns=dict(about["columns"]),
            episode_columns=dict(about["episode_columns"]),
            copies=frozenset(about["copies"]),
            nulls=nulls,
            nowhere=frozenset(about.get("nowhere", ())),
        )
    except UNREADABLE as error:
        raise DamagedFileError(f"{where}: what was kept aside cannot be read (aside.json: {error})") from error
