"""What all controllers do with an action: scale it, and take gains out of it where impedance is variable."""

import numpy as np
from numba import njit

from trajloom.sim.native.records import FIXED, VARIABLE


@njit
def clip(value, low, high):
    """A value within bounds; NaN stays NaN."""
    return low if value < low else high if value > high else value


@njit
def scaled(part, value, i):
    """Value i of a command, clipped to the input range and scaled to metres, radians, rad/s or [-1, 1]."""
    clipped = clip(value, part.input_min[i], part.input_max[i])
    return (clipped - part.input_middle[i]) * part.scale[i] + part.output_middle[i]


@njit
def take_gains(arm, memory, action, count):
    """Take over the gains that an action brings; return where its command begins.

    An action is [damping ratios, stiffnesses, command], [stiffnesses, command] or [command]: robosuite's
    impedance modes "variable", "variable_kp" and "fixed".
    """
    start = arm.action_start
    if arm.impedance == FIXED:
        return start
    with_damping = arm.impedance == VARIABLE
    stiffness = start + count if with_damping else start
    for i in range(count):
        kp = clip(action[stiffness + i], arm.kp_min[i], arm.kp_max[i])
        memory.kp[i], memory.kd[i] = kp, 2 * np.sqrt(kp)
        if with_damping:
            memory.kd[i] *= clip(action[start + i], arm.damping_min[i], arm.damping_max[i])
    return stiffness + count
