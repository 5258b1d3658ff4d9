"""From messages that come when they come to rows: the clock's ticks, cut into episodes."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from trajloom.errors import SettingsError
from trajloom.formats.mcap.options import ReadOptions
from trajloom.formats.mcap.topics import LogFile, Topic
from trajloom.tables import Array

MAX_ROWS = 100_000_000
"""Rows of an episode at a fixed rate."""
BEFORE_ALL = -1


@dataclass(frozen=True)
class Episode:
    """Rows of one episode."""

    file: int
    """Number of its file."""
    name: str
    length: int
    begin: int
    """Time of the first row, ns."""
    since: int
    """Messages at or before this time belong to the episode before."""
    ticks: Array | None
    """(length,) int64, ns; None at a fixed rate."""
    hz: float | None

    def times(self, start: int, stop: int) -> Array:
        """Times of rows [start, stop), int64, ns."""
        if self.ticks is not None:
            return self.ticks[start:stop]
        assert self.hz is not None
        return self.begin + np.rint(np.arange(start, stop) * (1e9 / self.hz)).astype(np.int64)

    def messages(self, topic: Topic, start: int, stop: int) -> Array:
        """(stop - start,) int64. Number of the latest message of a topic at or before each row; -1 where none is."""
        latest = np.searchsorted(topic.times, self.times(start, stop), side="right") - 1
        return np.where(latest >= np.searchsorted(topic.times, self.since, side="right"), latest, -1)


def the_clock(files: Iterable[LogFile], wanted: str | None, topics: Collection[str]) -> str | None:
    """The topic that rows stand at; None where no topic has a column.

    Raises:
        SettingsError: There is no such topic with columns.
    """
    counts: dict[str, int] = {}
    for file in files:
        for name in file.topics.keys() & topics:
            counts[name] = counts.get(name, 0) + len(file.topics[name].times)
    if wanted is None:
        return min(counts, key=lambda name: (-counts[name], name), default=None)
    if wanted not in counts:
        raise SettingsError(f"no topic {wanted!r} with columns to be the clock; there are: {', '.join(sorted(counts))}")
    return wanted


def episodes_of(
    number: int, file: LogFile, topics: Collection[str], clock: str | None, options: ReadOptions
) -> Iterator[Episode | str]:
    """The episodes of a file, and in words those that have no row.

    Args:
        number: Of the file.
        file: The file.
        topics: Topics that have columns.
        clock: The topic that rows stand at; None at a fixed rate over all of them.
        options: How to cut.
    """
    here = [file.topics[name] for name in sorted(file.topics.keys() & topics)]
    stem = PurePosixPath(file.log.path.split("::")[0]).name.removesuffix(".mcap")
    times = [topic.times for topic in here if clock is None or topic.name == clock]
    beats = np.sort(np.concatenate(times)) if times else np.empty(0, np.int64)
    if not len(beats):
        yield f"{stem}: left out: no message of {clock or 'any topic with numbers'}"
        return
    lacking = sorted(set(topics) - file.topics.keys())
    for i, (first, last) in enumerate(_pieces(beats, options.episodes_gap_s)):
        since = int(beats[first - 1]) if first else BEFORE_ALL
        name = stem if options.episodes_gap_s is None else f"{stem}_{i}"
        begin = _complete_from(here, since) if options.complete and not lacking else int(beats[first])
        if options.complete and (lacking or begin is None or begin > beats[last - 1]):
            yield f"{name}: left out: at no row have all topics had a message"
            continue
        assert begin is not None
        yield _episode(number, name, beats[first:last], max(begin, int(beats[first])), since, options.hz)


def _pieces(beats: Array, gap_s: float | None) -> list[tuple[int, int]]:
    cuts = [] if gap_s is None else (np.flatnonzero(np.diff(beats) > gap_s * 1e9) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(beats)], strict=True))


def _complete_from(topics: Iterable[Topic], since: int) -> int | None:
    """When the last of the topics has its first message; None where one has none."""
    firsts = [(topic.times, int(np.searchsorted(topic.times, since, side="right"))) for topic in topics]
    return None if any(i == len(times) for times, i in firsts) else max(int(times[i]) for times, i in firsts)


def _episode(file: int, name: str, beats: Array, begin: int, since: int, hz: float | None) -> Episode:
    if hz is None:
        ticks = beats[np.searchsorted(beats, begin, side="left") :]
        return Episode(file, name, len(ticks), int(ticks[0]), since, ticks, None)
    length = int((int(beats[-1]) - begin) * hz / 1e9 + 1e-6) + 1
    if length > MAX_ROWS:
        raise SettingsError(f"{name}: {length:,} rows at {hz} Hz; at most {MAX_ROWS:,} may be")
    return Episode(file, name, length, begin, since, None, hz)
