"""Which episodes there are and where their rows lie: the metadata of episodes and tasks, checked against the data."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, TrajloomError
from trajloom.folder import Folder
from trajloom.formats.lerobot.info import MAX_JSON_BYTES, Info, expand
from trajloom.tables import Array

UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError, OverflowError)
MAX_NUMBER = 1 << 31
BUFFER_BYTES = 1 << 16
"""Read ahead of each column, of each of the files that are open."""


@dataclass
class Place:
    """One episode: what the metadata says, and where its rows are."""

    number: int
    """Its `episode_index`."""
    file: str
    """Of its rows, in the dataset."""
    tasks: list[str]
    said_length: int | None
    videos: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Feature -> file and time (s) at which its first frame is in it."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Whatever else the metadata holds of it, but for its statistics."""
    start: int = 0
    """Row of its file."""
    length: int = 0
    task_index: int | None = None
    """The one of all its rows; None where they differ."""


OWN_META = frozenset({"episode_index", "tasks", "length"})
WHERE_META = ("data/", "videos/", "meta/", "stats/", "dataset_from_index", "dataset_to_index")


def parquet(folder: Folder, name: str) -> pq.ParquetFile:
    """A Parquet file of the dataset, open."""
    try:
        # pyarrow would read a row group, which others make of whole episodes, at once; that pays at a URL alone
        return pq.ParquetFile(folder.open(*name.split("/")), pre_buffer=not folder.local, buffer_size=BUFFER_BYTES)
    except FileNotFoundError as error:
        raise DamagedFileError(f"{folder.url}: {name} is not there") from error
    except UNREADABLE as error:
        raise DamagedFileError(f"{folder.url}/{name} cannot be read: {error}") from error


def read_tasks(folder: Folder, info: Info) -> dict[int, str]:
    """Text of each task."""
    try:
        if info.is_old:
            rows = jsonl(folder, "meta", "tasks.jsonl")
            return {_number(row["task_index"]): str(row["task"]) for row in rows}
        with parquet(folder, "meta/tasks.parquet") as file:
            table = file.read()
        index = table.column("task_index").to_pylist()
        texts = table.column(next(n for n in table.column_names if n != "task_index")).to_pylist()
        return {_number(i): str(text) for i, text in zip(index, texts, strict=True)}
    except TrajloomError:
        raise
    except (*UNREADABLE, StopIteration) as error:
        raise DamagedFileError(f"{folder.url}: the tasks (meta/tasks) cannot be read: {error!r}") from error


def read_places(folder: Folder, info: Info) -> list[Place]:
    """The episodes that the metadata lists, by number."""
    rows = jsonl(folder, "meta", "episodes.jsonl") if info.is_old else _episode_rows(folder)
    videos = [f.name for f in info.features.values() if f.is_video]
    places = []
    for row in rows:
        try:
            places.append(_old_place(row, info, videos) if info.is_old else _place(row, info, videos))
        except TrajloomError:
            raise
        except UNREADABLE as error:
            raise DamagedFileError(f"{folder.url}: meta/episodes: {str(row)[:200]} is no episode: {error!r}") from error
    numbers = [place.number for place in places]
    twice = sorted({n for n in numbers if numbers.count(n) > 1}) if len(set(numbers)) < len(numbers) else []
    if twice:
        raise DamagedFileError(f"{folder.url}: meta/episodes lists episodes {twice[:5]} twice")
    return sorted(places, key=lambda place: place.number)


def jsonl(folder: Folder, *names: str) -> Iterator[dict[str, Any]]:
    """Rows of a file of JSON lines."""
    where = f"{folder.url}/{'/'.join(names)}"
    try:
        with folder.fs.open(folder.at(*names), "rb") as file:
            data: Any = file.read(16 * MAX_JSON_BYTES + 1)
    except FileNotFoundError as error:
        raise DamagedFileError(f"{where} is not there") from error
    if len(data) > 16 * MAX_JSON_BYTES:
        raise DamagedFileError(f"{where} is larger than {16 * MAX_JSON_BYTES:,} bytes")
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield _object(line, f"{where}, line {number}")


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{where}: expected JSON: {error}") from error
    if not isinstance(row, dict):
        raise DamagedFileError(f"{where}: expected an object, found {str(row)[:50]}")
    return row


def _episode_rows(folder: Folder) -> Iterator[dict[str, Any]]:
    chunks = [name for name in folder.names("meta", "episodes") if name.startswith("chunk-")]
    for chunk in chunks:
        for name in folder.names("meta", "episodes", chunk):
            if name.endswith(".parquet"):
                yield from _rows_of(folder, f"meta/episodes/{chunk}/{name}")


def _rows_of(folder: Folder, name: str) -> Iterator[dict[str, Any]]:
    with parquet(folder, name) as file:
        # statistics of each episode are wide, and follow from its data
        columns = [n for n in file.schema_arrow.names if not n.startswith("stats/")]
        try:
            for batch in file.iter_batches(columns=columns, batch_size=10_000):
                yield from batch.to_pylist()
        except UNREADABLE as error:
            raise DamagedFileError(f"{folder.url}/{name} cannot be read: {error}") from error


def _place(row: Mapping[str, Any], info: Info, videos: Sequence[str]) -> Place:
    data = {"chunk_index": _number(row["data/chunk_index"]), "file_index": _number(row["data/file_index"])}
    place = Place(_number(row["episode_index"]), expand(info.data_path, info.where, data), _tasks(row), _length(row))
    for key in videos:
        chunk, file = row.get(f"videos/{key}/chunk_index"), row.get(f"videos/{key}/file_index")
        if chunk is not None and file is not None:
            values = {"chunk_index": _number(chunk), "file_index": _number(file), "video_key": key}
            start = float(row.get(f"videos/{key}/from_timestamp") or 0.0)
            place.videos[key] = (expand(info.video_path, info.where, values), start)
    place.extra = {k: v for k, v in row.items() if k not in OWN_META and not k.startswith(WHERE_META)}
    return place


def _old_place(row: Mapping[str, Any], info: Info, videos: Sequence[str]) -> Place:
    number = _number(row["episode_index"])
    values: dict[str, int | str] = {"episode_index": number, "episode_chunk": number // info.chunks_size}
    place = Place(number, expand(info.data_path, info.where, values), _tasks(row), _length(row))
    for key in videos:
        place.videos[key] = (expand(info.video_path, info.where, {**values, "video_key": key}), 0.0)
    place.extra = {k: v for k, v in row.items() if k not in OWN_META}
    return place


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_NUMBER:
        raise ValueError(f"expected a number from 0, found {value!r}")
    return value


def _length(row: Mapping[str, Any]) -> int | None:
    return None if row.get("length") is None else _number(row["length"])


def _tasks(row: Mapping[str, Any]) -> list[str]:
    tasks = row.get("tasks") or []
    return [str(task) for task in tasks] if isinstance(tasks, list) else [str(tasks)]


# ---- what the data says ----------------------------------------------------------------------------------------


@dataclass
class Counts:
    """Columns of LeRobot's own that are not what counting gives, and so must be kept."""

    frame_index: bool = True
    index: bool = True
    timestamp: bool = True
    task_index: bool = True
    present: frozenset[str] = frozenset()


def locate(folder: Folder, info: Info, places: Sequence[Place], counts: Counts) -> dict[int, str]:
    """Find the rows of each episode in its file, and note which of LeRobot's own columns are regular.

    Returns:
        Episode -> what is wrong with it.
    """
    faults: dict[int, str] = {}
    by_file: dict[str, list[Place]] = {}
    for place in places:
        by_file.setdefault(place.file, []).append(place)
    row = 0
    for file, members in by_file.items():
        try:
            own = _own_columns(folder, file)
        except DamagedFileError as error:
            faults.update({place.number: str(error) for place in members})
            continue
        counts.present |= own.keys()
        _find_rows(own, members, info, file, faults)
        for place in members:
            if place.number not in faults:
                _note(own, place, row, info.fps, counts)
                row += place.length
    return faults


def _own_columns(folder: Folder, name: str) -> dict[str, Array]:
    wanted = ("episode_index", "frame_index", "index", "task_index", "timestamp")
    with parquet(folder, name) as file:
        types = {f.name: f.type for f in file.schema_arrow}
        there = [n for n in wanted if n in types and pa.types.is_primitive(types[n])]
        found: dict[str, list[Array]] = {n: [] for n in there}
        try:
            for batch in file.iter_batches(columns=there, batch_size=1 << 16):
                if any(values.null_count for values in batch.columns):
                    raise DamagedFileError(f"{folder.url}/{name}: one of {', '.join(there)} has nulls")
                for n in there:
                    found[n].append(batch.column(n).to_numpy(zero_copy_only=False))
        except TrajloomError:
            raise
        except UNREADABLE as error:
            raise DamagedFileError(f"{folder.url}/{name} cannot be read: {error}") from error
        own = {n: np.concatenate(found[n]) if found[n] else np.zeros(0, dtype=np.int64) for n in there}
        own["rows"] = np.array(file.metadata.num_rows)
        return own


def _find_rows(
    own: Mapping[str, Array], members: Sequence[Place], info: Info, file: str, faults: dict[int, str]
) -> None:
    episode = own.get("episode_index")
    if episode is None and len(members) > 1:
        faults.update({p.number: f"{file} has no column episode_index" for p in members})
        return
    if episode is None or (info.is_old and len(members) == 1):
        members[0].length = int(own["rows"])
        return
    edges = np.flatnonzero(np.diff(episode)) + 1
    starts = np.concatenate([[0], edges]) if len(episode) else np.zeros(0, dtype=np.int64)
    stops = np.append(edges, len(episode))
    runs: dict[int, list[tuple[int, int]]] = {}
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=False):
        runs.setdefault(int(episode[start]), []).append((start, stop))
    for place in members:
        mine = runs.get(place.number, [])
        if len(mine) > 1:
            faults[place.number] = f"{file}: its rows do not lie together"
        elif not mine and place.said_length != 0:
            faults[place.number] = f"{file} has no rows of it, where {place.said_length} were expected"
        elif mine:
            place.start, place.length = mine[0][0], mine[0][1] - mine[0][0]


def _note(own: Mapping[str, Array], place: Place, first: int, fps: float, counts: Counts) -> None:
    rows = slice(place.start, place.start + place.length)
    frames = np.arange(place.length)
    if "frame_index" in own:
        counts.frame_index &= np.array_equal(own["frame_index"][rows], frames)
    if "index" in own:
        counts.index &= np.array_equal(own["index"][rows], frames + first)
    if "timestamp" in own:
        given = own["timestamp"][rows]
        counts.timestamp &= np.array_equal(given, (frames / fps).astype(given.dtype))
    if "task_index" in own and place.length:
        tasks = own["task_index"][rows]
        same = bool((tasks == tasks[0]).all()) and tasks.dtype.kind in "iu"
        place.task_index = int(tasks[0]) if same else None
        counts.task_index &= same
