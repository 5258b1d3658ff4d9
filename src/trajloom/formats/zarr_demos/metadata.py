"""Metadata of a demonstration's groups and arrays: what most demonstrations have in common, and where one differs."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from trajloom.formats._zarr.nodes import Json, Node

ROOM = "//zarr"
"""Key in the attributes of an episode for metadata in which it differs; no path is called so."""
ALL = "all rows"
"""In place of a chunk's rows: as many as the array has."""


def common_nodes(demos: Sequence[Mapping[str, Node]]) -> dict[str, Json]:
    """Path -> what most demonstrations have there, whatever their length."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for nodes in demos:
        for path, node in nodes.items():
            votes[path][json.dumps(general(node), sort_keys=True)] += 1
    return {path: json.loads(counter.most_common(1)[0][0]) for path, counter in votes.items()}


def deviations(nodes: Mapping[str, Node], common: Mapping[str, Json]) -> dict[str, Any]:
    """Path -> what a demonstration has there, where that is not the common; of empty groups all."""
    found: dict[str, Any] = {}
    for path, node in nodes.items():
        about = general(node)
        empty = bool(path) and not node.is_array and not any(p.startswith(f"{path}/") for p in nodes)
        if about != common[path] or empty:
            found[path] = about
    return found


def general(node: Node) -> Json:
    """A node without its length."""
    meta = {key: value for key, value in node.meta.items() if key != "shape"}
    if node.is_array:
        meta["shape"] = list(node.shape[1:])
        if node.chunks and node.chunks[0] == max(1, node.shape[0]):
            meta = _with_chunks(meta, [ALL, *node.chunks[1:]])
        meta["scalar"] = not node.shape
    return {"meta": meta, "attrs": node.attrs is not None}


def special(path: str, about: Json, rows: int) -> Node:
    """The inverse of `general` for an array, or a group, of so many rows."""
    meta = dict(about["meta"])
    if "shape" in meta:
        scalar = meta.pop("scalar")
        meta["shape"] = [] if scalar else [rows, *meta["shape"]]
        node = Node(path, meta, None)
        if node.chunks and node.chunks[0] == ALL:
            meta = _with_chunks(meta, [max(1, rows), *node.chunks[1:]])
    return Node(path, meta, {} if about["attrs"] else None)


def _with_chunks(meta: Json, chunks: list[Any]) -> Json:
    if meta["zarr_format"] == 2:
        return {**meta, "chunks": chunks}
    grid = meta["chunk_grid"]
    return {**meta, "chunk_grid": {**grid, "configuration": {**grid["configuration"], "chunk_shape": chunks}}}
