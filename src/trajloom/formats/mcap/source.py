"""A log, or a folder of them, as a dataset: topics, columns, clock, rows."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.errors import LayoutError, TrajloomWarning
from trajloom.folder import Folder
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource, Values, with_nulls
from trajloom.formats.mcap.files import files_of, looks_like_mcap
from trajloom.formats.mcap.options import ReadOptions
from trajloom.formats.mcap.records import records_library
from trajloom.formats.mcap.survey import Seen, merged
from trajloom.formats.mcap.ticks import Episode, episodes_of, the_clock
from trajloom.formats.mcap.topics import UNREADABLE, LogFile, Topic, open_file
from trajloom.schema import Column, Header, stored_name
from trajloom.tables import Array, Rest


@dataclass(frozen=True)
class Origin:
    """Where a column comes from."""

    topic: str
    path: str
    seen: Seen
    column: Column


@dataclass(frozen=True)
class McapRows:
    """Rows of logs, decoded as they are asked for. Implements `_columnar.Rows`."""

    files: Sequence[LogFile]
    members: Sequence[Episode]
    origins: Mapping[str, Origin]

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        pieces = []
        for i, first, last in self.pieces(start, stop):
            pieces.append(self._of_episode(self.members[i], columns, first, last))
            self.files[self.members[i].file].log.release()  # a folder may hold more files than a process may open
        return {name: pa.concat_arrays([piece[name] for piece in pieces]) for name in columns}

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Episodes that rows [start, stop) fall into, with the range in each."""
        ends = np.cumsum([episode.length for episode in self.members])
        for i in range(int(np.searchsorted(ends, start, side="right")), len(self.members)):
            begin = int(ends[i]) - self.members[i].length
            if begin >= stop:
                return
            yield i, max(start - begin, 0), min(stop - begin, self.members[i].length)

    def times(self, start: int, stop: int) -> Array:
        """Timestamps (s) of rows, each from the first row of its episode."""
        pieces = [(self.members[i], a, b) for i, a, b in self.pieces(start, stop)]
        return np.concatenate([(episode.times(a, b) - episode.begin) / 1e9 for episode, a, b in pieces])

    def _of_episode(self, episode: Episode, columns: Sequence[str], start: int, stop: int) -> dict[str, pa.Array]:
        found: dict[str, pa.Array] = {}
        by_topic: dict[str, list[Origin]] = {}
        for name in columns:
            by_topic.setdefault(self.origins[name].topic, []).append(self.origins[name])
        for name, origins in by_topic.items():
            topic = self.files[episode.file].topics.get(name)
            if topic is None:
                found |= {o.column.name: tables.to_arrow(None, o.column, stop - start) for o in origins}
            else:
                found |= self._of_topic(episode, topic, origins, start, stop)
        return found

    def _of_topic(
        self, episode: Episode, topic: Topic, origins: Sequence[Origin], start: int, stop: int
    ) -> dict[str, pa.Array]:
        number = episode.messages(topic, start, stop)
        none = number < 0
        messages, inverse = np.unique(number[~none], return_inverse=True)
        if not len(messages):
            return {o.column.name: tables.to_arrow(None, o.column, stop - start) for o in origins}
        wanted = {origin.path: origin.seen for origin in origins}
        values, lacking = topic.read(self.files[episode.file].log, messages, wanted)
        row = np.zeros(stop - start, np.int64)
        row[~none] = inverse
        return {
            o.column.name: with_nulls(tables.to_arrow(values[o.path][row], o.column), none | lacking[o.path][row])
            for o in origins
        }

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        assert not columns
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        return iter(())


def read_source(path: str, on_error: OnError, options: ReadOptions) -> ColumnarSource:
    """Index and return the dataset; see `mcap.read`."""
    if not looks_like_mcap(path):
        raise LayoutError(f"{path} is neither an MCAP file nor a folder of them")
    records_library()
    files, said = _opened(files_of(path), on_error, options.time)
    origins = _origins(files, said)
    topics = {origin.topic for origin in origins.values()}
    clock = the_clock(files, options.clock, topics) if files else None
    by_rate = options.hz is not None and options.clock is None
    members = _members(files, topics, None if by_rate else clock, options, said)
    if not members:
        said.append("there is no demonstration in it")
    origins = {name: _as_nullable(origin, files, members) for name, origin in origins.items()}
    header = Header(
        steps=tuple(origin.column for origin in origins.values()),
        control_hz=options.hz,
        layout={"format": "mcap", "clock": None if by_rate else clock, "topics": _schemas(files)},
        sources=tuple(_source_of(file.log.path) for file in files),
        warnings=tuple(said),
    )
    _warn(path, said)
    rows = McapRows(files, members, origins)
    return ColumnarSource(
        path=path,
        header=header,
        lengths=np.array([episode.length for episode in members], dtype=np.int64),
        rows=rows,
        own={"name": [episode.name for episode in members]},
        times=None if options.hz is not None else rows.times,
    )


def _opened(paths: Sequence[str], on_error: OnError, time: str) -> tuple[list[LogFile], list[str]]:
    files: list[LogFile] = []
    said: list[str] = []
    for path in paths:
        try:
            files.append(open_file(path, time))
        except UNREADABLE as error:
            if on_error == "raise":
                raise
            said.append(f"skipped {error}")
    for file in files:
        said += file.said
    return files, list(dict.fromkeys(said))


def _origins(files: Sequence[LogFile], said: list[str]) -> dict[str, Origin]:
    """Columns by name; what is none is said."""
    origins: dict[str, Origin] = {}
    for topic in sorted({name for file in files for name in file.topics}):
        fields = merged([file.topics[topic].fields for file in files if topic in file.topics])
        left_out: dict[str, list[str]] = {}
        for path, seen in fields.items():
            name = stored_name("/".join(filter(None, [topic.strip("/"), path])))
            problem = seen.problem or ("an empty list" if 0 in seen.shape else _unfit(name, origins))
            if problem:
                left_out.setdefault(problem, []).append(path or "the image")
            else:
                column = Column(name=name, dtype=str(seen.dtype), shape=seen.shape, nullable=not seen.always)
                origins[name] = Origin(topic, path, seen, column)
        said += [f"{topic}: left out: {', '.join(paths)} ({why})" for why, paths in left_out.items()]
    return origins


def _unfit(name: str, origins: Mapping[str, Origin]) -> str | None:
    """Why a name cannot be a column's, which is a path beside other paths."""
    pieces = name.split("/")
    if not all(piece.isprintable() and piece not in ("", ".", "..") for piece in pieces):
        return f"{name!a} is no path"
    above = {"/".join(pieces[:i]) for i in range(1, len(pieces))}
    if name in origins or above & origins.keys() or any(other.startswith(f"{name}/") for other in origins):
        return f"{name} is the name of another topic's column, or of a group of columns"
    return None


def _members(
    files: Sequence[LogFile], topics: set[str], clock: str | None, options: ReadOptions, said: list[str]
) -> list[Episode]:
    members: list[Episode] = []
    for i, file in enumerate(files):
        for found in episodes_of(i, file, topics, clock, options):
            members += [found] if isinstance(found, Episode) else []
            said += [found] if isinstance(found, str) else []
    return members


def _as_nullable(origin: Origin, files: Sequence[LogFile], members: Sequence[Episode]) -> Origin:
    """An origin whose column may be null where some episode begins before the topic does."""
    late = False
    for episode in members:
        topic = files[episode.file].topics.get(origin.topic)
        late = late or topic is None or bool(episode.messages(topic, 0, 1)[0] < 0)
    column = replace(origin.column, nullable=late or not origin.seen.always)
    return replace(origin, column=column)


def _schemas(files: Sequence[LogFile]) -> dict[str, str]:
    return {name: topic.schema for file in files for name, topic in sorted(file.topics.items())}


def _source_of(path: str) -> dict[str, object]:
    place = Folder(path)
    return {"id": place.root.rsplit("/", 1)[-1], "bytes": int(place.fs.size(place.root) or 0)}


def _warn(path: str, said: Sequence[str]) -> None:
    if said:
        more = f"; and {len(said) - 10} more" if len(said) > 10 else ""
        warnings.warn(f"{path}: {'; '.join(said[:10])}{more}", TrajloomWarning, stacklevel=4)
