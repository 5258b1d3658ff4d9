"""One attempt under way: every arm goes through its subtasks, each a source segment carried to where its object is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.plan import select, trajectory
from trajloom.engine.segments import Segment, Sources
from trajloom.engine.settings import Settings
from trajloom.engine.verdict import Played, blame, judge
from trajloom.engine.waypoints import NormalStream, Waypoint, WaypointSequence, command
from trajloom.errors import SettingsError
from trajloom.poses import Poses
from trajloom.rollout import Choice, Recorder, Rollout
from trajloom.seeding import rng_for
from trajloom.task import Array, Scene, Subtask, TaskSpec


@dataclass
class Arm:
    """How far one end effector has come."""

    eef: str
    subtasks: tuple[Subtask, ...]
    noise: NormalStream
    frame_column: str = ""
    """The column that says which source frame a step is from."""
    number: int = -1
    """The subtask that it is in."""
    begin: int = 0
    plan: WaypointSequence | None = None
    done: int = 0
    """Waypoints of the plan that were commanded."""
    steps: int = 0
    """Waypoints of the plan."""
    waits: bool = False
    """Whether its last waypoint was one again, because there is no other."""
    choice: Choice | None = None
    demo: int = -1
    """Which of the sources the plan is from."""
    origin: dict[str, int] = field(default_factory=dict)
    """The columns that say which subtask and source the plan's steps are from."""
    closed: bool = False
    """Whether the subtask's end has been written down."""

    @property
    def plan_ended(self) -> bool:
        return self.done >= self.steps

    @property
    def finished(self) -> bool:
        return self.plan_ended and self.number == len(self.subtasks) - 1

    @property
    def last(self) -> Waypoint:
        assert self.plan is not None
        return self.plan.last_waypoint

    def next_waypoint(self) -> Waypoint:
        """The next target; where there is none, the last one again, without noise."""
        assert self.plan is not None
        self.waits = self.plan_ended
        if self.waits:
            return Waypoint(self.last.pose, self.last.gripper_action)
        self.done += 1
        return self.plan[self.done - 1]


class Attempt:
    """The state of one attempt."""

    def __init__(self, scene: Scene, sources: Sources, spec: TaskSpec, settings: Settings, root: int):
        self.scene, self.sources, self.spec, self.settings, self.root = scene, sources, spec, settings, root
        self.bounds = sources.draw_boundaries(rng_for(root, "offsets"))
        self.arms = [
            Arm(eef, some, NormalStream(rng_for(root, "noise", eef)), f"source_frame/{eef}")
            for eef, some in spec.subtasks.items()
        ]
        self.chosen: dict[tuple[int, str | None], int] = {}
        self.choices: list[Choice] = []
        self.played: list[Played] = []
        self.recorder = Recorder(scene)

    def play(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        """Step until every arm has gone through its subtasks."""
        while not self.finished:
            self.step(on_step, on_subtask)

    @property
    def finished(self) -> bool:
        """Whether every arm has gone through its subtasks."""
        return all(arm.finished for arm in self.arms)

    def step(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        """Let arms begin what is next, make one control step, and write down which subtasks ended with it."""
        waypoints: dict[str, Waypoint] = {}
        lineage: dict[str, int] = {}
        for arm in list(self.arms):
            if arm.plan_ended and not arm.finished:
                self.begin_next(arm)
        for arm in self.arms:
            waypoints[arm.eef] = waypoint = arm.next_waypoint()
            lineage.update(arm.origin)
            lineage[arm.frame_column] = waypoint.source_frame
        rngs = {arm.eef: arm.noise for arm in self.arms}
        self.recorder.step(command(self.scene, waypoints, rngs), lineage)
        on_step()
        for arm in self.arms:
            if arm.plan_ended and not arm.closed:
                self._end(arm)
                on_subtask(arm.eef, arm.number)

    def begin_next(self, arm: Arm) -> None:
        """Choose, carry and bridge: the arm's next subtask, from the scene as it is now."""
        arm.number += 1
        subtask = arm.subtasks[arm.number]
        eef_pose = self.scene.eef_pose()[arm.eef]
        object_pose = None if subtask.object_ref is None else self._object(subtask.object_ref)
        demo = self.choose(arm, subtask, eef_pose, object_pose)
        arm.plan = self.plan(arm, demo, eef_pose, object_pose)
        start, end = self.bounds[arm.eef][demo, arm.number : arm.number + 2].tolist()
        arm.done, arm.steps, arm.begin, arm.closed = 0, len(arm.plan), len(self.recorder.rows), False
        offset = end - int(self.sources.ends[arm.eef][demo, arm.number])
        episode = int(self.sources.episode_index[demo])
        arm.demo, arm.choice = demo, Choice(arm.eef, arm.number, episode, start, end, offset)
        self.choices.append(arm.choice)
        arm.origin = {f"subtask/{arm.eef}": arm.number, f"source_episode/{arm.eef}": episode}

    def plan(self, arm: Arm, demo: int, eef_pose: Poses, object_pose: Poses | None) -> WaypointSequence:
        """The waypoints of the subtask that an arm begins, made from one of the sources."""
        start, end = self.bounds[arm.eef][demo, arm.number : arm.number + 2].tolist()
        first, options = arm.number == 0, self.settings
        from_target = not first and options.interpolate_from_last_target_pose
        return trajectory(
            self.sources,
            Segment(arm.eef, demo, start, end),
            arm.subtasks[arm.number],
            object_pose,
            arm.last if from_target else eef_pose,
            with_first_pose=first or options.transform_first_robot_pose,
            compat=options.compat,
        ).get_full_sequence()

    def _object(self, name: str) -> Poses:
        poses = self.scene.object_poses()
        if name not in poses:
            raise SettingsError(f"the task names object {name!r}; the scene has: {', '.join(sorted(poses))}")
        return poses[name]

    def choose(self, arm: Arm, subtask: Subtask, eef_pose: Poses, object_pose: Poses | None) -> int:
        """The source of the subtask that an arm begins: the one chosen before, where the settings say so."""
        key = self.choice_key(arm)
        if key not in self.chosen:
            rng = rng_for(self.root, "selection", arm.eef, arm.number)
            inds = self.bounds[arm.eef][:, arm.number : arm.number + 2]
            self.chosen[key] = select(self.sources, inds, arm.eef, subtask, eef_pose, object_pose, rng)
        return self.chosen[key]

    def choice_key(self, arm: Arm) -> tuple[int, str | None]:
        """Which earlier choice an arm's subtask follows."""
        options = self.settings
        return arm.number if options.select_src_per_subtask else 0, arm.eef if options.select_src_per_arm else None

    def _end(self, arm: Arm) -> None:
        """Write down how the arm's subtask ended."""
        assert arm.choice is not None
        arm.closed = True
        subtask = arm.subtasks[arm.number]
        following = arm.subtasks[arm.number + 1 : arm.number + 2]
        reached = self.scene.eef_pose()[arm.eef]
        self.played.append(
            Played(
                eef=arm.eef,
                number=arm.number,
                subtask=subtask,
                begin=arm.begin,
                end=len(self.recorder.rows),
                grace=sum(one.num_interpolation_steps + one.num_fixed_steps + 1 for one in following),
                source=f"episode {arm.choice.source_episode}, frames {arm.choice.start} to {arm.choice.end - 1}",
                gap_m=float(np.linalg.norm(reached[:3, 3] - arm.last.pose[:3, 3])),
            )
        )

    def rollout(self) -> Rollout:
        """The attempt so far, judged."""
        success = judge(self.recorder.succeeded_at, self.settings.success)
        rollout = Rollout(success, self.recorder.columns(), choices=self.choices)
        if not success:
            rollout.failed_subtask, rollout.reason = self.verdict(rollout.columns)
        return rollout

    def verdict(self, columns: dict[str, Array]) -> tuple[int, str]:
        """Which subtask failed, and why; `columns` are those recorded."""
        signals, scene = self._signals(columns), self.scene
        return blame(self.played, signals, self.recorder.succeeded_at, self.settings.success, scene.diagnose())

    def _signals(self, columns: dict[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """Signal -> (T + 1,): before every step, and now."""
        path = "datagen_info/subtask_term_signals/"
        now = self.scene.subtask_term_signals()
        return {name: np.append(columns[path + name] > 0, bool(value)) for name, value in now.items()}
