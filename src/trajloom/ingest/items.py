"""A stored dataset as the items that it was made of, a few in memory at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.dataset import Dataset
from trajloom.formats import Part
from trajloom.ingest import oddities
from trajloom.ingest.blocks import TIME
from trajloom.schema import path_of
from trajloom.tables import Array

Item = dict[str, Any]
Batch = dict[str, Any]


@dataclass(frozen=True)
class About:
    """What is known of a trajectory apart from its columns."""

    length: int
    whole: Mapping[str, Any]
    """Path -> a value that holds for all of it."""
    odd: Mapping[str, Sequence[Any]]
    """Path -> one value a step."""

    def value(self, path: str, frame: int) -> Any:
        """What a step has; None where it has nothing."""
        return self.odd[path][frame] if path in self.odd else self.whole.get(path)


@dataclass(frozen=True)
class Rows:
    """Some steps, of one trajectory or several, one after the other."""

    arrays: Mapping[str, Array]
    """Path -> (N, ...); NaN or 0 at steps that lack it."""
    absent: Mapping[str, Array]
    """Path -> (N,) bool, of those that some steps lack."""
    episode: Array
    """(N,) int64."""
    frame: Array
    """(N,) int32."""
    about: Mapping[int, About] = field(repr=False)
    """By episode."""

    def item(self, row: int) -> Item:
        """One step as a nested dict."""
        found = {p: a[row] for p, a in self.arrays.items() if p not in self.absent or not self.absent[p][row]}
        about = self.about[int(self.episode[row])]
        odd = {path: values[self.frame[row]] for path, values in about.odd.items()}
        return nested({**found, **about.whole, **odd})

    def batch(self) -> Batch:
        """All of them as a nested dict of arrays (N, ...), and of lists of what is no array."""
        about = [self.about[episode] for episode in self.episode.tolist()]
        paths = dict.fromkeys(path for a in {id(a): a for a in about}.values() for path in (*a.whole, *a.odd))
        values = {
            path: [
                a.odd[path][f] if path in a.odd else a.whole.get(path) for a, f in zip(about, self.frame, strict=True)
            ]
            for path in paths
        }
        return nested({**self.arrays, **{path: collated(column) for path, column in values.items()}})


def rows_of(dataset: Dataset, parts: Iterable[Part]) -> Iterator[Rows]:
    """Steps in order, some MB at a time."""
    known = {column.name: column for column in dataset.header.steps}
    for part in parts:
        about = abouts(part)
        for batch in part.steps():
            arrays = {path_of(name): tables.filled(batch.column(name), column) for name, column in known.items()}
            lacking = {path_of(name): _null(batch.column(name)) for name in known if batch.column(name).null_count}
            if dataset.header.control_hz is None:
                arrays[TIME] = batch.column(TIME).fill_null(np.nan).to_numpy(zero_copy_only=False)
            episode, frame = (batch.column(name).to_numpy() for name in ("episode_index", "frame_index"))
            yield Rows(arrays, lacking, episode, frame, about)


def trajectories(dataset: Dataset, parts: Iterable[Part]) -> Iterator[Item]:
    """Trajectories in order, one in memory at a time: nested dicts of arrays (T, ...) and of what is no array."""
    for rows in _whole(rows_of(dataset, parts)):
        about = rows.about[int(rows.episode[0])]
        arrays = {p: a for p, a in rows.arrays.items() if p not in rows.absent or not rows.absent[p].any()}
        yield nested({**arrays, **about.whole, **about.odd})


def _whole(pieces: Iterator[Rows]) -> Iterator[Rows]:
    """The steps of each trajectory together."""
    split = (piece for rows in pieces for piece in _by_episode(rows))
    for _, same in groupby(split, key=lambda rows: int(rows.episode[0])):
        yield joined(list(same))


def _by_episode(rows: Rows) -> Iterator[Rows]:
    cuts = np.flatnonzero(np.diff(rows.episode)) + 1
    for start, stop in zip([0, *cuts], [*cuts, len(rows.episode)], strict=True):
        yield cut(rows, slice(start, stop))


def cut(rows: Rows, chosen: slice | Array) -> Rows:
    """Some of them."""
    arrays, absent = ({path: a[chosen] for path, a in group.items()} for group in (rows.arrays, rows.absent))
    return Rows(arrays, absent, rows.episode[chosen], rows.frame[chosen], rows.about)


def joined(pieces: Sequence[Rows]) -> Rows:
    """Pieces one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    arrays = {path: np.concatenate([piece.arrays[path] for piece in pieces]) for path in pieces[0].arrays}
    lacking = dict.fromkeys(path for piece in pieces for path in piece.absent)
    absent = {
        path: np.concatenate([p.absent.get(path, np.zeros(len(p.episode), bool)) for p in pieces]) for path in lacking
    }
    episode, frame = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("episode", "frame"))
    about = {index: a for piece in pieces for index, a in piece.about.items()}
    return Rows(arrays, absent, episode, frame, about)


def abouts(part: Part) -> dict[int, About]:
    """What is known of the trajectories of a part apart from their columns."""
    rest: dict[int, list[tables.Rest]] = {}
    for batch in part.rest():
        for row in tables.rest_rows(batch):
            if row.episode_index is not None:
                rest.setdefault(row.episode_index, []).append(row)
    found = {}
    rows = part.episodes().select(["episode_index", "length", "attrs"]).to_pylist()
    for row in rows:
        attrs = json.loads(row["attrs"]).get("", {})
        whole, odd = oddities.found(attrs, rest.get(row["episode_index"], ()), row["length"])
        found[row["episode_index"]] = About(row["length"], whole, odd)
    return found


def _null(values: pa.Array) -> Array:
    return values.is_null().to_numpy(zero_copy_only=False)


# ---- batches ---------------------------------------------------------------------------------------------------


def rebatched(pieces: Iterator[Rows], size: int) -> Iterator[Rows]:
    """Steps in batches of `size`; the last may be smaller."""
    held: list[Rows] = []
    count = 0
    for rows in pieces:
        start = 0
        while len(rows.episode) - start >= size - count:
            held.append(cut(rows, slice(start, start + size - count)))
            start += size - count
            yield joined(held)
            held, count = [], 0
        if start < len(rows.episode):
            held.append(cut(rows, slice(start, None)))
            count += len(rows.episode) - start
    if held:
        yield joined(held)


def stacked(items: Sequence[Item]) -> Batch:
    """Items as one batch: a value that all have is stacked where it can be, and a list otherwise."""
    paths = dict.fromkeys(path for item in items for path in leaves(item))
    flat = [dict(leaves(item).items()) for item in items]
    return nested({path: collated([item.get(path) for item in flat]) for path in paths})


def collated(values: list[Any]) -> Any:
    """Values as an array, where they are numbers or arrays of one shape; else as they are."""
    if any(value is None or isinstance(value, str | dict) for value in values):
        return values
    if len({np.shape(value) for value in values if not isinstance(value, list)}) > 1:
        return values
    try:
        array = np.asarray(values)
    except ValueError:
        return values
    return array if array.dtype.kind in "biufc" else values


def leaves(item: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a nested dict by path."""
    found: dict[str, Any] = {}
    for key, value in item.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{key}/")
        else:
            found[f"{prefix}{key}"] = value
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `leaves`; a path through another value stays whole."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *groups, leaf = path.split("/")
        node: Any = tree
        for group in groups:
            node = node.setdefault(group, {})
            if not isinstance(node, dict):
                break
        if isinstance(node, dict):
            node[leaf] = value
        else:
            tree[path] = value
    return tree
