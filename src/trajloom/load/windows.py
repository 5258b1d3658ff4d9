"""Which rows an item is about: the windows of the episodes that are loaded, numbered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajloom.load.records import Records
from trajloom.load.rows import Rows, Shape
from trajloom.tables import Array


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

    @cached_property
    def _every_row(self) -> bool:
        """Whether window i is about row i."""
        return self.episodes is None and not self.shape.left_out

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        if self._every_row:
            return len(self.records.around)
        return int(self._ends[-1]) if len(self._ends) else 0

    def about(self, numbers: Array) -> Array:
        """(B,) int64. The row that each window of some numbers (B,) int64 is about.

        Raises:
            IndexError: A number is not in [-len, len).
        """
        # seen as unsigned, a negative number is too large; and argmax takes a fifth of max's time
        unsigned = numbers.view(np.uint64)
        if len(numbers) and unsigned.item(unsigned.argmax()) >= self._count:
            numbers = _from_the_end(numbers, self._count)
        if self._every_row:
            return numbers
        at = np.searchsorted(self._ends, numbers, side="right")
        first = self.records.starts.take(self._chosen.take(at)) + self.shape.lead
        return first + (numbers - self._firsts.take(at))

    def rows(self, numbers: Array) -> Rows:
        """Rows of some windows; IndexError as in `about`."""
        return Rows(self.about(numbers), self.records.around, self.shape)


def _from_the_end(numbers: Array, count: int) -> Array:
    """Numbers counted from 0, where negative ones count from the end."""
    wrapped = np.where(numbers < 0, numbers + count, numbers)
    wrong = numbers[(wrapped < 0) | (wrapped >= count)]
    if len(wrong):
        raise IndexError(f"there are {count} items; none is number {wrong[0]}")
    return wrapped
