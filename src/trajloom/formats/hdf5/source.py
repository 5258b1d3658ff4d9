"""A whole HDF5 file as a dataset: header, parts, and what is left out of a damaged one."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom.errors import DamagedFileError, TrajloomWarning
from trajloom.formats import OnError, Source, _aside
from trajloom.formats._env_args import control_hz_of
from trajloom.formats._parts import part_bounds
from trajloom.formats._place import local_file
from trajloom.formats.hdf5.attrs import read_attr, value_of
from trajloom.formats.hdf5.columns import ABSENT, Plan
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.export import restored
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.layout import EMPTY
from trajloom.formats.hdf5.models import Models, model_of
from trajloom.formats.hdf5.part import Hdf5Part
from trajloom.formats.hdf5.shelf import Hdf5Shelf
from trajloom.formats.hdf5.survey import Faults, Scan, scan
from trajloom.schema import Header


@dataclass(frozen=True)
class ModelLoader:
    """Opens a file for its episodes' models; can be sent to another process."""

    local: str
    """The file, or its copy."""
    path: str
    """What it is called."""
    stamp: tuple[int, int]
    names: tuple[str, ...]
    dialect: Dialect

    def __call__(self) -> Callable[[int], str | None]:
        file = Hdf5File(self.local, self.stamp)

        def load(episode: int) -> str | None:
            where = self.dialect.at(self.names[episode])
            return model_of(read_attr(file.group(where), "model_file"), file.folder, f"{self.path}: {where}")

        return load


class Hdf5Source:
    """A file of demonstrations. Implements `formats.Source`."""

    def __init__(self, path: str, local: str, found: Scan, part_bytes: int, more: Sequence[str] = ()):
        """Make it.

        Args:
            path: Where the file lies, which may be a URL.
            local: Where it, or its copy, lies on this machine.
            found: What a scan of it found.
            part_bytes: Uncompressed size of a part.
            more: Warnings, besides the scan's.
        """
        self.path, self._local, self._scan, self._part_bytes = path, local, found, part_bytes
        self.header = _header(path, found, [*found.oddities, *more])

    def parts(self) -> Sequence[Hdf5Part]:
        return self._parts

    def models(self) -> Mapping[str, str]:
        loader = ModelLoader(self._local, self.path, self._scan.stamp, tuple(self._scan.names), self._scan.dialect)
        return Models(len(self._scan.names), loader)

    @cached_property
    def _parts(self) -> list[Hdf5Part]:
        bounds = self._bounds()
        return [self._part(first, last, first == 0, last == bounds[-1][1]) for first, last in bounds]

    def _bounds(self) -> list[tuple[int, int]]:
        weights = np.full(len(self._scan.names), 1000, dtype=np.int64)
        for plan in self._scan.decision.plans:
            rows = 1 if plan.table == "episodes" else self._scan.decision.lengths
            weights += np.where(plan.where == ABSENT, 0, rows * plan.column.nbytes)
        return part_bounds(weights.tolist(), self._part_bytes)

    def _part(self, first: int, last: int, is_first: bool, is_last: bool) -> Hdf5Part:
        found, decision = self._scan, self._scan.decision

        def cut(by_episode: Mapping[int, Any]) -> dict[int, Any]:
            return {i - first: by_episode[i] for i in range(first, last) if i in by_episode}

        names = tuple(found.names[first:last])
        return Hdf5Part(
            path=self._local,
            stamp=found.stamp,
            header=self.header,
            indices=found.indices[first:last],
            names=names,
            lengths=decision.lengths[first:last],
            plans=tuple(Plan(p.path, p.column, p.table, p.where[first:last]) for p in decision.plans),
            num_samples=tuple(found.num_samples[first:last]),
            splits={name: found.masks.splits[name] for name in names if name in found.masks.splits},
            folder=found.dialect.folder,
            seeds=found.fields is not None or found.dialect.seeds,
            tasks=found.fields is not None,
            task=_task_of(found),
            outcome=found.dialect.outcome,
            rest_paths=cut(decision.rest),
            empty_groups=cut(found.facts.empty_groups),
            others=cut(found.facts.others),
            with_attrs=cut(found.facts.with_attrs),
            storage=cut(decision.storage),
            extras=found.extras if is_first else None,
            ledger=self._ledger(first, last, is_first, is_last),
        )

    def _ledger(self, first: int, last: int, is_first: bool, is_last: bool) -> pa.Table | None:
        """The attempts from this part's first episode to the next one's."""
        attempts = self._scan.attempts
        if attempts is None or (is_first and is_last):
            return attempts
        number, after = attempts.column("attempt"), self._scan.indices
        if not is_first:
            attempts = attempts.filter(pc.greater_equal(number, int(after[first])))
        if not is_last:
            attempts = attempts.filter(pc.less(attempts.column("attempt"), int(after[last])))
        return attempts


def _task_of(found: Scan) -> str | None:
    if found.dialect.folder:
        return None
    task = value_of(found.attrs.get("/", {}).get("env_name"))
    return task if isinstance(task, str) else None


def _header(path: str, found: Scan, oddities: Sequence[str]) -> Header:
    decision, frame = found.decision, found.frame
    about = found.dialect.about
    tables = {
        table: tuple(about(p.column, found.attrs) for p in decision.plans if p.table == table)
        for table in ("steps", "episodes", "lineage")
    }
    eefs = sorted({column.name.partition("/")[2] for column in tables["lineage"]})
    layout = {
        "format": found.dialect.name,
        "kind": frame.kind,
        "episodes": len(frame.demos),
        "steps": int(decision.lengths.sum()),
        "columns": decision.layout,
        "masks": found.masks.layout,
        "renamed": decision.renamed,
        "exported": found.fields is not None,
    }
    header = Header(
        steps=tables["steps"],
        episodes=tables["episodes"],
        eefs=tuple(eefs),
        control_hz=control_hz_of(frame.env_args),
        env_args=frame.env_args,
        attrs=found.attrs,
        layout=layout,
        warnings=tuple(oddities),
    )
    if found.fields is not None:
        return restored(header, found.fields)
    return replace(header, sources=({"id": Path(path).name, "bytes": found.stamp[0]},))


def read_source(path: str, on_error: OnError, part_bytes: int, dialect: Dialect) -> Source:
    """Scan a file and return the dataset; see `hdf5.read`."""
    local = local_file(path)
    found = scan(local, dialect)
    skipped: Faults = {}
    if on_error == "skip":
        found, skipped = _whole(local, found)
    elif found.faults:
        raise DamagedFileError(_said(path, found, len(found.names)))
    more = [f"skipped {dialect.at(name)}: {'; '.join(faults)}" for name, faults in skipped.items()]
    if found.mark and found.aside:
        shelf = Hdf5Shelf(local, found.stamp, found.mark, found.aside)
        ranked = Hdf5Source(path, local, replace(found, indices=np.arange(len(found.names))), part_bytes)
        source = _aside.restored(ranked, shelf, path)
        if source is not ranked:
            # notes of earlier files and edits came with the header: they were said when they were made
            return _warned(source, path, [] if found.names else [EMPTY])
    native = Hdf5Source(path, local, found, part_bytes, more)
    return _warned(native, path, native.header.warnings)


def _warned(source: Source, path: str, said_of: Sequence[str]) -> Source:
    if said_of:
        said = "; ".join(said_of[:10])
        many = len(said_of) - 10
        warnings.warn(f"{path}: {said}" + (f"; and {many} more" if many > 0 else ""), TrajloomWarning, stacklevel=4)
    return source


def _said(path: str, scanned: Scan, episodes: int) -> str:
    faults, at = scanned.faults, scanned.dialect.at
    listed = [f"{at(name)}/{fault}".replace("/ ", " ") for name, found in faults.items() for fault in found]
    many = f"; and {len(listed) - 50} more faults" if len(listed) > 50 else ""
    whole = f'{episodes - len(faults)} whole episodes can be read with on_error="skip"'
    return f"{path}: " + "; ".join(listed[:50]) + f"{many}; {whole}"


def _whole(path: str, found: Scan) -> tuple[Scan, Faults]:
    """The scan of the whole episodes alone, and what is wrong with the others. Reads all arrays once."""
    skipped: Faults = {}
    while True:
        faults = found.faults or _unreadable(path, found)
        if not faults:
            return found, skipped
        skipped.update(faults)
        found = scan(path, found.dialect, frozenset(skipped))


def _unreadable(path: str, found: Scan) -> Faults:
    """Episodes whose arrays cannot be unpacked, or whose actions are not finite."""
    faults: Faults = {}
    for part in Hdf5Source(path, path, found, 1 << 62).parts():
        for name, said in part.faults():
            faults.setdefault(name, []).append(said)
    return faults
