"""What a replay buffer holds, from its metadata and the ends of its episodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError
from trajloom.formats._aside import FOLDER
from trajloom.formats._env_args import control_hz_of
from trajloom.formats._zarr.arrays import MAX_ROW_BYTES, absent_files, check_whole, whole
from trajloom.formats._zarr.attrs import env_args_of, typed
from trajloom.formats._zarr.names import PER_EPISODE
from trajloom.formats._zarr.nodes import Hierarchy, Node, walk
from trajloom.formats._zarr.remembered import remember
from trajloom.formats._zarr.tree import Tree
from trajloom.schema import Column, Header, stored_name
from trajloom.tables import Array

ENDS = "meta/episode_ends"


@dataclass
class Scan:
    """What a replay buffer holds."""

    header: Header
    lengths: Array
    steps: dict[str, Node] = field(default_factory=dict)
    """Column -> the array that it is."""
    episodes: dict[str, Node] = field(default_factory=dict)
    rest: list[Node] = field(default_factory=list)
    own: dict[str, list[Any]] = field(default_factory=dict)


def scan(tree: Tree) -> Scan:
    """Look at all metadata, and read where the episodes end.

    Raises:
        LayoutError: It is no replay buffer.
        DamagedFileError: The ends do not rise, or arrays are shorter than they say.
        HostileFileError: It wants to be more than it can be.
    """
    found = walk(tree, without=(FOLDER,))
    ends = _ends(tree, found)
    lengths = np.diff(ends, prepend=0)
    result = Scan(Header(), lengths)
    oddities: list[str] = [] if len(lengths) else ["there is no demonstration in it"]
    for path, node in found.arrays("data").items():
        _place(tree, path, node, int(ends[-1]) if len(ends) else 0, found, result, oddities)
    result.rest += [
        node for path, node in found.nodes.items() if node.is_array and path != ENDS and not path.startswith("data/")
    ]
    for node in result.rest:
        check_whole(tree, node)
    result.header = _header(found, result, oddities)
    return result


def _ends(tree: Tree, found: Hierarchy) -> Array:
    node = found.nodes.get(ENDS)
    if node is None or not node.is_array or "data" not in found.nodes or found.nodes["data"].is_array:
        raise LayoutError(f"{tree.url} is no replay buffer: it lacks the group data or the array {ENDS}")
    if len(node.shape) != 1 or node.column_type is None or not node.column_type.lstrip("u").startswith("int"):
        raise DamagedFileError(f"{tree.url}: {ENDS} has shape {node.shape} of {node.dtype}; expected whole numbers [E]")
    if absent_files(tree, node) and node.nbytes > (1 << 20):
        raise DamagedFileError(f"{tree.url}: {ENDS} lacks some of the {node.chunk_count():,} files of its values")
    ends = whole(tree, node)
    if len(ends) and (int(ends.max()) > np.iinfo(np.int64).max or int(ends.min()) < 0):
        raise DamagedFileError(f"{tree.url}: {ENDS} holds {ends.min()} and {ends.max()}; ends are counts of steps")
    ends = ends.astype(np.int64)
    falls = np.flatnonzero(np.diff(ends, prepend=0) < 0)
    if len(falls):
        i = int(falls[0])
        raise DamagedFileError(
            f"{tree.url}: {ENDS} falls from {ends[i - 1]} to {ends[i]} at episode {i}; ends must rise"
        )
    return ends


def _place(
    tree: Tree, path: str, node: Node, steps: int, found: Hierarchy, to: Scan, oddities: list[str]
) -> None:  # fmt: skip
    """Decide what an array of `data` is."""
    rows = node.shape[0] if node.shape else -1
    kind, plain = node.column_type, 0 not in node.shape[1:]
    if kind and plain and rows == len(to.lengths) and path.startswith(PER_EPISODE):
        to.episodes[stored_name(path, "episodes")] = node
        absent_files(tree, node)
        return
    if kind and plain and rows == steps and not path.startswith(PER_EPISODE):
        name = "actions" if path == "action" and "data/actions" not in found.nodes else path
        to.steps[stored_name(name)] = node
        absent = absent_files(tree, node)
        if absent:
            oddities.append(
                f"{path}: {absent:,} of {node.chunk_count():,} files are absent; they read as its fill value"
            )
        return
    if rows not in (-1, steps) and path in ("action", "actions"):
        raise DamagedFileError(f"{tree.url}: {node.path} has {rows:,} rows where the episodes end at {steps:,}")
    if node.dtype is not None and rows == steps and node.nbytes // max(1, rows) > MAX_ROW_BYTES:
        raise HostileFileError(f"{tree.url}: {node.path} has the absurd shape {node.shape}")
    oddities.append(
        f"{path} is no regular column (shape {node.shape}, where there are {steps:,} steps); kept in `rest`"
    )
    to.rest.append(node)


def _header(found: Hierarchy, scan: Scan, oddities: list[str]) -> Header:
    attrs = {node.path or "/": dict(node.attrs) for node in found.nodes.values() if node.attrs}
    meta = attrs.get("meta", {})
    env_args = env_args_of(meta)
    for name, kind in (("success", bool), ("seed", int)):
        values = _numbered(meta, name, kind, len(scan.lengths))
        if values:
            scan.own[name] = values
            for i in range(len(scan.lengths)):
                meta.pop(f"{name}_{i}", None)
    return Header(
        steps=tuple(_column(name, node) for name, node in scan.steps.items()),
        episodes=tuple(_column(name, node) for name, node in scan.episodes.items()),
        env_args=env_args,
        control_hz=control_hz_of(env_args),
        attrs={path: typed(values) for path, values in attrs.items() if values},
        layout=_layout(found, scan),
        warnings=tuple(oddities),
    )


def _numbered(meta: Mapping[str, Any], name: str, kind: type, episodes: int) -> list[Any]:
    """The attributes `<name>_<i>` of all episodes, null where there is none; nothing where one is of another type."""
    values = [meta.get(f"{name}_{i}") for i in range(episodes)]
    fits = all(value is None or type(value) is kind for value in values) and any(v is not None for v in values)
    return values if fits and (kind is bool or all(v is None or abs(v) < 1 << 63 for v in values)) else []


def _column(name: str, node: Node) -> Column:
    assert node.column_type is not None
    return Column(name=name, dtype=node.column_type, shape=node.shape[1:])


def _layout(found: Hierarchy, scan: Scan) -> dict[str, Any]:
    """How it lies in its files: metadata of all nodes, and which have a place for attributes."""
    renamed = {name: node.path.removeprefix("data/") for name, node in scan.steps.items()}
    return {
        "format": "zarr",
        "nodes": remember(found.nodes),
        "renamed": {name: path for name, path in renamed.items() if stored_name(path) != name},
        "numbered": sorted(scan.own),
        "consolidated": found.consolidated,
        "episodes": len(scan.lengths),
        "steps": int(scan.lengths.sum()),
    }
