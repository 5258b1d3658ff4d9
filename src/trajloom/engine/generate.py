"""One attempt at a new episode: choose source segments, carry them to where the objects are, follow them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.plan import select, trajectory
from trajloom.engine.segments import Segment, Sources
from trajloom.engine.verdict import Played, blame, check_success, judge
from trajloom.engine.waypoints import Compat, NormalStream, Waypoint, WaypointSequence, command
from trajloom.errors import SettingsError
from trajloom.poses import Poses
from trajloom.rollout import Choice, Recorder, Rollout
from trajloom.seeding import rng_for
from trajloom.task import Array, Scene, Subtask, TaskSpec


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How attempts are made; what belongs to a subtask is in the TaskSpec."""

    select_src_per_subtask: bool = False
    """Choose a source at every subtask, instead of once at the first."""
    select_src_per_arm: bool = False
    """Let every arm choose its own source, instead of all following the first arm's choice."""
    transform_first_robot_pose: bool = False
    """Begin every segment, not only the first, with the pose that the source's end effector had reached."""
    interpolate_from_last_target_pose: bool = True
    """Start a bridge at the last target, instead of at the pose that the end effector has reached."""
    success: str = "any"
    """When an episode counts as solved: "any" step (as MimicGen), the "final" step, or "hold-<k>": k steps in a row."""
    compat: Compat = None
    """"mimicgen" repeats two quirks of the original: grippers one step late, and small turns made at once."""

    def __post_init__(self) -> None:
        check_success(self.success)
        if self.compat not in (None, "mimicgen"):
            raise SettingsError(f"compat must be None or 'mimicgen', got {self.compat!r}")


def attempt(
    scene: Scene,
    sources: Sources,
    spec: TaskSpec,
    settings: Settings,
    rng: np.random.Generator,
    on_step: Callable[[], None] | None = None,
    on_subtask: Callable[[str, int], None] | None = None,
) -> Rollout:
    """Make one attempt at an episode, from the scene's reset to its last step.

    Every arm goes through its own subtasks: when one ends, the arm's next begins, wherever the other arms are. A new
    subtask sees the scene as it is then. An arm that has no more keeps its last target and gripper action.

    One number is drawn from `rng`; the reset, the offsets, every choice and every arm's noise have streams of their own
    derived from it, so that drawing more from one changes none of the others.

    Args:
        scene: Is reset first.
        sources: Cut for the same subtasks.
        spec: The task.
        settings: How.
        rng: This attempt's chance.
        on_step: Called after every step, such as to film.
        on_subtask: Called with end effector and number when a subtask has ended.

    Returns:
        What happened, successful or not, with a Choice for every subtask and the columns `subtask/<eef>`,
        `source_episode/<eef>`, `source_frame/<eef>` (-1 where the step comes from no source frame).

    Raises:
        SettingsError: Scene, sources and task do not belong together, or a strategy refuses.

    Source:
        Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), section 4 and appendix N.
    """
    _check_together(scene, sources, spec)
    root = int(rng.integers(2**63))
    scene.reset(rng_for(root, "reset"))
    run = _Attempt(scene, sources, spec, settings, root)
    initial_state, model_xml = scene.state(), scene.model_xml()
    run.play(on_step or (lambda: None), on_subtask or (lambda eef, number: None))
    rollout = run.rollout()
    rollout.initial_state, rollout.model_xml = initial_state, model_xml
    return rollout


def _check_together(scene: Scene, sources: Sources, spec: TaskSpec) -> None:
    if set(spec.eefs) != set(scene.eefs):
        raise SettingsError(f"the task is for {', '.join(spec.eefs)}; the scene has {', '.join(scene.eefs)}")
    if spec != sources.spec and _cuts(spec) != _cuts(sources.spec):
        raise SettingsError("the sources were cut for another task: objects, signals or offset ranges differ")


def _cuts(spec: TaskSpec) -> list[tuple]:
    return [(e, i, s.object_ref, s.subtask_term_signal, s.subtask_term_offset_range) for e, i, s in spec]


@dataclass
class _Arm:
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
    choice: Choice | None = None
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
        if self.plan_ended:
            return Waypoint(self.last.pose, self.last.gripper_action)
        self.done += 1
        return self.plan[self.done - 1]


class _Attempt:
    """The state of one attempt."""

    def __init__(self, scene: Scene, sources: Sources, spec: TaskSpec, settings: Settings, root: int):
        self.scene, self.sources, self.spec, self.settings, self.root = scene, sources, spec, settings, root
        self.bounds = sources.draw_boundaries(rng_for(root, "offsets"))
        self.arms = [
            _Arm(eef, some, NormalStream(rng_for(root, "noise", eef)), f"source_frame/{eef}")
            for eef, some in spec.subtasks.items()
        ]
        self.chosen: dict[tuple[int, str | None], int] = {}
        self.choices: list[Choice] = []
        self.played: list[Played] = []
        self.recorder = Recorder(scene)

    def play(self, on_step: Callable[[], None], on_subtask: Callable[[str, int], None]) -> None:
        """Step until every arm has gone through its subtasks."""
        rngs = {arm.eef: arm.noise for arm in self.arms}
        while True:
            waypoints: dict[str, Waypoint] = {}
            lineage: dict[str, int] = {}
            for arm in self.arms:
                if arm.plan_ended and not arm.finished:
                    self._begin_next(arm)
                waypoints[arm.eef] = waypoint = arm.next_waypoint()
                lineage.update(arm.origin)
                lineage[arm.frame_column] = waypoint.source_frame
            self.recorder.step(command(self.scene, waypoints, rngs), lineage)
            on_step()
            for arm in self.arms:
                if arm.plan_ended and not arm.closed:
                    self._end(arm)
                    on_subtask(arm.eef, arm.number)
            if all(arm.finished for arm in self.arms):
                return

    def _begin_next(self, arm: _Arm) -> None:
        """Choose, carry and bridge: the arm's next subtask, from the scene as it is now."""
        arm.number += 1
        subtask = arm.subtasks[arm.number]
        eef_pose = self.scene.eef_pose()[arm.eef]
        object_pose = None if subtask.object_ref is None else self._object(subtask.object_ref)
        demo = self._choose(arm, subtask, eef_pose, object_pose)
        start, end = self.bounds[arm.eef][demo, arm.number : arm.number + 2].tolist()
        first, options = arm.number == 0, self.settings
        from_target = not first and options.interpolate_from_last_target_pose
        arm.plan = trajectory(
            self.sources,
            Segment(arm.eef, demo, start, end),
            subtask,
            object_pose,
            arm.last if from_target else eef_pose,
            with_first_pose=first or options.transform_first_robot_pose,
            compat=options.compat,
        ).get_full_sequence()
        arm.done, arm.steps, arm.begin, arm.closed = 0, len(arm.plan), len(self.recorder.rows), False
        offset = end - int(self.sources.ends[arm.eef][demo, arm.number])
        episode = int(self.sources.episode_index[demo])
        arm.choice = Choice(arm.eef, arm.number, episode, start, end, offset)
        self.choices.append(arm.choice)
        arm.origin = {f"subtask/{arm.eef}": arm.number, f"source_episode/{arm.eef}": episode}

    def _object(self, name: str) -> Poses:
        poses = self.scene.object_poses()
        if name not in poses:
            raise SettingsError(f"the task names object {name!r}; the scene has: {', '.join(sorted(poses))}")
        return poses[name]

    def _choose(self, arm: _Arm, subtask: Subtask, eef_pose: Poses, object_pose: Poses | None) -> int:
        options = self.settings
        key = (arm.number if options.select_src_per_subtask else 0, arm.eef if options.select_src_per_arm else None)
        if key not in self.chosen:
            rng = rng_for(self.root, "selection", arm.eef, arm.number)
            inds = self.bounds[arm.eef][:, arm.number : arm.number + 2]
            self.chosen[key] = select(self.sources, inds, arm.eef, subtask, eef_pose, object_pose, rng)
        return self.chosen[key]

    def _end(self, arm: _Arm) -> None:
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
        succeeded, mode = self.recorder.succeeded_at, self.settings.success
        rollout = Rollout(judge(succeeded, mode), self.recorder.columns(), choices=self.choices)
        if not rollout.success:
            signals = self._signals(rollout.columns)
            verdict = blame(self.played, signals, succeeded, mode, self.scene.diagnose())
            rollout.failed_subtask, rollout.reason = verdict
        return rollout

    def _signals(self, columns: dict[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """Signal -> (T + 1,): before every step, and now."""
        path = "datagen_info/subtask_term_signals/"
        now = self.scene.subtask_term_signals()
        return {name: np.append(columns[path + name] > 0, bool(value)) for name, value in now.items()}
