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
from trajloom.load.groups import APART_BYTES, Group
from trajloom.load.packing import NUMBERS, OWNERS, SPLITS, STARTS
from trajloom.tables import Array


class Rows:
    """Where the windows of a batch lie, in rows of the whole dataset."""

    __slots__ = ("first", "high", "length", "low", "padded", "rows_of_padded")

    def __init__(self, first: Array, low: Array, high: Array, length: int, reaches_back: bool = True):
        """Args:
        first: (B,) int64. First row of the window; below `low` where it is padded.
        low: (B,) int64. First row of its episode.
        high: (B,) int64. Last row of its episode.
        length: Rows of a window.
        reaches_back: Whether a window may begin before its episode.
        """
        self.first, self.low, self.high, self.length = first, low, high, length
        outside = first + (length - 1) > high
        if reaches_back:
            outside |= first < low
        self.padded = at = outside.nonzero()[0]
        """(P,) int64. Numbers of the windows that reach out of their episode."""
        rows = np.maximum(first[at, None] + np.arange(length), low[at, None])
        self.rows_of_padded = np.minimum(rows, high[at, None])
        """(P, length). Their rows; beyond the episode its first or last one again."""

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
        return _mapped(self.path, self.group.dtype).reshape(-1, self.group.width)

    def at(self, rows: Array) -> Array:
        """(*rows.shape, width). Single rows."""
        return self.array.take(rows, axis=0, mode="clip")

    @cached_property
    def _overlapping(self) -> dict[int, Array]:
        """Length -> windows (N - length + 1,) that overlap, each seen as one value of many bytes."""
        return {}

    def windows(self, rows: Rows) -> Array:
        """(B, length, width). Windows of rows; one copy a window, however many columns there are."""
        length, count = rows.length, len(self.array) - rows.length + 1
        if self.group.nbytes >= APART_BYTES or count < 1:
            # a row is so large that the time is that of copying it
            everything = rows.first[:, None] + np.arange(length)
            return self.at(everything.clip(rows.low[:, None], rows.high[:, None]))
        overlapping = self._overlapping.get(length)
        if overlapping is None:
            whole = np.dtype((np.void, self.group.nbytes * length))
            overlapping = np.ndarray((count,), whole, self.array, 0, (self.group.nbytes,))
            self._overlapping[length] = overlapping
        # whoever would begin or end outside of the file is padded
        found = overlapping[np.minimum(np.maximum(rows.first, 0), count - 1)]
        out = found.view(self.group.dtype).reshape(len(found), length, -1)
        if len(rows.padded):
            out[rows.padded] = self.array.take(rows.rows_of_padded, axis=0)
        return out


def _mapped(path: Path, dtype: str) -> Array:
    """(N,). A file's values, read-only."""
    size = os.path.getsize(path)
    if not size:
        return np.empty(0, dtype)
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    if size > _memory() // 2 and hasattr(mmap, "MADV_RANDOM"):
        # what is read ahead would push out of memory what the next batches need
        mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, dtype)


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
    def starts(self) -> Array:
        """(E + 1,) int64. Rows of the episodes' first steps, and N."""
        return _mapped(self.folder / STARTS, "<i8")

    @cached_property
    def episode_index(self) -> Array:
        """(E,) int64."""
        return _mapped(self.folder / NUMBERS, "<i8")

    @cached_property
    def episode_of_row(self) -> Array:
        """(N,) int32. Position of each row's episode."""
        return _mapped(self.folder / OWNERS, "<i4")

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """Split -> positions of its episodes."""
        return json.loads((self.folder / SPLITS).read_text())


def open_records(folder: Path, groups: Sequence[Group]) -> Records:
    """Open what `packing.pack` made."""
    place.touch(folder)
    return Records(folder, tuple(GroupRows(folder / group.file, group) for group in groups))
