"""Which columns the features of a LeRobot folder become, and how each is held."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError
from trajloom.formats.lerobot import video
from trajloom.formats.lerobot.catalog import UNREADABLE, parquet
from trajloom.formats.lerobot.info import Feature, expand
from trajloom.formats.lerobot.names import INDEX, our_names
from trajloom.formats.lerobot.png import MODES, library
from trajloom.formats.lerobot.rows import Held
from trajloom.formats.lerobot.scan import Scan
from trajloom.schema import ELEMENT_TYPES, Column, path_of, stored_name


def decide(found: Scan) -> None:
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
