"""`meta/info.json`: what a dataset says about itself, none of which is believed unseen."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError
from trajloom.folder import Folder

INFO = "meta/info.json"
VERSIONS = ("v2.0", "v2.1", "v3.0")
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
OLD_DATA_PATH = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
OLD_VIDEO_PATH = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
MAX_JSON_BYTES = 64 << 20
MAX_ROW_BYTES = 256 << 20
"""A step of one feature cannot be larger."""

_FIELD = re.compile(r"\{(\w+)(?::0?(\d{1,2})d)?\}")


@dataclass(frozen=True)
class Feature:
    """One feature as `info.json` describes it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    names: Any

    @property
    def is_video(self) -> bool:
        return self.dtype == "video"

    @property
    def is_image(self) -> bool:
        return self.dtype == "image"

    @property
    def _seems_channels_first(self) -> bool:
        return self.shape[0] in (1, 3, 4) and self.shape[2] not in (1, 3, 4)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """(H, W, C) of an image, whichever way round it is described."""
        if len(self.shape) != 3:
            return self.shape
        first = self.names[0] if isinstance(self.names, list) and self.names else None
        channels_first = str(first).startswith("channel") if first else self._seems_channels_first
        return (*self.shape[1:], self.shape[0]) if channels_first else self.shape


@dataclass(frozen=True)
class Info:
    """The whole file, checked."""

    where: str
    raw: Mapping[str, Any]
    version: str
    fps: float
    features: Mapping[str, Feature]
    chunks_size: int
    data_path: str
    video_path: str

    @property
    def is_old(self) -> bool:
        """Whether each episode has files of its own (v2)."""
        return self.version != "v3.0"


def read_json(folder: Folder, *names: str) -> Any:
    """A JSON file of the dataset; DamagedFileError where it is none."""
    where = f"{folder.url}/{'/'.join(names)}"
    try:
        with folder.fs.open(folder.at(*names), "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise DamagedFileError(f"{where} is larger than {MAX_JSON_BYTES:,} bytes, which no such file is")
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{where}: expected JSON, {error}") from error


def read_info(folder: Folder) -> Info:
    """Read and check `meta/info.json`.

    Raises:
        LayoutError: There is none, or it is of a version that we do not read.
        DamagedFileError: It lacks what every such file says.
        HostileFileError: Its templates of paths are more than that.
    """
    where = f"{folder.url}/{INFO}"
    if not folder.fs.isfile(folder.at("meta", "info.json")):
        raise LayoutError(f"{folder.url}: expected a LeRobot dataset, which has a file {INFO}")
    raw = read_json(folder, "meta", "info.json")
    if not isinstance(raw, dict):
        raise DamagedFileError(f"{where}: expected an object, found a {type(raw).__name__}")
    version = raw.get("codebase_version")
    if version not in VERSIONS:
        raise LayoutError(f"{where}: LeRobot version {version!r} is not one that we read: {', '.join(VERSIONS)}")
    old = version != "v3.0"
    info = Info(
        where=where,
        raw=raw,
        version=version,
        fps=_fps(raw.get("fps"), where),
        features=_features(raw.get("features"), where),
        chunks_size=_chunks_size(raw.get("chunks_size", 1000), where),
        data_path=_text(raw.get("data_path") or (OLD_DATA_PATH if old else DATA_PATH), where, "data_path"),
        video_path=_text(raw.get("video_path") or (OLD_VIDEO_PATH if old else VIDEO_PATH), where, "video_path"),
    )
    blank = {"chunk_index": 0, "file_index": 0, "episode_chunk": 0, "episode_index": 0, "video_key": "x"}
    for template in (info.data_path, info.video_path):
        expand(template, where, blank)
    return info


def expand(template: str, where: str, values: Mapping[str, int | str]) -> str:
    """A path inside the dataset from one of its templates, which may hold plain fields of numbers and names alone.

    Raises:
        HostileFileError: The template asks for anything else, or leads out of the dataset.
    """

    def put(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise HostileFileError(f"{where}: {template!r} asks for {match[1]!r}; known are: {', '.join(values)}")
        value = values[match[1]]
        return str(value) if isinstance(value, str) else f"{value:0{int(match[2] or 1)}d}"

    if "{" in _FIELD.sub("", template) or "}" in _FIELD.sub("", template):
        raise HostileFileError(f"{where}: {template!r} is no template of a path as LeRobot writes them")
    path = _FIELD.sub(put, template)
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part or ":" in part for part in parts):
        raise HostileFileError(f"{where}: {template!r} leads to {path!r}, which is no path inside the dataset")
    return path


def _fps(value: Any, where: str) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9
    if not good:
        raise DamagedFileError(f"{where}: fps must be a number above 0, found {value!r}")
    return float(value)


def _chunks_size(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DamagedFileError(f"{where}: chunks_size must be a whole number above 0, found {value!r}")
    return value


def _text(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise DamagedFileError(f"{where}: {key} must be a template of a path, found {str(value)[:100]!r}")
    return value


def _features(found: Any, where: str) -> dict[str, Feature]:
    if not isinstance(found, dict):
        raise DamagedFileError(f"{where}: features must be an object, found a {type(found).__name__}")
    return {name: _feature(name, about, where) for name, about in found.items()}


def _feature(name: str, about: Any, where: str) -> Feature:
    what = f"{where}: feature {name!r}"
    if not isinstance(about, dict) or not isinstance(about.get("dtype"), str):
        raise DamagedFileError(f"{what} must have a dtype and a shape, found {str(about)[:100]}")
    shape = about.get("shape", [1])
    shape = [shape] if isinstance(shape, int) else shape
    if not isinstance(shape, list) or not all(isinstance(n, int) and 0 < n <= MAX_ROW_BYTES for n in shape):
        raise DamagedFileError(f"{what}: shape must be a list of numbers above 0, found {str(shape)[:100]}")
    size = 1
    for n in shape:
        size *= n
    if size > MAX_ROW_BYTES:
        raise DamagedFileError(f"{what}: a step of {size:,} elements (shape {shape}) is no feature of a robot")
    return Feature(name, about["dtype"], tuple(shape), about.get("names"))
