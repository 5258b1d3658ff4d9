"""Rotation vectors to matrices, in compiled code; once with robosuite's rounding, because goals must be its goals."""

import numpy as np
from numba import njit


@njit
def turned(vector):
    """(3, 3). The rotation of a rotation vector (3,) in radians, in the operations of SciPy's `Rotation`."""
    angle = np.sqrt(vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2])
    if angle <= 1e-3:
        square = angle * angle
        scale = 0.5 - square / 48 + square * square / 3840
    else:
        scale = np.sin(angle / 2) / angle
    x, y, z, w = scale * vector[0], scale * vector[1], scale * vector[2], np.cos(angle / 2)
    x2, y2, z2, w2 = x * x, y * y, z * z, w * w
    found = np.empty((3, 3))
    found[0, 0], found[0, 1], found[0, 2] = x2 - y2 - z2 + w2, 2 * (x * y - z * w), 2 * (x * z + y * w)
    found[1, 0], found[1, 1], found[1, 2] = 2 * (x * y + z * w), -x2 + y2 - z2 + w2, 2 * (y * z - x * w)
    found[2, 0], found[2, 1], found[2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), -x2 - y2 + z2 + w2
    return found


@njit
def rounded_turn(vector):
    """(3, 3). The same, in single precision, as robosuite reckons it: a double would ask for another goal."""
    angle = np.sqrt(np.dot(vector, vector))
    quat = np.zeros(4)
    quat[0] = np.cos(angle / 2.0)
    if angle > 0.0:
        half = np.sin(angle / 2.0)
        for i in range(3):
            quat[1 + i] = vector[i] / angle * half
    return _rounded_matrix(quat.astype(np.float32))


@njit
def _rounded_matrix(quat_wxyz):
    """(3, 3) in doubles. Products are rounded to the quaternion's own precision."""
    scale = np.sqrt(2.0 / np.dot(quat_wxyz, quat_wxyz))
    for i in range(4):
        quat_wxyz[i] = quat_wxyz[i] * scale
    w, x, y, z = quat_wxyz[0], quat_wxyz[1], quat_wxyz[2], quat_wxyz[3]
    found = np.empty((3, 3))
    found[0, 0], found[0, 1], found[0, 2] = 1.0 - y * y - z * z, x * y - z * w, x * z + y * w
    found[1, 0], found[1, 1], found[1, 2] = x * y + z * w, 1.0 - x * x - z * z, y * z - x * w
    found[2, 0], found[2, 1], found[2, 2] = x * z - y * w, y * z + x * w, 1.0 - x * x - y * y
    return found
