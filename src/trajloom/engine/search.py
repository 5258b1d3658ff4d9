"""An attempt that goes back: where a subtask failed, the scene is restored to its start, and another source is tried.

What is kept is the one path that worked, as if nothing else had ever been tried; every try is kept as a line of its own
(`rollout.Try`). An attempt whose first tries all work is, bit for bit, the attempt that never goes back.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trajloom.engine.attempt import Arm, Attempt
from trajloom.engine.experience import Experience, neighbourhoods
from trajloom.engine.plan import chances, select
from trajloom.engine.verdict import Played, judge
from trajloom.engine.waypoints import NormalStream
from trajloom.poses import Poses
from trajloom.rollout import Rollout, Try
from trajloom.seeding import rng_for
from trajloom.task import Array, Foreseeing, Subtask


@dataclass(frozen=True)
class _Due:
    """A subtask has ended, and its signal is due."""

    played: Played
    until: int
    """The step after which it comes too late."""


@dataclass(frozen=True)
class _Memory:
    """All that an attempt was at one moment."""

    scene: Any
    arms: list[Arm]
    steps: int
    choices: int
    played: int
    chosen: dict[tuple[int, str | None], int]
    bounds: dict[str, Any]
    due: list[_Due]
    streak: dict[str, int]
    held_at: dict[str, int]


@dataclass
class _Node:
    """A subtask that an arm has begun, and what was tried from there."""

    eef: str
    subtask: int
    start: _Memory
    tries: int = 0
    tried: set[int] = field(default_factory=set)
    """Sources."""
    current: Try | None = None


class Search(Attempt):
    """An attempt that restores the start of a subtask that failed, as often as the settings allow."""

    def __init__(self, *args: Any, experience: Experience | None = None):
        super().__init__(*args)
        self.experience = experience
        self.path: list[_Node] = []
        """The subtasks begun on the way to where the attempt is now."""
        self.tries: list[Try] = []
        self.counts: dict[tuple[str, int], int] = {}
        """End effector and subtask -> tries at it so far."""
        self.due: list[_Due] = []
        self.streak: dict[str, int] = {}
        """Signal -> for how many steps it has held now."""
        self.held_at: dict[str, int] = {}
        """Signal -> the last step after which it had held for as long as is asked."""
        self.went_back = False

    def play(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        """Step until every arm has gone through its subtasks, or nothing is left to try; see `step` of the parent.

        Both callbacks are also called for what is discarded later.
        """
        while not (self.finished and self._went_well()):
            self.step(on_step, on_subtask)
            self._keep_time()
            failed = self._failed()
            if failed is not None and not self._go_back(*failed):
                return
            if self._budget_is_used_up():
                return

    def _went_well(self) -> bool:
        return judge(self.recorder.succeeded_at, self.settings.success) and not self.due

    def step(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        ended = len(self.played)
        super().step(on_step, on_subtask)
        current = self.path[-1].current
        assert current is not None
        current.steps += 1
        for one in self.played[ended:]:
            if one.subtask.subtask_term_signal is not None:
                self.due.append(_Due(one, one.end + max(one.grace, self.settings.hold - 1)))

    # ---- how it goes ---------------------------------------------------------------------------------------------

    def _keep_time(self) -> None:
        """Count how long signals have held, and strike off those that were due and came."""
        for name, holds in self.scene.subtask_term_signals().items():
            self.streak[name] = self.streak.get(name, 0) + 1 if holds else 0
            if self.streak[name] >= self.settings.hold:
                self.held_at[name] = len(self.recorder.rows)
        self.due = [due for due in self.due if not self._came(due.played)]

    def _came(self, played: Played) -> bool:
        return self.held_at.get(played.subtask.subtask_term_signal or "", -1) >= max(played.end - 1, 0)

    def _failed(self) -> tuple[range, str] | None:
        """The places on the path whose subtasks may have failed just now, and why; None while all may go well."""
        now = len(self.recorder.rows)
        for due in self.due:
            if now >= due.until or self.finished:
                played = due.played
                place = self._place(played.eef, played.number)
                return range(
                    place, place + 1
                ), f"signal {played.subtask.subtask_term_signal!r} does not hold at its end"
        last = len(self.path) - 1
        if isinstance(self.scene, Foreseeing) and (hopeless := self.scene.hopeless()):
            return range(last, last + 1), f"hopeless: {hopeless}"
        if self.finished and not self._went_well():
            # the last subtask of any arm may be to blame
            first = min(self._place(arm.eef, arm.number) for arm in self.arms)
            reason = self.scene.diagnose() or f"success was not kept, as {self.settings.success!r} asks"
            return range(first, last + 1), reason
        return None

    def _place(self, eef: str, subtask: int) -> int:
        return [(node.eef, node.subtask) for node in self.path].index((eef, subtask))

    def _budget_is_used_up(self) -> bool:
        budget = self.settings.step_budget
        if budget is None or sum(one.steps for one in self.tries) < budget or (self.finished and self._went_well()):
            return False
        self._discard(len(self.path) - 1, f"the budget of {budget} steps is used up")
        return True

    # ---- going back ----------------------------------------------------------------------------------------------

    def _go_back(self, failed: range, reason: str) -> bool:
        """Restore the start of a subtask that failed, the latest first, or of one before; False if no try is left."""
        last = failed[-1]
        self._discard(last, reason)
        for place in range(last, max(failed[0] - self.settings.back, 0) - 1, -1):
            node = self.path[place]
            if node.tries < self.settings.tries:
                if place < last:
                    self._discard(place, f"every try at subtask {self.path[place + 1].subtask} after it failed")
                del self.path[place + 1 :]
                self._restore(node.start)
                self.went_back = True
                return True
        return False

    def _discard(self, place: int, reason: str) -> None:
        """Close the try at a place on the path; what was begun after it and did not fail is counted as part of it."""
        current = self.path[place].current
        assert current is not None
        for node in self.path[place + 1 :]:
            if node.current is not None and node.current.success:
                current.steps += node.current.steps
                self.tries = [one for one in self.tries if one is not node.current]
                self.counts[node.eef, node.subtask] -= 1
        if current.success:
            current.success, current.reason = False, reason

    def _remember(self) -> _Memory:
        return _Memory(
            scene=self.scene.save(),
            arms=_copies(self.arms),
            steps=len(self.recorder.rows),
            choices=len(self.choices),
            played=len(self.played),
            chosen=dict(self.chosen),
            bounds=dict(self.bounds),
            due=list(self.due),
            streak=dict(self.streak),
            held_at=dict(self.held_at),
        )

    def _restore(self, memory: _Memory) -> None:
        self.scene.restore(memory.scene)
        self.recorder.rewind(memory.steps)
        self.arms = _copies(memory.arms)
        del self.choices[memory.choices :], self.played[memory.played :]
        self.chosen, self.bounds, self.due = dict(memory.chosen), dict(memory.bounds), list(memory.due)
        self.streak, self.held_at = dict(memory.streak), dict(memory.held_at)

    # ---- a try ---------------------------------------------------------------------------------------------------

    def begin_next(self, arm: Arm) -> None:
        """Begin the arm's next subtask, or begin it again with another source, offsets and noise."""
        key = (arm.eef, arm.number + 1)
        if not self.path or (self.path[-1].eef, self.path[-1].subtask) != key:
            self.path.append(_Node(*key, self._remember()))
        node, number = self.path[-1], self.counts.get(key, 0)
        if number or self.went_back:
            arm.noise = NormalStream(rng_for(self.root, "noise", *key, number))
        if number:
            self._draw_end(*key, number)
        self._propensity: float | None = 1.0
        self._cell: int | None = None
        super().begin_next(arm)
        assert arm.choice is not None
        node.current = Try(arm.choice, number, self._propensity, cell=self._cell)
        self.tries.append(node.current)
        node.tries += 1
        self.counts[key] = number + 1

    def _draw_end(self, eef: str, subtask: int, number: int) -> None:
        """A new random offset for the subtask's end; its start stays where the subtask before it ended."""
        drawn = self.sources.draw_boundaries(rng_for(self.root, "offsets", eef, subtask, number))[eef]
        bounds = self.bounds[eef].copy()
        bounds[:, subtask + 1] = drawn[:, subtask + 1]
        self.bounds = {**self.bounds, eef: bounds}

    def choose(self, arm: Arm, subtask: Subtask, eef_pose: Poses, object_pose: Poses | None) -> int:
        """What the parent chooses at first; after that, what the strategy chooses among the sources not tried yet."""
        node, number, key = self.path[-1], self.counts.get((arm.eef, arm.number), 0), self.choice_key(arm)
        inds = self.bounds[arm.eef][:, arm.number : arm.number + 2]
        at_start = self.sources.candidates(arm.eef, subtask.object_ref, inds).object_at_start
        cells = neighbourhoods(at_start, object_pose, len(self.sources))
        if node.tries or key not in self.chosen:
            untried = np.array([i for i in range(len(self.sources)) if i not in node.tried], dtype=np.int64)
            among = untried if len(untried) else np.arange(len(self.sources))
            rng = rng_for(self.root, "selection", arm.eef, arm.number, *([number] if number else []))
            if self.experience is not None:
                arm_subtask = (arm.eef, arm.number)
                chosen = self.experience.choose(arm_subtask, cells, among, self.settings.floor, rng)
                self.chosen[key], self._propensity = chosen
            else:
                here = (self.sources, inds, arm.eef, subtask, eef_pose, object_pose)
                self.chosen[key] = select(*here, rng, among)
                likely = chances(*here, among)
                self._propensity = None if likely is None else float(likely[among == self.chosen[key]][0])
        demo = self.chosen[key]
        node.tried.add(demo)
        self._cell = int(cells[demo])
        return demo

    def rollout(self) -> Rollout:
        """The path that the attempt is on, judged, with every try."""
        rollout = super().rollout()
        rollout.tries = self.tries
        return rollout

    def verdict(self, columns: dict[str, Array]) -> tuple[int, str]:
        """The subtask that no try was left for."""
        failed = next(node for node in self.path if node.current is not None and not node.current.success)
        assert failed.current is not None
        made = sum((one.choice.eef, one.choice.subtask) == (failed.eef, failed.subtask) for one in self.tries)
        return failed.subtask, f"{failed.current.reason}; subtask {failed.subtask} was tried {made} times"


def _copies(arms: list[Arm]) -> list[Arm]:
    """The arms as they are, each with a noise stream that goes on by itself."""
    return [replace(arm, noise=copy.deepcopy(arm.noise)) for arm in arms]
