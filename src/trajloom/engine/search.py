"""An attempt that goes back: where a subtask failed, the scene is restored to its start, and another source is tried.

What is kept is the one path that worked, as if nothing else had ever been tried; every try is kept as a line of its own
(`rollout.Try`). An attempt whose first tries all work is, bit for bit, the attempt that never goes back.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.engine import own_check
from trajloom.engine.attempt import Arm, Attempt
from trajloom.engine.beginning import Beginning
from trajloom.engine.experience import Experience
from trajloom.engine.verdict import judge
from trajloom.engine.watch import Watch
from trajloom.engine.waypoints import NormalStream, WaypointSequence
from trajloom.poses import Poses
from trajloom.rollout import Branch, Rollout, Try
from trajloom.seeding import rng_for
from trajloom.task import Array, Foreseeing, Reaching, Subtask

_SUSPECT_AFTER = 2
"""Failures from one start after which the start itself is suspected: at Square D1 4 of the 9 insertions that failed
worked at the second try with the same grasp, and none of the others at the third."""
_FORESEEN = 10
"""Sources that are looked at, at most, for one that is within reach."""


@dataclass(frozen=True)
class _Failure:
    """That it went wrong."""

    places: range
    """Those on the path whose subtasks may have failed."""
    reason: str
    is_stuck: bool = False
    """Whether the arm did not get on."""


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
    watch: Watch


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
    demo: int = -1
    """The source of the current try."""
    failures: int = 0
    """How often what came after the start failed, for its own sake."""
    bad_ends: set[int] = field(default_factory=set)
    """Sources that ended where nothing after them worked."""
    out_of_reach: str = ""
    """Why the arm cannot follow the way of the first choice, where it can follow that of no other either."""


class Search(Attempt):
    """An attempt that restores the start of a subtask that failed, as often as the settings allow."""

    def __init__(self, *args: Any, experience: Experience | None = None, keep_branches: bool = False):
        super().__init__(*args)
        self.experience = experience
        self.keep_branches, self.branches = keep_branches, list[Branch]()
        self.path: list[_Node] = []
        """The subtasks begun on the way to where the attempt is now."""
        self.tries: list[Try] = []
        self.counts: dict[tuple[str, int], int] = {}
        """End effector and subtask -> tries at it so far."""
        self.watch = Watch(self.sources, self.settings)
        self.simulated = 0
        """Control steps, discarded ones included."""
        self.went_back = False
        # asking what a scene offers takes longer than most that it offers
        self.foreseeing = self.scene if isinstance(self.scene, Foreseeing) else None
        foresees = self.settings.foresee and isinstance(self.scene, Reaching)
        self.reaching = self.scene if foresees else None
        self._plans: dict[int, WaypointSequence] = {}
        """Source -> its waypoints, of those looked at for the subtask that begins."""
        self.check = None if self.settings.check is None else own_check.load(self.settings.check)
        self.complaint: tuple[str, int, str] | None = None
        """End effector, subtask and what the user's own check found wrong where it ended."""

    def play(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        """Step until every arm has gone through its subtasks, or nothing is left to try; see `step` of the parent.

        Both callbacks are also called for what is discarded later.
        """
        while not (self.finished and self._went_well()):
            self.step(on_step, on_subtask)
            failure = self._failure()
            if failure is not None and not self._go_back(failure):
                return
            if self._budget_is_used_up():
                return

    def _went_well(self) -> bool:
        return judge(self.recorder.succeeded_at, self.settings.success) and not self.watch.due

    def step(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        ended = len(self.played)
        super().step(on_step, on_subtask)
        current = self.path[-1].current
        assert current is not None
        current.steps += 1
        self.simulated += 1
        self.complaint = None
        for one in self.played[ended:]:
            self.watch.expect(one)
            if self.check is not None and self.complaint is None:
                said = own_check.complaint(self.check, self.scene, one.eef, one.number)
                self.complaint = None if said is None else (one.eef, one.number, said)

    # ---- how it goes ---------------------------------------------------------------------------------------------

    def _failure(self) -> _Failure | None:
        """What went wrong just now, where it is time to look; None while all may go well."""
        scene, steps, finished = self.scene, len(self.recorder.rows), self.finished
        if not self.watch.is_time(steps, self.arms):
            return None
        self.watch.see(steps, scene.subtask_term_signals(), scene.eef_pose(), self.arms)
        if (played := self.watch.overdue(steps, finished)) is not None:
            words = f"signal {played.subtask.subtask_term_signal!r} does not hold at its end"
            return _Failure(self._place(played.eef, played.number), words)
        if self.complaint is not None:
            eef, number, said = self.complaint
            return _Failure(self._place(eef, number), f"check: {said}")
        if self.foreseeing is not None and (hopeless := self.foreseeing.hopeless()):
            return _Failure(range(len(self.path) - 1, len(self.path)), f"hopeless: {hopeless}")
        return None if self._went_well() else self._astray() or (self._unsolved() if finished else None)

    def _astray(self) -> _Failure | None:
        """That an arm does not go as its source went."""
        lost = self.watch.lost()
        found = lost or self.watch.caught()
        if found is None:
            return None
        eef, how = found
        number = next(arm.number for arm in self.arms if arm.eef == eef)
        return _Failure(self._place(eef, number), f"strayed: {how}", is_stuck=lost is None)

    def _unsolved(self) -> _Failure:
        """That all is done and the task is not: the last subtask of any arm may be to blame."""
        first = min(self._place(arm.eef, arm.number).start for arm in self.arms)
        reason = self.scene.diagnose() or f"success was not kept, as {self.settings.success!r} asks"
        return _Failure(range(first, len(self.path)), reason)

    def _place(self, eef: str, subtask: int) -> range:
        """Where on the path a subtask is, as a range of one."""
        place = [(node.eef, node.subtask) for node in self.path].index((eef, subtask))
        return range(place, place + 1)

    def _budget_is_used_up(self) -> bool:
        budget = self.settings.step_budget
        if budget is None or self.simulated < budget or (self.finished and self._went_well()):
            return False
        self._discard(len(self.path) - 1, f"the budget of {budget} steps is used up")
        return True

    # ---- going back ----------------------------------------------------------------------------------------------

    def _go_back(self, failure: _Failure) -> bool:
        """Restore the start of a subtask that failed, the latest first, or of one before; False if no try is left."""
        last = failure.places[-1]
        self._discard(last, failure.reason)
        self.path[last].failures += _SUSPECT_AFTER if failure.is_stuck else 1
        first = max(failure.places[0] - self.settings.back, 0)
        for place in range(last, first - 1, -1):
            if self._is_worth_a_try(place, first):
                if place < last:
                    self._discard(place, f"subtask {self.path[place + 1].subtask} failed after it")
                    self.path[place].bad_ends.add(self.path[place].demo)
                self._leave(place, last)
                del self.path[place + 1 :]
                self._restore(self.path[place].start)
                self.went_back = True
                return True
        return False

    def _leave(self, place: int, failed: int) -> None:
        """Keep the way to where the attempt is now, where a try failed; it goes on from a place on it."""
        parts_at = self.path[place].start.steps
        for branch in self.branches:
            branch.parts_at = min(branch.parts_at, parts_at)
        tried = self.path[failed].current
        if self.keep_branches and tried is not None:
            self.branches.append(Branch(self.recorder.columns(), tried, parts_at))

    def _is_worth_a_try(self, place: int, first: int) -> bool:
        """Whether a subtask has tries left, and its start is not suspected while another start can be had."""
        node, can_go_further = self.path[place], any(map(self._has_tries, self.path[first:place]))
        return self._has_tries(node) and not (node.failures >= _SUSPECT_AFTER and can_go_further)

    def _has_tries(self, node: _Node) -> bool:
        return node.tries < self.settings.tries and not node.out_of_reach

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
            watch=self.watch.copy(),
        )

    def _restore(self, memory: _Memory) -> None:
        self.scene.restore(memory.scene)
        self.recorder.rewind(memory.steps)
        self.arms = _copies(memory.arms)
        del self.choices[memory.choices :], self.played[memory.played :]
        self.chosen, self.bounds, self.watch = dict(memory.chosen), dict(memory.bounds), memory.watch.copy()

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
        self.watch.begin(arm.eef)
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
        """What the parent chooses at first; after that, what the strategy chooses among the sources worth a try."""
        node, number, key = self.path[-1], self.counts.get((arm.eef, arm.number), 0), self.choice_key(arm)
        inds = self.bounds[arm.eef][:, arm.number : arm.number + 2]
        beginning = Beginning(self.sources, inds, arm.eef, arm.number, subtask, eef_pose, object_pose)
        self._plans = {}
        if node.tries or key not in self.chosen:
            rng = rng_for(self.root, "selection", arm.eef, arm.number, *([number] if number else []))
            among = beginning.worth_a_try(node.tried, node.bad_ends)
            self.chosen[key], self._propensity = self._within_reach(arm, beginning, among, rng)
        node.demo = self.chosen[key]
        node.tried.add(node.demo)
        self._cell = int(beginning.cells[node.demo])
        return node.demo

    def _within_reach(
        self, arm: Arm, beginning: Beginning, among: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[int, float | None]:
        """The first source chosen whose way the arm can follow.

        Where there is none it is the first of all, and that one is the last try from here: foresight may err.
        """
        first, words = None, list[str]()
        while len(among) and len(words) < _FORESEEN:
            choice = beginning.choose(among, rng, self.experience, self.settings.floor)
            first, demo = first or choice, choice[0]
            self._plans[demo] = super().plan(arm, demo, beginning.eef_pose, beginning.object_pose)
            found = self._out_of_reach(arm.eef, self._plans[demo])
            if not found:
                return choice
            words.append(found)
            among = among[among != demo]
        assert first is not None
        self.path[-1].out_of_reach = words[0]
        return first

    def _out_of_reach(self, eef: str, plan: WaypointSequence) -> str:
        return "" if self.reaching is None else self.reaching.out_of_reach(eef, [one.pose for one in plan])

    def plan(self, arm: Arm, demo: int, eef_pose: Poses, object_pose: Poses | None) -> WaypointSequence:
        """As the parent's, made once where it was looked at before it was chosen."""
        return self._plans.get(demo) or super().plan(arm, demo, eef_pose, object_pose)

    def rollout(self) -> Rollout:
        """The path that the attempt is on, judged, with every try."""
        rollout = super().rollout()
        rollout.tries, rollout.branches = self.tries, self.branches
        return rollout

    def verdict(self, columns: dict[str, Array]) -> tuple[int, str]:
        """The subtask that no try was left for."""
        failed = next(node for node in self.path if node.current is not None and not node.current.success)
        assert failed.current is not None
        made = sum((one.choice.eef, one.choice.subtask) == (failed.eef, failed.subtask) for one in self.tries)
        words = [failed.current.reason, f"subtask {failed.subtask} was tried {made} times"]
        if failed.out_of_reach:
            words = ["no source is within reach", failed.out_of_reach, *words]
        return failed.subtask, "; ".join(filter(None, words))


def _copies(arms: list[Arm]) -> list[Arm]:
    """The arms as they are, each with a noise stream that goes on by itself."""
    return [replace(arm, noise=copy.deepcopy(arm.noise)) for arm in arms]
