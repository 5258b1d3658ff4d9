"""Which rows an item is made of: windows of steps within episodes, padded at their ends or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajloom.errors import SettingsError
from trajloom.load.records import Records, Rows
from trajloom.tables import Array

Pad = bool | str
"""Whether windows reach out of their episode: True, False, "start" or "end" alone."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape of a window: `frame_stack - 1` steps before the step that it is about, that step, and those after."""

    seq_length: int = 1
    """Steps from the one that the window is about on."""
    frame_stack: int = 1
    """Steps up to the one that the window is about, it included."""
    pad_start: bool = True
    """Whether windows may begin before their episode; its first step is there again."""
    pad_end: bool = True
    """Whether windows may end after their episode; its last step is there again."""

    def __post_init__(self) -> None:
        for name in ("seq_length", "frame_stack"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def length(self) -> int:
        return self.frame_stack - 1 + self.seq_length

    @property
    def before(self) -> int:
        """Steps before the one that the window is about."""
        return self.frame_stack - 1

    @property
    def lead(self) -> int:
        """The first step of an episode that a window is about."""
        return 0 if self.pad_start else self.before

    @property
    def left_out(self) -> int:
        """Steps of an episode that no window is about."""
        return self.lead + (0 if self.pad_end else self.seq_length - 1)


def padding(pad: Pad) -> dict[str, bool]:
    """`pad` as fields of `Shape`; SettingsError where it is none."""
    known: dict[Pad, tuple[bool, bool]] = {
        True: (True, True), False: (False, False), "start": (True, False), "end": (False, True),
    }  # fmt: skip
    if pad not in known:
        raise SettingsError(f"pad must be True, False, 'start' or 'end', got {pad!r}")
    return dict(zip(("pad_start", "pad_end"), known[pad], strict=True))


@dataclass(frozen=True)
class Windows:
    """The windows of some episodes, numbered from 0: episode after episode, in each by the step they are about."""

    records: Records
    shape: Shape
    episodes: Sequence[int] | None = None
    """Positions of the episodes; None means all."""

    @cached_property
    def _chosen(self) -> Array:
        everyone = np.arange(len(self.records.episode_index)) if self.episodes is None else self.episodes
        return np.asarray(everyone, dtype=np.int64)

    @cached_property
    def _ends(self) -> Array:
        """(E',) int64. Number of each chosen episode's last window, plus one."""
        lengths = np.diff(self.records.starts)[self._chosen]
        return np.cumsum(np.maximum(lengths - self.shape.left_out, 0))

    @cached_property
    def _firsts(self) -> Array:
        """(E',) int64. Number of each chosen episode's first window."""
        return np.concatenate([[0], self._ends[:-1]]) if len(self._ends) else self._ends

    @property
    def _every_row(self) -> bool:
        """Whether window i is about row i."""
        return self.episodes is None and not self.shape.left_out

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        if self._every_row:
            return len(self.records.episode_of_row)
        return int(self._ends[-1]) if len(self._ends) else 0

    def about(self, numbers: Array) -> tuple[Array, Array]:
        """Of each window the row that it is about and the position of its episode; each (B,).

        Raises:
            IndexError: A number is not in [-len, len).
        """
        numbers = np.asarray(numbers, dtype=np.int64)
        if len(numbers) and (numbers.min() < 0 or numbers.max() >= self._count):
            numbers = _from_the_end(numbers, self._count)
        if self._every_row:
            return numbers, self.records.episode_of_row.take(numbers)
        at = np.searchsorted(self._ends, numbers, side="right")
        episode = self._chosen.take(at)
        return self.records.starts.take(episode) + (numbers - self._firsts.take(at)) + self.shape.lead, episode

    def rows(self, about: Array, episode: Array) -> Rows:
        """Rows of the windows that are about some rows."""
        starts, before = self.records.starts, self.shape.before
        low, high = starts.take(episode), starts.take(episode + 1) - 1
        return Rows(about - before if before else about, low, high, self.shape.length, before > 0)


def _from_the_end(numbers: Array, count: int) -> Array:
    """Numbers counted from 0, where negative ones count from the end."""
    wrapped = np.where(numbers < 0, numbers + count, numbers)
    wrong = numbers[(wrapped < 0) | (wrapped >= count)]
    if len(wrong):
        raise IndexError(f"there are {count} items; none is number {wrong[0]}")
    return wrapped
