"""Nodes of a source as a header's layout keeps them, for the way back."""

from collections.abc import Mapping
from typing import Any

from trajloom.formats._zarr.nodes import Json, Node


def remember(nodes: Mapping[str, Node]) -> Json:
    """Path -> metadata, and whether there is a place for attributes; what they say the header keeps elsewhere."""
    return {path or "/": {"meta": node.meta, "attrs": node.attrs is not None} for path, node in nodes.items()}


def remembered(layout: Mapping[str, Any]) -> dict[str, Node]:
    """Nodes of the source by path, without their attributes (an empty place for them is {})."""
    nodes = {}
    for path, about in layout.get("nodes", {}).items():
        path = "" if path == "/" else path
        nodes[path] = Node(path, dict(about["meta"]), {} if about["attrs"] else None)
    return nodes
