"""What an action asks of the end effector and which action asks for a pose, compiled: both are asked at every step.

Kept in one file, because numba looks for changes in no other before it takes compiled code from disk.
"""

import numpy as np
from numba import njit

_TINY_RAD = 1e-12


@njit(cache=True)
def action_towards(eef_in_world, target_in_world, base_in_world, step):
    """The action that asks for a pose, clipped to [-1, 1].

    Args:
        eef_in_world, target_in_world: (4, 4).
        base_in_world: (3, 3). The rotation of the frame that actions are given in.
        step: (3,) metres, or (6,) metres and radians, of an action of 1.

    Returns:
        (3,) or (6,), as `step`.
    """
    action = np.empty(len(step))
    turn = rotation_vector(turn_between(eef_in_world, target_in_world))
    for i in range(len(step)):
        value = 0.0
        for k in range(3):
            way = target_in_world[k, 3] - eef_in_world[k, 3] if i < 3 else turn[k]
            value += base_in_world[k, i % 3] * way
        action[i] = _clip(value / step[i])
    return action


@njit(cache=True)
def pose_asked(eef_in_world, action, base_in_world, step):
    """(4, 4). The pose that an action, clipped to [-1, 1], asks for; arguments as in `action_towards`."""
    pose, turn = eef_in_world.copy(), np.zeros(3)
    for i in range(len(step)):
        way = step[i] * _clip(action[i])
        for k in range(3):
            if i < 3:
                pose[k, 3] += base_in_world[k, i] * way
            else:
                turn[k] += base_in_world[k, i - 3] * way
    turned = rotation(turn)
    for i in range(3):
        for j in range(3):
            pose[i, j] = 0.0
            for k in range(3):
                pose[i, j] += turned[i, k] * eef_in_world[k, j]
    return pose


@njit(cache=True)
def rotation_vector(matrix):
    """(3,). As `poses.axis_angle_from_rotation`, of one matrix (3, 3), in radians; at pi either sign may come."""
    m, trace = matrix, matrix[0, 0] + matrix[1, 1] + matrix[2, 2]
    # the quaternion w, x, y, z by its largest component (Shepperd's method), not yet of length 1
    if trace >= max(m[0, 0], m[1, 1], m[2, 2]):
        w, x, y, z = 1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    elif m[0, 0] >= max(m[1, 1], m[2, 2]):
        w, x, y, z = m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]
    elif m[1, 1] >= m[2, 2]:
        w, x, y, z = m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], 1 + 2 * m[1, 1] - trace, m[1, 2] + m[2, 1]
    else:
        w, x, y, z = m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], 1 + 2 * m[2, 2] - trace
    length, sine = np.sqrt(w * w + x * x + y * y + z * z), np.sqrt(x * x + y * y + z * z)
    sign = -1.0 if w < 0 else 1.0
    # below _TINY_RAD the vector is twice the sines to machine precision
    scale = 2 / length if sine < _TINY_RAD * length else 2 * np.arctan2(sine, abs(w)) / sine
    return np.array([x, y, z]) * (sign * scale)


@njit(cache=True)
def rotation(vector):
    """(3, 3). As `poses.rotation_from_axis_angle`, of one rotation vector (3,) in radians (Rodrigues' formula)."""
    angle = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    # sin(a)/a and (1 - cos a)/a^2, both finite at a = 0
    first = np.sin(angle) / angle if angle > 0 else 1.0
    second = 0.5 * (np.sin(angle / 2) / (angle / 2)) ** 2 if angle > 0 else 0.5
    x, y, z = vector[0], vector[1], vector[2]
    return np.array(
        [
            [1 - second * (y * y + z * z), second * x * y - first * z, second * x * z + first * y],
            [second * x * y + first * z, 1 - second * (x * x + z * z), second * y * z - first * x],
            [second * x * z - first * y, second * y * z + first * x, 1 - second * (x * x + y * y)],
        ]
    )


@njit(cache=True)
def turn_between(one, other):
    """(3, 3). What turns one pose or rotation, (4, 4) or (3, 3), into another: `other @ one.T`."""
    product = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                product[i, j] += other[i, k] * one[j, k]
    return product


@njit(cache=True)
def _clip(value):
    """Between -1 and 1; what is no number stays none."""
    if value > 1.0:
        return 1.0
    return -1.0 if value < -1.0 else value
