"""Which column goes to which array of a demonstration, and what demonstrations are called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trajloom.formats._zarr.names import clashes, fitting, is_path, read_name
from trajloom.formats._zarr.nodes import Json, Node
from trajloom.formats._zarr.remembered import remembered
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats.zarr_demos.decide import MAX_EPISODE_BYTES
from trajloom.formats.zarr_demos.demo import rank
from trajloom.formats.zarr_demos.metadata import special
from trajloom.schema import Column, Header, path_of, stored_name


@dataclass(frozen=True)
class Plan:
    """How a dataset becomes a hierarchy of demonstrations."""

    options: WriteOptions
    exact: bool
    """Whether it came from one."""
    known: Mapping[str, Node]
    """Nodes outside of demonstrations that it had then."""
    common: Mapping[str, Json]
    """What most demonstrations had at a path."""
    steps: Mapping[str, str]
    """Column -> path in a demonstration."""
    episodes: Mapping[str, str]

    def read_as(self) -> tuple[dict[str, str], dict[str, str]]:
        """Column of `steps` and of `episodes` -> what the reader calls it."""
        paths = {*self.steps.values(), *self.episodes.values()}
        steps = {name: read_name(path, paths) for name, path in self.steps.items()}
        return steps, {name: stored_name(path, "episodes") for name, path in self.episodes.items()}

    def node(self, demo: str, path: str, room: Mapping[str, Json], rows: int) -> Node | None:
        """What there was at a path of a demonstration, for so many rows."""
        about = room.get(path, self.common.get(path))
        where = f"data/{demo}/{path}".rstrip("/")
        node = None if about is None else special(where, about, rows)
        return node if node is not None and self.options.keeps(node) else None

    def array(self, column: Column, demo: str, path: str, room: Mapping[str, Json], shape: tuple[int, ...]) -> Node:
        """The array of a column: as it was, where it was there and of the same type."""
        node = self.node(demo, path, room, shape[0])
        if node is not None and node.is_array and node.column_type == column.dtype and node.shape == shape:
            return node
        return self.options.array(f"data/{demo}/{path}", column.dtype, shape)

    def marker(self, header: Header) -> dict[str, Any]:
        """What the columns are, for the reader, which could not tell for some."""
        found = {}
        for table, paths in (("steps", self.steps), ("episodes", self.episodes)):
            columns = {column.name: column for column in getattr(header, table)}
            found[table] = {p: [columns[name].dtype, list(columns[name].shape)] for name, p in paths.items()}
        return found


def plan(header: Header, options: WriteOptions) -> Plan:
    """Decide for every column."""
    layout = header.layout if header.layout.get("format") == "zarr_demos" else {}
    known, renamed, used = remembered(layout), layout.get("renamed", {}), list[str]()
    steps = {column.name: renamed.get(column.name, path_of(column.name)) for column in header.steps}
    if any(path == "actions" and header.column(name).nullable for name, path in steps.items()):
        # where no episode has `actions`, the reader would take `action` for them
        steps = {name: path for name, path in steps.items() if path != "action"}
    steps = fitting(header.steps, steps, used)
    episodes = {c.name: path_of(c.name) for c in header.episodes if c.shape and c.nbytes <= MAX_EPISODE_BYTES}
    episodes = fitting(header.episodes, episodes, used)
    return Plan(options.of(known), bool(layout), known, layout.get("demo", {}), steps, episodes)


def demo_names(wanted: Sequence[str], exact: bool, known: Mapping[str, Node]) -> list[str]:
    """Names of the demonstrations: their own where the source had them and they sort as they come, else demo_<i>."""
    arrays = [path for path, node in known.items() if node.is_array]
    fits = all(is_path(name) and "/" not in name and not clashes(f"data/{name}", arrays) for name in wanted)
    if exact and fits and list(wanted) == sorted(set(wanted), key=rank):
        return list(wanted)
    return [f"demo_{i}" for i in range(len(wanted))]
