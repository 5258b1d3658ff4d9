"""Which columns hold rotations, and what lies between two of their rows.

A column says it itself (`Column.rotation`); where it does not, its name and shape decide, in `rotation_of` alone:

* floats (..., 4) whose last name contains `quat` (`robot0_eef_quat`, `quat_wxyz`) are quaternions. Their order does not
  matter here: both orders have the same arithmetic;
* floats (..., 4, 4) are poses, that is matrices of rotation and position;
* floats (..., 3, 3) whose last name contains `rot` are rotation matrices.

Axis-angle vectors, Euler angles and the 6-D form look like any other numbers and are taken for such.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trajloom import poses
from trajloom.errors import SchemaError
from trajloom.schema import Column

Array = NDArray[np.floating]
Kind = Literal["matrix", "quat"]

_RIGID = 1e-3
"""How far the products of a rotation's axes may be from 0 and 1: half precision rounds to 5e-4."""


def rotation_of(column: Column) -> Kind | None:
    """How a column writes rotations; None where it holds none."""
    if not column.dtype.startswith("float"):
        return None
    leaf, shape = column.name.rpartition("/")[2].lower(), column.shape
    if column.rotation is not None:
        return "matrix" if column.rotation == "matrix" else "quat"
    if shape[-2:] == (4, 4) or (shape[-2:] == (3, 3) and "rot" in leaf):
        return "matrix"
    return "quat" if shape[-1:] == (4,) and "quat" in leaf else None


def between(kind: Kind, start: Array, end: Array, fraction: Array) -> Array:
    """Values between pairs of rows of a column of rotations: those turn evenly, positions beside them go straight.

    Args:
        kind: Of the column.
        start, end: (N, ..., 3, 3), (N, ..., 4, 4), or (N, ..., K + 4): quaternions are the last four numbers.
        fraction: (N,). 0 is `start`, 1 is `end`.

    Returns:
        As `start`, float64.

    Raises:
        SchemaError: A matrix is no rotation or pose, or a quaternion has length 0.
    """
    start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    beside = fraction.reshape(-1, *[1] * (start.ndim - 1))
    found = start + beside * (end - start)
    if kind == "quat":
        _check_quats(start[..., -4:], end[..., -4:])
        found[..., -4:] = poses.slerp_quat(start[..., -4:], end[..., -4:], beside[..., 0])
    else:
        _check_matrices(start, end)
        found[..., :3, :3] = poses.slerp(start[..., :3, :3], end[..., :3, :3], beside[..., 0, 0])
    return found


def _check_quats(*quats: Array) -> None:
    if any(np.any(np.linalg.norm(quat, axis=-1) == 0) for quat in quats):
        raise SchemaError("holds a quaternion of four zeros, which is no rotation")


def _check_matrices(*matrices: Array) -> None:
    for matrix in matrices:
        turn = matrix[..., :3, :3]
        known = np.isfinite(turn).all(axis=(-1, -2))  # what is not finite stays so
        turn = turn[known]
        rigid = np.abs(turn @ np.swapaxes(turn, -1, -2) - np.eye(3)).max(initial=0) < _RIGID
        if not rigid or (np.linalg.det(turn) < 0).any():
            raise SchemaError("holds a matrix that is no rotation (its axes are not orthonormal and right-handed)")
