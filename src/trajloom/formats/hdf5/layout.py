"""What surrounds a file's demonstrations: their names, the environment, filter keys.

Source: robomimic, docs/datasets/overview.md; robosuite, scripts/collect_human_demonstrations.py (facts only).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from h5py import h5d, h5g, h5o

from trajloom.errors import HostileFileError, LayoutError
from trajloom.formats.hdf5.attrs import Typed, read_attrs, value_of
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.scan import UNREADABLE, Walker, members, opened, portable, raw, text
from trajloom.formats.hdf5.storage import PLAIN, spellings, storage_of
from trajloom.formats.hdf5.values import ElementType, read_bytes

EMPTY = "there is no demonstration in it"
MARK = "trajloom"
"""Root group of the files that we export, with what robomimic's layout has no place for."""


@dataclass
class Frame:
    """All of a file that is not inside a demonstration."""

    demos: list[str]
    """Names, in numeric order."""
    attrs: dict[str, dict[str, Typed]] = field(default_factory=dict)
    kind: str = "robomimic"
    env_args: dict[str, Any] | None = None
    oddities: list[str] = field(default_factory=list)


def recognised(root: h5g.GroupID, where: str, dialect: Dialect) -> Frame:
    """The demonstrations and the file's own attributes; LayoutError where it is not of this layout."""
    names = {text(one.name) for one in members(root)}
    data = opened(root, root, raw(dialect.folder)) if dialect.folder else root
    if not isinstance(data, h5g.GroupID):
        raise LayoutError(f"{where}: expected {dialect.expected}; found {_listed(names, 'at its root')}")
    inside = {text(one.name) for one in members(data)}
    attrs = {"/": read_attrs(root), dialect.folder or "/": read_attrs(data)}
    demos = sorted((name for name in inside if is_demo(root, data, name, dialect)), key=lambda n: _order(n, dialect))
    known = dialect.known_attrs & set(attrs[dialect.folder or "/"])
    if (inside or not dialect.folder) and not demos and not known:
        at = f"in `{dialect.folder}`" if dialect.folder else "at its root"
        raise LayoutError(f"{where}: expected {dialect.expected}; found {_listed(inside, at)}")
    frame = Frame(demos, {path: found for path, found in attrs.items() if found}, kind=dialect.name)
    _describe(frame, attrs[dialect.folder or "/"], inside, dialect)
    return frame


def is_demo(root: h5g.GroupID, data: h5g.GroupID, name: str, dialect: Dialect) -> bool:
    """Whether a member of the group of demonstrations is one."""
    if dialect.number(name) is None:
        return False
    try:
        return isinstance(opened(root, data, name.encode()), h5g.GroupID)
    except HostileFileError:
        raise
    except UNREADABLE:
        return True  # its name says so; what is wrong with it is reported with its content


def _order(name: str, dialect: Dialect) -> tuple[int, str]:
    return dialect.number(name) or 0, name


def _listed(names: set[str], where: str) -> str:
    some = ", ".join(repr(name) for name in sorted(names)[:8])
    return f"{some or 'nothing'}{', ...' if len(names) > 8 else ''} {where}"


def _describe(frame: Frame, attrs: Mapping[str, Typed], inside: set[str], dialect: Dialect) -> None:
    teleoperation = "env_args" not in attrs and bool({"env", "env_info", "repository_version"} & set(attrs))
    if dialect.name == "hdf5":
        frame.kind = "robosuite" if teleoperation else "robomimic"
    frame.env_args, fault = env_args_of(attrs)
    if fault:
        frame.oddities.append(fault)
    if not frame.demos:
        frame.oddities.append(EMPTY)
    if dialect.says_environment and not teleoperation and "env_args" not in attrs:
        frame.oddities.append("`data` has no attribute `env_args`: which environment made it is unknown")
    unusual = [name for name in frame.demos if not name.startswith(dialect.stem.partition("{")[0])]
    if unusual:
        frame.oddities.append(f"{len(unusual)} demonstrations are named like {unusual[0]!r} rather than 'demo_<i>'")
    others = sorted(inside - set(frame.demos) - (set() if dialect.folder else {MARK}))
    if others:
        where = f"`{dialect.folder}`" if dialect.folder else "the file"
        frame.oddities.append(
            f"{where} holds more than demonstrations ({_listed(set(others), 'in it')}); kept in `rest`"
        )


def env_args_of(attrs: Mapping[str, Typed]) -> tuple[dict[str, Any] | None, str | None]:
    """robomimic's `env_args`, also from what robosuite's teleoperation writes instead; and what is wrong with it."""
    if "env_args" in attrs:
        return _parsed(attrs, "env_args")
    info, fault = _parsed(attrs, "env_info") if "env_info" in attrs else ({}, None)
    if info is None or not ("env" in attrs or info):
        return None, fault
    kwargs = dict(info)
    name = kwargs.pop("env_name", value_of(attrs.get("env")))
    version = value_of(attrs.get("repository_version"))
    return {"env_name": name, "env_version": version, "type": 1, "env_kwargs": kwargs}, fault


def _parsed(attrs: Mapping[str, Typed], name: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        value = json.loads(str(value_of(attrs[name])))
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value, None
    return None, f"`data`'s attribute `{name}` is no JSON object; kept as it is"


# ---- mask/ -----------------------------------------------------------------------------------------------------


@dataclass
class Masks:
    """robomimic's filter keys."""

    splits: dict[str, list[str]] = field(default_factory=dict)
    """Name of a demonstration -> keys that list it."""
    layout: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Key -> what its array is beyond the set of its names."""
    attrs: dict[str, dict[str, Typed]] = field(default_factory=dict)
    oddities: list[str] = field(default_factory=list)


def read_masks(root: h5g.GroupID, demos: Sequence[str], walker: Walker) -> Masks:
    """The filter keys of a file; members of `mask` that are none are left to `rest`."""
    masks = Masks()
    group = opened(root, root, b"mask")
    if not isinstance(group, h5g.GroupID):
        return masks
    tree = walker.walk(group)
    for path, signature, _ in tree.datasets:
        if "/" not in path and path == portable(path) and _lists_names(signature.kind, signature.shape):
            _read_mask(h5o.open(group, path.encode()), path, signature.kind, demos, masks)
    return masks


def _lists_names(kind: ElementType, shape: tuple[int, ...]) -> bool:
    return len(shape) == 1 and (kind.name in ("str", "ascii") or kind.name.startswith("|S"))


def _read_mask(dataset: h5d.DatasetID, key: str, kind: ElementType, demos: Sequence[str], masks: Masks) -> None:
    content = read_bytes(dataset, kind)
    if kind.flat:
        width = kind.size
        found = [text(content[i : i + width].rstrip(b"\0")) for i in range(0, len(content), width)]
    else:
        found = json.loads(content)
    known, listed = set(demos), set(found)
    for name in listed & known:
        masks.splits.setdefault(name, []).append(key)
    layout: dict[str, Any] = {"dtype": kind.name}
    order = [name for name in demos if name in listed]
    if found != order:
        layout["names"] = "sorted" if found == sorted(order) else found
    unknown = sorted(listed - known)
    if unknown:
        layout["unknown"] = unknown
        masks.oddities.append(
            f"mask/{key} lists {len(unknown)} demonstrations that are not there, such as {unknown[0]!r}"
        )
    storage = storage_of(dataset, kind)
    if storage != PLAIN:
        layout["storage"] = spellings(storage, dataset.shape, kind.size)[-1]
    masks.layout[key] = layout
    attrs = read_attrs(dataset)
    if attrs:
        masks.attrs[f"mask/{key}"] = attrs
