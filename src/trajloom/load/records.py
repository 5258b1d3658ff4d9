"""Packed records, open: files of rows that the system maps into memory, and whose rows are whose."""

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.load import place
from trajloom.load.groups import Group
from trajloom.load.packing import INDEX
from trajloom.tables import Array


@dataclass(frozen=True)
class Rows:
    """Where the windows of a batch lie, in rows of the whole dataset. Each is (B,) int64."""

    first: Array
    """First row of the window; below `low` where it is padded."""
    low: Array
    """First row of its episode."""
    high: Array
    """Last row of its episode."""
    length: int
    """Rows of a window."""

    @cached_property
    def padded(self) -> Array:
        """Numbers of the windows that reach out of their episode."""
        return np.flatnonzero((self.first < self.low) | (self.first + (self.length - 1) > self.high))

    @cached_property
    def of_padded(self) -> Array:
        """(P, length). Rows of the padded windows: beyond the episode, its first or last row again."""
        at = self.padded
        rows = self.first[at, None] + np.arange(self.length)
        return rows.clip(self.low[at, None], self.high[at, None])

    @property
    def inside(self) -> Array:
        """(B, length) bool. Which rows of each window are in its episode."""
        rows = self.first[:, None] + np.arange(self.length)
        return (rows >= self.low[:, None]) & (rows <= self.high[:, None])


@dataclass(frozen=True)
class GroupRows:
    """One file of rows, opened when it is first used; it goes to other processes as its path."""

    path: Path
    group: Group

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "group": self.group}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def array(self) -> Array:
        """(N, width). All rows, read-only; what is used of them comes from the disk as it is used."""
        size = os.path.getsize(self.path)
        if not size:
            return np.empty((0, self.group.width), self.group.dtype)
        with open(self.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        if size > _memory() // 2 and hasattr(mmap, "MADV_RANDOM"):
            # what is read ahead would push out of memory what the next batches need
            mapped.madvise(mmap.MADV_RANDOM)
        return np.frombuffer(mapped, self.group.dtype).reshape(-1, self.group.width)

    def at(self, rows: Array) -> Array:
        """(B, width). Single rows."""
        return self.array.take(rows, axis=0, mode="clip")

    def windows(self, rows: Rows) -> Array:
        """(B, length, width). Windows of rows; one copy a window, however many columns there are."""
        array, length = self.array, rows.length
        count = len(array) - length + 1
        if count < 1:
            everything = rows.first[:, None] + np.arange(length)
            return self.at(everything.clip(rows.low[:, None], rows.high[:, None]))
        # windows that overlap, each seen as one value of many bytes
        whole = np.dtype((np.void, self.group.nbytes * length))
        overlapping = np.ndarray((count,), whole, array, 0, (self.group.nbytes,))
        found = overlapping[rows.first.clip(0, count - 1)]
        out = found.view(self.group.dtype).reshape(len(found), length, self.group.width)
        if len(rows.padded):
            out[rows.padded] = self.at(rows.of_padded)
        return out


def _memory() -> int:
    """Bytes of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


@dataclass(frozen=True)
class Records:
    """The packed records of a dataset, as far as its chosen columns go."""

    folder: Path
    groups: tuple[GroupRows, ...]

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "groups": self.groups}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def _index(self) -> list[Array]:
        return [np.load(self.folder / name, mmap_mode="r", allow_pickle=False).view(np.ndarray) for name in INDEX]

    @property
    def starts(self) -> Array:
        """(E + 1,) int64. Rows of the episodes' first steps, and N."""
        return self._index[0]

    @property
    def episode_index(self) -> Array:
        """(E,) int64."""
        return self._index[1]

    @property
    def episode_of_row(self) -> Array:
        """(N,) int32. Position of each row's episode."""
        return self._index[2]

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """Split -> positions of its episodes."""
        return json.loads((self.folder / "splits.json").read_text())


def open_records(folder: Path, groups: Sequence[Group]) -> Records:
    """Open what `packing.pack` made."""
    place.touch(folder)
    return Records(folder, tuple(GroupRows(folder / group.file, group) for group in groups))
