"""Packed records, open: files of rows that the system maps into memory, and whose rows are whose."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trajloom.errors import UnknownNameError
from trajloom.load import place
from trajloom.load.groups import Group
from trajloom.load.mapped import mapped
from trajloom.load.packing import AROUND, NUMBERS, SPLITS, STARTS
from trajloom.load.pictures import Pictures
from trajloom.reopened import Reopened
from trajloom.tables import Array


@dataclass(frozen=True)
class GroupRows(Reopened):
    """One file of rows, opened when it is first used; it goes to other processes as its path."""

    path: Path
    group: Group

    @cached_property
    def array(self) -> Array:
        """(N, width). All rows, read-only; what is used of them comes from the disk as it is used."""
        return mapped(self.path, self.group.dtype).reshape(-1, self.group.width)

    def at(self, rows: Array) -> Array:
        """(*rows.shape, width). Some rows.

        One copy a row, however many columns it has. To copy windows as a whole, and then mend those that reach out of
        their episode, takes as long where windows are short, and longer where they are long.
        """
        return self.array.take(rows, axis=0, mode="clip")


@dataclass(frozen=True)
class Records(Reopened):
    """The packed records of a dataset, as far as its chosen columns go."""

    folder: Path
    groups: tuple[GroupRows | Pictures, ...]

    @cached_property
    def starts(self) -> Array:
        """(E + 1,) int64. Rows of the episodes' first steps, and N."""
        return mapped(self.folder / STARTS, "<i8")

    @cached_property
    def episode_index(self) -> Array:
        """(E,) int64."""
        return mapped(self.folder / NUMBERS, "<i8")

    @cached_property
    def around(self) -> Array:
        """(N, 2) int32. How many rows of its episode come before each row, and how many after it."""
        return mapped(self.folder / AROUND, "<i4").reshape(-1, 2)

    def episodes_of(self, rows: Array) -> Array:
        """Positions of the episodes that some rows belong to."""
        return np.searchsorted(self.starts, rows, side="right") - 1

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """Split -> positions of its episodes."""
        return json.loads((self.folder / SPLITS).read_text())

    def positions(self, split: str | None, episodes: Iterable[int] | None) -> list[int] | None:
        """Positions of the episodes of a split and of these numbers, in order; None where all are wanted."""
        if split is None and episodes is None:
            return None
        wanted = np.ones(len(self.episode_index), bool)
        if split is not None:
            if split not in self.splits:
                raise UnknownNameError("split", split, self.splits)
            wanted &= np.isin(np.arange(len(wanted)), self.splits[split])
        if episodes is not None:
            numbers = np.fromiter(episodes, np.int64)
            unknown = numbers[~np.isin(numbers, self.episode_index)]
            if len(unknown):
                there = f"{len(wanted)} episodes from {self.episode_index.min()} to {self.episode_index.max()}"
                raise UnknownNameError("episode", int(unknown[0]), [there] if len(wanted) else [])
            wanted &= np.isin(self.episode_index, numbers)
        return np.flatnonzero(wanted).tolist()


def open_records(folder: Path, groups: Sequence[Group]) -> Records:
    """Open what `packing.pack` made."""
    place.touch(folder)
    return Records(
        folder, tuple((Pictures if group.png else GroupRows)(folder / group.file, group) for group in groups)
    )
