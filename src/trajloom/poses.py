"""Rigid transforms as (..., 4, 4) matrices: invert, carry, interpolate, measure. NumPy only.

`a_in_b` is the pose of a seen from b, so names cancel: `eef_in_world = object_in_world @ eef_in_object`.
"""

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import ShapeError

Poses = NDArray[np.floating]
Vectors = NDArray[np.floating]

_TINY_RAD = 1e-12


def check_poses(name: str, poses: Poses) -> None:
    """Raise ShapeError unless `poses` has shape (..., 4, 4)."""
    if np.shape(poses)[-2:] != (4, 4):
        raise ShapeError(f"{name} must have shape (..., 4, 4), got {np.shape(poses)}")


def make(position: Vectors, rotation: NDArray[np.floating]) -> Poses:
    """Put positions (..., 3), in metres, and rotation matrices (..., 3, 3) together into poses (..., 4, 4)."""
    batch = np.broadcast_shapes(np.shape(position)[:-1], np.shape(rotation)[:-2])
    pose = np.zeros((*batch, 4, 4))
    pose[..., :3, :3] = rotation
    pose[..., :3, 3] = position
    pose[..., 3, 3] = 1.0
    return pose


def invert(a_in_b: Poses) -> Poses:
    """The pose of b seen from a, for poses (..., 4, 4)."""
    check_poses("a_in_b", a_in_b)
    rotation = np.swapaxes(a_in_b[..., :3, :3], -1, -2)
    return make(-(rotation @ a_in_b[..., :3, 3:])[..., 0], rotation)


def carry(eef_in_world: Poses, old_object_in_world: Poses, object_in_world: Poses) -> Poses:
    """Move a segment with the object it manipulates.

    The end effector keeps its pose relative to the object:
    `new_eef_in_world = object_in_world @ inv(old_object_in_world) @ eef_in_world`.

    Args:
        eef_in_world: (..., 4, 4). End-effector poses of the source segment.
        old_object_in_world: (4, 4). Object pose when the source segment began.
        object_in_world: (4, 4). Object pose now.

    Returns:
        (..., 4, 4). End-effector poses of the new segment.

    Source:
        Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), section 4.
    """
    check_poses("eef_in_world", eef_in_world)
    return object_in_world @ invert(old_object_in_world) @ eef_in_world


def rotation_from_axis_angle(axis_angle: Vectors) -> NDArray[np.floating]:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians (Rodrigues' formula)."""
    vector = np.asarray(axis_angle, dtype=np.float64)
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    skew = np.zeros((*vector.shape, 3))
    skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0] = vector[..., 0], vector[..., 1], vector[..., 2]
    skew -= np.swapaxes(skew, -1, -2).copy()
    # sin(a)/a and (1 - cos a)/a^2, both finite at a = 0
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * skew + second * (skew @ skew)


def axis_angle_from_rotation(rotation: NDArray[np.floating]) -> Vectors:
    """Rotation vectors (..., 3), in radians with norm in [0, pi], of rotation matrices (..., 3, 3).

    At pi both axes are right; the one whose first non-zero component is positive is returned, so that the answer
    does not depend on rounding.
    """
    quat = _quat_wxyz(np.asarray(rotation, dtype=np.float64))
    w, xyz = quat[..., 0], quat[..., 1:]
    norm = np.linalg.norm(xyz, axis=-1)
    angle = 2 * np.arctan2(norm, w)
    # below _TINY_RAD the vector is 2 * xyz to machine precision
    scale = np.where(norm < _TINY_RAD, 2.0, angle / np.where(norm < _TINY_RAD, 1.0, norm))
    return xyz * scale[..., None]


def _quat_wxyz(rotation: NDArray[np.floating]) -> NDArray[np.floating]:
    """Unit quaternions (..., 4) with w >= 0, by the largest of the four components (Shepperd's method)."""
    trace = np.trace(rotation, axis1=-2, axis2=-1)[..., None]
    transposed = np.swapaxes(rotation, -1, -2)
    # four times the products of the quaternion's components, w, x, y, z by w, x, y, z
    products = np.empty((*rotation.shape[:-2], 4, 4))
    products[..., 1:, 1:] = rotation + transposed
    products[..., 0, 1:] = products[..., 1:, 0] = (rotation - transposed)[..., [2, 0, 1], [1, 2, 0]]
    squares = np.einsum("...ii->...i", products)
    squares[..., 0] = 1 + trace[..., 0]
    squares[..., 1:] = 1 + 2 * np.diagonal(rotation, axis1=-2, axis2=-1) - trace
    best = np.argmax(squares, axis=-1)[..., None, None]
    quat = np.take_along_axis(products, best, axis=-2)[..., 0, :]
    quat = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    return quat * _sign(quat)[..., None]


def _sign(quat: NDArray[np.floating]) -> NDArray[np.floating]:
    """+1 or -1 so that the first component that is clearly not zero becomes positive."""
    clear = np.abs(quat) > _TINY_RAD
    first = np.argmax(clear, axis=-1)[..., None]
    return np.where(np.take_along_axis(quat, first, axis=-1)[..., 0] < 0, -1.0, 1.0)


def rotation_from_quat(quat_wxyz: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4) in MuJoCo's order w, x, y, z; they are normalised first."""
    quat = np.asarray(quat_wxyz, dtype=np.float64)
    w, x, y, z = np.moveaxis(quat / np.linalg.norm(quat, axis=-1, keepdims=True), -1, 0)
    entries = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return np.stack(entries, axis=-1).reshape(*w.shape, 3, 3)


def quat_from_rotation(rotation: NDArray[np.floating]) -> NDArray[np.floating]:
    """Quaternions (..., 4), order w, x, y, z with w >= 0, of rotation matrices (..., 3, 3)."""
    return _quat_wxyz(np.asarray(rotation, dtype=np.float64))


def rotation_angle(rotation: NDArray[np.floating]) -> NDArray[np.floating]:
    """Angles (...), in radians, of rotation matrices (..., 3, 3)."""
    cosine = (np.trace(rotation, axis1=-2, axis2=-1) - 1) / 2
    return np.arccos(np.clip(cosine, -1.0, 1.0))


def distance(a: Poses, b: Poses, pos_weight: float = 1.0, rot_weight: float = 1.0) -> NDArray[np.floating]:
    """How far two poses lie apart: `pos_weight * metres + rot_weight * radians`.

    Args:
        a, b: (..., 4, 4), broadcast against each other.
        pos_weight, rot_weight: Weight of the distance in metres and of the angle in radians.

    Returns:
        (...).

    Source:
        Mandlekar et al., MimicGen, CoRL 2023, appendix N.3.
    """
    metres = np.linalg.norm(a[..., :3, 3] - b[..., :3, 3], axis=-1)
    relative = a[..., :3, :3] @ np.swapaxes(b[..., :3, :3], -1, -2)
    return pos_weight * metres + rot_weight * rotation_angle(relative)


def interpolate(start: Poses, end: Poses, fraction: NDArray[np.floating]) -> Poses:
    """Poses between two poses: straight line for the position, constant axis for the rotation.

    Args:
        start, end: (4, 4).
        fraction: (N,). 0 is `start`, 1 is `end`.

    Returns:
        (N, 4, 4).
    """
    fraction = np.asarray(fraction, dtype=np.float64)
    turn = axis_angle_from_rotation(end[:3, :3] @ start[:3, :3].T)
    position = start[:3, 3] + fraction[:, None] * (end[:3, 3] - start[:3, 3])
    rotation = rotation_from_axis_angle(fraction[:, None] * turn) @ start[:3, :3]
    rotation[fraction == 1.0] = end[:3, :3]
    return make(position, rotation)


def slerp(start: NDArray[np.floating], end: NDArray[np.floating], fraction: NDArray[np.floating]) -> Poses:
    """Rotations between pairs of rotations: about a constant axis, evenly, the short way round.

    Args:
        start, end: (..., 3, 3).
        fraction: (...). 0 is `start`, 1 is `end`.

    Returns:
        (..., 3, 3).
    """
    turn = axis_angle_from_rotation(end @ np.swapaxes(start, -1, -2))
    return rotation_from_axis_angle(np.asarray(fraction)[..., None] * turn) @ start


def slerp_quat(
    start: NDArray[np.floating], end: NDArray[np.floating], fraction: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Unit quaternions between pairs of quaternions, as `slerp`; in the order, and with the sign, that `start` has.

    Args:
        start, end: (..., 4). Of any length but 0, both w, x, y, z or both x, y, z, w: the arithmetic is the same.
        fraction: (...). 0 is `start`, 1 is `end` or, where that is the short way round, `-end`.

    Returns:
        (..., 4).

    Source:
        Shoemake, Animating Rotation with Quaternion Curves, SIGGRAPH 1985.
    """
    start = np.asarray(start, dtype=np.float64) / np.linalg.norm(start, axis=-1, keepdims=True)
    end = np.asarray(end, dtype=np.float64) / np.linalg.norm(end, axis=-1, keepdims=True)
    end = np.where(np.sum(start * end, axis=-1, keepdims=True) < 0, -end, end)
    # an arc cosine would lose half the digits of a small angle
    angle = 2 * np.arctan2(np.linalg.norm(end - start, axis=-1), np.linalg.norm(end + start, axis=-1))[..., None]
    fraction = np.asarray(fraction, dtype=np.float64)[..., None]
    tiny = angle < _TINY_RAD
    sine = np.where(tiny, 1.0, np.sin(angle))
    first = np.where(tiny, 1 - fraction, np.sin((1 - fraction) * angle) / sine)
    second = np.where(tiny, fraction, np.sin(fraction * angle) / sine)
    between = first * start + second * end
    return between / np.linalg.norm(between, axis=-1, keepdims=True)
