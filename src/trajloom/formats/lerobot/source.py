"""A LeRobot folder as a dataset: features become columns, and what is odd is kept and said."""

import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, LayoutError, TrajloomWarning
from trajloom.folder import Folder
from trajloom.formats import OnError, Source, _aside
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.lerobot.catalog import UNREADABLE, Place
from trajloom.formats.lerobot.columns import decide
from trajloom.formats.lerobot.info import read_info
from trajloom.formats.lerobot.scan import MAX_META_BYTES, Scan, scan
from trajloom.schema import Header

MARK = "lerobot."
"""Begins the names of attributes that hold an episode's further metadata, as JSON."""


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
    found = scan(folder, on_error)
    decide(found)
    return found


def _source(found: Scan) -> ColumnarSource:
    info, places = found.info, found.places
    header = Header(
        steps=tuple(held.column for held in found.held.values()),
        control_hz=info.fps,
        layout={
            "format": "lerobot",
            "info": dict(info.raw),
            "names": found.names,
            **({"texts": found.texts} if found.texts else {}),
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
