"""JOINT_POSITION and JOINT_VELOCITY: torques from errors of the joints themselves."""

import numpy as np
from numba import njit

from trajloom.sim.native import state
from trajloom.sim.native.gains import clip, scaled, take_gains
from trajloom.sim.native.linalg import inner, put
from trajloom.sim.native.records import HISTORY


@njit
def set_position_goal(physics, arm, memory, action):
    """Start a control step: an action moves the goal from where the joints are, or names it (rad)."""
    start, joints = take_gains(arm, memory, action, arm.joints), state.qpos(physics)
    for i in range(arm.joints):
        asked = action[start + i]
        if arm.is_absolute:
            memory.goal[i] = asked
            continue
        goal = joints[arm.qpos[i]] + scaled(arm, asked, i)
        memory.goal[i] = clip(goal, arm.limit_low[i], arm.limit_high[i]) if arm.has_limits else goal


@njit
def position_torques(physics, arm, memory, room, exact):
    """Fill in `M (kp (goal - q) - kd dq) + gravity`, in Nm; without compensation for gravity, no M either."""
    n, joints, speeds, bias = arm.joints, state.qpos(physics), state.qvel(physics), state.bias(physics)
    for i in range(n):
        error = memory.goal[i] - joints[arm.qpos[i]]
        room.pull[i] = error * memory.kp[i] + -speeds[arm.qvel[i]] * memory.kd[i]
    if not arm.compensates:
        put(room.torques, room.pull[:n])
        return
    state.arm_inertia(physics, arm, room.mass)
    if exact is not None:
        # in the memory order in which robosuite indexes it: another one would round differently
        put(room.torques, np.dot(np.asfortranarray(room.mass[:n, :n]), room.pull[:n].copy()))
    else:
        for i in range(n):
            room.torques[i] = inner(room.mass[i], room.pull, n)
    for i in range(n):
        room.torques[i] += bias[arm.qvel[i]]


@njit
def set_velocity_goal(arm, memory, action):
    """Start a control step: an action names the joints' velocities (rad/s)."""
    for i in range(arm.joints):
        goal = scaled(arm, action[arm.action_start + i], i)
        memory.goal[i] = clip(goal, arm.limit_low[i], arm.limit_high[i]) if arm.has_limits else goal


@njit
def velocity_torques(physics, arm, memory, room):
    """Fill in the torques of a PID loop on the velocities, in Nm; errors are not summed while a motor is saturated."""
    speeds, bias = state.qvel(physics), state.bias(physics)
    slot, count = memory.pushed % HISTORY, min(memory.pushed + 1, HISTORY)
    excess = 0.0
    for i in range(arm.joints):
        error = memory.goal[i] - speeds[arm.qvel[i]]
        memory.errors[slot, i] = error - memory.last_error[i]
        memory.last_error[i] = error
        if not memory.is_saturated:
            memory.summed_error[i] += error
        change = 0.0
        for k in range(count):
            change += memory.errors[k, i]
        torque = memory.kp[i] * error + arm.ki[i] * memory.summed_error[i] + memory.kd[i] * (change / count)
        if arm.compensates:
            torque += bias[arm.qvel[i]]
        room.torques[i] = clip(torque, arm.motor_low[i], arm.motor_high[i])
        excess += abs(room.torques[i] - torque)
    memory.pushed += 1
    memory.is_saturated = excess != 0.0
