"""Operational space control (OSC_POSE, OSC_POSITION): from a goal of the end effector to joint torques.

Torques: `J^T W + gravity + N^T M (10 (q0 - q) - 2 sqrt(10) dq)`, where W is the wrench that the goal asks for, seen
through the inertia at the end effector, and N the null space of the task.

Source:
    Khatib, A unified approach for motion and force control of robot manipulators, IEEE J. Robotics and Automation
    1987; the gains of the null space are robosuite 1.5.2's.
"""

import numpy as np
from numba import njit

from trajloom.sim.native import state
from trajloom.sim.native.gains import scaled, take_gains
from trajloom.sim.native.libmujoco import mj_jacSite
from trajloom.sim.native.linalg import cholesky, inner, multiply, product, put, put_matrix, solve
from trajloom.sim.native.rotation import rounded_turn, turned

REST_KP = 10.0
REST_KD = 2 * np.sqrt(10.0)
SINGULAR = 1e-4
"""Below this share of its diagonal element, a pivot of `J M^-1 J^T` is too small to solve with.

At 1e-4 solving agrees with robosuite's pseudo-inverses to 3e-12, at 1e-7 to 2e-8; below 1e-10 only robosuite's very
operations, from the beginning of the control step on, lead where it leads (`benchmarks/bench_physics.py`).
"""


# ---- the goal of a control step --------------------------------------------------------------------------------


@njit
def set_goal(physics, arm, memory, action, exact):
    """Start a control step: an action moves the goal from where the end effector is, or names it.

    Args:
        memory: Its `position` (m) and `rotation` are set, in the frame that actions are given in.
        action: (D,). The whole action.
    """
    start = take_gains(arm, memory, action, 6)
    eef = _eef(physics, arm, exact)
    turn = np.zeros(3)
    for i in range(3):
        asked = action[start + i]
        memory.position[i] = asked if arm.is_absolute else eef[i, 3] + scaled(arm, asked, i)
        if arm.has_orientation:
            asked = action[start + 3 + i]
            turn[i] = asked if arm.is_absolute else scaled(arm, asked, 3 + i)
    if arm.is_absolute and arm.has_orientation:
        put_matrix(memory.rotation, turned(turn))
    else:
        product(rounded_turn(turn), eef[:3, :3].copy(), memory.rotation, exact)


@njit
def _eef(physics, arm, exact):
    """(4, 4). The end effector in the frame that actions are given in."""
    eef = _pose(physics, arm.site)
    if arm.is_in_world:
        return eef
    base = _pose(physics, arm.base)
    inverse = np.eye(4)
    put_matrix(inverse, base[:3, :3].T)
    origin, found = np.empty(3), np.empty((4, 4))
    multiply(inverse[:3, :3].copy(), base[:3, 3].copy(), origin, exact)
    for i in range(3):
        inverse[i, 3] = -origin[i]
    product(inverse, eef, found, exact)
    return found


@njit
def _pose(physics, site):
    """(4, 4). A site in the world."""
    found = np.eye(4)
    put_matrix(found, state.site_rotation(physics, site))
    put(found[:, 3], state.site_position(physics, site))
    return found


# ---- the torques of a substep ----------------------------------------------------------------------------------


@njit
def is_singular(physics, arm, room, jacobians):
    """Whether the arm is so near a singularity that solving would not give robosuite's torques to nine digits."""
    _look(physics, arm, room, jacobians)
    return not _factor(arm, room) > SINGULAR


@njit
def torques(physics, arm, memory, room, jacobians, exact):
    """Fill in this substep's torques in Nm, before they are clipped.

    Args:
        jacobians: (4, 3, nv). Scratch.
        exact: Not None: invert matrices with their singular values, as robosuite does, instead of solving.
    """
    joints, speeds = state.qpos(physics), state.qvel(physics)
    _look(physics, arm, room, jacobians)
    for i in range(arm.joints):
        room.pull[i] = REST_KP * (memory.rest[i] - joints[arm.qpos[i]]) - REST_KD * speeds[arm.qvel[i]]
    _push(physics, arm, memory, room, jacobians, exact)
    if exact is not None:
        _inverted(arm, state.bias(physics), room)
    else:
        _solved(arm, state.bias(physics), room)


@njit
def _look(physics, arm, room, jacobians):
    """Fill in the Jacobian of the end effector and the inertia of the joints."""
    mj_jacSite(physics.model, physics.data, jacobians[0].ctypes.data, jacobians[1].ctypes.data, arm.site)
    for i in range(arm.joints):
        for k in range(3):
            room.jacobian[k, i] = jacobians[0, k, arm.qvel[i]]
            room.jacobian[3 + k, i] = jacobians[1, k, arm.qvel[i]]
    state.arm_inertia(physics, arm, room.mass)


@njit
def _push(physics, arm, memory, room, jacobians, exact):
    """Fill in the wrench that the goal asks for, as of a unit mass: m/s^2 above rad/s^2."""
    speeds, eef = state.qvel(physics), state.site_rotation(physics, arm.site)
    away, velocity, rotation = room.wrench, room.lever, room.rotation
    if arm.is_in_world:
        for i in range(3):
            away[i] = memory.position[i]
            for k in range(3):
                rotation[i, k] = memory.rotation[i, k]
    else:
        base = state.site_rotation(physics, arm.base)
        multiply(base, memory.position, room.vector, exact)
        for i in range(3):
            away[i] = state.site_position(physics, arm.base)[i] + room.vector[i]
        product(base, memory.rotation, rotation, exact)
    for half in range(2):
        multiply(jacobians[half], speeds, room.vector, exact)
        for i in range(3):
            velocity[3 * half + i] = room.vector[i]
    if arm.base_moves:
        mj_jacSite(physics.model, physics.data, jacobians[2].ctypes.data, jacobians[3].ctypes.data, arm.base)
        for half in range(2):
            multiply(jacobians[2 + half], speeds, room.vector, exact)
            for i in range(3):
                velocity[3 * half + i] -= room.vector[i]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        away[i] -= state.site_position(physics, arm.site)[i]
        turn = 0.0
        for axis in range(3):  # the sum of the cross products of the frames' axes
            turn += eef[j, axis] * rotation[k, axis] - eef[k, axis] * rotation[j, axis]
        away[3 + i] = 0.5 * turn
    for i in range(6):
        room.wrench[i] = away[i] * memory.kp[i] + -velocity[i] * memory.kd[i]


@njit
def _factor(arm, room):
    """Factor the task's inverse inertia `A = J M^-1 J^T`; return its smallest pivot's share of the diagonal element.

    With M = L L^T and Y = L^-1 J^T, A is Y^T Y: M is not inverted. Loops over the six directions are innermost, so
    that they become vector instructions.
    """
    n, y, task, lower = arm.joints, room.half, room.task, room.lower
    cholesky(room.mass, n, lower)
    for k in range(6):
        for i in range(6):
            task[k, i] = 0.0
    for j in range(n):
        for i in range(6):
            y[j, i] = room.jacobian[i, j]
        for k in range(j):
            for i in range(6):
                y[j, i] -= lower[j, k] * y[k, i]
        scale = 1.0 / lower[j, j]
        for i in range(6):
            y[j, i] *= scale
        for k in range(6):
            for i in range(6):
                task[k, i] += y[j, k] * y[j, i]
    return cholesky(task, 6, room.task_lower)


@njit
def _solved(arm, bias, room):
    """The torques by linear solves: with `N^T M x = M x - J^T A^-1 J x`, A is not inverted either."""
    n, jacobian, wrench, lever = arm.joints, room.jacobian, room.wrench, room.lever
    if _factor(arm, room) > 0.0:
        for i in range(6):
            lever[i] = inner(jacobian[i], room.pull, n)
        solve(room.task_lower, 6, lever)
        if arm.is_uncoupled:
            # the factor of the positions' own block is the upper left part of the whole factor
            solve(room.task_lower, 3, wrench)
            cholesky(room.task[3:, 3:], 3, room.task_lower)
            solve(room.task_lower, 3, wrench[3:])
        else:
            solve(room.task_lower, 6, wrench)
    else:  # singular in the midst of a control step that began far from it: let the arm swing through
        wrench[:], lever[:] = 0.0, 0.0
    for i in range(n):
        value = bias[arm.qvel[i]] + inner(room.mass[i], room.pull, n)
        for k in range(6):
            value += jacobian[k, i] * (wrench[k] - lever[k])
        room.torques[i] = value


@njit
def _inverted(arm, bias, room):
    """The torques by inverses and pseudo-inverses, in robosuite's order of operations."""
    n = arm.joints
    both = room.jacobian[:, :n].copy()
    upper, under = both[:3].copy(), both[3:].copy()
    # in the memory order in which robosuite indexes it: another one would round differently
    mass = np.asfortranarray(room.mass[:n, :n])
    inverse = np.linalg.inv(mass)
    inertia = np.linalg.pinv(np.dot(np.dot(both, inverse), both.T))
    null_space = np.eye(n) - np.dot(np.dot(np.dot(inverse, both.T), inertia), both)
    wrench = room.wrench.copy()
    if arm.is_uncoupled:
        put(wrench, np.dot(np.linalg.pinv(np.dot(np.dot(upper, inverse), upper.T)), room.wrench[:3].copy()))
        put(wrench[3:], np.dot(np.linalg.pinv(np.dot(np.dot(under, inverse), under.T)), room.wrench[3:].copy()))
    else:
        put(wrench, np.dot(inertia, room.wrench))
    pushed = np.dot(both.T, wrench)
    rested = np.dot(null_space.T, np.dot(mass, room.pull[:n].copy()))
    for i in range(n):
        room.torques[i] = pushed[i] + bias[arm.qvel[i]] + rested[i]
