"""Records of episodes as a dataset."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, TrajloomError, TrajloomWarning
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.rlds.example import Feature, features
from trajloom.formats.rlds.features import Spec
from trajloom.formats.rlds.framing import Record
from trajloom.formats.rlds.images import size_of
from trajloom.formats.rlds.names import INSTRUCTIONS, path_of_name, paths_of
from trajloom.formats.rlds.scan import Entry, Scan, scan
from trajloom.formats.rlds.values import as_rest, column, text_of
from trajloom.formats.rlds.wire import WireError
from trajloom.reopened import Reopened
from trajloom.schema import Column, Header, stored_name
from trajloom.tables import Array, Rest


class Opened:
    """Reads records and keeps the last one."""

    def __init__(self) -> None:
        self._last: tuple[Record, dict[str, Feature]] | None = None

    def features(self, record: Record) -> dict[str, Feature]:
        if self._last is None or self._last[0] != record:
            data = record.read()
            self._last = record, features(data, 0, len(data))
        return self._last[1]


@dataclass(frozen=True)
class RecordRows(Reopened):
    """Values of episodes. Implements `formats._columnar.Rows`."""

    entries: Sequence[Entry]
    ends: Array
    """(E,) int64. Rows up to the end of each episode."""
    columns: Mapping[str, tuple[Spec, tuple[int, ...]]]
    """Column -> its feature and the shape of a row."""
    opened: Opened = field(default_factory=Opened, init=False)

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Array]:
        values = {
            name: np.zeros((stop - start, *self.columns[name][1]), dtype=self.columns[name][0].dtype)
            for name in columns
        }
        if not columns:
            return values
        first, last = np.searchsorted(self.ends, [start, stop - 1], side="right") if stop > start else (0, -1)
        for i in range(first, last + 1):
            begin = int(self.ends[i]) - self.entries[i].length
            a, b = max(start, begin), min(stop, int(self.ends[i]))
            for name, found in self.episode(i, columns, a - begin, b - begin):
                values[name][a - start : b - start] = found
        return values

    def episode(self, number: int, columns: Sequence[str], start: int, stop: int) -> Iterator[tuple[str, Array]]:
        """Columns of the frames [start, stop) of an episode; those that it lacks are left out."""
        entry = self.entries[number]
        found = self._features(entry)
        for name in columns:
            spec, shape = self.columns[name]
            if spec.name in entry.absent or stop <= start:
                continue
            try:
                yield name, column(found[spec.name], spec, shape, entry.length, start, stop)
            except (WireError, KeyError) as error:
                raise DamagedFileError(f"{entry.record.where}: {spec.name} cannot be read ({error})") from error
            except TrajloomError as error:
                raise type(error)(f"{entry.record.where}: {error}") if len(error.args) == 1 else error from error

    def _features(self, entry: Entry) -> dict[str, Feature]:
        try:
            return self.opened.features(entry.record)
        except WireError as error:
            raise DamagedFileError(f"{entry.record.where} is no tf.train.Example ({error})") from error

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Array]:
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        for number in range(first, last):
            yield from self.rest_of(number)

    def rest_of(self, number: int) -> Iterator[Rest]:
        """What of an episode is neither column nor attribute."""
        entry = self.entries[number]
        for name in entry.others:
            try:
                yield as_rest(self._features(entry)[name], path_of_name(name), number)
            except (WireError, KeyError) as error:
                raise DamagedFileError(f"{entry.record.where}: {name} cannot be read ({error})") from error

    def fault(self, number: int) -> str | None:
        """Why an episode cannot be read, having read it all."""
        try:
            for name in self.columns:
                for start in range(0, self.entries[number].length, 64):
                    stop = min(start + 64, self.entries[number].length)
                    list(self.episode(number, [name], start, stop))
            list(self.rest_of(number))
        except TrajloomError as error:
            return str(error)
        return None


def read_source(path: str, on_error: OnError) -> ColumnarSource:
    """Scan records and return the dataset; see `rlds.read`."""
    found = scan(path, on_error == "skip")
    columns = columns_of(found, on_error == "skip")
    if on_error == "skip":
        found = _whole(found, columns)
    header = _header(found, columns)
    if header.warnings:
        said = "; ".join(header.warnings[:10])
        many = len(header.warnings) - 10
        warnings.warn(f"{path}: {said}" + (f"; and {many} more" if many > 0 else ""), TrajloomWarning, stacklevel=3)
    absent = {
        name: np.array([columns[name][0].name in entry.absent for entry in found.entries])
        for name in columns
        if header.column(name).nullable
    }
    lengths = np.array([entry.length for entry in found.entries], dtype=np.int64)
    return ColumnarSource(path, header, lengths, rows_of(found, columns), _own(found), absent)


def rows_of(found: Scan, columns: Mapping[str, tuple[Spec, tuple[int, ...]]]) -> RecordRows:
    return RecordRows(found.entries, np.cumsum([entry.length for entry in found.entries], dtype=np.int64), columns)


def _whole(found: Scan, columns: Mapping[str, tuple[Spec, tuple[int, ...]]]) -> Scan:
    """The episodes that can be read. Reads them all once."""
    rows = rows_of(found, columns)
    faults = {number: fault for number in range(len(found.entries)) if (fault := rows.fault(number)) is not None}
    kept = [entry for number, entry in enumerate(found.entries) if number not in faults]
    return replace(found, entries=kept, oddities=[*found.oddities, *(f"skipped {said}" for said in faults.values())])


def columns_of(found: Scan, skip: bool) -> dict[str, tuple[Spec, tuple[int, ...]]]:
    """Column -> feature and shape of a row; images of no fixed size have that of the first that can be read."""
    specs = [spec for spec in found.specs if spec.is_column]
    paths = paths_of(spec.name for spec in specs)
    columns = {}
    for spec in specs:
        shape = _image_shape(found, spec, skip) if None in spec.shape else spec.shape
        if shape is not None:
            columns[stored_name(paths[spec.name])] = spec, tuple(n for n in shape if n is not None)
    return columns


def _image_shape(found: Scan, spec: Spec, skip: bool) -> tuple[int | None, ...] | None:
    """None where no episode has such an image."""
    for entry in found.entries:
        if spec.name not in entry.absent and entry.length:
            try:
                return _first_shape(entry, spec)
            except (DamagedFileError, WireError) as error:
                if not skip:
                    raise DamagedFileError(f"{entry.record.where}: {spec.name} cannot be read ({error})") from error
    return None


def _first_shape(entry: Entry, spec: Spec) -> tuple[int | None, ...]:
    value = Opened().features(entry.record)[spec.name]
    texts = value.texts()
    if not texts:
        raise DamagedFileError("there is no image")
    sizes = size_of(bytes(value.data[slice(*texts[0])]), f"{entry.record.where}: {spec.name}")
    shape = tuple(given or found for given, found in zip(spec.shape, sizes, strict=True))
    if shape[2] not in (1, 3, 4):
        raise DamagedFileError(f"an image of {shape[2]} channels")
    return shape


def _header(found: Scan, columns: Mapping[str, tuple[Spec, tuple[int, ...]]]) -> Header:
    some = {name for entry in found.entries for name in entry.absent}
    steps = tuple(
        Column(name=name, dtype=spec.dtype, shape=shape, nullable=spec.name in some)
        for name, (spec, shape) in columns.items()
    )
    layout = {
        "format": "rlds",
        "renamed": {name: spec.name for name, (spec, _) in columns.items()},
        "encodings": {name: spec.encoding for name, (spec, _) in columns.items() if spec.encoding != "none"},
        "info": found.info,
        "files": [file.path.rpartition("/")[2] for file in found.files],
    }
    odd = sorted(
        {f"{spec.name} is no column, for it has {spec.odd}; it is kept as it lies" for spec in found.specs if spec.odd}
    )
    nothing = [] if found.entries else ["there is no demonstration in it"]
    sources = tuple({"id": file.path.rpartition("/")[2]} for file in found.files)
    return Header(steps=steps, layout=layout, sources=sources, warnings=(*nothing, *found.oddities, *odd))


def _own(found: Scan) -> dict[str, list[Any]]:
    names = [f"{entry.split or 'episode'}_{entry.record.number}" for entry in found.entries]
    if len(set(names)) < len(names):  # splits of several files count on
        names = [f"{entry.split or 'episode'}_{number}" for number, entry in enumerate(found.entries)]
    return {
        "name": names,
        "splits": [[entry.split] if entry.split else [] for entry in found.entries],
        "task": [_task(entry) for entry in found.entries],
        "success": [_success(entry) for entry in found.entries],
        "attrs": [json.dumps(_grouped(entry.attrs)) for entry in found.entries],
    }


def _task(entry: Entry) -> str | None:
    return next((text for name in INSTRUCTIONS if (text := text_of(entry.attrs.get(name)))), None)


def _success(entry: Entry) -> bool | None:
    value = entry.attrs.get("episode_metadata/success", {}).get("value")
    return bool(value) if value in (0, 1) else None


def _grouped(attrs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    grouped: dict[str, dict[str, Any]] = {}
    for name, attr in attrs.items():
        group, _, last = name.rpartition("/")
        grouped.setdefault(group, {})[last] = attr
    return grouped
