"""One control step of a whole robot, or of several, as one call of compiled code that holds no GIL."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from trajloom.sim.native import gripper, joints, osc, state
from trajloom.sim.native.gains import clip
from trajloom.sim.native.libmujoco import mj_step1, mj_step2
from trajloom.sim.native.records import JOINT_POSITION, JOINT_VELOCITY, OSC


@njit
def set_goal(physics, arm, memory, action, exact):
    """Take an arm's part of an action."""
    if arm.controller == OSC:
        osc.set_goal(physics, arm, memory, action, exact)
    elif arm.controller == JOINT_POSITION:
        joints.set_position_goal(physics, arm, memory, action)
    elif arm.controller == JOINT_VELOCITY:
        joints.set_velocity_goal(arm, memory, action)


@njit
def drive(physics, arm, memory, room, jacobians, exact):
    """Write an arm's torques of this substep to `ctrl`."""
    if arm.controller == OSC:
        osc.torques(physics, arm, memory, room, jacobians, exact)
    elif arm.controller == JOINT_POSITION:
        joints.position_torques(physics, arm, memory, room, exact)
    elif arm.controller == JOINT_VELOCITY:
        joints.velocity_torques(physics, arm, memory, room)
    values = state.ctrl(physics)
    for i in range(arm.joints):
        values[arm.motors[i]] = clip(room.torques[i], arm.motor_low[i], arm.motor_high[i])


def _compiled(source: str) -> Any:
    @njit(cache=True, nogil=True, error_model="numpy")
    def control_step(physics, arms, arm_memory, grippers, gripper_memory, room, action, substeps, exact):
        """Run a control step: positions and velocities must be up to date before, and are so afterwards.

        Args:
            physics: (1,) of PHYSICS.
            arms, arm_memory: (A,) records; the memory is brought up to date.
            grippers, gripper_memory: (G,) records.
            room: (1,) of ROOM.
            action: (D,).
            substeps: Physics steps in the control step.
            exact: None solves linear systems; 1 inverts matrices as robosuite does. Each is compiled for itself.

        Returns:
            Whether it was done: None does nothing where an arm is nearly singular.
        """
        source  # noqa: B018 # pyright: ignore
        here, space = physics[0], room[0]
        jacobians = np.zeros((4, 3, here.nv))
        if exact is None:
            for i in range(arms.size):
                if arms[i].controller == OSC and osc.is_singular(here, arms[i], space, jacobians):
                    return False
        for i in range(arms.size):
            set_goal(here, arms[i], arm_memory[i], action, exact)
        for i in range(grippers.size):
            gripper.command(grippers[i], gripper_memory[i], action)
        for _ in range(substeps):
            for i in range(arms.size):
                drive(here, arms[i], arm_memory[i], space, jacobians, exact)
            for i in range(grippers.size):
                gripper.drive(grippers[i], gripper_memory[i], state.ctrl(here))
            # step1 of this substep was done at the end of the one before
            mj_step2(here.model, here.data)
            mj_step1(here.model, here.data)
        return True

    return control_step


def _sources() -> str:
    """A digest of this package: numba looks at the entry's own file only before it takes a compiled one from disk."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


control_step = _compiled(_sources())
