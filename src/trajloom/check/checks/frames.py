"""Frames that are missing or out of order, and episodes that are not as long as they say, or empty."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from trajloom.check.checks import Check
from trajloom.check.rows import Places, Rows
from trajloom.findings import Finding
from trajloom.schema import Header


class Frames(Check):
    """Counts each episode's steps."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._lengths: dict[int, int] = {}
        self._counted: dict[int, int] = {}
        self._wrong, self._lengths_wrong, self._unknown, self._empty = Places(), Places(), Places(), Places()
        self._example = ""

    def begin_part(self, episodes: pa.Table) -> None:
        self._lengths = dict(zip(*(episodes.column(n).to_pylist() for n in ("episode_index", "length")), strict=True))
        self._counted = dict.fromkeys(self._lengths, 0)

    def steps(self, rows: Rows) -> None:
        frames = rows.batch.column("frame_index").to_numpy()
        wanted = np.empty(len(frames), dtype=np.int64)
        for index, a, b in rows.spans:
            if index not in self._lengths:
                self._unknown.add(rows, np.arange(a, b))
            before = self._counted.get(index, 0)
            wanted[a:b] = np.arange(before, before + b - a)
            self._counted[index] = before + b - a
        self._wrong.add(rows, np.flatnonzero(frames != wanted))

    def end_part(self, whole: bool = True) -> None:
        for index, length in self._lengths.items() if whole else ():
            if self._counted[index] != length:
                self._example = self._example or f"{self._counted[index]} where it says {length}"
                self._lengths_wrong.add_episode(self.names[index])
            elif not length:
                self._empty.add_episode(self.names[index])

    def findings(self) -> Iterator[Finding]:
        said = f"{self._wrong.rows} steps of {self._wrong.episodes} episodes have another frame_index than their place"
        found = [
            ("error", "frame_gap", said, self._wrong, "frame_index"),
            ("error", "length", f"{self._lengths_wrong.episodes} episodes have other steps than their length says "
             f"({self._example})", self._lengths_wrong, "length"),
            ("error", "unknown_episode", f"{self._unknown.rows} steps belong to no row of `episodes` of their part",
             self._unknown, "episode_index"),
            ("warning", "empty_episode", f"{self._empty.episodes} episodes have no steps", self._empty, None),
        ]  # fmt: skip
        for severity, code, what, places, column in found:
            if places.episode is not None:
                yield Finding(
                    severity=severity, code=code, what=what, episode=places.episode, column=column, frame=places.frame
                )


CHECK = Frames
