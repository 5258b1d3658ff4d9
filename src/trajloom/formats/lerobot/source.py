"""A LeRobot folder as a dataset: features become columns, and what is odd is kept and said."""

import io
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError, LayoutError, TrajloomWarning
from trajloom.folder import Folder
from trajloom.formats import OnError, Source, _aside
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.lerobot import video
from trajloom.formats.lerobot.catalog import UNREADABLE, Counts, Place, locate, parquet, read_places, read_tasks
from trajloom.formats.lerobot.info import Feature, Info, expand, read_info, read_json
from trajloom.formats.lerobot.names import INDEX, our_names
from trajloom.formats.lerobot.png import MODES, library
from trajloom.formats.lerobot.rows import Held, LeRobotRows
from trajloom.schema import ELEMENT_TYPES, Column, Header, path_of, stored_name
from trajloom.tables import Array, Rest

MARK = "lerobot."
"""Begins the names of attributes that hold an episode's further metadata, as JSON."""
EMPTY = "lerobot.json"
"""File among those kept aside that says where episodes without steps belong."""
MAX_EMPTY = 1 << 20
MAX_META_BYTES = 64 << 20
ALREADY_READ = frozenset({"info.json", "tasks.jsonl", "tasks.parquet", "episodes.jsonl", "episodes"})


@dataclass
class Scan:
    """What is known before any column of data is read."""

    folder: Folder
    info: Info
    tasks: Mapping[int, str]
    places: list[Place]
    counts: Counts
    oddities: list[str] = field(default_factory=list)
    held: dict[str, Held] = field(default_factory=dict)
    absent: dict[str, Array] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Our column -> their feature."""
    texts: dict[str, str] = field(default_factory=dict)
    """Path in `rest` -> feature of text."""

    def rows(self) -> LeRobotRows:
        """What reads the values."""
        extras = tuple(_extras(self.folder))
        return LeRobotRows(self.folder.url, self.places, self.held, self.info.fps, extras, self.texts)


def read_source(path: str, on_error: OnError) -> Source:
    """Read a LeRobot folder, with what was kept aside where we wrote it."""
    folder = Folder(path)
    if not folder.fs.exists(folder.root):
        raise FileNotFoundError(f"there is nothing at {path}")
    native = _source(decided(folder, on_error))
    if native.header.warnings:
        said = native.header.warnings
        many = f"; and {len(said) - 10} more" if len(said) > 10 else ""
        warnings.warn(f"{path}: {'; '.join(said[:10])}{many}", TrajloomWarning, stacklevel=3)
    return _aside.restored(native, _aside.FolderShelf(path), path)


def decided(folder: Folder, on_error: OnError) -> Scan:
    """A folder's metadata, with its columns decided."""
    found = _scan(folder, on_error)
    _columns(found)
    return found


def _scan(folder: Folder, on_error: OnError) -> Scan:
    info = read_info(folder)
    tasks, places = read_tasks(folder, info), read_places(folder, info)
    counts = Counts()
    faults = locate(folder, info, places, counts)
    found = Scan(folder, info, tasks, places, counts)
    if faults:
        said = "; ".join(f"episode {number}: {what}" for number, what in sorted(faults.items())[:10])
        if on_error == "raise":
            good = len(places) - len(faults)
            raise DamagedFileError(f'{folder.url}: {said}; {good} whole episodes can be read with on_error="skip"')
        found.oddities.append(f"{len(faults)} damaged episodes are left out ({said})")
        found.places = [place for place in places if place.number not in faults]
    found.oddities += _lies(found)
    found.places = _with_empty(folder, found.places)
    return found


def _lies(found: Scan) -> list[str]:
    """Where the metadata says other than the data."""
    raw, places, said = found.info.raw, found.places, []
    for key, have in (("total_episodes", len(places)), ("total_frames", sum(p.length for p in places)),
                      ("total_tasks", len(found.tasks))):  # fmt: skip
        if key in raw and raw[key] != have:
            said.append(f"info.json says {key} {str(raw[key])[:20]}, where there are {have}")
    wrong = [p for p in places if p.said_length not in (None, p.length)]
    if wrong:
        first = wrong[0]
        said.append(f"{len(wrong)} episodes have other lengths than is said, the first is {first.number}: "
                    f"{first.length} steps, said {first.said_length}")  # fmt: skip
    return said if places else [*said, "there is no demonstration in it"]


def _with_empty(folder: Folder, places: list[Place]) -> list[Place]:
    """The episodes with those without steps, which LeRobot cannot hold, where we wrote that there are any."""
    if not folder.fs.isfile(folder.at(_aside.FOLDER, EMPTY)):
        return places
    said = read_json(folder, _aside.FOLDER, EMPTY)
    empty = said.get("empty") if isinstance(said, dict) and said.get("episodes") == len(places) else None
    if not isinstance(empty, list) or len(empty) > MAX_EMPTY:
        return places
    if not all(isinstance(n, int) and 0 <= n < len(places) + len(empty) for n in empty):
        return places
    whole = list(places)
    for position in sorted(empty):
        whole.insert(position, Place(-1, "", [], 0))
    return whole


# ---- columns ---------------------------------------------------------------------------------------------------


def _columns(found: Scan) -> None:
    """Decide which columns there are, and how each is held."""
    features = [f for f in found.info.features.values() if f.name not in INDEX]
    types = _types(found)
    more = [Feature(name, "", (), None) for name in types if name not in found.info.features and name not in INDEX]
    names = our_names(f.name for f in (*features, *more))
    for feature in (*features, *more):
        held = _video(found, feature, names) if feature.is_video else _stored(found, feature, types, names)
        if held is not None:
            found.held[held.column.name] = held
            found.names[held.column.name] = feature.name
    for name in _uncounted(found):
        column = Column(name=stored_name(name) if name == "frame_index" else name, dtype=str(types[name]))
        found.held[column.name] = Held(column, name, "number")
        found.names[column.name] = name


def _uncounted(found: Scan) -> list[str]:
    """LeRobot's own columns that say more than counting would."""
    counts, texts = found.counts, list(found.tasks.values())
    if found.counts.present and (
        len(set(texts)) < len(texts) or any(p.length and p.task_index not in found.tasks for p in found.places)
    ):
        counts.task_index = False
    irregular = {"frame_index": counts.frame_index, "index": counts.index, "task_index": counts.task_index}
    return [name for name, regular in irregular.items() if not regular and name in counts.present]


def _types(found: Scan) -> Mapping[str, pa.DataType]:
    place = next((p for p in found.places if p.length), None)
    name = place.file if place else _first_file(found)
    if name is None:
        return {}
    with parquet(found.folder, name) as file:
        return {f.name: f.type for f in file.schema_arrow}


def _first_file(found: Scan) -> str | None:
    """The file that the first episode would lie in, where it is there: a dataset without steps has columns too."""
    blank = {"chunk_index": 0, "file_index": 0, "episode_chunk": 0, "episode_index": 0}
    name = expand(found.info.data_path, found.info.where, blank)
    return name if found.folder.fs.isfile(found.folder.at(*name.split("/"))) else None


def _video(found: Scan, feature: Feature, names: Mapping[str, str]) -> Held | None:
    files = {p.videos[feature.name][0] for p in found.places if feature.name in p.videos}
    there = {file for file in files if found.folder.fs.isfile(found.folder.at(*file.split("/")))}
    for place in found.places:
        if feature.name in place.videos and place.videos[feature.name][0] not in there:
            del place.videos[feature.name]
    if not any(p.length for p in found.places) and len(feature.frame_shape) == 3:
        column = _column(names[feature.name], feature.name, "uint8", feature.frame_shape)
        return Held(column, feature.name, "video")
    if not there:
        found.oddities.append(f"the camera {feature.name} has no video and is left out")
        return None
    lacking = np.array([p.length > 0 and feature.name not in p.videos for p in found.places])
    if lacking.any():
        found.oddities.append(f"the camera {feature.name} has no video in {int(lacking.sum())} episodes")
        found.absent[names[feature.name]] = lacking
    shape = video.frame_shape(found.folder, sorted(there)[0])
    if shape != feature.frame_shape:
        found.oddities.append(f"frames of {feature.name} are {shape}, where info.json says {feature.shape}")
    return Held(_column(names[feature.name], feature.name, "uint8", shape, bool(lacking.any())), feature.name, "video")


def _column(name: str, feature: str, dtype: str, shape: tuple[int, ...], nullable: bool = False) -> Column:
    when = "before" if feature.startswith("observation") else "after" if feature.startswith("next.") else None
    return Column(name=name, dtype=dtype, shape=shape, nullable=nullable, when=when)


def _stored(found: Scan, feature: Feature, types: Mapping[str, pa.DataType], names: Mapping[str, str]) -> Held | None:
    if feature.name not in types:
        if types:
            found.oddities.append(f"the feature {feature.name} is in no file and is left out")
        return None
    kind = types[feature.name]
    if pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        shape = _image_shape(found, feature)
        return Held(_column(names[feature.name], feature.name, "uint8", shape), feature.name, "image")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found.texts[path_of(names[feature.name])] = feature.name
        found.oddities.append(f"the feature {feature.name} is text, which is no column: it is kept in `rest`")
        return None
    element, depth = kind, 0
    while pa.types.is_nested(element) and not pa.types.is_struct(element) and depth < 8:
        element, depth = element.value_type, depth + 1
    dtype = {"bool": "bool", "halffloat": "float16", "float": "float32", "double": "float64"}.get(str(element))
    dtype = dtype or str(element)
    if dtype not in ELEMENT_TYPES:
        found.oddities.append(f"the feature {feature.name} of type {kind} is left out")
        return None
    shape = () if depth == 0 else feature.shape or _size_of_first(found, feature.name)
    return Held(_column(names[feature.name], feature.name, dtype, shape), feature.name, "number")


def _first(found: Scan, name: str) -> Any:
    place = next(p for p in found.places if p.length)
    try:
        with parquet(found.folder, place.file) as file:
            return next(file.iter_batches(1, columns=[name])).column(0)[0].as_py()
    except (*UNREADABLE, StopIteration) as error:
        raise DamagedFileError(f"{found.folder.url}/{place.file}: {name} cannot be read: {error!r}") from error


def _size_of_first(found: Scan, name: str) -> tuple[int, ...]:
    """Shape of a column that info.json does not know."""
    shape, value = [], _first(found, name)
    while isinstance(value, list) and value:
        shape.append(len(value))
        value = value[0]
    return tuple(shape) or (1,)


def _image_shape(found: Scan, feature: Feature) -> tuple[int, ...]:
    """(H, W, C): what info.json says, unless the first image says otherwise."""
    if not any(p.length for p in found.places):
        return feature.frame_shape
    value = _first(found, feature.name)
    data = value.get("bytes") if isinstance(value, dict) else value
    said = feature.frame_shape
    if not isinstance(data, bytes):
        raise DamagedFileError(f"{found.folder.url}: {feature.name}: the images are not in the data files")
    size, channels = _size_of(data, f"{found.folder.url}: {feature.name}")
    shape = (size[1], size[0], said[2] if len(said) == 3 and said[2] in MODES else channels)
    if shape != said:
        found.oddities.append(f"images of {feature.name} are {shape}, where info.json says {feature.shape}")
    return shape


def _size_of(data: bytes, where: str) -> tuple[tuple[int, int], int]:
    pillow = library()
    try:
        with pillow.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
            return image.size, {mode: n for n, mode in MODES.items()}.get(image.mode, 3)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as error:
        raise DamagedFileError(f"{where}: an image cannot be read: {error}") from error


# ---- the dataset -----------------------------------------------------------------------------------------------


def _source(found: Scan) -> ColumnarSource:
    info, places = found.info, found.places
    header = Header(
        steps=tuple(held.column for held in found.held.values()),
        control_hz=info.fps,
        layout={
            "format": "lerobot",
            "info": dict(info.raw),
            "names": found.names,
            "tasks": {str(index): text for index, text in sorted(found.tasks.items())},
        },
        sources=({"id": found.folder.root.rsplit("/", 1)[-1]},),
        warnings=tuple(found.oddities),
    )
    rows = found.rows()
    own = {
        "name": [f"episode_{p.number}" for p in places],
        "task": [_task(p, found.tasks) for p in places],
        "splits": [_splits(p.number, info.raw.get("splits")) for p in places],
        "attrs": [_attrs(p, found.tasks) for p in places],
    }
    regular = found.counts.timestamp or "timestamp" not in found.counts.present
    return ColumnarSource(
        path=found.folder.url,
        header=header,
        lengths=np.array([p.length for p in places], dtype=np.int64),
        rows=rows,
        own=own,
        absent=found.absent,
        times=None if regular else rows.times,
    )


def _task(place: Place, tasks: Mapping[int, str]) -> str | None:
    known = tasks.get(place.task_index) if place.task_index is not None else None
    return known if known is not None else place.tasks[0] if len(place.tasks) == 1 else None


def _attrs(place: Place, tasks: Mapping[int, str]) -> str:
    """What else the metadata says of an episode, as attributes that hold JSON."""
    more = dict(place.extra)
    if place.tasks != [_task(place, tasks)]:
        more["tasks"] = place.tasks
    typed = {MARK + key: {"dtype": "str", "value": json.dumps(value, default=str)} for key, value in more.items()}
    return json.dumps({"": typed} if typed else {})


def _splits(number: int, splits: Any) -> list[str]:
    if not isinstance(splits, dict):
        return []
    ranges = {name: re.fullmatch(r"(\d{1,9}):(\d{1,9})", str(said)) for name, said in splits.items()}
    return [name for name, m in ranges.items() if m and int(m[1]) <= number < int(m[2])]


def _extras(folder: Folder) -> Sequence[Rest]:
    """Further files of the metadata: statistics, GR00T's modality.json, ..."""
    found = []
    for name in folder.names("meta"):
        path = folder.at("meta", name)
        if name not in ALREADY_READ and folder.fs.isfile(path) and (folder.fs.size(path) or 0) <= MAX_META_BYTES:
            data = folder.read("meta", name)
            found.append(Rest(f"meta/{name}", "|u1", (len(data),), data, None, {}))
    return found


def is_one(path: str) -> bool:
    """Whether a path holds a LeRobot dataset of a version that we read."""
    try:
        read_info(Folder(path))
    except LayoutError:
        return False
    except (DamagedFileError, *UNREADABLE):
        return _names_it(path)
    return True


def _names_it(path: str) -> bool:
    """Whether a damaged `info.json` is LeRobot's all the same."""
    try:
        return b"codebase_version" in Folder(path).read("meta", "info.json")[:MAX_META_BYTES]
    except UNREADABLE:
        return False
