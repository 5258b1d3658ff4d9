"""What a hierarchy of demonstrations holds, from its metadata alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trajloom.errors import HostileFileError, LayoutError, TrajloomError
from trajloom.formats import OnError
from trajloom.formats._aside import FOLDER
from trajloom.formats._env_args import control_hz_of
from trajloom.formats._zarr.arrays import check_whole
from trajloom.formats._zarr.attrs import env_args_of, typed, without
from trajloom.formats._zarr.nodes import Node, below, read_node, walk
from trajloom.formats._zarr.remembered import remember
from trajloom.formats._zarr.tree import Tree
from trajloom.formats.zarr_demos.decide import Decision, decide
from trajloom.formats.zarr_demos.demo import Demo, rank
from trajloom.formats.zarr_demos.metadata import ROOM, common_nodes, deviations
from trajloom.schema import Header
from trajloom.tables import Array

POPPED: Mapping[str, type] = {"success": bool, "seed": int}
"""Attributes of demonstrations that are columns of `episodes`."""


@dataclass
class Scan:
    """What there is."""

    header: Header
    demos: list[Demo]
    lengths: Array
    decision: Decision
    others: list[Node]
    """Arrays that belong to no demonstration."""
    own: dict[str, list[Any]] = field(default_factory=dict)


def scan(tree: Tree, on_error: OnError) -> Scan:
    """Look at all metadata; see `zarr_demos.read` for the errors."""
    outer = walk(tree, without=(FOLDER, "data"))
    frame = outer.nodes
    data = read_node(tree, "data")
    if data is None or data.is_array:
        raise LayoutError(f"{tree.url} holds no demonstrations: it lacks the group data")
    oddities: list[str] = []
    demos, loose = _demos(tree, on_error, oddities)
    frame.update({"data": data, **{node.path: node for node in loose}})
    marker = read_node(tree, FOLDER)
    decision = decide(tree.url, demos, (marker.attrs if marker else None) or {}, oddities)
    for number, paths in decision.rest.items():
        for path in paths:
            check_whole(tree, demos[number].nodes[path])
    others = [node for node in frame.values() if node.is_array]
    for node in others:
        check_whole(tree, node)
    result = Scan(Header(), demos, decision.lengths, decision, others)
    result.header = _header(frame, result, oddities, outer.consolidated)
    return result


def _demos(tree: Tree, on_error: OnError, oddities: list[str]) -> tuple[list[Demo], list[Node]]:
    """The demonstrations in order, and what else `data` holds."""
    demos, loose = [], []
    for name in sorted((n for n, is_folder in tree.names("data").items() if is_folder), key=rank):
        try:
            nodes = below(tree, f"data/{name}")
        except HostileFileError:
            raise
        except TrajloomError as error:
            if on_error == "raise":
                raise
            oddities.append(f"{name} is left out: {error}")
            continue
        if nodes and nodes[0].is_array:
            loose += nodes
        elif nodes:
            demos.append(Demo(name, {n.path.removeprefix(f"data/{name}").lstrip("/"): n for n in nodes}))
    if not demos:
        oddities.append("there is no demonstration in it")
    return demos, loose


def _header(frame: Mapping[str, Node], scan: Scan, oddities: list[str], consolidated: bool) -> Header:
    attrs = {path or "/": node.attrs for path, node in frame.items() if node.attrs}
    env_args = env_args_of(attrs.get("data", {}))
    common = common_nodes([demo.nodes for demo in scan.demos])
    popped = _popped(scan)
    scan.own.update(
        name=[demo.name for demo in scan.demos],
        attrs=[_attrs(demo, popped, deviations(demo.nodes, common)) for demo in scan.demos],
    )
    layout = {
        "format": "zarr_demos",
        "nodes": remember(frame),
        "demo": common,
        "popped": popped,
        "renamed": scan.decision.renamed,
        "consolidated": consolidated,
        "episodes": len(scan.demos),
        "steps": int(scan.lengths.sum()),
    }
    return Header(
        steps=tuple(scan.decision.steps.values()),
        episodes=tuple(scan.decision.episodes.values()),
        env_args=env_args,
        control_hz=control_hz_of(env_args),
        attrs={path: typed(values) for path, values in attrs.items()},
        layout=layout,
        warnings=tuple(oddities),
    )


def _popped(scan: Scan) -> list[str]:
    """Attributes that all demonstrations have and that say what we know otherwise; they are written anew."""
    found = []
    for name, kind in POPPED.items():
        values: list[Any] = [demo.attrs.get(name) for demo in scan.demos]
        fits = [type(v) is kind and (kind is bool or abs(v) < 1 << 63) for v in values]
        if any(fits):
            scan.own[name] = [value if fit else None for value, fit in zip(values, fits, strict=True)]
        if values and all(fits):
            found.append(name)
    lengths = [demo.attrs.get("num_samples") for demo in scan.demos]
    if lengths and all(type(n) is int for n in lengths) and lengths == scan.lengths.tolist():
        found.append("num_samples")
    return found


def _attrs(demo: Demo, popped: list[str], room: dict[str, Any]) -> str:
    attrs = {path: typed(node.attrs) for path, node in demo.nodes.items() if node.attrs}
    if "" in attrs:
        attrs[""] = without(attrs[""], popped)
    attrs = {path: values for path, values in attrs.items() if values}
    return json.dumps({**attrs, **({ROOM: room} if room else {})})
