"""Commit records: a part exists once its record does."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trajloom.errors import DamagedFileError
from trajloom.folder import Folder
from trajloom.schema import TABLES

HEADER = "dataset.json"
COMMITS = "commits"
MODELS = "models"
STAGING = ".staging-"
"""How the folders are called in which files are made on a local disk before they are moved to their place."""

_NUMBER = re.compile(r"part-(\d+)\.(?:json|parquet)")


def file_name(part: int, suffix: str = "parquet") -> str:
    """Zero-padded, so that also those who sort by name get the parts in order."""
    return f"part-{part:05d}.{suffix}"


def part_number(name: str) -> int | None:
    """The inverse of `file_name`; None for any other file."""
    found = _NUMBER.fullmatch(name)
    return int(found[1]) if found else None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """What is known of one part."""

    part: int
    tables: Mapping[str, Mapping[str, Any]]
    """Table -> `{"rows": ..., "bytes": ..., "sha256": ...}`; a table without a file is not named."""
    episodes: tuple[int, int] | None = None
    """First and last `episode_index`; None where the part has no episode."""
    attempts: tuple[int, int] | None = None
    """First and last `attempt`; None where the part has no attempt."""
    order: int | None = None
    """Where the part stands among the others, if not where its number says: that of the first part it replaced."""
    replaces: tuple[int, ...] = ()
    """Parts whose rows this one holds; they count no more."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """What may differ from run to run: worker, host, start, seconds."""

    @property
    def place(self) -> int:
        return self.part if self.order is None else self.order

    @property
    def last(self) -> int:
        """The highest episode or attempt in it; -1 where there is none."""
        return max([bounds[1] for bounds in (self.episodes, self.attempts) if bounds], default=-1)

    @property
    def first(self) -> int | None:
        """The lowest episode or attempt in it."""
        return min([bounds[0] for bounds in (self.episodes, self.attempts) if bounds], default=None)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(table["bytes"] for table in self.tables.values())

    def rows(self, table: str) -> int:
        return self.tables.get(table, {}).get("rows", 0)

    def to_json(self) -> dict[str, Any]:
        more: dict[str, Any] = {} if self.order is None else {"order": self.order}
        if self.replaces:
            more["replaces"] = list(self.replaces)
        return {
            "part": self.part,
            "tables": dict(self.tables),
            "episodes": _bounds_json(self.episodes),
            "attempts": _bounds_json(self.attempts),
            **more,
            "run": dict(self.run),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Commit":
        unknown = set(values["tables"]) - set(TABLES)
        if unknown:
            raise ValueError(f"unknown tables {sorted(unknown)}")
        bounds = {name: _bounds(values.get(name)) for name in ("episodes", "attempts")}
        order, replaces = values.get("order"), tuple(values.get("replaces", ()))
        part, tables, run = values["part"], values["tables"], values.get("run", {})
        return cls(part=part, tables=tables, order=order, replaces=replaces, run=run, **bounds)


def _bounds_json(bounds: tuple[int, int] | None) -> dict[str, int] | None:
    return None if bounds is None else {"first": bounds[0], "last": bounds[1]}


def _bounds(values: Mapping[str, int] | None) -> tuple[int, int] | None:
    return None if values is None else (values["first"], values["last"])


def read_commits(folder: Folder) -> list[Commit]:
    """The commits that count, in the order of their parts' rows; DamagedFileError where one cannot be read."""
    names = [name for name in folder.names(COMMITS) if part_number(name) is not None and name.endswith(".json")]
    commits = [_parse(folder, name, data) for name, data in folder.read_many(COMMITS, names).items()]
    replaced = {part for commit in commits for part in commit.replaces}
    return sorted((c for c in commits if c.part not in replaced), key=lambda commit: (commit.place, commit.part))


def _parse(folder: Folder, name: str, data: bytes) -> Commit:
    try:
        commit = Commit.from_json(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{folder.url}: {COMMITS}/{name} is no commit record: {error!r}") from error
    if commit.part != part_number(name):
        raise DamagedFileError(f"{folder.url}: {COMMITS}/{name} is the record of part {commit.part}")
    return commit


def remove_part(folder: Folder, part: int) -> None:
    """Delete a part, its commit first, so that it is never half there."""
    folder.remove(COMMITS, file_name(part, "json"))
    for table in TABLES:
        folder.remove(table, file_name(part))


def orphans(folder: Folder, keep: Iterable[int]) -> list[str]:
    """Names of the files of parts that do not count, and of what a writer left unfinished."""
    keep = set(keep)
    files = [f"{where}/{n}" for where in (COMMITS, *TABLES) for n in folder.names(where) if part_number(n) not in keep]
    return files + [name for name in folder.names() if name.startswith(STAGING)]


def remove_orphans(folder: Folder, keep: Iterable[int]) -> list[str]:
    """Delete the files of parts that do not count, and what a writer left unfinished; returns their names."""
    removed = orphans(folder, keep)
    for name in removed:
        where, _, file = name.partition("/")
        if file:
            folder.remove(where, file)
        else:
            folder.remove_all(where)
    return removed
