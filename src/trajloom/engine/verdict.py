"""How an attempt ended: whether it counts as a success, and else which subtask failed and why."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SettingsError
from trajloom.task import Subtask

_LAG_M = 0.02


def check_success(mode: str) -> None:
    """Raise SettingsError unless `mode` is "any", "final" or "hold-<k>" with k >= 1."""
    if mode not in ("any", "final") and not re.fullmatch(r"hold-[1-9]\d*", mode):
        raise SettingsError(f"success must be 'any', 'final' or 'hold-<steps>' such as 'hold-10', got {mode!r}")


def judge(succeeded: Sequence[bool], mode: str) -> bool:
    """Whether an episode counts as a success.

    Args:
        succeeded: For every step, whether the task was solved after it.
        mode: "any": at any step, as MimicGen judges; "final": after the last step; "hold-<k>": for k steps in a row.
    """
    if mode == "any":
        return any(succeeded)
    if mode == "final":
        return bool(succeeded) and bool(succeeded[-1])
    return _longest_run(succeeded) >= int(mode.removeprefix("hold-"))


def _longest_run(succeeded: Sequence[bool]) -> int:
    return max((len(list(run)) for value, run in groupby(succeeded) if value), default=0)


@dataclass(frozen=True)
class Played:
    """One subtask as it was carried out."""

    eef: str
    number: int
    subtask: Subtask
    begin: int
    """The step at which it began."""
    end: int
    """One past its last step."""
    grace: int
    """Steps after the end within which its signal may still come: the bridge to the next subtask."""
    source: str
    """Where its segment came from, in words."""
    gap_m: float
    """How far the end effector was from its last target when it ended."""

    @property
    def title(self) -> str:
        """Such as "subtask 0 (cubeA)"."""
        return f"subtask {self.number} ({self.subtask.object_ref or 'no object'})"


def blame(
    played: Sequence[Played],
    signals: Mapping[str, NDArray[np.bool_]],
    succeeded: Sequence[bool],
    mode: str,
    diagnosis: str,
) -> tuple[int, str]:
    """The first subtask that did not reach its end, and why.

    Args:
        played: All subtasks, in the order of their ends.
        signals: Signal -> (T + 1,). Whether it held before each step, and after the last.
        succeeded: (T,). Whether the task was solved after each step.
        mode: How success is judged.
        diagnosis: What the scene says about its conditions now.

    Returns:
        The subtask's number; the reason. Up to its first ";" the reason names the kind of failure, for counting; what
        follows is about this attempt alone.
    """
    for one in played:
        fault = _signal_fault(one, signals)
        if fault:
            return one.number, "; ".join(filter(None, [fault, *_circumstances(one), diagnosis]))
    last = played[-1]
    kind = f"success does not hold in the end, {last.title}"
    if any(succeeded):
        first = int(np.argmax(succeeded))
        kind = f"success was reached but not kept, as success={mode!r} asks"
        words = [kind, f"it first held after step {first}", diagnosis, *_circumstances(last)]
        return last.number, "; ".join(filter(None, words))
    lost = [words for one in played for words in _lost_later(one, signals)]
    return last.number, "; ".join(filter(None, [kind, diagnosis, *lost, *_circumstances(last)]))


def _signal_fault(one: Played, signals: Mapping[str, NDArray[np.bool_]]) -> str | None:
    """What was wrong with the signal that should hold when a subtask ends; None where it held around its end."""
    name = one.subtask.subtask_term_signal
    if name is None:
        return None
    if name not in signals:
        return f"the scene has no signal {name!r} for {one.title}"
    holds = signals[name]
    if holds[max(one.end - 1, 0) : one.end + one.grace + 1].any():
        return None
    if holds[one.begin : one.end].any():
        return f"signal {name!r} was lost before the end of {one.title}"
    return f"signal {name!r} never rose in {one.title}"


def _circumstances(one: Played) -> list[str]:
    lag = f"{one.eef} ended {100 * one.gap_m:.1f} cm from its target"
    if one.gap_m > _LAG_M:
        lag += ": blocked, out of reach, or raise num_interpolation_steps"
    return [f"made from {one.source}", lag]


def _lost_later(one: Played, signals: Mapping[str, NDArray[np.bool_]]) -> list[str]:
    """When a signal that ended a subtask ceased to hold: a grasp may have been lost on the way."""
    name = one.subtask.subtask_term_signal
    if name is None or signals[name][-1]:
        return []
    last = int(np.flatnonzero(signals[name])[-1])
    return [f"{name!r} of {one.title} last held before step {last} of {len(signals[name]) - 1}"]
