"""Reading Zarr with a group for each demonstration."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, LayoutError, TrajloomWarning
from trajloom.formats import OnError, Source
from trajloom.formats._aside import FOLDER, restored
from trajloom.formats._columnar import ColumnarSource, Values
from trajloom.formats._zarr.columns import episode_column, step_column
from trajloom.formats._zarr.container import Arrays
from trajloom.formats._zarr.draft import EPISODE
from trajloom.formats._zarr.facts import control_hz_of, env_args_of
from trajloom.formats._zarr.rest import rows_of
from trajloom.formats._zarr.shelf import ZarrShelf
from trajloom.formats._zarr.tree import Node, Tree, read_tree
from trajloom.formats.zarr.source import check_size, of
from trajloom.schema import Column, Header
from trajloom.tables import Array, Rest

DEMO = re.compile(r"demo_?([0-9]{1,18})")


@dataclass(frozen=True)
class DemoRows:
    """Implements `_columnar.Rows`."""

    arrays: Arrays
    demos: Sequence[str]
    starts: Array
    """(E + 1,). First row of each demonstration, and how many there are."""
    columns: Mapping[str, Column]
    paths: Mapping[str, str]
    """Column -> path in a demonstration; columns of `episodes` are called `episodes:<name>`."""
    others: Mapping[int, Sequence[str]]
    """Demonstration -> arrays that are no columns there; -1 is the file."""

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        return {name: self._rows(self.columns[name], self.paths[name], start, stop) for name in columns}

    def _rows(self, column: Column, path: str, start: int, stop: int) -> Array:
        out = np.zeros((stop - start, *column.shape), dtype=column.dtype)
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        for demo in range(first, len(self.demos)):
            low, high = max(start, int(self.starts[demo])), min(stop, int(self.starts[demo + 1]))
            if low >= stop:
                break
            array = f"data/{self.demos[demo]}/{path}"
            if high > low and array in self.arrays.nodes and path not in self.others.get(demo, ()):
                offset = int(self.starts[demo])
                out[low - start : high - start] = self.arrays.read(array, low - offset, high - offset)
        return out

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        found = {}
        for name in columns:
            column, path = self.columns[f"episodes:{name}"], self.paths[f"episodes:{name}"]
            found[name] = np.zeros((last - first, *column.shape), dtype=column.dtype)
            for demo in range(first, last):
                array = f"data/{self.demos[demo]}/{path}"
                if array in self.arrays.nodes and path not in self.others.get(demo, ()):
                    node = self.arrays.nodes[array]
                    whole = self.arrays.read(array, 0, node.shape[0]) if node.shape else self.arrays.scalar(array)
                    found[name][demo - first] = whole
        return found

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        for path in self.others.get(-1, ()) if first == 0 else ():
            yield from rows_of(self.arrays, path, path, None)
        for demo in range(first, last):
            for path in self.others.get(demo, ()):
                yield from rows_of(self.arrays, f"data/{self.demos[demo]}/{path}", path, demo)


@dataclass
class Found:
    """What the arrays of the demonstrations are to us."""

    lengths: Array
    columns: dict[str, Column] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    absent: dict[str, Array] = field(default_factory=dict)
    others: dict[int, list[str]] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    odd: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Demonstration -> path -> documents, where they differ from the common ones by more than the shape."""
    warnings: list[str] = field(default_factory=list)


def demos_of(tree: Tree) -> list[str]:
    """Names of the demonstrations, in numeric order."""
    found = [(DEMO.fullmatch(name), name) for name in tree.groups("data")]
    return [name for _, name in sorted((int(m[1]), name) for m, name in found if m)]


def holds_demos(tree: Tree) -> bool:
    """Whether a hierarchy is of this layout; one without demonstrations says `total` in `data`."""
    data = tree.nodes.get("data")
    if data is None or data.is_array or "meta/episode_ends" in tree.nodes:
        return False
    return bool(demos_of(tree)) or "total" in data.attrs


def read_source(path: str, on_error: OnError) -> Source:
    """Scan the metadata; see `zarr_demos.read`."""
    tree = read_tree(path)
    if not holds_demos(tree):
        found = ", ".join(sorted(p for p in tree.nodes if p.count("/") < 2 and p)[:8]) or "nothing"
        raise LayoutError(f"{path}: expected groups data/demo_<i>; found {found}")
    check_size(path, tree)
    demos, said = _whole(tree, demos_of(tree), on_error)
    arrays = Arrays(path, {p: node for p, node in tree.nodes.items() if node.is_array})
    found = _columns(tree, demos)
    found.warnings += said
    header = _header(path, tree, demos, found)
    if header.warnings:
        warnings.warn(f"{path}: {'; '.join(header.warnings[:10])}", TrajloomWarning, stacklevel=4)
    attrs = [tree.nodes[f"data/{demo}"].attrs for demo in demos]
    own: dict[str, Sequence[Any]] = {
        "name": demos,
        "success": [of(one, "success", bool) for one in attrs],
        "seed": [of(one, "seed", int) for one in attrs],
    }
    starts = np.concatenate([[0], np.cumsum(found.lengths)]).astype(np.int64)
    rows = DemoRows(arrays, demos, starts, found.columns, found.paths, found.others)
    native = ColumnarSource(path, header, found.lengths, rows, own, found.absent)
    return restored(native, ZarrShelf(arrays), path)


def _inside(tree: Tree, demo: str) -> dict[str, Node]:
    lead = f"data/{demo}/"
    return {path.removeprefix(lead): node for path, node in tree.arrays(f"data/{demo}")}


def _length(tree: Tree, demo: str, inside: Mapping[str, Node]) -> int:
    """How long a demonstration is: as `actions`, else `states`, else what it says, else as most arrays are."""
    for leader in ("actions", "states"):
        if leader in inside and inside[leader].shape:
            return inside[leader].shape[0]
    said = tree.nodes[f"data/{demo}"].attrs.get("num_samples")
    rows = Counter(node.shape[0] for node in inside.values() if node.shape)
    if type(said) is int and said >= 0 and (said in rows or not rows):
        return said
    return max(rows, key=lambda n: (rows[n], n)) if rows else 0


def _whole(tree: Tree, demos: list[str], on_error: OnError) -> tuple[list[str], list[str]]:
    """The demonstrations whose arrays agree, and what is wrong with the others."""
    faults: dict[str, str] = {}
    for demo in demos:
        inside = _inside(tree, demo)
        length = _length(tree, demo, inside)
        wrong = [
            f"{path} has {node.shape[0] if node.shape else 0} of {length} steps"
            for path, node in inside.items()
            if path.startswith(("obs/", "next_obs/")) and (not node.shape or node.shape[0] != length)
            and node.attrs.get("trajloom") != EPISODE["trajloom"] and "trajloom" not in tree.nodes
        ]  # fmt: skip
        if wrong:
            faults[demo] = f"data/{demo}: {'; '.join(wrong)}"
    if faults and on_error == "raise":
        said = "; ".join(list(faults.values())[:20])
        kept = len(demos) - len(faults)
        raise DamagedFileError(f'{tree.where}: {said}; {kept} whole episodes can be read with on_error="skip"')
    return [demo for demo in demos if demo not in faults], [f"skipped {said}" for said in faults.values()]


def _columns(tree: Tree, demos: Sequence[str]) -> Found:
    inside = [_inside(tree, demo) for demo in demos]
    lengths = np.array([_length(tree, demo, one) for demo, one in zip(demos, inside, strict=True)], dtype=np.int64)
    found = Found(lengths)
    for path in sorted({path for one in inside for path in one}):
        _place(found, path, [one.get(path) for one in inside], demos)
    known = {f"data/{demo}/" for demo in demos}
    outside = [p for p, _ in tree.arrays() if p.split("/")[0] != FOLDER and not any(p.startswith(k) for k in known)]
    if outside:
        found.others[-1] = outside
    if not len(demos):
        found.warnings.append("there is no demonstration in it")
    return found


def _place(found: Found, path: str, nodes: Sequence[Node | None], demos: Sequence[str]) -> None:
    """Decide what an array is: one decision a path."""
    present = [(i, node) for i, node in enumerate(nodes) if node is not None]
    once = path.startswith("initial_state/") or any(n.attrs.get("trajloom") == EPISODE["trajloom"] for _, n in present)
    votes = Counter((_per_step(n, int(found.lengths[i])) if not once else None) or _per_episode(n) for i, n in present)
    choice = votes.most_common(1)[0][0]
    fits = {
        i: n for i, n in present
        if choice and choice == (_per_step(n, int(found.lengths[i])) if choice[0] == "steps" else _per_episode(n))
    }  # fmt: skip
    for i, _ in present:
        if i not in fits:
            found.others.setdefault(i, []).append(path)
    if len(fits) < len(present):
        found.warnings.append(f"{path} is no regular column in {len(present) - len(fits)} episodes; kept in `rest`")
    if not choice or not fits:
        return
    table, kind, shape = choice
    lacking = np.array([i not in fits and (table == "episodes" or found.lengths[i] > 0) for i in range(len(nodes))])
    column = (step_column if table == "steps" else episode_column)(path, kind, shape, bool(lacking.any()))
    key = column.name if table == "steps" else f"episodes:{column.name}"
    found.columns[key], found.paths[key] = column, path
    if lacking.any():
        found.absent[column.name] = lacking
    _note_documents(found, path, fits, demos)


def _note_documents(found: Found, path: str, fits: Mapping[int, Node], demos: Sequence[str]) -> None:
    texts = {i: json.dumps(node.documents, sort_keys=True) for i, node in fits.items()}
    plain = {i: json.dumps(_shapeless(node), sort_keys=True) for i, node in fits.items()}
    common = Counter(plain.values()).most_common(1)[0][0]
    example = next(i for i in fits if plain[i] == common)
    found.documents[path] = json.loads(texts[example])
    for i, node in fits.items():
        if plain[i] != common:
            found.odd.setdefault(demos[i], {})[path] = dict(node.documents)


def _shapeless(node: Node) -> Any:
    return {
        name: {k: v for k, v in content.items() if k != "shape"} if isinstance(content, Mapping) else content
        for name, content in node.documents.items()
    }


def _per_step(node: Node, length: int) -> tuple[str, str, tuple[int, ...]] | None:
    kind = node.column_type
    if kind is None or not node.shape or node.shape[0] != length or 0 in node.shape[1:]:
        return None
    return "steps", kind, node.shape[1:]


def _per_episode(node: Node) -> tuple[str, str, tuple[int, ...]] | None:
    kind = node.column_type
    return None if kind is None or 0 in node.shape else ("episodes", kind, node.shape)


def _header(path: str, tree: Tree, demos: Sequence[str], found: Found) -> Header:
    data = tree.nodes["data"].attrs
    env_args = env_args_of(data) or env_args_of(tree.nodes[""].attrs)
    others = {p: dict(tree.nodes[p].documents) for p in found.others.get(-1, ())}
    others |= {
        f"data/{demos[i]}/{p}": dict(tree.nodes[f"data/{demos[i]}/{p}"].documents)
        for i, paths in found.others.items() if i >= 0 for p in paths
    }  # fmt: skip
    groups = {p: n for p, n in tree.nodes.items() if not n.is_array and p.split("/")[0] != FOLDER}
    layout = {
        "format": "zarr_demos",
        "version": tree.nodes[""].version,
        "columns": found.documents,
        "odd": found.odd,
        "groups": {p: dict(n.documents) for p, n in groups.items()},
        "arrays": others,
        "lengths": found.lengths.tolist(),
    }
    steps = tuple(c for key, c in found.columns.items() if not key.startswith("episodes:"))
    return Header(
        steps=steps,
        episodes=tuple(c for key, c in found.columns.items() if key.startswith("episodes:")),
        control_hz=control_hz_of(env_args),
        env_args=env_args,
        layout=layout,
        sources=({"id": PurePosixPath(path).name},),
        warnings=tuple(found.warnings),
    )
