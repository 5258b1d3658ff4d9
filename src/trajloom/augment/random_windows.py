"""Short pieces of episodes, from random places."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajloom.augment import _checks
from trajloom.augment._numbers import renumbered
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.slice import FIRST_FRAME
from trajloom.schema import Header, path_of


@dataclass(frozen=True, kw_only=True)
class RandomWindows(Augmentation):
    """Replace every episode by `count` windows of consecutive steps, each beginning anywhere with the same chance.

    Of several windows, window i of episode k becomes episode `count * k + i`, named `demo_7_window_0`. `success`,
    `rewards` and `dones` stay what they were; arrays that describe the first frame (`initial_state/...`) go.
    """

    length: int
    """Steps of a window."""
    count: int = 1
    """Windows of each episode; they may overlap."""
    short: Literal["keep", "drop"] = "keep"
    """Whether an episode that is shorter than a window stays, whole and once for each window, or goes."""

    def __post_init__(self) -> None:
        _checks.at_least(1, length=self.length, count=self.count)
        _checks.one_of(("keep", "drop"), short=self.short)

    def header(self, header: Header) -> Header:
        episodes = tuple(c for c in header.episodes if not path_of(c.name).startswith(FIRST_FRAME))
        return renumbered(header, self.count).with_(episodes=episodes)

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        lengths = batch.lengths
        stays = np.flatnonzero((lengths >= self.length) | (self.short == "keep"))
        room = np.maximum(lengths[stays] - self.length, 0)
        firsts = [rng_of(int(at)).integers(0, free + 1, self.count) for at, free in zip(stays, room, strict=True)]
        windows = self._multiplied(batch.under(self.header(batch.header)), stays)
        begins = windows.starts[:-1] + np.concatenate([*firsts, np.empty(0)]).astype(np.int64)
        ends = np.minimum(begins + self.length, windows.starts[1:])
        rows = [np.arange(begin, end) for begin, end in zip(begins, ends, strict=True)]
        return windows.take_steps(np.concatenate([*rows, np.empty(0)]).astype(np.int64))

    def _multiplied(self, batch: Batch, stays: np.ndarray) -> Batch:
        """The episodes that stay, each `count` times, under numbers and names of their own."""
        if self.count == 1:
            return batch.take_episodes(stays)
        copy = np.tile(np.arange(self.count), len(stays))
        positions = np.repeat(stays, self.count)
        made = batch.take_episodes(positions, batch.episode_index[positions] * self.count + copy)
        names = [f"{name}_window_{i}" for name, i in zip(made.episodes.column("name").to_pylist(), copy, strict=True)]
        return made.with_names(names)
