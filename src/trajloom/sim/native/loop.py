"""The compiled loop as a `Loop`: it remembers what robosuite's controllers would, and steps in one call."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from filelock import FileLock
from numba import typeof
from numpy.typing import NDArray

from trajloom.sim.loop import checked
from trajloom.sim.native import parts
from trajloom.sim.native.records import ARM_MEMORY, GRIPPER_MEMORY, HISTORY, JOINT_VELOCITY
from trajloom.sim.native.state import ROOM, physics
from trajloom.sim.native.step import control_step

_SOLVE, _INVERT = None, 1
"""What `control_step` takes as `exact`."""


@dataclass(frozen=True)
class Memory:
    """What arms and grippers remember from one control step to the next."""

    arms: NDArray[np.void]
    """(A,) of ARM_MEMORY."""
    grippers: NDArray[np.void]
    """(G,) of GRIPPER_MEMORY."""

    def copy(self) -> "Memory":
        return Memory(self.arms.copy(), self.grippers.copy())


class NativeLoop:
    """Runs the control steps of one robosuite environment, whose every part it must know (`parts.unknown`).

    What robosuite reckons beside the state is left out: sensors, and marks for drawing bounding volumes. Neither has
    any effect on positions and velocities.
    """

    def __init__(self, env: Any, exact: bool = False):
        """Take settings and indices from robosuite's own controllers.

        Args:
            env: A robosuite environment that has been reset.
            exact: Invert matrices with their singular values, as robosuite does, instead of solving; near a singularity
                of an arm that is done in any case.
        """
        self.model: mujoco.MjModel = env.sim.model._model
        self.data: mujoco.MjData = env.sim.data._data
        self.exact = exact
        self.action_dim = int(env.action_dim)
        self._substeps = int(env.control_timestep / env.model_timestep)
        self._env = env
        self._arms, self._grippers = parts.arms(env), parts.grippers(env)
        self._physics, self._room = physics(self.model, self.data), np.zeros(1, ROOM)
        self.memory = self._rest()
        self.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
        self.model.vis.global_.bvactive = 0
        still = np.zeros(self.action_dim)
        _compile_once(self._arguments(still, _SOLVE), self._arguments(still, _INVERT))

    def reset(self) -> None:
        """Forget everything: goals are where the arms are now, the grippers' commands are back in the middle."""
        self.memory = self._rest()
        self._hand_over()

    def _rest(self) -> Memory:
        memory = Memory(np.zeros(len(self._arms), ARM_MEMORY), np.zeros(len(self._grippers), GRIPPER_MEMORY))
        for arm, remembered, controller in zip(self._arms, memory.arms, parts.arm_controllers(self._env), strict=True):
            n = arm["joints"]
            remembered["rest"][:n] = self.data.qpos[arm["qpos"][:n]]
            for name in ("kp", "kd"):
                gains = getattr(controller, name)
                remembered[name][: len(gains)] = gains
        return memory

    def step(self, action: NDArray[np.float64]) -> None:
        """Run one control step, without the GIL.

        Args:
            action: (D,). What robosuite's `env.step` takes.

        Raises:
            ShapeError: Another number of values.
            SchemaError: Not all of them are finite.
        """
        action = checked(action, self.action_dim)
        if self.exact or not control_step(*self._arguments(action, _SOLVE)):
            control_step(*self._arguments(action, _INVERT))

    def _arguments(self, action: NDArray[np.float64], how: int | None) -> tuple[Any, ...]:
        arms, grippers = (self._arms, self.memory.arms), (self._grippers, self.memory.grippers)
        return self._physics, *arms, *grippers, self._room, action, self._substeps, how

    def save(self) -> Memory:
        """Goals, gains, sums of errors, and where the grippers' commands have got to."""
        return self.memory.copy()

    def restore(self, saved: Memory) -> None:
        """Go back to what was saved."""
        self.memory = saved.copy()
        self._hand_over()

    def _hand_over(self) -> None:
        """Tell robosuite's own controllers too, so that its `env.step` goes on from here."""
        # asked for anew, because a reset of robosuite's makes new ones
        controllers, grippers = parts.arm_controllers(self._env), parts.gripper_models(self._env)
        for arm, remembered, controller in zip(self._arms, self.memory.arms, controllers, strict=True):
            n = arm["joints"]
            controller.initial_joint = remembered["rest"][:n].copy()
            if arm["controller"] == JOINT_VELOCITY:
                # copies: robosuite adds to its sums in place
                controller.last_err = remembered["last_error"][:n].copy()
                controller.summed_err = remembered["summed_error"][:n].copy()
                ring, pushed = controller.derr_buf, int(remembered["pushed"])
                ring.buf, ring._size = remembered["errors"][:, :n].copy(), min(pushed, HISTORY)
                ring.ptr = (pushed - 1) % HISTORY
                controller.saturated = bool(remembered["is_saturated"])
            controller.new_update = True
        for found, remembered, model in zip(self._grippers, self.memory.grippers, grippers, strict=True):
            model.current_action = remembered["command"][: found["fingers"]].copy()


def _compile_once(solve: tuple[Any, ...], invert: tuple[Any, ...]) -> None:
    """Compile the control step, or load it from disk; one process at a time compiles, and compiles both kinds.

    Args:
        solve, invert: Arguments of `control_step`.
    """
    signatures = [tuple(typeof(argument) for argument in arguments) for arguments in (solve, invert)]
    if signatures[0] in control_step.overloads:
        return
    folder = Path(control_step.stats.cache_path)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "control_step.lock"):
        control_step.compile(signatures[0])
        if control_step.stats.cache_misses:
            control_step.compile(signatures[1])
