"""Rotation vectors to matrices, in compiled code; once with robosuite's rounding, because goals must be its goals."""

import numpy as np
from numba import njit


@njit
def turned(vector):
    """(3, 3). The rotation of a rotation vector (3,) in radians."""
    return _matrix(_quat_wxyz(vector))


@njit
def rounded_turn(vector):
    """(3, 3). The same, in single precision, as robosuite reckons it: a double would ask for another goal."""
    return _matrix(_quat_wxyz(vector).astype(np.float32))


@njit
def _quat_wxyz(vector):
    angle = np.sqrt(np.dot(vector, vector))
    quat = np.zeros(4)
    quat[0] = np.cos(angle / 2.0)
    if angle > 0.0:
        half = np.sin(angle / 2.0)
        for i in range(3):
            quat[1 + i] = vector[i] / angle * half
    return quat


@njit
def _matrix(quat_wxyz):
    """Products are rounded to the quaternion's own precision; the quaternion need not be normalised."""
    scale = np.sqrt(2.0 / np.dot(quat_wxyz, quat_wxyz))
    for i in range(4):
        quat_wxyz[i] = quat_wxyz[i] * scale
    w, x, y, z = quat_wxyz[0], quat_wxyz[1], quat_wxyz[2], quat_wxyz[3]
    found = np.empty((3, 3))
    found[0, 0], found[0, 1], found[0, 2] = 1.0 - y * y - z * z, x * y - z * w, x * z + y * w
    found[1, 0], found[1, 1], found[1, 2] = x * y + z * w, 1.0 - x * x - z * z, y * z - x * w
    found[2, 0], found[2, 1], found[2, 2] = x * z - y * w, y * z + x * w, 1.0 - x * x - y * y
    return found
