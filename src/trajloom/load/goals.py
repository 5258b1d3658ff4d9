"""Goals: a later step of the same episode, whose observations an item carries along."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from trajloom.errors import SettingsError
from trajloom.load import chance
from trajloom.load.fields import Field
from trajloom.load.names import Layout
from trajloom.load.rows import Rows
from trajloom.tables import Array

Goal = Literal["last", "future"]
"""The last step of the episode; or any step from the item's own on, drawn by seed and number."""


@lru_cache(maxsize=16)
def key_of(seed: int, epoch: int) -> np.uint64:
    """What decides the draws of an epoch."""
    return chance.key_of(seed, "goal", epoch)


def goal_rows(goal: Goal, rows: Rows, numbers: Array, key: np.uint64) -> Array:
    """(B,). Rows of the goals.

    Args:
        goal: Which.
        rows: The windows.
        numbers: (B,). Numbers of the items.
        key: Decides the draws.
    """
    if goal == "last":
        return rows.last_of_episode
    return rows.about + (chance.uniform(numbers, key) * (rows.room[:, 1] + 1)).astype(np.int64)


def last_for_robomimic(rows: Rows) -> Array:
    """(B,). robomimic's goal: the last step that a window is about, which padding makes the episode's last."""
    return rows.last_of_episode - (0 if rows.shape.pad_end else rows.shape.after)


def goal_fields(fields: Sequence[Sequence[Field]], layout: Layout) -> list[tuple[Field, ...]]:
    """The observations of each group as parts of the goal: under `goal`, or as robomimic has them.

    robomimic's are those after the step, from `next_obs`. SettingsError where there are none.
    """
    found = [_of_group(some, layout) for some in fields]
    if not any(found):
        group = {"source": "obs", "robomimic": "next_obs"}[layout]
        raise SettingsError(f"a goal is made of observations, and no column of {group}/ is among those chosen")
    return found


def _of_group(fields: Sequence[Field], layout: Layout) -> tuple[Field, ...]:
    found = []
    for field in fields:
        group, _, rest = field.slot.column.name.partition("/")
        if layout == "source" and group == "obs":
            found.append(_under(field, ("goal", *field.keys)))
        elif layout == "robomimic" and group == "next_obs":
            found.append(_under(field, ("goal_obs", *rest.split("/"))))
    return tuple(found)


def _under(field: Field, keys: tuple[str, ...]) -> Field:
    return Field(keys, field.slot, field.channels_first, field.as_float)
