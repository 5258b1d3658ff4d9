"""From streams with times of their own to rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom import tables
from trajloom.errors import DamagedFileError
from trajloom.formats._columnar import Values
from trajloom.formats.robodm.container import Stream, Survey, values
from trajloom.formats.robodm.features import Feature
from trajloom.reopened import Reopened
from trajloom.schema import Column
from trajloom.tables import Array, Rest


@dataclass(frozen=True)
class Episode:
    """One file and the times of its rows."""

    survey: Survey
    ticks: Array
    """(T,) int64, µs."""

    def latest(self, name: str, start: int, stop: int) -> Array:
        """(stop - start,) int64. Number of a feature's latest value at or before each row; -1 where there is none."""
        times = self.survey.streams[name].times
        return np.searchsorted(times, self.ticks[start:stop], side="right") - 1


class Cursor:
    """Goes through a feature's values; only the last ones read are kept."""

    def __init__(self, path: str, stream: Stream):
        self._path, self._stream = path, stream
        self._rewind()

    def _rewind(self) -> None:
        self._values = values(self._path, self._stream.feature)
        self._first, self._batch = 0, np.empty((0,))

    def take(self, numbers: Array, out: Array) -> None:
        """Put the values of these numbers, which rise, into `out`."""
        if len(numbers) and numbers[0] < self._first:
            self._rewind()
        done = 0
        while done < len(numbers):
            end = self._first + len(self._batch)
            stop = int(np.searchsorted(numbers, end))
            out[done:stop] = self._batch[numbers[done:stop] - self._first] if stop > done else out[done:stop]
            done = max(done, stop)
            if done < len(numbers):
                self._first, self._batch = end, self._next(end)

    def _next(self, end: int) -> Array:
        found = next(self._values, None)
        if found is None:
            feature, there = self._stream.feature, len(self._stream.times)
            raise DamagedFileError(f"{self._path}: {feature.name} is cut short: {end} of {there} values")
        return found


class Cursors:
    """The cursors of the episode that is being read."""

    def __init__(self) -> None:
        self._open: dict[str, Cursor] = {}
        self._path: str | None = None

    def of(self, path: str, stream: Stream) -> Cursor:
        if path != self._path:
            self._open, self._path = {}, path
        return self._open.setdefault(stream.feature.name, Cursor(path, stream))


@dataclass(frozen=True)
class StreamRows(Reopened):
    """Values of episodes. Implements `formats._columnar.Rows`."""

    members: Sequence[Episode]
    ends: Array
    """(E,) int64. Rows up to the end of each episode."""
    columns: Mapping[str, tuple[Column, Feature]]
    cursors: Cursors = field(default_factory=Cursors, init=False)

    def _ranges(self, start: int, stop: int) -> Iterator[tuple[Episode, int, int, int]]:
        """The episodes of rows [start, stop): episode, frames [first, last), and where they begin in the range."""
        if stop <= start:
            return
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right")
        for i in range(first, last + 1):
            begin = int(self.ends[i]) - len(self.members[i].ticks)
            a, b = max(start, begin), min(stop, int(self.ends[i]))
            if b > a:
                yield self.members[i], a - begin, b - begin, a - start

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        found: dict[str, Values] = {}
        for name in columns:
            column, feature = self.columns[name]
            out = np.zeros((stop - start, *column.shape), dtype=column.dtype)
            missing = np.zeros(stop - start, dtype=bool)
            for episode, first, last, at in self._ranges(start, stop):
                part = slice(at, at + last - first)
                missing[part] = self._fill(episode, feature.name, first, last, out[part])
            filled = tables.to_arrow(out, column)
            nulls = pa.scalar(None, filled.type)
            found[name] = pc.if_else(pa.array(missing), nulls, filled) if missing.any() else filled
        return found

    def _fill(self, episode: Episode, name: str, first: int, last: int, out: Array) -> Array:
        """Put a feature's values at frames [first, last) into `out`, and return which there are none for."""
        stream = episode.survey.streams.get(name)
        if stream is None:
            return np.ones(last - first, dtype=bool)
        latest = episode.latest(name, first, last)
        before = int(np.searchsorted(latest, 0))
        self.cursors.of(episode.survey.path, stream).take(latest[before:], out[before:])
        return latest < 0

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        return iter(())

    def times(self, start: int, stop: int) -> Array:
        """Seconds since each episode's first row."""
        out = np.zeros(stop - start)
        for episode, first, last, at in self._ranges(start, stop):
            out[at : at + last - first] = (episode.ticks[first:last] - episode.ticks[0]) / 1e6
        return out
