"""What is known of an HDF5 file without its arrays: its demonstrations, what their arrays are, and what is odd."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from h5py import h5g

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.formats.hdf5.attrs import Typed, read_attr, read_attrs, value_of
from trajloom.formats.hdf5.columns import Decision, decide
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.export import mark_of, read_attempts, read_fields, read_lengths
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.frame import EPISODE
from trajloom.formats.hdf5.layout import MARK, Frame, Masks, read_masks, recognised
from trajloom.formats.hdf5.rest import Extras, attrs_at
from trajloom.formats.hdf5.scan import UNREADABLE, Facts, Tree, Walker, first_line, opened, portable, raw
from trajloom.formats.hdf5.shelf import files_of
from trajloom.formats.hdf5.told import Told
from trajloom.tables import Array

Faults = dict[str, list[str]]
"""Name of a demonstration -> what is wrong with it."""


@dataclass
class Scan:
    """What is known of a file without its arrays."""

    stamp: tuple[int, int]
    frame: Frame
    masks: Masks
    decision: Decision
    facts: Facts
    names: list[str]
    """Of the demonstrations that are read."""
    indices: Array
    num_samples: list[int | None]
    extras: Extras
    attrs: dict[str, dict[str, Typed]]
    fields: Mapping[str, Any] | None
    """What we exported beside the demonstrations, where we did."""
    dialect: Dialect
    mark: str | None
    """Path of the group that we exported beside the demonstrations."""
    aside: tuple[str, ...] = ()
    """Names of the files that are kept aside in it."""
    attempts: pa.Table | None = None
    oddities: list[str] = field(default_factory=list)

    @property
    def faults(self) -> Faults:
        found = sorted(self.decision.faults.items())
        return {self.names[i]: [f"{portable(path)} {said}" for path, said in faults] for i, faults in found}


def scan(path: str, dialect: Dialect, without: frozenset[str] = frozenset()) -> Scan:
    """Scan a file, leaving out some demonstrations.

    Raises:
        LayoutError: it is none of the layouts that we read.
        DamagedFileError: HDF5 cannot open it.
        HostileFileError: it points out of itself.
    """
    try:
        with Hdf5File(path) as file:
            return _scan(file, dialect, without)
    except HostileFileError as error:
        raise HostileFileError(f"{path}: {error}") from error


def _ledger(file: Hdf5File, ours: h5g.GroupID | None, fields: Mapping[str, Any] | None) -> pa.Table | None:
    try:
        return read_attempts(file.root, ours, fields or {}) if ours else None
    except DamagedFileError as error:
        raise DamagedFileError(f"{file.path}: {error}") from error


def _scan(file: Hdf5File, dialect: Dialect, without: frozenset[str]) -> Scan:
    walker = Walker(file.root, file.stamp[0], file.headers)
    frame = recognised(file.root, file.path, dialect)
    mark = mark_of(file.root, frame.demos, dialect)
    ours = file.group(mark) if mark else None
    fields = read_fields(ours) if ours else None
    told = _told(file, frame, ours, fields, without)
    masks = read_masks(file.root, frame.demos, walker) if dialect.masks else Masks()
    names = [name for name in frame.demos if name not in without]
    facts, num_samples, indices = _demonstrations(file, walker, names, dialect, mark)
    ranks = {name: rank for rank, name in enumerate(frame.demos)}
    kept = [index for index in indices if index is not None]
    rising = bool(mark) and len(kept) == len(names) and all(np.diff(kept) > 0)
    decision = decide(names, facts, num_samples, bool(mark), dialect, told)
    extras, attrs = _extras(file, walker, frame, masks, dialect, mark)
    result = Scan(
        stamp=file.stamp,
        frame=frame,
        masks=masks,
        decision=decision,
        facts=facts,
        names=names,
        indices=np.array(kept if rising else [ranks[name] for name in names], dtype=np.int64),
        num_samples=num_samples,
        extras=extras,
        attrs=attrs,
        fields=fields,
        dialect=dialect,
        mark=mark,
        aside=files_of(file.root, ours, file.stamp[0]) if ours else (),
        attempts=_ledger(file, ours, fields),
    )
    result.oddities = [*frame.oddities, *masks.oddities, *_wrong_counts(result, without), *decision.oddities]
    return result


def _told(
    file: Hdf5File, frame: Frame, ours: h5g.GroupID | None, fields: Mapping[str, Any] | None, without: frozenset[str]
) -> Told:
    if ours is None or fields is None or not isinstance(fields.get("told"), dict):
        return Told()
    lengths = read_lengths(file.root, ours)
    if lengths is not None and len(lengths) == len(frame.demos):
        lengths = lengths[[name not in without for name in frame.demos]]
    return Told.from_json(fields["told"], lengths, file.path)


def _demonstrations(
    file: Hdf5File, walker: Walker, names: Sequence[str], dialect: Dialect, mark: str | None
) -> tuple[Facts, list[int | None], list[int | None]]:
    facts, said, indices = Facts(), [], []
    data = opened(file.root, file.root, raw(dialect.folder)) if dialect.folder else file.root
    for i, name in enumerate(names):
        found: dict[str, int | None] = {"num_samples": None, EPISODE: None}
        try:
            group = opened(file.root, data, raw(name))
            for attr in found:
                value = value_of(read_attr(group, attr))
                found[attr] = value if isinstance(value, int) and not isinstance(value, bool) else None
            tree = walker.walk(group, frozenset({MARK}) if mark == f"{name}/{MARK}" else frozenset())
        except HostileFileError as error:
            raise HostileFileError(f"{dialect.at(name)}/{error}") from error
        except UNREADABLE as error:
            tree = Tree(faults=[("", f"cannot be read ({first_line(error)})")])
        facts.add(i, tree)
        said.append(found["num_samples"])
        indices.append(found[EPISODE])
    return facts, said, indices


def _wrong_counts(found: Scan, without: frozenset[str]) -> list[str]:
    oddities = []
    lengths = found.decision.lengths
    total = value_of(found.frame.attrs.get("data", {}).get("total"))
    if isinstance(total, int) and total != lengths.sum() and not without:
        oddities.append(f"`total` says {total:,} steps; there are {int(lengths.sum()):,}")
    wrong = [i for i, said in enumerate(found.num_samples) if said is not None and said != lengths[i]]
    if wrong:
        i = wrong[0]
        example = f"{found.names[i]}: {found.num_samples[i]:,} for {lengths[i]:,} steps"
        oddities.append(f"`num_samples` is wrong in {len(wrong)} of {len(lengths)} episodes ({example})")
    return oddities


def _extras(
    file: Hdf5File, walker: Walker, frame: Frame, masks: Masks, dialect: Dialect, mark: str | None
) -> tuple[Extras, dict[str, dict[str, Typed]]]:
    attrs = {**frame.attrs, **masks.attrs}
    ours = {MARK} if mark == MARK else set()
    skipped = {dialect.folder: frozenset(frame.demos)} if dialect.folder else {}
    skipped |= {"mask": frozenset(masks.layout)} if dialect.masks else {}
    at_root = frozenset({*skipped, *ours, *(() if dialect.folder else frame.demos)})
    datasets, empty, others = [], [], []
    for prefix, skip in {"": at_root, **skipped}.items():
        group = file.root if not prefix else opened(file.root, file.root, raw(prefix))
        if not isinstance(group, h5g.GroupID):
            datasets += [prefix] if group is not None else []
            continue
        tree, lead = walker.walk(group, skip), f"{prefix}/" if prefix else ""
        if tree.faults:
            raise DamagedFileError(f"{file.path}: " + "; ".join(f"{lead}{path} {said}" for path, said in tree.faults))
        datasets += [lead + path for path, _, _ in tree.datasets]
        empty += [lead + path for path in tree.empty_groups]
        others += [(lead + path, kind, content) for path, kind, content in tree.others]
        arrays = {path for path, _, _ in tree.datasets} | set(tree.empty_groups)
        inner = {lead + path: attrs_at(file, group, path) for path in tree.with_attrs if path not in arrays}
        attrs.update(inner)
        if prefix == "mask":
            own = read_attrs(group)
            empty += [prefix] if not group.get_num_objs() else []
            attrs.update({prefix: own} if own and group.get_num_objs() else {})
    return Extras(tuple(datasets), tuple(empty), tuple(others)), attrs
