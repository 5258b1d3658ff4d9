"""How a try is going: whether signals come when they are due, and whether it still goes as its source went."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from trajloom.engine.attempt import Arm
from trajloom.engine.segments import Sources
from trajloom.engine.settings import Settings
from trajloom.engine.verdict import Played
from trajloom.poses import Poses

LOOK_EVERY = 3
"""Steps from one look at a try to the next, where no subtask ends: what a look tells changes slowly."""
FAR_M = 0.02
"""How much farther than in the source an end effector may be from its target while it stands still."""
STILL_M = 0.002
"""What standing still is, a control step."""
STUCK_M = 0.12
"""An arm is stuck when what it is too far away, added up over the steps for which it stands still, is this many metres
for every step of `patience`: at the default patience of 5, 6 cm for 10 steps, or 3 cm for 20.

Of 1,200 attempts at Square D0, D1 and D2, Stack D1, StackThree D0 and D1, at 20 Hz and all played out, this would have
given up 63 of the 122 failures and 4 of the 1,078 successes; most other failures lose a signal.
"""


@dataclass(frozen=True)
class _Due:
    """A subtask has ended, and its signal is due."""

    played: Played
    until: int
    """The step after which it comes too late."""


@dataclass
class Watch:
    """What has been seen of the path that an attempt is on; `copy` it with all else that going back restores."""

    sources: Sources
    settings: Settings
    due: list[_Due] = field(default_factory=list)
    streak: dict[str, int] = field(default_factory=dict)
    """Signal -> in how many looks without a break it has held: as many steps, around the end of a subtask."""
    held_at: dict[str, int] = field(default_factory=dict)
    """Signal -> the last step after which it had held for as long as is asked."""
    missing: dict[tuple[str, str], int] = field(default_factory=dict)
    """End effector and signal -> for how many steps it has not held although it did in the source."""
    stuck: dict[str, float] = field(default_factory=dict)
    """End effector -> metres that it is farther from its target than in the source, added up while it stands still."""
    reached: dict[str, Poses] = field(default_factory=dict)
    """End effector -> (4, 4), where it was last seen."""
    seen_at: int = 0
    """After how many steps that was."""

    def copy(self) -> "Watch":
        """As it is now, going on by itself."""
        return replace(
            self,
            due=list(self.due),
            streak=dict(self.streak),
            held_at=dict(self.held_at),
            missing=dict(self.missing),
            stuck=dict(self.stuck),
            reached=dict(self.reached),
        )

    # ---- looking -------------------------------------------------------------------------------------------------

    def is_time(self, steps: int, arms: Sequence[Arm]) -> bool:
        """Whether to look after this step: every few, and at each around the end of a subtask, where signals count."""
        is_near_an_end = any(not arm.waits and arm.steps - arm.done <= self.settings.hold for arm in arms)
        return bool(self.due) or is_near_an_end or steps % LOOK_EVERY == 0

    def see(self, steps: int, signals: Mapping[str, bool], reached: Mapping[str, Poses], arms: Sequence[Arm]) -> None:
        """Take note of the scene after a step.

        Args:
            steps: How many there are now.
            signals: Signal -> whether it holds.
            reached: End effector -> (4, 4), where it is.
            arms: With the waypoint that each was sent to as the last of those done.
        """
        since = steps - self.seen_at
        for name, holds in signals.items():
            self.streak[name] = self.streak.get(name, 0) + 1 if holds else 0
            if self.streak[name] >= self.settings.hold:
                self.held_at[name] = steps
        self.due = [due for due in self.due if not self._came(due.played)]
        for arm in arms:
            self._compare(arm, signals, reached[arm.eef], since)
        self.reached, self.seen_at = dict(reached), steps

    def _came(self, played: Played) -> bool:
        return self.held_at.get(played.subtask.subtask_term_signal or "", -1) >= max(played.end - 1, 0)

    def _compare(self, arm: Arm, signals: Mapping[str, bool], reached: Poses, since: int) -> None:
        """An arm with its source, at the frame that it follows; on a bridge there is nothing to compare with."""
        assert arm.plan is not None
        waypoint = arm.plan[arm.done - 1]
        if arm.waits or waypoint.source_frame < 0:
            return
        row = self.sources.row(arm.demo, waypoint.source_frame)
        behind = _between(reached, waypoint.pose) - self.sources.lag_m[arm.eef][row]
        is_still = _between(reached, self.reached.get(arm.eef, reached)) < STILL_M * since
        self.stuck[arm.eef] = self.stuck.get(arm.eef, 0.0) + since * behind if is_still and behind > FAR_M else 0.0
        for subtask in arm.subtasks[: arm.number + 1]:
            name = subtask.subtask_term_signal
            if name is not None:
                is_missing = self.sources.holds_after[name][row] and not signals[name]
                before = self.missing.get((arm.eef, name), 0)
                self.missing[arm.eef, name] = (before + since if before else 1) if is_missing else 0

    def begin(self, eef: str) -> None:
        """A new try: that the arm was stuck in the one before says nothing of it."""
        self.stuck.pop(eef, None)

    def expect(self, played: Played) -> None:
        """From its end on a subtask's signal is due, if it has one."""
        if played.subtask.subtask_term_signal is not None:
            self.due.append(_Due(played, played.end + max(played.grace, self.settings.hold - 1)))

    # ---- what is wrong -------------------------------------------------------------------------------------------

    def overdue(self, steps: int, finished: bool) -> Played | None:
        """A subtask whose signal has not come in time."""
        return next((due.played for due in self.due if steps >= due.until or finished), None)

    def lost(self) -> tuple[str, str] | None:
        """An end effector whose try lacks what its source had for longer than is allowed, and in words what."""
        for (eef, name), steps in self.missing.items():
            if 0 < self.settings.patience <= steps:
                return eef, f"signal {name!r} was missing where the source had it"
        return None

    def caught(self) -> tuple[str, str] | None:
        """An end effector that has been stuck for longer than is allowed, and in words where."""
        for eef, metres in self.stuck.items():
            if 0 < STUCK_M * self.settings.patience <= metres:
                return eef, f"{eef} was stuck, farther from its target than in the source"
        return None


def _between(one: Poses, other: Poses) -> float:
    """How far apart two poses (4, 4) are, in m."""
    return math.dist(one[:3, 3].tolist(), other[:3, 3].tolist())
