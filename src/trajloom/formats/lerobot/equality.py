"""Whether two LeRobot folders hold the same, whatever their versions and files."""

import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from trajloom.errors import TrajloomWarning
from trajloom.folder import Folder
from trajloom.formats.lerobot.catalog import Place
from trajloom.formats.lerobot.rows import LeRobotRows
from trajloom.formats.lerobot.scan import Scan
from trajloom.formats.lerobot.source import decided

LAYOUT = frozenset(
    {"total_episodes", "total_frames", "total_tasks", "total_videos", "total_chunks", "chunks_size",
     "codebase_version", "data_path", "video_path", "data_files_size_in_mb", "video_files_size_in_mb", "features"}
)  # fmt: skip
"""Keys of info.json that count, or say how the files lie; features are compared one by one."""
ROWS = 256


def equal(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> list[str]:
    """What differs between two LeRobot datasets, v2 or v3; nothing where they are equal.

    Compared are what `info.json` says (but for totals, versions and where files lie), features that have data with
    their type, shape and names, tasks, the episodes' lengths, tasks and further metadata, and the values of every
    column bit for bit: times as float32, images by their pixels, whether they lie in Parquet or in videos. Statistics
    and `index`, which follow from these, are not.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        left, right = (decided(Folder(os.fspath(path)), "raise") for path in (a, b))
    found = [*_info(left, right), *_episodes(left.places, right.places)]
    if left.tasks != right.tasks:
        found.append(f"tasks: {dict(left.tasks)} and {dict(right.tasks)}")
    return found if found else list(_values(left, right))


def _info(left: Scan, right: Scan) -> Iterator[str]:
    one, other = (dict(scan.info.raw) for scan in (left, right))
    for key in sorted((one.keys() | other.keys()) - LAYOUT):
        missing = key not in one or key not in other
        if one.get(key) != other.get(key) and not (missing and key == "splits"):
            yield f"info.json: {key}: {one.get(key)!r} and {other.get(key)!r}"
    columns, others = ({h.name: h for h in scan.held.values()} for scan in (left, right))
    for name in sorted(columns.keys() ^ others.keys()):
        yield f"feature {name} has data in one alone"
    for name in sorted(columns.keys() & others.keys()):
        a, b = columns[name].column, others[name].column
        if (a.dtype, a.size) != (b.dtype, b.size):
            yield f"feature {name}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        if columns[name].kind == others[name].kind == "number":
            said = [_names(scan, name) for scan in (left, right)]
            if said[0] != said[1]:
                yield f"feature {name}: names {said[0]} and {said[1]}"


def _names(scan: Scan, name: str) -> Any:
    feature = scan.info.features.get(name)
    return None if feature is None else feature.names


def _episodes(left: list[Place], right: list[Place]) -> Iterator[str]:
    if len(left) != len(right):
        yield f"{len(left)} and {len(right)} episodes"
        return
    for number, (a, b) in enumerate(zip(left, right, strict=True)):
        for what in ("length", "tasks", "extra"):
            if getattr(a, what) != getattr(b, what):
                yield f"episode {number}: {what}: {getattr(a, what)} and {getattr(b, what)}"


def _values(left: Scan, right: Scan) -> Iterator[str]:
    ours = {held.name: name for name, held in left.held.items()}
    theirs = {held.name: name for name, held in right.held.items()}
    rows, others = left.rows(), right.rows()
    total = sum(place.length for place in left.places)
    differing: set[str] = set()
    for start in range(0, total, ROWS):
        stop = min(start + ROWS, total)
        a, b = rows.steps(list(ours.values()), start, stop), others.steps(list(theirs.values()), start, stop)
        for name in ours:
            if name not in differing and not _same(a[ours[name]], b[theirs[name]]):
                differing.add(name)
                yield f"feature {name}: values differ in rows {start} to {stop - 1}"
        if "timestamp" not in differing and not _same_times((left, rows), (right, others), start, stop):
            differing.add("timestamp")
            yield f"timestamp: values differ in rows {start} to {stop - 1}"


def _same_times(left: tuple[Scan, LeRobotRows], right: tuple[Scan, LeRobotRows], start: int, stop: int) -> bool:
    """Whether times agree as float32, where both have them."""
    if not all("timestamp" in scan.counts.present for scan, _ in (left, right)):
        return True
    one, other = (rows.times(start, stop).astype(np.float32) for _, rows in (left, right))
    return np.array_equal(one, other)


def _same(a: Any, b: Any) -> bool:
    one, other = np.ascontiguousarray(a), np.ascontiguousarray(b)
    return one.dtype == other.dtype and one.size == other.size and one.tobytes() == other.tobytes()
