"""Several datasets, of any formats, as one."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from trajloom.edit.columns import known
from trajloom.edit.episodes import PART, listing, own_rest
from trajloom.edit.union import union
from trajloom.edit.view import Arranged, PartView, edited
from trajloom.errors import SettingsError
from trajloom.formats import Part, Source
from trajloom.schema import TRIES, Column, Header
from trajloom.tables import Array, rows_where, to_arrow, to_numpy


def merge(sources: Sequence[Source]) -> Source:
    """Put datasets one after the other.

    * Columns are those of all; an episode of a dataset that lacks one has nulls there.
    * Episodes are numbered anew, 0, 1, ...; where a dataset has `attempts`, its episodes keep their distance, so that
      an episode's number is still that of its attempt, and attempts are numbered on from those before.
    * Names are kept where no two episodes have the same. Otherwise every episode is named after its new number,
      "demo_7", for that is what robomimic reads.
    * Splits, models, lineage and `sources` are those of all; each of the `sources` says in `episodes` which episodes
      it belongs to, as [first, one after the last].
    * `env_args`, attributes and `rest` of the files themselves are those of the first dataset that has them; where
      another differs, a warning of the header says so.
    * Where some do not say their control rate, neither does the result, and each step keeps the time that it had.

    Raises:
        SchemaError: Two datasets have different columns under one name (element type, shape, unit, frame, ...).
        SettingsError: They have different control rates, or there is no dataset.
    """
    sources = tuple(sources)
    if not sources:
        raise SettingsError("there is nothing to merge; give two datasets or more")
    if len(sources) == 1:
        return sources[0]
    called = _called(sources)
    there = [listing(source) for source in sources]
    empty = [name for name, rows in zip(called, there, strict=True) if not rows.height]
    header = union([source.header for source in sources], called, empty)
    numbers = _numbers(sources, there)
    names = pl.concat([rows["name"] for rows in there])
    clash = bool(names.is_duplicated().any())
    leads, differ = _own_rest(sources, called)
    header = header.with_(sources=_sources(sources, there, numbers))
    header = edited(header, *differ) if differ else header
    pieces: list[Part] = []
    for source, rows, shift in zip(sources, there, numbers, strict=True):
        pieces += _pieces(source, rows, shift, header, clash)
    if pieces:
        first = pieces[0]
        assert isinstance(first, MergedPart)
        pieces[0] = replace(first, leads=leads)
    return Arranged(sources, header, tuple(pieces))


def _called(sources: Sequence[Source]) -> list[str]:
    """What each dataset is called in errors and warnings, no two alike."""
    paths = [getattr(source, "path", None) for source in sources]
    numbered = [f"dataset {number}" for number in range(1, len(paths) + 1)]
    return [
        number if path is None else f"{path} ({number})" if paths.count(path) > 1 else str(path)
        for path, number in zip(paths, numbered, strict=True)
    ]


# ---- numbers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """How the episodes and attempts of a dataset are numbered anew."""

    first: int
    """Number of its first."""
    old: Array
    """`episode_index` of each episode, rising."""
    ledger: bool
    """Whether it has attempts, so that its episodes keep their distance."""

    @property
    def new(self) -> Array:
        """Of each episode."""
        return self.first + (self.old if self.ledger else np.arange(len(self.old)))

    def of(self, old: Array) -> Array:
        """The new numbers of some episodes."""
        return self.first + (old if self.ledger else np.searchsorted(self.old, old))


def _numbers(sources: Sequence[Source], there: Sequence[pl.DataFrame]) -> list[Numbers]:
    numbers, first = [], 0
    for source, rows in zip(sources, there, strict=True):
        old = rows["episode_index"].to_numpy()
        last = max((pc.max(attempts).as_py() or 0 for attempts in _attempts(source) if len(attempts)), default=None)
        numbers.append(Numbers(first, old, last is not None))
        most = len(old) - 1 if last is None else max(last, int(old.max(initial=0)))
        first += most + 1
    return numbers


def _attempts(source: Source) -> Iterator[pa.ChunkedArray]:
    return (part.attempts().column("attempt") for part in source.parts())


def _sources(
    sources: Sequence[Source], there: Sequence[pl.DataFrame], numbers: Sequence[Numbers]
) -> tuple[Mapping[str, Any], ...]:
    """Where the data came from, each with the range of episodes that came from there."""
    found = []
    for source, rows, shift in zip(sources, there, numbers, strict=True):
        last = int(rows["episode_index"].max() or 0)  # type: ignore[arg-type]
        for entry in source.header.sources:
            first, end = entry.get("episode_range", (0, last + 1))
            bounds = [int(n) for n in shift.of(np.array([first, end]))]
            found.append({**entry, "episode_range": bounds})
    return tuple(found)


# ---- what belongs to the files themselves ----------------------------------------------------------------------


def _own_rest(
    sources: Sequence[Source], called: Sequence[str]
) -> tuple[tuple[tuple[Part, frozenset[str]], ...], list[str]]:
    """The parts whose own rows of `rest` come with the merged first part, each with the paths to leave out."""
    seen: dict[str, bytes] = {}
    leads, notes = [], []
    for source, name in zip(sources, called, strict=True):
        first = next(iter(source.parts()), None)
        found = {} if first is None else _hashes(first)
        differ = sorted(path for path, content in found.items() if seen.get(path, content) != content)
        if differ:
            notes.append(f"{name} has another {', '.join(differ)} than a dataset before it, which is kept")
        if first is not None and set(found) - set(seen):
            leads.append((first, frozenset(found) & frozenset(seen)))
        seen = {**found, **seen}
    return tuple(leads), notes


def _hashes(part: Part) -> dict[str, bytes]:
    """Path of an array of the file itself -> a hash of all that is in `rest` of it."""
    found: dict[str, Any] = {}
    for batch in own_rest(part):
        for row in batch.to_pylist():
            digest = found.setdefault(row["path"], hashlib.sha256())
            digest.update(repr([row["dtype"], row["shape"], row["attrs"]]).encode() + (row["bytes"] or b""))
    return {path: digest.digest() for path, digest in found.items()}


# ---- parts -----------------------------------------------------------------------------------------------------


def _pieces(source: Source, there: pl.DataFrame, shift: Numbers, header: Header, rename: bool) -> Iterator[Part]:
    before = {column.name: column for column in (*source.header.steps, *source.header.episodes)}
    names = frozenset(source.header.steps_schema.names)
    for number, part in enumerate(source.parts()):
        old = there.filter(pl.col(PART) == number)["episode_index"].to_numpy()
        yield MergedPart(part, header, before, names, old, shift.of(old), shift.first, rename)


@dataclass(frozen=True)
class MergedPart(PartView):
    """A part of one of the datasets, in the schema and with the numbers of all."""

    header: Header
    before: Mapping[str, Column]
    """The data columns that it has, as they are there."""
    names: frozenset[str]
    """All columns of steps that it has."""
    old: Array
    """`episode_index` of its episodes, rising."""
    new: Array
    shift: int
    """What is added to the numbers of attempts."""
    rename: bool
    """Whether episodes are named after their numbers."""
    leads: tuple[tuple[Part, frozenset[str]], ...] = ()
    """Parts whose rows of `rest` that are the file's own come with this one, but for those of some paths."""

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        schema = self.header.steps_schema
        schema = schema if columns is None else pa.schema([schema.field(name) for name in known(columns, schema)])
        after = {column.name: column for column in self.header.steps}
        asked = [name for name in dict.fromkeys([*schema.names, "episode_index"]) if name in self.names]
        for batch in self.part.steps(asked):
            arrays = [self._column(batch, field, after.get(field.name)) for field in schema]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def episodes(self) -> pa.Table:
        schema, table = self.header.episodes_schema, self.part.episodes()
        after = {column.name: column for column in self.header.episodes}
        batches = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
        arrays = [self._column(batches[0], field, after.get(field.name)) for field in schema]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _column(self, rows: pa.RecordBatch, field: pa.Field, after: Column | None) -> pa.Array:
        if field.name == "episode_index":
            return pa.array(self._numbers(rows.column("episode_index")), pa.int64())
        if field.name == "name" and after is None and self.rename:
            return pa.array([f"demo_{n}" for n in self._numbers(rows.column("episode_index"))], pa.string())
        if field.name not in rows.schema.names:
            return pa.nulls(rows.num_rows, field.type)
        values = rows.column(field.name)
        return values if after is None else recast(values, self.before[field.name], after)

    def _numbers(self, old: pa.Array) -> Array:
        return self.new[np.searchsorted(self.old, old.to_numpy(zero_copy_only=False))]

    def attempts(self) -> pa.Table:
        table = self.part.attempts()
        if self.header.tries and TRIES.name not in table.column_names:
            table = table.append_column(TRIES, pa.array([[]] * len(table), TRIES.type))
        number = pc.add(table.column("attempt"), self.shift)
        return table.set_column(0, table.schema.field("attempt"), number)

    def rest(self) -> Iterator[pa.RecordBatch]:
        for part, without in self.leads:
            yield from own_rest(part, without)
        for batch in self.part.rest():
            owned = rows_where(batch, batch.column("episode_index").is_valid().to_numpy(zero_copy_only=False))
            if owned.num_rows:
                numbers = pa.array(self._numbers(owned.column("episode_index")), pa.int64())
                yield owned.set_column(0, owned.schema.field("episode_index"), numbers)


def recast(values: pa.Array, before: Column, after: Column) -> pa.Array:
    """A column's values as the same column keeps them where it is nullable."""
    if before.arrow_type == after.arrow_type:
        return values
    return to_arrow(to_numpy(values, before), after)
