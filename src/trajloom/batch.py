"""Some whole episodes in memory, column by column: what a vectorised augmentation works on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.formats import Part
from trajloom.schema import Column, Header
from trajloom.tables import Array


@dataclass(frozen=True)
class Batch:
    """E whole episodes with N steps in all. Columns stay in Arrow until someone asks for their array."""

    header: Header
    """Describes the columns of both tables."""
    steps: pa.Table
    """Their N rows of `steps`, episode after episode; in one chunk a column."""
    episodes: pa.Table
    """Their E rows of `episodes`."""
    rest: pa.Table
    """Their rows of `rest`; those of the file itself are with the first batch."""
    models: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 -> model XML, for the episodes' column `model`; read when one is asked for."""

    @classmethod
    def of(cls, part: Part, header: Header, models: Mapping[str, str] | None = None) -> "Batch":
        """All episodes of a part."""
        steps = pa.Table.from_batches(part.steps(), header.steps_schema).combine_chunks()
        rest = pa.Table.from_batches(part.rest(), header.schema_of("rest"))
        return cls(header, steps, part.episodes(), rest, {} if models is None else models)

    @property
    def lengths(self) -> Array:
        """(E,) int64. Steps of each episode."""
        return self.episodes.column("length").to_numpy()

    @cached_property
    def starts(self) -> Array:
        """(E + 1,) int64. Rows of the first step of each episode, and N."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    @cached_property
    def position(self) -> Array:
        """(N,) int64. Each step's episode, counted from 0 in this batch."""
        return np.repeat(np.arange(self.episodes.num_rows), self.lengths)

    @property
    def episode_index(self) -> Array:
        """(E,) int64. Numbers of the episodes."""
        return self.episodes.column("episode_index").to_numpy()

    def has(self, name: str) -> Array:
        """(N,) bool. At which steps a column is there; an episode that lacks it has it nowhere."""
        self.header.column(name)
        return self.steps.column(name).is_valid().to_numpy()

    def array(self, name: str) -> Array:
        """(N, *shape). A data column, read-only; NaN, or 0 where its type has none, at steps without it."""
        column, values = self.header.column(name), self.steps.column(name)
        return tables.filled(values.combine_chunks() if values.null_count else values, column)

    def with_arrays(
        self, arrays: Mapping[str, Array], *new: Column, present: Mapping[str, Array] | None = None
    ) -> "Batch":
        """The batch with other values in some columns.

        Args:
            arrays: Name -> (N, *shape), of the column's element type and shape. Steps without the column stay so.
            new: Columns that are not there yet, or come in place of one of the same name.
            present: Name -> (N,) bool: at which steps a column is to be there, where that changes.

        Raises:
            SchemaError: A column is not there and not among `new`, or the element type is another.
        """
        header = self.header.with_(steps=_replaced(self.header.steps, new))
        steps = self.steps
        for name, values in arrays.items():
            column = header.column(name)
            there = name in steps.column_names
            filled = tables.to_arrow(values, column)
            at_steps = (present or {}).get(name)
            if at_steps is None and there and steps.column(name).null_count:
                at_steps = self.has(name)
            if at_steps is not None:
                filled = filled.take(pa.array(np.arange(len(at_steps)), mask=~at_steps))
            field = pa.field(name, column.arrow_type, nullable=column.nullable)
            at = steps.column_names.index(name) if there else steps.num_columns
            steps = steps.set_column(at, field, filled) if there else steps.append_column(field, filled)
        return replace(self, header=header, steps=steps.select(header.steps_schema.names))

    def under(self, header: Header) -> "Batch":
        """The batch under a header that says other things of it; columns that are not in that are left out."""
        steps, episodes = (
            self.steps.select(header.steps_schema.names),
            self.episodes.select(header.episodes_schema.names),
        )
        return replace(self, header=header, steps=steps, episodes=episodes)

    def take_steps(self, rows: Array) -> "Batch":
        """Some of its steps; the episodes stay, as long as what is left of them.

        Args:
            rows: (N,) bool, or (K,) row numbers: those of an episode together, and episodes in order. A row may come
                more than once.

        Frames are numbered anew. Timestamps are those of the new frames where the control rate is known; else kept.
        Arrays in `rest` with a row for every old step are left out of episodes whose steps changed.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        if np.array_equal(rows, np.arange(self.steps.num_rows)):
            return self
        lengths = np.bincount(self.position[rows], minlength=self.episodes.num_rows).astype(np.int64)
        episodes = _with(self.episodes, "length", pa.array(lengths))
        steps = self.steps.take(pa.array(rows, pa.int64()))
        return replace(self, steps=steps, episodes=episodes, rest=self._rest_without(rows))._numbered()

    def _rest_without(self, rows: Array) -> pa.Table:
        """Rows of `rest` but for arrays with a row for every step of an episode whose steps are others now."""
        if not self.rest.num_rows:
            return self.rest
        cuts = np.searchsorted(self.position[rows], np.arange(self.episodes.num_rows + 1))
        changed = {
            index: self.starts[at + 1] - self.starts[at]
            for at, index in enumerate(self.episode_index.tolist())
            if not np.array_equal(rows[cuts[at] : cuts[at + 1]], np.arange(self.starts[at], self.starts[at + 1]))
        }
        owners, shapes = (self.rest.column(name).to_pylist() for name in ("episode_index", "shape"))
        stays = [not shape or changed.get(owner) != shape[0] for owner, shape in zip(owners, shapes, strict=True)]
        return self.rest.filter(pa.array(stays, pa.bool_()))

    def take_episodes(self, positions: Array, episode_index: Array | None = None) -> "Batch":
        """Some of its episodes with their rest, in any order, also more than once.

        Args:
            positions: (E',) int. Counted from 0 in this batch.
            episode_index: (E',) int64. Their new numbers; None keeps the old ones, which must then be different.
        """
        numbers = self.episode_index[positions] if episode_index is None else np.asarray(episode_index, np.int64)
        spans = [np.arange(self.starts[at], self.starts[at + 1]) for at in positions]
        steps = self.steps.take(pa.array(np.concatenate([*spans, np.empty(0, np.int64)]).astype(np.int64)))
        positions = np.asarray(positions, np.int64)
        episodes = _with(self.episodes.take(pa.array(positions)), "episode_index", pa.array(numbers))
        rest = self._rest_of(self.episode_index[positions], numbers)
        return replace(self, steps=steps, episodes=episodes, rest=rest)._numbered()

    def _rest_of(self, old: Array, new: Array) -> pa.Table:
        """Rows of `rest` of episodes under their new numbers; those of the file itself stay."""
        rows_of: dict[int | None, list[int]] = {}
        for at, episode in enumerate(self.rest.column("episode_index").to_pylist()):
            rows_of.setdefault(episode, []).append(at)
        own = rows_of.get(None, [])
        pairs = [(at, n) for o, n in zip(old.tolist(), new.tolist(), strict=True) for at in rows_of.get(o, ())]
        rows = self.rest.take(pa.array(own + [at for at, _ in pairs], pa.int64()))
        return _with(rows, "episode_index", pa.array([None] * len(own) + [n for _, n in pairs], pa.int64()))

    def _numbered(self) -> "Batch":
        """With the numbers of episodes and frames, and the times, that its lengths ask for."""
        frame = np.arange(self.starts[-1]) - self.starts[:-1][self.position]
        steps = _with(self.steps, "episode_index", pa.array(self.episode_index[self.position]))
        steps = _with(steps, "frame_index", pa.array(frame.astype(np.int32)))
        if self.header.control_hz is not None:
            steps = _with(steps, "timestamp", pa.array(frame / self.header.control_hz))
        return replace(self, steps=steps)


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    at = table.column_names.index(name)
    return table.set_column(at, table.schema.field(at), values)


def _replaced(columns: Iterable[Column], new: Iterable[Column]) -> tuple[Column, ...]:
    """Columns with others in the place of those of the same name, or at the end."""
    by_name = {column.name: column for column in columns} | {column.name: column for column in new}
    return tuple(by_name.values())
