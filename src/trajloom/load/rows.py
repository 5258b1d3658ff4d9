"""The shape of windows, and the rows of a batch of them: those around some steps, padded where an episode ends."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajloom.errors import SettingsError
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

    @cached_property
    def before(self) -> int:
        """Steps before the one that the window is about."""
        return self.frame_stack - 1

    @property
    def after(self) -> int:
        """Steps after the one that the window is about."""
        return self.seq_length - 1

    @cached_property
    def frames(self) -> Array:
        """(length, 1) int32. The steps, counted from the one that the window is about."""
        return np.arange(-self.before, self.seq_length, dtype=np.int32)[:, None]

    @property
    def lead(self) -> int:
        """The first step of an episode that a window is about."""
        return 0 if self.pad_start else self.before

    @property
    def left_out(self) -> int:
        """Steps of an episode that no window is about."""
        return self.lead + (0 if self.pad_end else self.after)


def padding(pad: Pad) -> dict[str, bool]:
    """`pad` as fields of `Shape`; SettingsError where it is none."""
    known: dict[Pad, tuple[bool, bool]] = {
        True: (True, True), False: (False, False), "start": (True, False), "end": (False, True),
    }  # fmt: skip
    if pad not in known:
        raise SettingsError(f"pad must be True, False, 'start' or 'end', got {pad!r}")
    return dict(zip(("pad_start", "pad_end"), known[pad], strict=True))


class Rows:
    """The rows of a batch of windows, in rows of the whole dataset."""

    def __init__(self, about: Array, around: Array, shape: Shape):
        """Args:
        about: (B,) int64. The rows that the windows are about.
        around: (N, 2) int32. How many rows of its episode come before each row of the dataset, and how many after it.
        shape: Of the windows.
        """
        self.about, self.shape = about, shape
        self.room = around.take(about, axis=0)
        """(B, 2) int32. How many rows of its episode come before the one that a window is about, and after it."""

    @property
    def last_of_episode(self) -> Array:
        """(B,) int64. Last row of each window's episode."""
        return self.about + self.room[:, 1]

    @property
    def all(self) -> Array:
        """(B, length) int64. Rows of the windows; beyond its episode the episode's first or last one again."""
        # made as (length, B): NumPy is twice as fast where its inner loops are long
        frames = np.minimum(self.shape.frames, self.room[:, 1])
        if self.shape.before:
            frames = np.maximum(frames, -self.room[:, 0])
        return (self.about + frames).T

    @property
    def inside(self) -> Array:
        """(B, length) bool. Which rows of each window are in its episode."""
        found = (self.shape.frames >= -self.room[:, 0]) & (self.shape.frames <= self.room[:, 1])
        return np.ascontiguousarray(found.T)
