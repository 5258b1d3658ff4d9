"""A step's reading, and the columns that an episode's readings become: all that is recorded but an action's outcome.

At every step some numbers of MuJoCo are copied and the task's signals asked for, because contacts are gone with the
next step. Poses, observations and targets are functions of these, and are made for all steps together at the end.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from trajloom.poses import Poses, make
from trajloom.sim import eef_actions
from trajloom.sim.controller import ActionScale
from trajloom.sim.object_state import Floats, Indices
from trajloom.sim.observation import Observation
from trajloom.sim.senses import HAND, body, site
from trajloom.sim.tasks import Task
from trajloom.sim.world import World
from trajloom.task import Array, DatagenInfo


class Readings:
    """Reads one scene, and makes columns of its readings: the protocol `Readable` of `trajloom.task`."""

    def __init__(
        self,
        task: Task,
        world: World,
        observation: Observation,
        scale: ActionScale | None,
        arm_dim: int,
        action_dim: int,
    ):
        """Find what is to be read.

        Args:
            task: Its signals and objects.
            world: The scene's model and data.
            observation: Is made to read more than it needs itself.
            scale: What an action of the arm means; None where it asks for no pose, and none is recorded.
            arm_dim: Length A of the arm's part of an action.
            action_dim: Length D of an action, the gripper's part included.
        """
        self._task, self._world, self._observation, self._scale = task, world, observation, scale
        self._arm_dim = arm_dim
        layout = observation.layout
        self._eef = layout.position(HAND), layout.rotation("site", world.eef_site)
        self._base = layout.add((np.eye(3) if scale is None else scale.base_in_world).reshape(9))
        self._action, self._signals = np.zeros(action_dim), np.zeros(len(task.signals(world)))
        self._action_at, self._signals_at = layout.add(self._action), layout.add(self._signals)
        self._asks_poses = type(task).object_poses is not Task.object_poses
        self._poses = np.zeros((len(task.frames), 4, 4))
        self._poses_at = layout.add(self._poses.reshape(-1))
        self._frames = {
            name: (
                layout.position(site(task.origins[name]) if name in task.origins else body(frame)),
                layout.rotation("body", frame),
            )
            for name, frame in task.frames.items()
        }

    def reading(self, action: NDArray[np.float64]) -> Floats:
        """(K,). The scene now, before an action (D,)."""
        self._action[:] = action
        self._signals[:] = list(self._task.signals(self._world).values())
        if self._asks_poses:
            self._poses[:] = list(self._task.object_poses(self._world).values())
        return self._observation.reading()

    def columns_of(self, readings: Sequence[Floats]) -> dict[str, Array]:
        """Column -> (T, ...) of T readings: `actions`, `states`, `obs/...`, `datagen_info/...`."""
        numbers = np.array(readings)
        actions, arm = np.ascontiguousarray(numbers[:, self._action_at]), self._arm_dim
        eef = _poses(numbers, *self._eef)
        info = DatagenInfo(
            eef_pose=eef,
            object_poses=self._object_poses(numbers),
            subtask_term_signals=self._named_signals(numbers),
            target_pose=self._targets(eef, actions[:, :arm], numbers[:, self._base].reshape(-1, 3, 3)),
            gripper_action=actions[:, arm:].copy(),
        )
        return {"actions": actions, **self._observation.columns(numbers), **info.to_columns()}

    def _object_poses(self, numbers: Floats) -> dict[str, Poses]:
        if not self._asks_poses:
            return {name: _poses(numbers, *where) for name, where in self._frames.items()}
        poses = numbers[:, self._poses_at].reshape(len(numbers), -1, 4, 4)
        return {name: poses[:, i].copy() for i, name in enumerate(self._task.object_poses(self._world))}

    def _named_signals(self, numbers: Floats) -> dict[str, NDArray[np.int64]]:
        names = self._task.signals(self._world)
        return {name: numbers[:, at].astype(np.int64) for name, at in zip(names, self._signals_at, strict=True)}

    def _targets(self, eef: Poses, actions: Floats, bases: Floats) -> Poses | None:
        """(T, 4, 4). What the arm's actions (T, A) ask for, if they ask for poses."""
        if self._scale is None:
            return None
        asked = zip(eef, np.ascontiguousarray(actions), bases, strict=True)
        return np.array([eef_actions.pose_asked(*one, self._scale.step) for one in asked])


def _poses(numbers: Floats, position: Indices, rotation: Indices) -> Poses:
    return make(numbers[:, position], numbers[:, rotation].reshape(-1, 3, 3))
