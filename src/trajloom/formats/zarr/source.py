"""Reading a replay buffer."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomWarning
from trajloom.formats import Source
from trajloom.formats._aside import FOLDER, restored
from trajloom.formats._columnar import ColumnarSource, Values
from trajloom.formats._zarr.columns import episode_column, step_column
from trajloom.formats._zarr.container import Arrays
from trajloom.formats._zarr.draft import EPISODE
from trajloom.formats._zarr.facts import control_hz_of, env_args_of
from trajloom.formats._zarr.rest import rows_of
from trajloom.formats._zarr.shelf import ZarrShelf
from trajloom.formats._zarr.tree import Node, Tree, container, read_tree
from trajloom.schema import Column, Header
from trajloom.tables import Array, Rest

ENDS = "meta/episode_ends"
MIN_BOMB_BYTES = 1 << 30
BOMB_RATIO = 2_000


@dataclass(frozen=True)
class BufferRows:
    """Implements `_columnar.Rows`."""

    arrays: Arrays
    paths: Mapping[str, str]
    """Column -> array."""
    others: Sequence[str]
    """Arrays that are no columns."""

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        return {name: self.arrays.read(self.paths[name], start, stop) for name in columns}

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        return {name: self.arrays.read(self.paths[f"episodes:{name}"], first, last) for name in columns}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        for path in self.others if first == 0 else ():
            yield from rows_of(self.arrays, path, path, None)


@dataclass
class Found:
    """What the arrays of a buffer are to us."""

    lengths: Array
    steps: list[Column] = field(default_factory=list)
    episodes: list[Column] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def is_buffer(tree: Tree) -> bool:
    """Whether a hierarchy is a replay buffer."""
    node = tree.nodes.get(ENDS)
    return node is not None and node.is_array


def read_source(path: str) -> Source:
    """Scan the metadata of a replay buffer; see `zarr.read`."""
    tree = read_tree(path)
    if not is_buffer(tree):
        found = ", ".join(sorted(p for p in tree.nodes if p.count("/") < 2 and p)[:8]) or "nothing"
        raise LayoutError(f"{path}: expected a replay buffer (data/..., {ENDS}); found {found}")
    arrays = Arrays(path, {p: node for p, node in tree.nodes.items() if node.is_array})
    lengths = _lengths(tree, arrays)
    found = _columns(tree, lengths)
    check_size(path, tree)
    meta, count = tree.nodes["meta"].attrs if "meta" in tree.nodes else {}, len(lengths)
    header = _header(path, tree, found, meta)
    if header.warnings:
        warnings.warn(f"{path}: {'; '.join(header.warnings[:10])}", TrajloomWarning, stacklevel=4)
    own: dict[str, Sequence[Any]] = {
        "success": [of(meta, f"success_{i}", bool) for i in range(count)],
        "seed": [of(meta, f"seed_{i}", int) for i in range(count)],
    }
    native = ColumnarSource(path, header, lengths, BufferRows(arrays, found.paths, found.others), own)
    return restored(native, ZarrShelf(arrays), path)


def of(attrs: Mapping[str, Any], name: str, kind: type) -> Any:
    """An attribute, where it is of a type."""
    value = attrs.get(name)
    return value if type(value) is kind else None


def _lengths(tree: Tree, arrays: Arrays) -> Array:
    node, where = tree.nodes[ENDS], f"{tree.where}: {ENDS}"
    if len(node.shape) != 1 or node.dtype.kind not in "iu":
        raise DamagedFileError(f"{where}: expected whole numbers, one an episode; found {node.dtype} {node.shape}")
    if node.shape[0] > 1 << 27:
        raise HostileFileError(f"{where}: says that there are {node.shape[0]:,} episodes")
    ends = arrays.read(ENDS, 0, node.shape[0]).astype(np.int64)
    wrong = np.flatnonzero(np.diff(ends, prepend=0) < 0)
    if len(wrong):
        i = int(wrong[0])
        raise DamagedFileError(f"{where}: must not fall; episode {i} ends at {int(ends[i])}, before it begins")
    return np.diff(ends, prepend=0)


def _columns(tree: Tree, lengths: Array) -> Found:
    found, total = Found(lengths), int(lengths.sum())
    names = {path.removeprefix("data/") for path, _ in tree.arrays("data")}
    if "action" in names and "actions" not in names:
        found.renamed["actions"] = "action"
    ours = {theirs: name for name, theirs in found.renamed.items()}
    for path, node in tree.arrays("data"):
        name = path.removeprefix("data/")
        _place(found, path, ours.get(name, name), node, total)
    found.others += [p for p, _ in tree.arrays() if p != ENDS and p.split("/")[0] not in ("data", FOLDER)]
    rows = {node.shape[0] for path, node in tree.arrays("data") if node.shape}
    if total and rows and not found.steps:
        said = ", ".join(str(n) for n in sorted(rows)[:5])
        raise DamagedFileError(f"{tree.where}: {ENDS} ends at {total}, where the arrays have {said} rows")
    if not len(lengths):
        found.warnings.append("there is no demonstration in it")
    return found


def _place(found: Found, path: str, name: str, node: Node, total: int) -> None:
    """Decide what an array is."""
    count, kind = len(found.lengths), node.column_type
    regular = kind is not None and bool(node.shape) and 0 not in node.shape[1:]
    per_episode = node.attrs.get("trajloom") == EPISODE["trajloom"] or name.startswith("initial_state/")
    if regular and kind and node.shape[0] == total and not (per_episode and node.shape[0] == count):
        column = step_column(name, kind, node.shape[1:])
        found.steps.append(column)
        found.paths[column.name] = path
    elif regular and kind and node.shape[0] == count:
        column = episode_column(name, kind, node.shape[1:])
        found.episodes.append(column)
        found.paths[f"episodes:{column.name}"] = path
    else:
        found.others.append(path)
        if node.shape and node.shape[0] != total:
            said = f"{node.shape[0]} rows, where there are {total} steps and {count} episodes"
            found.warnings.append(f"{path} is no regular column ({said}); kept in `rest`")
        return
    found.documents[name] = dict(node.documents)


def _header(path: str, tree: Tree, found: Found, meta: Mapping[str, Any]) -> Header:
    env_args = env_args_of(meta) or env_args_of(tree.nodes[""].attrs)
    kept = {p: dict(n.documents) for p, n in tree.nodes.items() if p.split("/")[0] != FOLDER}
    layout = {
        "format": "zarr",
        "version": tree.nodes[""].version,
        "columns": found.documents,
        "renamed": found.renamed,
        "groups": {p: documents for p, documents in kept.items() if not tree.nodes[p].is_array},
        "arrays": {p: kept[p] for p in [*found.others, ENDS]},
        "episodes": len(found.lengths),
        "steps": int(found.lengths.sum()),
    }
    return Header(
        steps=tuple(found.steps),
        episodes=tuple(found.episodes),
        control_hz=control_hz_of(env_args),
        env_args=env_args,
        layout=layout,
        sources=({"id": PurePosixPath(path).name},),
        warnings=tuple(found.warnings),
    )


def check_size(path: str, tree: Tree) -> None:
    """Refuse files that say they hold far more than they can."""
    said = sum(math.prod(n.shape) * n.dtype.itemsize for _, n in tree.arrays() if n.shape)
    if said <= MIN_BOMB_BYTES:
        return
    folder = container(path)
    there: Any = folder.fs.du(folder.root)
    if said > max(MIN_BOMB_BYTES, BOMB_RATIO * there):
        raise HostileFileError(f"{path}: says that it holds {said:,} bytes, where its files have {there:,}")
