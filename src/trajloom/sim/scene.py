"""A robosuite environment as a Scene: resets that keep the model, steps without its overhead, exact save and restore.

Physics and control are robosuite's, substep by substep (see `loop`). Two things differ from its `env.step`, on purpose:

* Positions and contacts are brought up to date at the end of a control step; robosuite leaves them one substep (2 ms)
  behind `qpos`. So poses, signals, success and observations are functions of the state alone, and replaying the stored
  states gives the same numbers again.
* Chance comes from the generator that `reset` is given.

The models are robosuite's, but for what a Sawyer and a Robotiq85Gripper need to move and grasp: see `repairs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import ShapeError, UnknownNameError
from trajloom.poses import Poses
from trajloom.sim import backend, reach, repairs, tasks
from trajloom.sim.controller import ActionScale, action_scale, asks_for_poses
from trajloom.sim.episode_xml import EpisodeModel
from trajloom.sim.loop import Kind, make_loop
from trajloom.sim.observation import Observation
from trajloom.sim.placement import Placement
from trajloom.sim.readings import Readings
from trajloom.sim.world import World
from trajloom.task import SINGLE_ARM, Array, Step

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION
_JOINT_NOISE = 0.02
"""Standard deviation in radians of robosuite's default noise on the robot's first joint positions."""


@dataclass(frozen=True)
class Saved:
    """Everything that the next step depends on."""

    state: NDArray[np.float64]
    loop: Any
    placement: Placement
    timestep: int


def make_scene(
    task: str = "lift",
    variant: str = "D0",
    robot: str = "Panda",
    gripper: str | None = None,
    control_hz: float = 20,
    controller: backend.Controller = None,
    loop: Kind = "fast",
) -> "RobosuiteScene":
    """A scene of robosuite 1.5.2, made once and reset as often as you like.

    Args:
        task: A task's name, such as "lift"; `tasks.names()` lists them.
        variant: A reset distribution of the task: "D0", "D1", ...
        robot: "Panda", "Sawyer", "IIWA", "UR5e", or another of robosuite's with one arm on a fixed base.
        gripper: "PandaGripper", "RethinkGripper", "Robotiq85Gripper" or "Robotiq140Gripper"; every robot can have each.
            None is the robot's own: in this order, that of Panda, Sawyer, UR5e and IIWA.
        control_hz: Control steps a second.
        controller: The arm's controller, by name ("OSC_POSE", "JOINT_POSITION", ...) or as robosuite's settings of it;
            by default the robot's own, which is OSC_POSE.
        loop: How control steps are run: "fast", "exact" or "robosuite"; see `trajloom.sim.loop.Kind`.

    Raises:
        UnknownNameError: No such task, variant, robot, gripper, controller or loop.
        MissingExtraError: robosuite is not installed.
    """
    found = tasks.get(task)
    if variant not in found.variants:
        raise UnknownNameError(f"variant of {task}", variant, found.variants)
    env = backend.make_env(found, robot, gripper, control_hz, controller=controller)
    args = backend.env_args(found, task, variant, robot, gripper, control_hz, controller=controller, loop=loop)
    return RobosuiteScene(found, variant, env, args, loop)


class RobosuiteScene:
    """One arm, one task, one variant; the Scene protocol of `trajloom.task`."""

    eefs: tuple[str, ...] = (SINGLE_ARM,)

    def __init__(self, task: tasks.Task, variant: str, env: Any, env_args: dict[str, Any], loop: Kind = "fast"):
        """Wrap an environment that has been reset once; `make_scene` makes both."""
        self.task, self.variant, self.env, self.env_args = task, variant, env, env_args
        self.spec = task.spec
        self.control_hz = float(env.control_freq)
        self.robot = env.robots[0]
        self.model: mujoco.MjModel = env.sim.model._model
        self.data: mujoco.MjData = env.sim.data._data
        gripper = self.robot.gripper["right"]
        self.world = World(self.model, self.data, gripper.important_sites["grip_site"], repairs.finger_pads(gripper))
        self._episode = EpisodeModel(self.world, backend.model_xml(task, env))
        self.action_dim = int(env.action_dim)
        self._arm_dim = self.action_dim - gripper.dof
        self._arm_joints = np.array(self.robot._ref_joint_pos_indexes)
        self._fingers = np.array(self.robot._ref_gripper_joint_pos_indexes["right"])
        self.gripper_opening = backend.gripper_opening(gripper)
        """Metres between the pads of the open gripper; NaN of one that nobody has measured."""
        self._fingers_at_reset = repairs.finger_positions(gripper)
        self.loop = make_loop(env, loop)
        self._observation = Observation(env, self.world, task.senses)
        self._state_size = mujoco.mj_stateSize(self.model, _STATE)
        self.placement = Placement({})
        self.timestep = 0

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a new start from `rng` alone; nothing of earlier episodes is left. Takes a few milliseconds."""
        placement = self.task.place(self.variant, rng)
        joints = self.robot.init_qpos + _JOINT_NOISE * rng.standard_normal(len(self._arm_joints))
        self._place(placement)
        self.data.qpos[self._arm_joints] = joints
        self.data.qpos[self._fingers] = self._fingers_at_reset
        mujoco.mj_forward(self.model, self.data)
        self.loop.reset()
        self._count(0)

    def _place(self, placement: Placement) -> None:
        """A pristine state with the objects in place; the robot is wherever the model has it."""
        self._episode.apply(placement)
        mujoco.mj_resetData(self.model, self.data)
        for body, (position, quat) in placement.poses.items():
            self.world.put(body, position, quat)
        self.placement = placement

    def _count(self, timestep: int) -> None:
        """Keep robosuite's own counters in step, so that its methods can be called on this environment."""
        self.timestep = self.env.timestep = timestep
        self.env.cur_time, self.env.done = timestep * self.env.control_timestep, False

    def step(self, action: NDArray[np.float64]) -> Step:
        """Apply an action (D,) for one control step: 25 physics steps at 20 Hz.

        Raises:
            ShapeError: Another number of values.
        """
        self.loop.step(action)
        self._count(self.timestep + 1)
        success = self.success()
        return Step(reward=float(success), done=False, success=success)

    def success(self) -> bool:
        """Whether the task is done now."""
        return not self.diverged() and self.task.success(self.world)

    def diverged(self) -> bool:
        """Whether physics broke down since the last reset; MuJoCo then starts again from its model's own pose."""
        return self.world.diverged()

    def hopeless(self) -> str:
        """Why the task cannot be solved any more from here; "" where it still may be."""
        return "the simulation diverged" if self.diverged() else self.task.hopeless(self.world)

    def out_of_reach(self, eef: str, targets: Sequence[Poses]) -> str:
        """Why the arm will not follow targets (T, 4, 4), one a control step, from where it is; "" where it may.

        Only limits of joints are looked for, without physics (see `reach`), and only where the controller takes poses.
        """
        return "" if self._reach is None else self._reach.obstacle(self.model, self.data, targets)

    @cached_property
    def _reach(self) -> reach.Arm | None:
        if not asks_for_poses(self.env) or len(self._scale.step) != 6:
            return None
        dofs = self.robot._ref_joint_vel_indexes
        joints = np.array([self.model.dof_jntid[dof] for dof in dofs], dtype=np.int64)
        limits = self.model.jnt_range[joints].copy()
        limits[self.model.jnt_limited[joints] == 0] = (-np.inf, np.inf)
        return reach.Arm(
            site=self.world.id("site", self.world.eef_site),
            joints=joints,
            limits=limits,
            rest=np.array(self.robot.init_qpos, dtype=np.float64),
            step=self._scale.step,
            stiffness=float(np.max(self.robot.part_controllers[backend.ARM].kp)),
            control_step=1.0 / self.control_hz,
        )

    def diagnose(self) -> str:
        """The first condition of success that does not hold now; "" where all hold."""
        return "the simulation diverged" if self.diverged() else self.task.diagnose(self.world)

    def eef_pose(self) -> dict[str, Poses]:
        """End effector -> (4, 4): the site that the controller moves, in the world."""
        return {SINGLE_ARM: self.world.eef()}

    def object_poses(self) -> dict[str, Poses]:
        """Object -> (4, 4) in the world."""
        return self.task.object_poses(self.world)

    def subtask_term_signals(self) -> dict[str, bool]:
        """Signal -> whether it holds now."""
        return self.task.signals(self.world)

    def observation(self) -> dict[str, Array]:
        """robosuite's observations of this very state, by robomimic's names."""
        return self._observation.read()

    @cached_property
    def _readings(self) -> Readings:
        scale = self._scale if asks_for_poses(self.env) else None
        return Readings(self.task, self.world, self._observation, scale, self._arm_dim, self.action_dim)

    def reading(self, action: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,). The scene before an action (D,), in few numbers, from which `columns_of` makes everything recorded."""
        return self._readings.reading(action)

    def columns_of(self, readings: Sequence[NDArray[np.float64]]) -> dict[str, Array]:
        """Column -> (T, ...) of an episode's T readings: actions, states, observations and `datagen_info`."""
        return self._readings.columns_of(readings)

    def state(self) -> NDArray[np.float64]:
        """(1 + nq + nv,). Time, qpos, qvel, as robosuite flattens them."""
        return np.concatenate([[self.data.time], self.data.qpos, self.data.qvel])

    def set_state(self, flat: NDArray[np.float64]) -> None:
        """Show a stored state (1 + nq + nv,) of an episode that this scene's model fits, for replay.

        A flat state holds no controller goal: the goal is set to where the arm then is.

        Raises:
            ShapeError: A state of another model.
        """
        nq, nv = self.model.nq, self.model.nv
        if np.shape(flat) != (1 + nq + nv,):
            raise ShapeError(f"state must have shape ({1 + nq + nv},), got {np.shape(flat)}")
        mujoco.mj_resetData(self.model, self.data)
        self.data.time, self.data.qpos, self.data.qvel = flat[0], flat[1 : 1 + nq], flat[1 + nq :]
        mujoco.mj_forward(self.model, self.data)
        self.loop.reset()

    def save(self) -> Saved:
        """The full integration state, the controller's goals and what the reset drew."""
        state = np.empty(self._state_size)
        mujoco.mj_getState(self.model, self.data, state, _STATE)
        return Saved(state, self.loop.save(), self.placement, self.timestep)

    def restore(self, saved: Saved) -> None:
        """Go back, also into another episode of this scene: restore-then-step equals step, to the bit."""
        if saved.placement is self.placement:
            mujoco.mj_resetData(self.model, self.data)
        else:
            self._place(saved.placement)
        mujoco.mj_setState(self.model, self.data, saved.state, _STATE)
        mujoco.mj_step1(self.model, self.data)
        self.loop.restore(saved.loop)
        self._count(saved.timestep)

    @cached_property
    def _scale(self) -> ActionScale:
        return action_scale(self.env)

    def target_pose_to_action(self, target: Mapping[str, Poses]) -> dict[str, NDArray[np.float64]]:
        """End effector -> arm action (A,), clipped to [-1, 1], that asks for the pose (4, 4) from where the arm is.

        Raises:
            SettingsError: The arm's controller is none that an action asks a pose of.
        """
        return {eef: self._scale.target_to_action(self.world.eef(), pose) for eef, pose in target.items()}

    def action_to_target_pose(self, action: NDArray[np.float64]) -> dict[str, Poses]:
        """End effector -> (4, 4): the pose that the controller would make its goal of, for an action (D,).

        Raises:
            SettingsError: The arm's controller is none that an action asks a pose of.
        """
        arm = np.asarray(action)[: self._arm_dim]
        return {SINGLE_ARM: self._scale.action_to_target(self.world.eef(), arm)}

    def gripper_action(self, action: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """End effector -> the gripper's part (G,) of an action; -1 opens, 1 closes."""
        return {SINGLE_ARM: np.array(action[self._arm_dim :], dtype=np.float64)}

    def join_action(self, arm: Mapping[str, Array], gripper: Mapping[str, Array]) -> NDArray[np.float64]:
        """One action (D,) from the arm's part (A,) and the gripper's (G,)."""
        return np.concatenate((arm[SINGLE_ARM], gripper[SINGLE_ARM]))

    def model_xml(self) -> str:
        """The model of this episode as XML; assets are named from robosuite on, as `robosuite/models/assets/...`."""
        return self._episode.xml(self.placement)
