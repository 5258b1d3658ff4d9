"""Steps as checks see them: arrays, and whose they are."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from trajloom.schema import Column, Header, lineage_columns
from trajloom.tables import Array, to_numpy

FRAME, TIME = Column(name="frame_index", dtype="int32"), Column(name="timestamp", dtype="float64")


def step_columns(header: Header) -> list[Column]:
    """All columns of `steps` but `episode_index`: our own, lineage, and data."""
    lineage = [Column(name=field.name, dtype=str(field.type)) for field in lineage_columns(header.eefs)]
    return [FRAME, TIME, *lineage, *header.steps]


class Rows:
    """A batch of steps."""

    def __init__(self, batch: pa.RecordBatch, columns: Mapping[str, Column], names: Mapping[int, str]):
        self.batch, self._columns, self._names = batch, columns, names
        self._valid: dict[str, tuple[Array, Array | None]] = {}

    @cached_property
    def episode_index(self) -> Array:
        return self.batch.column("episode_index").to_numpy()

    @cached_property
    def spans(self) -> list[tuple[int, int, int]]:
        """(episode_index, first row, row after the last) of each run of rows of one episode."""
        cuts = np.flatnonzero(np.diff(self.episode_index)) + 1
        bounds = [0, *cuts.tolist(), len(self.episode_index)]
        return [(int(self.episode_index[a]), a, b) for a, b in pairwise(bounds) if b > a]

    def valid(self, name: str) -> tuple[Array, Array | None]:
        """Values (K, ...) of a column that are not null, and which rows (K,) they are of; None for all rows."""
        if name not in self._valid:
            values, at = self.batch.column(name), None
            if values.null_count:
                at = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
                values = values.take(pa.array(at))
            self._valid[name] = to_numpy(values, self._columns[name]), at
        return self._valid[name]

    def between(self, name: str, a: int, b: int) -> Array:
        """Values of a column in rows a to b that are not null."""
        values, at = self.valid(name)
        low, high = (a, b) if at is None else np.searchsorted(at, [a, b])
        return values[low:high]

    def of_spans(self, name: str) -> Iterator[tuple[int, Array]]:
        """(episode_index, values that are not null) of each run of rows of one episode that has any."""
        for index, a, b in self.spans:
            values = self.between(name, a, b)
            if len(values):
                yield index, values

    def place(self, row: int) -> tuple[str, int]:
        """(name of the episode, frame) of a row."""
        index = int(self.episode_index[row])
        return self.name_of(index), int(self.batch.column("frame_index")[row].as_py())

    def name_of(self, index: int) -> str:
        """The name of an episode; its number where `episodes` lacks it."""
        return self._names.get(index, f"episode {index}")


class Places:
    """Counts the rows where something is so, and remembers the first."""

    def __init__(self) -> None:
        self.rows, self.episodes = 0, 0
        self.episode: str | None = None
        self.frame: int | None = None
        self._last: int | None = None

    def add(self, rows: Rows, chosen: Array) -> None:
        """Count rows of a batch, by number and rising."""
        if not len(chosen):
            return
        if self.episode is None:
            self.episode, self.frame = rows.place(int(chosen[0]))
        found = np.unique(rows.episode_index[chosen])
        self.rows += len(chosen)
        self.episodes += int(np.count_nonzero(found != self._last)) if self._last is not None else len(found)
        self._last = int(rows.episode_index[chosen[-1]])

    def add_episode(self, name: str, frame: int | None = None) -> None:
        """Count an episode."""
        if self.episode is None:
            self.episode, self.frame = name, frame
        self.episodes += 1
