"""Which arrays of demonstrations become which columns: one decision a path, for all demonstrations."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.formats._zarr.arrays import MAX_ROW_BYTES
from trajloom.formats._zarr.names import PER_EPISODE, read_name
from trajloom.formats._zarr.nodes import Node
from trajloom.formats.zarr_demos.demo import Demo, lengths_of
from trajloom.schema import ELEMENT_TYPES, Column, stored_name
from trajloom.tables import Array

MAX_EPISODE_BYTES = 4 << 20
Kind = tuple[str, tuple[int, ...]]
"""Element type and shape."""


@dataclass
class Decision:
    """What the arrays are to us."""

    lengths: Array
    steps: dict[str, Column] = field(default_factory=dict)
    """Path -> column."""
    episodes: dict[str, Column] = field(default_factory=dict)
    absent: dict[str, Array] = field(default_factory=dict)
    """Column -> the demonstrations that lack it."""
    rest: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    renamed: dict[str, str] = field(default_factory=dict)
    """Column -> path, where that is not its name."""


def decide(where: str, demos: Sequence[Demo], marker: Mapping[str, Any], oddities: list[str]) -> Decision:
    """Decide for every path whether it is per step, per episode, or neither.

    Args:
        where: The hierarchy, for messages.
        demos: The demonstrations.
        marker: What our writer says that they were: {"steps": {path: [element type, shape]}, "episodes": ...}.
        oddities: Grows by what is odd.
    """
    marked = {table: _marked(marker.get(table)) for table in ("steps", "episodes")}
    to = Decision(lengths_of(where, list(demos), lambda p: p.startswith(PER_EPISODE) or p in marked["episodes"]))
    found: dict[str, dict[int, Node]] = defaultdict(dict)
    for i, demo in enumerate(demos):
        for path, node in demo.arrays.items():
            found[path][i] = node
    for path in sorted({*found, *marked["steps"], *marked["episodes"]}):
        _place(path, found[path], marked, found, to, oddities)
    return to


def _marked(said: Any) -> dict[str, Kind]:
    """What our writer says of a table; nothing of what it cannot have said."""
    kinds: dict[str, Kind] = {}
    for path, kind in (said if isinstance(said, dict) else {}).items():
        if isinstance(kind, list) and len(kind) == 2 and kind[0] in ELEMENT_TYPES and isinstance(kind[1], list):
            shape = tuple(n for n in kind[1] if type(n) is int and 0 < n < 1 << 31)
            if len(shape) == len(kind[1]):
                kinds[path] = kind[0], shape
    return kinds


def _place(
    path: str,
    nodes: dict[int, Node],
    marked: Mapping[str, Mapping[str, Kind]],
    found: Mapping[str, Any],
    to: Decision,
    oddities: list[str],
) -> None:
    table, kind = _voted(path, nodes, to.lengths)
    for name, kinds in marked.items():
        if path in kinds:
            table, kind = name, kinds[path]
    fits = _step_kind if table == "steps" else _episode_kind
    present = [i for i, node in nodes.items() if table and fits(node, int(to.lengths[i])) == kind]
    odd = sorted(set(nodes) - set(present))
    for i in odd:
        to.rest[i].append(path)
    if odd:
        oddities.append(f"{path} is no regular column in {len(odd)} of {len(nodes)} demonstrations; kept in `rest`")
    if not table or kind is None:
        return
    absent = np.ones(len(to.lengths), dtype=bool)
    absent[present] = False
    if table == "steps":
        absent &= to.lengths > 0
        name = read_name(path, found)
        to.steps[path] = Column(name=name, dtype=kind[0], shape=kind[1], nullable=bool(absent.any()))
        if name != stored_name(path):
            to.renamed[name] = path
    else:
        name = stored_name(path, "episodes")
        to.episodes[path] = Column(name=name, dtype=kind[0], shape=kind[1], nullable=bool(absent.any()))
    to.absent[name] = absent


def _voted(path: str, nodes: Mapping[int, Node], lengths: Array) -> tuple[str | None, Kind | None]:
    steps = Counter(k for i, node in nodes.items() if (k := _step_kind(node, int(lengths[i]))))
    once = Counter(k for i, node in nodes.items() if (k := _episode_kind(node, int(lengths[i]))))
    step, episode = (votes.most_common(1)[0] if votes else (None, 0) for votes in (steps, once))
    if episode[1] and path.startswith(PER_EPISODE) and 2 * episode[1] > len(nodes):
        return "episodes", episode[0]
    if step[1] and step[1] >= episode[1] and 2 * step[1] >= len(nodes):
        return "steps", step[0]
    if 2 * episode[1] > len(nodes):
        return "episodes", episode[0]
    return None, None


def _step_kind(node: Node, length: int) -> Kind | None:
    if not node.shape or node.shape[0] != length or 0 in node.shape[1:] or node.column_type is None:
        return None
    return (node.column_type, node.shape[1:]) if node.nbytes <= MAX_ROW_BYTES * max(1, length) else None


def _episode_kind(node: Node, length: int) -> Kind | None:
    if 0 in node.shape or not node.shape or node.column_type is None or node.nbytes > MAX_EPISODE_BYTES:
        return None
    return node.column_type, node.shape
