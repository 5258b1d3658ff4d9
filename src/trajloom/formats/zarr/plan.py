"""Which column goes to which array of a replay buffer, and what its reader will call it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from trajloom.formats._zarr.names import PER_EPISODE, fitting, read_name
from trajloom.formats._zarr.nodes import Node
from trajloom.formats._zarr.remembered import remembered
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.schema import Column, Header, path_of, stored_name


@dataclass(frozen=True)
class Plan:
    """How a dataset becomes a replay buffer."""

    options: WriteOptions
    exact: bool
    """Whether it came from one."""
    known: Mapping[str, Node]
    """Nodes that it had then."""
    steps: Mapping[str, str]
    """Column -> path below `data`."""
    episodes: Mapping[str, str]

    def read_as(self) -> tuple[dict[str, str], dict[str, str]]:
        """Column of `steps` and of `episodes` -> what the reader calls it."""
        paths = set(self.steps.values())
        steps = {name: read_name(path, paths) for name, path in self.steps.items()}
        return steps, {name: stored_name(path, "episodes") for name, path in self.episodes.items()}

    def array(self, column: Column, path: str, rows: int) -> Node:
        """The array of a column: as it was, where it was there and of the same type."""
        path, shape = f"data/{path}", (rows, *column.shape)
        known = self.known.get(path)
        if (
            known
            and self.options.keeps(known)
            and known.column_type == column.dtype
            and known.shape[1:] == column.shape
        ):
            return known.reshaped(shape)
        return self.options.array(path, column.dtype, shape)


def plan(header: Header, options: WriteOptions) -> Plan:
    """Decide for every column."""
    exact = header.layout.get("format") == "zarr"
    known = remembered(header.layout) if exact else {}
    renamed = header.layout.get("renamed", {}) if exact else {}
    used: list[str] = []
    episodes = {c.name: path_of(c.name) for c in header.episodes if path_of(c.name).startswith(PER_EPISODE)}
    episodes = fitting(header.episodes, episodes, used)
    names = {path_of(column.name) for column in header.steps}
    if not exact and "action" not in names:
        renamed = {"actions": "action"}
    steps = {c.name: renamed.get(c.name, path_of(c.name)) for c in header.steps}
    steps = {name: path for name, path in steps.items() if not path.startswith(PER_EPISODE)}
    return Plan(options.of(known), exact, known, fitting(header.steps, steps, used), episodes)


def with_attrs(node: Node, attrs: Mapping[str, Any]) -> Node:
    """A node with its attributes."""
    return replace(node, attrs=dict(attrs)) if attrs else node
