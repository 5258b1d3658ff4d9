"""Files of streams as a dataset."""

import re
import warnings
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from trajloom.errors import DamagedFileError, LayoutError, SettingsError, TrajloomError, TrajloomWarning
from trajloom.folder import Folder
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.robodm.container import Stream, Survey, survey
from trajloom.formats.robodm.features import CLOCKS, Feature, paths_of
from trajloom.formats.robodm.options import ReadOptions
from trajloom.formats.robodm.rows import Cursor, Episode, StreamRows
from trajloom.schema import Column, Header, stored_name
from trajloom.tables import Array

SUFFIXES = (".vla", ".mkv")
MAX_ROWS = 10_000_000
"""Rows of an episode at a fixed rate."""


def files_of(path: str) -> list[str]:
    """The files of a dataset in natural order: one, or those of a folder; none where it is no such folder."""
    place = Folder(path)
    if not place.fs.isdir(place.root):
        return [path] if place.fs.exists(place.root) else []
    names = [name for name in place.names() if name.lower().endswith(SUFFIXES)]
    return [f"{path.rstrip('/')}/{name}" for name in sorted(names, key=_natural)]


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def read_source(path: str, on_error: OnError, options: ReadOptions) -> ColumnarSource:
    """Scan files and return the dataset; see `robodm.read`."""
    files = files_of(path)
    if not files and not Folder(path).fs.exists(Folder(path).root):
        raise FileNotFoundError(path)
    said: list[str] = []
    surveys = _surveys(files, on_error, options, said)
    clock = _clock(surveys, options)
    members = _members(surveys, clock, on_error, options, said)
    columns = _columns(members)
    rows = StreamRows(members, np.cumsum([len(m.ticks) for m in members], dtype=np.int64), columns)
    if on_error == "skip":
        rows = _whole(rows, said)
    header = _header(rows, clock, options, said)
    if header.warnings:
        many = len(header.warnings) - 10
        text = "; ".join(header.warnings[:10]) + (f"; and {many} more" if many > 0 else "")
        warnings.warn(f"{path}: {text}", TrajloomWarning, stacklevel=3)
    lengths = np.array([len(member.ticks) for member in rows.members], dtype=np.int64)
    names = [PurePosixPath(member.survey.path).stem for member in rows.members]
    return ColumnarSource(path, header, lengths, rows, {"name": names}, times=rows.times)


def _surveys(files: Sequence[str], on_error: OnError, options: ReadOptions, said: list[str]) -> list[Survey]:
    found: list[Survey] = []
    for file in files:
        try:
            one = survey(file, options.without_pickled)
            _check_alike(found, one)
            found.append(one)
        except (DamagedFileError, LayoutError) as error:
            if on_error == "raise":
                raise
            said.append(f"skipped a file: {error}")
    return found


def _check_alike(others: Sequence[Survey], one: Survey) -> None:
    if not one.streams and not one.left_out:
        raise LayoutError(f"{one.path} has no stream with a FEATURE_NAME: it is none of RoboDM's")
    for name, stream in one.streams.items():
        first = next((other.streams[name].feature for other in others if name in other.streams), stream.feature)
        if _kind(first) != _kind(stream.feature):
            raise DamagedFileError(
                f"{one.path}: {name} is {_kind(stream.feature)} where other files have {_kind(first)}"
            )


def _kind(feature: Feature) -> tuple[str, tuple[int, ...]]:
    """Element type and shape of a column; frames of a video are bytes, whatever was encoded."""
    return "uint8" if feature.video else feature.dtype, feature.shape


# ---- rows ------------------------------------------------------------------------------------------------------


def _clock(surveys: Sequence[Survey], options: ReadOptions) -> str | None:
    counts: dict[str, int] = {}
    for one in surveys:
        for name, stream in one.streams.items():
            counts[name] = counts.get(name, 0) + len(stream.times)
    if options.clock is not None and surveys and options.clock not in counts:
        raise SettingsError(f"no feature {options.clock!r} to be the clock; there are: {', '.join(sorted(counts))}")
    named = [name for name in (options.clock, *CLOCKS) if name in counts]
    return named[0] if named else min(counts, key=lambda name: (-counts[name], name), default=None)


def _members(
    surveys: Sequence[Survey], clock: str | None, on_error: OnError, options: ReadOptions, said: list[str]
) -> list[Episode]:
    members = []
    for one in surveys:
        try:
            members.append(Episode(one, _ticks(one, clock, options)))
        except DamagedFileError as error:
            if on_error == "raise":
                raise
            said.append(f"skipped a file: {error}")
    return members


def _ticks(one: Survey, clock: str | None, options: ReadOptions) -> Array:
    """Times of a file's rows, (T,) int64, µs."""
    if clock is None:
        return np.empty(0, dtype=np.int64)
    if clock not in one.streams:
        raise DamagedFileError(
            f"{one.path} has no feature {clock}, the clock; it has: {', '.join(sorted(one.streams))}"
        )
    ticks = one.streams[clock].times
    if options.hz is not None:
        rows = int((ticks[-1] - ticks[0]) * options.hz / 1e6 + 1e-6) + 1
        if rows > MAX_ROWS:
            raise DamagedFileError(f"{one.path}: {rows:,} rows at {options.hz:g} Hz are more than {MAX_ROWS:,}")
        ticks = ticks[0] + np.rint(np.arange(rows) * (1e6 / options.hz)).astype(np.int64)
    if options.complete:
        ticks = ticks[ticks >= max(int(stream.times[0]) for stream in one.streams.values())]
    return ticks


def _columns(members: Sequence[Episode]) -> dict[str, tuple[Column, Feature]]:
    features: dict[str, Feature] = {}
    for member in members:
        for name, stream in member.survey.streams.items():
            features.setdefault(name, stream.feature)
    paths = paths_of(features)
    found = {}
    for name, feature in features.items():
        dtype, shape = _kind(feature)
        nullable = any(_late(member, name) for member in members)
        column = Column(name=stored_name(paths[name]), dtype=dtype, shape=shape, nullable=nullable)
        found[column.name] = column, feature
    return found


def _late(member: Episode, name: str) -> bool:
    """Whether a feature has no value yet at an episode's first row, or none at all."""
    return name not in member.survey.streams or bool(len(member.ticks) and member.latest(name, 0, 1)[0] < 0)


def _whole(rows: StreamRows, said: list[str]) -> StreamRows:
    """The episodes whose values can all be read. Reads them once."""
    kept = []
    for member in rows.members:
        try:
            for stream in member.survey.streams.values():
                _read_all(member.survey.path, stream)
            kept.append(member)
        except TrajloomError as error:
            said.append(f"skipped a file: {error}")
    return StreamRows(kept, np.cumsum([len(m.ticks) for m in kept], dtype=np.int64), rows.columns)


def _read_all(path: str, stream: Stream) -> None:
    cursor = Cursor(path, stream)
    out = np.empty((1, *stream.feature.shape), dtype=_kind(stream.feature)[0])
    for number in range(len(stream.times)):
        cursor.take(np.array([number]), out)


# ---- the header ------------------------------------------------------------------------------------------------


def _header(rows: StreamRows, clock: str | None, options: ReadOptions, said: Sequence[str]) -> Header:
    columns = {name: feature for name, (_, feature) in rows.columns.items()}
    layout = {
        "format": "robodm",
        "renamed": {name: feature.name for name, feature in columns.items()},
        "types": {name: [feature.dtype, feature.codec] for name, feature in columns.items()},
        "clock": clock,
    }
    left_out = {name: why for member in rows.members for name, why in member.survey.left_out.items()}
    floats = [f.name for f in columns.values() if f.video and f.dtype != "uint8"]
    oddities = [
        *([] if rows.members else ["there is no demonstration in it"]),
        *said,
        *(f"{name} is left out: {why}" for name, why in sorted(left_out.items())),
        *([f"videos of floats are kept as the bytes that were encoded: {', '.join(floats)}"] if floats else []),
    ]
    return Header(
        steps=tuple(column for column, _ in rows.columns.values()),
        control_hz=options.hz or _rate(rows.members),
        layout=layout,
        sources=tuple({"id": PurePosixPath(member.survey.path).name} for member in rows.members),
        warnings=tuple(oddities),
    )


def _rate(members: Sequence[Episode]) -> float | None:
    """Rows a second, where they are evenly apart to the millisecond that RoboDM keeps."""
    gaps = np.concatenate([np.empty(0, dtype=np.int64), *(np.diff(member.ticks) for member in members)])
    if not len(gaps) or gaps.min() <= 0 or gaps.max() - gaps.min() > 1000:
        return None
    return float(round(1e6 / gaps.mean(), 3))
