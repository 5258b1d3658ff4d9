"""Keeping, dropping and renaming columns, with what other places hold under their names."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom.edit.view import PartView, View, edited
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.formats import Source
from trajloom.schema import EPISODES, REST, Column, Header, path_of, stored_name
from trajloom.tables import rows_where

OWN_ATTRS = ("", "//")
"""Keys of an episode's `attrs` that are no path: the episode itself, and how its arrays lie in their file."""

Table = Literal["steps", "episodes"]


@dataclass(frozen=True)
class Change:
    """What happens to columns, said of paths, so that it can be said of `rest` and of attributes too."""

    keep: tuple[str, ...] | None = None
    """Patterns, of which a path must fit one; None keeps all."""
    drop: tuple[str, ...] = ()
    """Patterns, of which a path may fit none."""
    moves: Mapping[str, str] = field(default_factory=dict)
    """Old path -> new path."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Old group -> new group, each with its slash at the end."""
    called: Mapping[str, str] = field(default_factory=dict)
    """What the source's files call a column -> its path, where that is another."""

    def keeps(self, path: str) -> bool:
        """Whether what lies at a path stays."""
        return (self.keep is None or fits(path, self.keep)) and not fits(path, self.drop)

    def new(self, path: str) -> str:
        """Where what lies at a path, a column or a group, goes."""
        if path in self.moves:
            return self.moves[path]
        within = [old for old in self.groups if f"{path}/".startswith(old)]
        if not within:
            return path
        old = max(within, key=len)
        return (self.groups[old] + f"{path}/".removeprefix(old)).rstrip("/")

    def path(self, theirs: str) -> str:
        """The path of what the source's files call `theirs`."""
        return self.called.get(theirs, theirs)

    def place(self, theirs: str) -> str:
        """What files are to call what the source's files call `theirs`: the same, unless it gets a new name."""
        path = self.path(theirs)
        return theirs if self.new(path) == path else self.new(path)


def fits(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path, or its name as a column, is one of some names or fits one of some shell patterns."""
    return any(_fits(name, pattern) for pattern in patterns for name in _names(path))


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern + "*" if pattern.endswith("/") else pattern)


def _names(path: str) -> set[str]:
    """What a path may be called: itself, and the columns that it can be."""
    return {path, stored_name(path, "steps"), stored_name(path, "episodes")}


# ---- what is asked for -----------------------------------------------------------------------------------------


def keep(source: Source, patterns: Iterable[str]) -> Source:
    """The columns whose names fit a pattern; our own columns always stay.

    Of `rest`, and of the episodes' attributes, what belongs to an episode stays where its path fits a pattern too; what
    belongs to the file itself stays.

    Raises:
        UnknownNameError: A pattern fits nothing that there is.
    """
    patterns = tuple(patterns)
    own = [*source.header.steps_schema.names, *EPISODES.names]
    _must_fit(source, [p for p in patterns if not any(_fits(name, p) for name in own)])
    return _changed(source, Change(keep=patterns))


def drop(source: Source, patterns: Iterable[str]) -> Source:
    """All columns but those whose names fit a pattern, and with these what `rest` and attributes have at their paths.

    Raises:
        UnknownNameError: A pattern fits nothing that there is.
    """
    patterns = tuple(patterns)
    _must_fit(source, patterns)
    return _changed(source, Change(drop=patterns))


def rename(source: Source, names: Mapping[str, str]) -> Source:
    """Other names for columns and, where both end in a slash, for groups of them: all at once, so they may swap.

    Raises:
        UnknownNameError: There is no such column or group.
        SettingsError: A new name is none, or is taken, or would lie inside a column.
    """
    groups = {old: new for old, new in names.items() if old.endswith("/")}
    there = {path_of(column.name) for column in (*source.header.steps, *source.header.episodes)}
    moves = {old if old in there else path_of(old): new for old, new in names.items() if old not in groups}
    wrong = [f"{new!r} for {old!r} is no name" for old, new in names.items() if not _is_name(new.removesuffix("/"))]
    wrong += [
        f"{old!r} and {new!r} must both end in a slash (a group) or neither (a column)"
        for old, new in names.items()
        if old.endswith("/") != new.endswith("/")
    ]
    if wrong:
        raise SettingsError("; ".join(wrong))
    _must_fit(source, names, literally=True)
    return _changed(source, Change(moves=moves, groups=groups))


def _is_name(name: str) -> bool:
    return "\0" not in name and all(step.strip() and step not in (".", "..") for step in name.split("/"))


def _must_fit(source: Source, patterns: Iterable[str], literally: bool = False) -> None:
    names = [c.name for c in (*source.header.steps, *source.header.episodes)]
    fit = _fits_literally if literally else fits
    unknown = [p for p in patterns if not any(fit(path_of(name), [p]) for name in names)]
    if unknown:
        unknown = _unknown_in_rest(source, unknown, literally)
    if unknown:
        raise UnknownNameError("column", ", ".join(unknown), names)


def _fits_literally(path: str, names: Iterable[str]) -> bool:
    return any(name in _names(path) or (name.endswith("/") and path.startswith(name)) for name in names)


def _unknown_in_rest(source: Source, patterns: list[str], literally: bool) -> list[str]:
    """The patterns that no array in `rest` of an episode fits either; reads as much of it as it needs."""
    fit = _fits_literally if literally else fits
    for part in source.parts():
        for batch in part.rest():
            owned = batch.filter(pa.array(_of_episodes(batch)))
            paths = set(owned.column("path").to_pylist())
            patterns = [p for p in patterns if not any(fit(path, [p]) for path in paths)]
            if not patterns:
                return []
    return patterns


def _of_episodes(batch: pa.RecordBatch) -> np.ndarray:
    return batch.column("episode_index").is_valid().to_numpy(zero_copy_only=False)


# ---- the header ------------------------------------------------------------------------------------------------


def _changed(source: Source, change: Change) -> Source:
    header = source.header
    called = {theirs: path for path, theirs in header.layout.get("renamed", {}).items()}
    change = replace(change, called=called)
    steps, episodes = _after(header.steps, "steps", change), _after(header.episodes, "episodes", change)
    _must_not_collide([path_of(new.name) for _, new in (*steps, *episodes)], change)
    made = edited(
        header,
        steps=tuple(new for _, new in steps),
        episodes=tuple(new for _, new in episodes),
        layout=_layout(header, change),
    )
    make = partial(
        ColumnsPart,
        header=made,
        change=change,
        step_names={new.name: old.name for old, new in steps},
        episode_names={new.name: old.name for old, new in episodes},
        lost_groups=_lost_groups(header, change),
    )
    return View(source, made, make)


def _after(columns: Sequence[Column], table: Table, change: Change) -> list[tuple[Column, Column]]:
    """The columns that stay: as they were, and as they are now."""
    kept = [column for column in columns if change.keeps(path_of(column.name))]
    return [(c, replace(c, name=stored_name(change.new(path_of(c.name)), table))) for c in kept]


def _must_not_collide(paths: Sequence[str], change: Change) -> None:
    moved = {*change.moves.values()} | {p for p in paths if any(p.startswith(new) for new in change.groups.values())}
    there = set(paths)
    wrong = [f"{path} would be there twice" for path in sorted(there) if paths.count(path) > 1]
    for path in sorted(there):
        above = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
        wrong += [f"{path} would lie inside the column {a}" for a in above if a in there and {a, path} & moved]
    if wrong:
        raise SettingsError(f"columns cannot be renamed so; {'; '.join(wrong)}")


def _lost_groups(header: Header, change: Change) -> frozenset[str]:
    """Groups of which no column is left."""
    paths = [path_of(c.name) for c in (*header.steps, *header.episodes)]
    left = {group for path in paths if change.keeps(path) for group in _groups(path)}
    return frozenset({group for path in paths for group in _groups(path)} - left)


def _groups(path: str) -> list[str]:
    steps = path.split("/")
    return ["/".join(steps[:n]) for n in range(1, len(steps))]


def _layout(header: Header, change: Change) -> Mapping[str, Any]:
    """How the source's format lays columns out, by their new paths; a column of another name is called so in files."""
    layout = header.layout
    if not isinstance(layout.get("columns"), dict):
        return layout
    gone = {p for c in (*header.steps, *header.episodes) if not change.keeps(p := path_of(c.name))}
    columns = {change.place(t): about for t, about in layout["columns"].items() if change.path(t) not in gone}
    called = layout.get("renamed", {}).items()
    still = {path: theirs for path, theirs in called if path not in gone and change.new(path) == path}
    return {**layout, "columns": columns, **({"renamed": still} if "renamed" in layout else {})}


# ---- the tables ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnsPart(PartView):
    """A part with fewer columns, or columns of other names."""

    header: Header
    change: Change
    step_names: Mapping[str, str]
    """Name of a column of steps -> its name in the part."""
    episode_names: Mapping[str, str]
    lost_groups: frozenset[str]

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        schema = self.header.steps_schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in known(columns, schema)])
        for batch in self.part.steps([self.step_names.get(name, name) for name in schema.names]):
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def episodes(self) -> pa.Table:
        schema, table = self.header.episodes_schema, self.part.episodes()
        table = table.select([self.episode_names.get(name, name) for name in schema.names])
        attrs = pa.array([self._attrs(text) for text in table.column("attrs").to_pylist()], pa.string())
        place = schema.names.index("attrs")
        arrays = [attrs if i == place else column for i, column in enumerate(table.columns)]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _attrs(self, text: str) -> str:
        """The attributes of an episode, without those of what is gone and under the new paths."""
        attrs = json.loads(text or "{}")
        found = {key: attrs[key] for key in OWN_ATTRS if key in attrs}
        found.update(self._moved({key: value for key, value in attrs.items() if key not in OWN_ATTRS}))
        room = found.get("//", {})
        if isinstance(room.get("storage"), dict):
            found["//"] = {**room, "storage": self._moved(room["storage"])}
        return json.dumps(found, sort_keys=True) if found != attrs else text

    def _moved(self, by_place: Mapping[str, Any]) -> dict[str, Any]:
        return {self.change.place(place): value for place, value in by_place.items() if self._stays(place)}

    def _stays(self, place: str) -> bool:
        path = self.change.path(place)
        return path not in self.lost_groups and (self.change.keeps(path) or self._is_group(path))

    def _is_group(self, path: str) -> bool:
        """Whether a column that is left lies below a path."""
        return any(path_of(name).startswith(f"{path}/") for name in self._olds())

    def rest(self) -> Iterator[pa.RecordBatch]:
        taken = {self.change.new(path_of(name)): path_of(name) for name in self._olds()}
        for batch in self.part.rest():
            rows = list(zip(_of_episodes(batch), batch.column("path").to_pylist(), strict=True))
            kept = np.array([not owned or self.change.keeps(self.change.path(p)) for owned, p in rows], dtype=bool)
            moved = pa.array([self._new(p, taken) if owned else p for owned, p in rows], pa.string())
            batch = batch.set_column(REST.names.index("path"), REST.field("path"), moved)
            batch = rows_where(batch, kept)
            if batch.num_rows:
                yield batch

    def _new(self, place: str, taken: Mapping[str, str]) -> str:
        """The new path of an array in `rest`; what is an exception of a column goes with it."""
        path, new = self.change.path(place), self.change.new(self.change.path(place))
        if new in taken and (taken[new] == new) != (path == new):
            raise SettingsError(f"nothing can be renamed to {new}: some episodes have an array of that name in `rest`")
        return self.change.place(place)

    def _olds(self) -> tuple[str, ...]:
        """Names in the part of the columns that are left."""
        return (*self.step_names.values(), *self.episode_names.values())


def known(columns: Sequence[str], schema: pa.Schema) -> list[str]:
    """Columns of `steps` as they were asked for; UnknownNameError where there is no such column."""
    unknown = [name for name in columns if name not in schema.names]
    if unknown:
        raise UnknownNameError("column", ", ".join(unknown), schema.names)
    return list(columns)
