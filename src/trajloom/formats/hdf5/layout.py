"""The layouts that we read: robomimic's and MimicGen's demonstrations, and robosuite's own teleoperation files.

Source: robomimic, docs/datasets/overview.md; robosuite, scripts/collect_human_demonstrations.py (facts only).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from h5py import h5d, h5g, h5o

from trajloom.errors import HostileFileError, LayoutError
from trajloom.formats.hdf5.scan import UNREADABLE, Walker, members, opened, portable, text
from trajloom.formats.hdf5.storage import PLAIN, spellings, storage_of
from trajloom.formats.hdf5.values import ElementType, Typed, read_attrs, read_bytes, value_of

DEMO = re.compile(r"demo_?([0-9]{1,18})")
EXPECTED = (
    "a group `data` of demonstrations `demo_<i>` (robomimic, MimicGen: attributes `total`, `env_args`; "
    "robosuite teleoperation: attributes `env`, `env_info`, `repository_version`)"
)
KNOWN_ATTRS = {"total", "env_args", "env", "env_info", "repository_version"}
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


def recognised(root: h5g.GroupID, where: str) -> Frame:
    """The demonstrations and the file's own attributes; LayoutError where it is none of our layouts."""
    names = {text(name) for name, _ in members(root)}
    data = opened(root, root, b"data")
    if not isinstance(data, h5g.GroupID):
        raise LayoutError(f"{where}: expected {EXPECTED}; found {_listed(names, 'at its root')}")
    inside = {text(name) for name, _ in members(data)}
    attrs = {"/": read_attrs(root), "data": read_attrs(data)}
    demos = sorted((name for name in inside if is_demo(root, data, name)), key=_number)
    if inside and not demos and not KNOWN_ATTRS & set(attrs["data"]):
        raise LayoutError(f"{where}: expected {EXPECTED}; found {_listed(inside, 'in `data`')}")
    frame = Frame(demos, {path: found for path, found in attrs.items() if found})
    _describe(frame, attrs["data"], inside)
    return frame


def is_demo(root: h5g.GroupID, data: h5g.GroupID, name: str) -> bool:
    """Whether a member of `data` is a demonstration."""
    if not DEMO.fullmatch(name):
        return False
    try:
        return isinstance(opened(root, data, name.encode()), h5g.GroupID)
    except HostileFileError:
        raise
    except UNREADABLE:
        return True  # its name says so; what is wrong with it is reported with its content


def _number(name: str) -> tuple[int, str]:
    return int(name.removeprefix("demo").removeprefix("_")), name


def _listed(names: set[str], where: str) -> str:
    some = ", ".join(repr(name) for name in sorted(names)[:8])
    return f"{some or 'nothing'}{', ...' if len(names) > 8 else ''} {where}"


def _describe(frame: Frame, attrs: Mapping[str, Typed], inside: set[str]) -> None:
    teleoperation = "env_args" not in attrs and bool({"env", "env_info", "repository_version"} & set(attrs))
    frame.kind = "robosuite" if teleoperation else "robomimic"
    frame.env_args, fault = env_args_of(attrs)
    if fault:
        frame.oddities.append(fault)
    if not frame.demos:
        frame.oddities.append("there is no demonstration in it")
    if not teleoperation and "env_args" not in attrs:
        frame.oddities.append("`data` has no attribute `env_args`: which environment made it is unknown")
    unusual = [name for name in frame.demos if not name.startswith("demo_")]
    if unusual:
        frame.oddities.append(f"{len(unusual)} demonstrations are named like {unusual[0]!r} rather than 'demo_<i>'")
    others = sorted(inside - set(frame.demos))
    if others:
        frame.oddities.append(
            f"`data` holds more than demonstrations ({_listed(set(others), 'in it')}); kept in `rest`"
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


def control_hz_of(env_args: Mapping[str, Any] | None) -> float | None:
    """Control steps a second, as the environment's arguments say it."""
    kwargs = (env_args or {}).get("env_kwargs")
    hz = kwargs.get("control_freq") if isinstance(kwargs, Mapping) else None
    return float(hz) if isinstance(hz, int | float) and not isinstance(hz, bool) and hz > 0 else None


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
