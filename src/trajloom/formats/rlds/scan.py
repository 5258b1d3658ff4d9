"""What a dataset of TFRecords holds, from its files' framing and the names and counts in its records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from trajloom.errors import DamagedFileError, LayoutError
from trajloom.folder import Folder
from trajloom.formats.rlds.example import features
from trajloom.formats.rlds.features import FILE, Spec, read_specs
from trajloom.formats.rlds.framing import Record, looks_like_records, mapped, records
from trajloom.formats.rlds.infer import inferred
from trajloom.formats.rlds.names import file_parts
from trajloom.formats.rlds.values import as_attr, steps_in
from trajloom.formats.rlds.wire import WireError

INFO = "dataset_info.json"


@dataclass(frozen=True)
class File:
    """One file of records."""

    path: str
    split: str | None
    shard: int
    of: int


@dataclass(frozen=True)
class Entry:
    """What the scan knows of an episode."""

    record: Record
    split: str | None
    length: int
    absent: frozenset[str]
    """Columns that it lacks."""
    attrs: Mapping[str, Any]
    """Name -> typed attribute."""
    others: tuple[str, ...]
    """Features that are neither column nor attribute."""


@dataclass
class Scan:
    """A dataset without its values."""

    files: list[File]
    specs: list[Spec]
    described: bool
    """Whether there is a `features.json`; else the first record says what there is."""
    info: Mapping[str, Any]
    entries: list[Entry] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)


def files_of(path: str) -> tuple[Folder, list[File]]:
    """The folder and its files of records by split and number; or a single file.

    Raises:
        LayoutError: There is none.
    """
    place = Folder(path)
    if place.fs.isfile(place.root):
        if not looks_like_records(path):
            raise LayoutError(f"{path} does not begin with a record of TFRecord")
        _, split, shard, of = file_parts(PurePosixPath(place.root).name) or ("", None, 0, 1)
        return Folder(path.rpartition("/")[0] or "."), [File(path, split, shard, of)]
    if not place.fs.exists(place.root):
        raise FileNotFoundError(path)
    found = [(parts, name) for name in place.names() if (parts := file_parts(name)) is not None]
    if not found:
        versions = [name for name in place.names() if place.exists(name, FILE)]
        if len(versions) == 1:
            return files_of(f"{path.rstrip('/')}/{versions[0]}")
        more = f"; choose one of its versions: {', '.join(versions)}" if versions else ""
        raise LayoutError(f"{path} holds no files *.tfrecord*{more}")
    found.sort(key=lambda item: (item[0][1] or "", item[0][0], item[0][2]))
    return place, [File(f"{path.rstrip('/')}/{name}", s, shard, of) for (_, s, shard, of), name in found]


def scan(path: str, skip: bool) -> Scan:
    """Scan a dataset; with `skip`, what is damaged is left out and listed among the oddities."""
    place, files = files_of(path)
    described = place.exists(FILE)
    specs = read_specs(place.read(FILE), f"{place.url}/{FILE}") if described else _inferred(files, skip)
    info = _info(place)
    order = [split.get("name") for split in info.get("splits", ()) if isinstance(split, dict)]
    files.sort(key=lambda file: order.index(file.split) if file.split in order else len(order))
    result = Scan(files, specs, described, info)
    for file in files:
        _scan_file(result, file, skip)
    result.oddities += [*_missing_files(files), *_wrong_counts(result)]
    return result


def _inferred(files: Sequence[File], skip: bool) -> list[Spec]:
    """What the first record that can be read says there is."""
    for file in files:
        data = mapped(file.path)
        try:
            for record in records(file.path, data):
                return inferred(features(data, record.start, record.start + record.size))
        except (WireError, DamagedFileError) as error:
            if not skip:
                raise DamagedFileError(f"{file.path}: record 0 cannot be read ({error})") from error
    return []


def _scan_file(result: Scan, file: File, skip: bool) -> None:
    data = mapped(file.path)
    try:
        for record in records(file.path, data):
            try:
                result.entries.append(_entry(record, data, file.split, result.specs))
            except (WireError, DamagedFileError) as error:
                if not skip:
                    raise DamagedFileError(f"{record.where} cannot be read ({error})") from error
                result.oddities.append(f"skipped record {record.number} of {file.path}: {error}")
    except DamagedFileError as error:
        if not skip:
            raise
        result.oddities.append(f"skipped the rest of a file: {error}")


def _entry(record: Record, data: Any, split: str | None, specs: Sequence[Spec]) -> Entry:
    found = features(data, record.start, record.start + record.size)
    columns = [spec for spec in specs if spec.is_column]
    present = [spec for spec in columns if spec.name in found and found[spec.name].kind is not None]
    # numbers are counted without a look at them, images one by one
    clock = min(present, key=lambda spec: (spec.image, found[spec.name].kind != "float"), default=None)
    length = 0 if clock is None else steps_in(found[clock.name], clock)
    names, known = {spec.name for spec in columns}, {spec.name: spec for spec in specs}
    attrs: dict[str, Any] = {}
    for name in sorted(found.keys() - names):
        attr = as_attr(found[name], known.get(name)) if found[name].kind is not None and _once(name, known) else None
        if attr is not None:
            attrs[name] = attr
    others = tuple(sorted(name for name in found.keys() - names - attrs.keys() if found[name].kind is not None))
    absent = frozenset(names - {spec.name for spec in present}) if length else frozenset()
    return Entry(record, split, length, absent, attrs, others)


def _once(name: str, known: Mapping[str, Spec]) -> bool:
    """Whether a feature may be an attribute: it has one value an episode, or is a text that may never change."""
    spec = known.get(name)
    return (
        not name.startswith("steps/")
        if spec is None
        else not spec.in_steps or (spec.dtype == "string" and not spec.odd)
    )


def _info(place: Folder) -> Mapping[str, Any]:
    if not place.exists(INFO):
        return {}
    try:
        found = json.loads(place.read(INFO))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{place.url}/{INFO} is no JSON ({error})") from error
    return found if isinstance(found, dict) else {}


def _missing_files(files: Sequence[File]) -> Iterator[str]:
    for split in dict.fromkeys(file.split for file in files):
        ours = [file for file in files if file.split == split]
        of, there = max(file.of for file in ours), len({file.shard for file in ours})
        if len(files) > 1 and there < of:
            yield f"split {split}: {there} of {of} files are there"


def _wrong_counts(result: Scan) -> Iterator[str]:
    for split in result.info.get("splits", ()):
        try:
            name, said = split["name"], sum(int(n) for n in split["shardLengths"])
        except (KeyError, TypeError, ValueError):
            continue
        found = sum(entry.split == name for entry in result.entries)
        whole = {file.shard for file in result.files if file.split == name}
        if len(whole) == len(split["shardLengths"]) and found != said:
            yield f"{INFO} says {said} episodes in split {name}; there are {found}"
