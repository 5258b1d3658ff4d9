"""From steps to videos: a pass over the dataset, an encoder for each video of the episodes under way."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import SettingsError
from trajloom.folder import Folder
from trajloom.formats import Progress, Source
from trajloom.formats._place import appearing_folder
from trajloom.formats._video import VideoWriter, library
from trajloom.formats.mp4.cameras import cameras_of, described, with_spans
from trajloom.formats.mp4.crew import Crew, Line
from trajloom.formats.mp4.options import WriteOptions
from trajloom.formats.mp4.screens import Screen, screens_of

INDEX = "index.json"


@dataclass
class Video:
    """A video under way. Its file is made at the first picture, as an episode may have none."""

    screen: Screen
    path: Path
    open: Any
    """Makes a VideoWriter at a path, of a height and width."""
    line: Line = field(default_factory=Line)
    frames: int = 0
    writer: VideoWriter | None = None

    def add(self, columns: Mapping[str, pa.Array]) -> None:
        steps = len(next(iter(columns.values())))
        if self.writer is None and self.screen.has_picture(columns):
            self.writer = self._begun()
        if self.writer is not None:
            self.writer.add(self.screen.pictures(columns))
        self.frames += steps

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None  # an encoder holds some MB

    def _begun(self) -> VideoWriter:
        """An encoder that has caught up on the steps without a picture."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        writer = self.open(self.path, *self.screen.size)
        for _ in range(self.frames):
            writer.add(np.zeros((1, *self.screen.size, 3), np.uint8))
        return writer


def write_folder(source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions) -> None:
    """Write the videos; see `mp4.write`."""
    library()
    cameras = cameras_of(source.header, options)
    fps = options.fps or source.header.control_hz
    if fps is None:
        raise SettingsError("the dataset does not say how many steps a second there are; give the option fps")
    with appearing_folder(source, path, overwrite, _is_ours, INDEX) as draft:
        cameras = with_spans(cameras, source)
        screens = screens_of(cameras, options.grid)
        opening = partial(_opened, fps=fps, options=options)
        episodes = _write_videos(source, draft, screens, opening, progress)
        index = {
            "format": "mp4",
            "fps": fps,
            "codec": options.codec,
            "grid": [camera.name for camera in cameras] if options.grid else None,
            "cameras": {camera.name: described(camera) for camera in cameras},
            "episodes": episodes,
        }
        (draft / INDEX).write_text(json.dumps(index, indent=1) + "\n")


def _opened(path: Path, height: int, width: int, fps: float, options: WriteOptions) -> VideoWriter:
    return VideoWriter(path, fps, height, width, options.codec, options.quality)


def _is_ours(path: str) -> bool:
    place = Folder(path)
    try:
        return json.loads(place.read(INDEX)).get("format") == "mp4"
    except (OSError, ValueError, AttributeError):
        return False


def _write_videos(
    source: Source, draft: Path, screens: Sequence[Screen], opening: Any, progress: Progress | None
) -> list[dict[str, Any]]:
    """Encode all, and return what `index.json` says of each episode."""
    facts = [part.episodes().select(["episode_index", "name", "length"]) for part in source.parts()]
    rows = pa.concat_tables(facts).to_pylist()
    videos: dict[int, list[Video]] = {}
    current: int | None = None
    with Crew() as crew:
        for number, columns in _pieces(source, screens):
            if number != current:
                _finish(crew, videos.get(current, []) if current is not None else [])
                _tell(progress, len(videos), len(rows))
                name = f"episode_{number:06d}.mp4"
                videos[number] = [Video(screen, draft / screen.name / name, opening) for screen in screens]
                current = number
            for video in videos[number]:
                crew.do(video.line, partial(video.add, columns))
        _finish(crew, videos.get(current, []) if current is not None else [])
    _tell(progress, len(rows), len(rows))
    return [_entry(row, videos.get(row["episode_index"], []), draft) for row in rows]


def _pieces(source: Source, screens: Sequence[Screen]) -> Iterator[tuple[int, dict[str, pa.Array]]]:
    """Number of an episode, and some of its steps, in order."""
    names = [camera.column.name for screen in screens for camera in screen.cameras]
    for part in source.parts():
        for batch in part.steps(["episode_index", *names]):
            numbers = np.asarray(batch.column(0))
            cuts = (np.flatnonzero(np.diff(numbers)) + 1).tolist()
            for start, stop in zip([0, *cuts], [*cuts, len(numbers)], strict=True):
                if stop > start:
                    yield int(numbers[start]), {name: batch.column(name).slice(start, stop - start) for name in names}


def _finish(crew: Crew, videos: Sequence[Video]) -> None:
    for video in videos:
        crew.do(video.line, video.close)


def _tell(progress: Progress | None, done: int, of: int) -> None:
    if progress is not None:
        progress(done, of)


def _entry(row: Mapping[str, Any], videos: Sequence[Video], draft: Path) -> dict[str, Any]:
    files = [str(video.path.relative_to(draft)) for video in videos if video.path.exists()]
    return {"episode_index": row["episode_index"], "name": row["name"], "frames": row["length"], "files": files}
