"""A small real scene without physics: arms go where they are told, cubes go where they are carried."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.segments import SourceDemo
from trajloom.poses import Poses, interpolate, invert, make, rotation_from_axis_angle
from trajloom.poses import axis_angle_from_rotation as rotation_vector
from trajloom.rollout import Recorder
from trajloom.task import Array, DatagenInfo, Step, Subtask, TaskSpec

REACH_M, TURN_RAD = 0.05, 0.5
GRASP_M, GOAL_M, FLOOR_M = 0.02, 0.03, 0.02
OPEN, CLOSE = np.array([-1.0]), np.array([1.0])
HAND_DOWN = np.diag([1.0, -1.0, -1.0])


@dataclass
class Hand:
    """One arm: where it is, and how its cube lies in it."""

    pose: Poses
    closed: bool = False
    cube_in_hand: Poses | None = None
    slipped_m: float = 0.0


@dataclass
class State:
    """Everything that the next step depends on."""

    time: float = 0.0
    hands: dict[str, Hand] = field(default_factory=dict)
    objects: dict[str, Poses] = field(default_factory=dict)


class FakeScene:
    """One cube and one goal an arm; solved when every cube lies on its goal, out of the hand.

    `lag` is the part of each commanded motion that is not made; `slip_m` is what a held cube slides a step, lost after
    2 cm. With `start`, every reset is the one of that seed; `moved_by` (4, 4) moves all objects after a reset. A single
    arm has objects "cube" and "goal" and signal "grasp"; several have "cube_left" and so on.
    """

    def __init__(
        self,
        eefs: tuple[str, ...] = ("robot0",),
        lag: float = 0.0,
        slip_m: float = 0.0,
        spread_m: float = 0.1,
        start: int | None = None,
        moved_by: Poses | None = None,
    ):
        self.eefs, self.control_hz, self.action_dim = eefs, 20.0, 7 * len(eefs)
        self.lag, self.slip_m, self.spread_m, self.start = lag, slip_m, spread_m, start
        self.moved_by = np.eye(4) if moved_by is None else moved_by
        self.now = State()
        self.reset(np.random.default_rng(0))

    @property
    def env_args(self) -> dict[str, Any]:
        return {"env_name": "Fake", "type": 0, "env_kwargs": {}}

    def named(self, what: str, eef: str) -> str:
        """The name of an arm's own object or signal."""
        return what if len(self.eefs) == 1 else f"{what}_{eef}"

    def reset(self, rng: np.random.Generator) -> None:
        rng = rng if self.start is None else np.random.default_rng(self.start)
        self.now = State()
        for i, eef in enumerate(self.eefs):
            base: NDArray[np.float64] = np.array([0.0, 0.6 * i, 0.0])
            self.now.hands[eef] = Hand(make(base + np.array([0.0, 0.0, 0.2]), HAND_DOWN))
            for what, x in (("cube", 0.1), ("goal", 0.35)):
                where = np.append(rng.uniform(-self.spread_m, self.spread_m, 2), FLOOR_M)
                turn = rotation_from_axis_angle(np.array([0.0, 0.0, rng.uniform(-0.5, 0.5)]))
                pose = make(base + where + np.array([x, 0.0, 0.0]), turn)
                self.now.objects[self.named(what, eef)] = self.moved_by @ pose

    def eef_pose(self) -> dict[str, Poses]:
        return {eef: hand.pose.copy() for eef, hand in self.now.hands.items()}

    def object_poses(self) -> dict[str, Poses]:
        return {name: pose.copy() for name, pose in self.now.objects.items()}

    def subtask_term_signals(self) -> dict[str, bool]:
        return {self.named("grasp", eef): hand.cube_in_hand is not None for eef, hand in self.now.hands.items()}

    def observation(self) -> dict[str, Array]:
        cubes = [self.now.objects[self.named("cube", eef)][:3, 3] for eef in self.eefs]
        return {
            "object": np.concatenate(cubes),
            **{f"{eef}_eef_pos": self.now.hands[eef].pose[:3, 3].copy() for eef in self.eefs},
        }

    def state(self) -> NDArray[np.float64]:
        poses = [hand.pose.ravel() for hand in self.now.hands.values()] + [
            pose.ravel() for pose in self.now.objects.values()
        ]
        return np.concatenate([[self.now.time], *poses])

    def target_pose_to_action(self, target: Mapping[str, Poses]) -> dict[str, NDArray[np.float64]]:
        return {eef: self._to_action(self.now.hands[eef].pose, pose) for eef, pose in target.items()}

    def _to_action(self, pose: Poses, target: Poses) -> NDArray[np.float64]:
        turn = rotation_vector(target[:3, :3] @ pose[:3, :3].T)
        return np.clip(np.concatenate([(target[:3, 3] - pose[:3, 3]) / REACH_M, turn / TURN_RAD]), -1.0, 1.0)

    def action_to_target_pose(self, action: NDArray[np.float64]) -> dict[str, Poses]:
        return {eef: self._target(self.now.hands[eef].pose, part[:6]) for eef, part in self._parts(action).items()}

    def _target(self, pose: Poses, arm: NDArray[np.float64]) -> Poses:
        arm = np.clip(arm, -1.0, 1.0)
        return make(pose[:3, 3] + REACH_M * arm[:3], rotation_from_axis_angle(TURN_RAD * arm[3:]) @ pose[:3, :3])

    def _parts(self, action: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return dict(zip(self.eefs, np.split(np.asarray(action), len(self.eefs)), strict=True))

    def gripper_action(self, action: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {eef: part[6:] for eef, part in self._parts(action).items()}

    def join_action(self, arm: Mapping[str, Array], gripper: Mapping[str, Array]) -> NDArray[np.float64]:
        return np.concatenate([np.concatenate([arm[eef], gripper[eef]]) for eef in self.eefs])

    def step(self, action: NDArray[np.float64]) -> Step:
        targets = self.action_to_target_pose(action)
        for eef, part in self._parts(action).items():
            hand = self.now.hands[eef]
            hand.pose = interpolate(hand.pose, targets[eef], np.array([1.0 - self.lag]))[0]
            self._grip(hand, self.named("cube", eef), closing=part[6] > 0)
        self.now.time += 1.0 / self.control_hz
        solved = not self.diagnose()
        return Step(reward=float(solved), done=False, success=solved)

    def _grip(self, hand: Hand, cube: str, closing: bool) -> None:
        where = self.now.objects[cube]
        near = np.linalg.norm(where[:3, 3] - hand.pose[:3, 3]) < GRASP_M
        if closing and not hand.closed and near:
            hand.cube_in_hand, hand.slipped_m = invert(hand.pose) @ where, 0.0
        hand.closed = closing
        if hand.cube_in_hand is None:
            return
        hand.slipped_m += self.slip_m
        if not closing or hand.slipped_m > GRASP_M:
            hand.cube_in_hand = None
            where[2, 3] = FLOOR_M
        else:
            self.now.objects[cube] = hand.pose @ hand.cube_in_hand
            self.now.objects[cube][2, 3] -= hand.slipped_m

    def save(self) -> Any:
        return copy.deepcopy(self.now)

    def restore(self, saved: Any) -> None:
        self.now = copy.deepcopy(saved)

    def diagnose(self) -> str:
        faults = []
        for eef, hand in self.now.hands.items():
            cube, goal = (self.now.objects[self.named(what, eef)] for what in ("cube", "goal"))
            apart = float(np.linalg.norm(cube[:2, 3] - goal[:2, 3]))
            if hand.cube_in_hand is not None:
                faults.append(f"the {self.named('cube', eef)} is still held")
            elif apart > GOAL_M:
                faults.append(f"the {self.named('cube', eef)} is {100 * apart:.0f} cm from its goal")
        return ", ".join(faults)

    def model_xml(self) -> str:
        return ""


def place_spec(*eefs: str, **common: Any) -> TaskSpec:
    """Grasp the cube, then place it on the goal; `common` goes to every subtask."""
    names = eefs or ("robot0",)
    ending = {eef: "" if len(names) == 1 else f"_{eef}" for eef in names}
    return TaskSpec(
        {
            eef: (
                Subtask(
                    object_ref=f"cube{end}",
                    subtask_term_signal=f"grasp{end}",
                    **{"subtask_term_offset_range": (1, 3), **common},
                ),
                Subtask(object_ref=f"goal{end}", **common),
            )
            for eef, end in ending.items()
        }
    )


def expert_demo(scene: FakeScene, episode_index: int, wait: Mapping[str, int] | None = None) -> SourceDemo:
    """A demonstration by a small expert: over the cube, down, close, up, over the goal, down, open.

    `wait` holds an arm still for so many steps before it begins.
    """
    scene.reset(np.random.default_rng(episode_index))
    plans = {eef: [None] * (wait or {}).get(eef, 0) + _plan(scene, eef) for eef in scene.eefs}
    steps = max(map(len, plans.values()))
    recorder, hold = Recorder(scene), {eef: (pose, OPEN) for eef, pose in scene.eef_pose().items()}
    for t in range(steps):
        for eef, plan in plans.items():
            hold[eef] = (plan[t] if t < len(plan) else None) or hold[eef]
        arm = scene.target_pose_to_action({eef: pose for eef, (pose, _) in hold.items()})
        recorder.step(scene.join_action(arm, {eef: gripper for eef, (_, gripper) in hold.items()}))
    assert recorder.succeeded_at[-1], "the expert should solve the task"
    return SourceDemo(episode_index, f"demo_{episode_index}", DatagenInfo.from_columns(recorder.columns()))


def _plan(scene: FakeScene, eef: str) -> list[Any]:
    home, objects = scene.eef_pose()[eef], scene.object_poses()
    cube, goal = (objects[scene.named(what, eef)] for what in ("cube", "goal"))
    up = np.array([0.0, 0.0, 0.15])
    over_cube, at_cube = (make(cube[:3, 3] + shift, cube[:3, :3] @ HAND_DOWN) for shift in (up, 0 * up))
    over_goal, at_goal = (make(goal[:3, 3] + shift, goal[:3, :3] @ HAND_DOWN) for shift in (up, 0 * up))
    legs = [(home, over_cube, OPEN), (over_cube, at_cube, OPEN), (at_cube, at_cube, CLOSE), (at_cube, over_cube, CLOSE)]
    legs += [(over_cube, over_goal, CLOSE), (over_goal, at_goal, CLOSE), (at_goal, at_goal, OPEN)]
    plan: list[Any] = []
    for start, end, gripper in legs:
        count = 4 if start is end else max(4, int(np.linalg.norm(end[:3, 3] - start[:3, 3]) / 0.02))
        plan += [(pose, gripper) for pose in interpolate(start, end, np.arange(1, count + 1) / count)]
    return plan
