"""Parallel grippers: the sign of a command moves every actuator's own command by a fixed amount a control step."""

import numpy as np
from numba import njit

from trajloom.sim.native.gains import clip, scaled


@njit
def command(gripper, memory, action):
    """Take a control step's command: below 0 opens, above 0 closes, 0 holds.

    Args:
        gripper: Its settings.
        memory: Its command and the actuators' values, both brought up to date.
        action: (D,). The whole action.
    """
    direction = np.sign(action[gripper.action_start])
    for i in range(gripper.fingers):
        moved = clip(memory.command[i] + gripper.speed[i] * direction, -1.0, 1.0)
        memory.command[i] = moved
        low, high = gripper.ctrl_low[i], gripper.ctrl_high[i]
        if gripper.is_scaled:
            moved = 0.5 * (high + low) + 0.5 * (high - low) * scaled(gripper, moved, i)
        memory.ctrl[i] = clip(moved, low, high)


@njit
def drive(gripper, memory, values):
    """Write the actuators' values to `ctrl`."""
    for i in range(gripper.fingers):
        values[gripper.actuators[i]] = memory.ctrl[i]
