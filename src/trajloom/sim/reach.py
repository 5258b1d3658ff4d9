"""Whether an arm can follow a path: its joints are led along in numbers alone, without physics, and limits looked for.

The end effector is drawn to each target as the controller draws it, as a unit mass on a critically damped spring, and
the joints share that motion by the pseudo-inverse of the Jacobian, while the null space goes to the rest pose. There is
no inertia, contact or torque limit in this: a path is foreseen in less than a hundredth of the time of simulating it.

Source:
    Forward kinematics as a product of exponentials: Murray, Li and Sastry, A mathematical introduction to robotic
    manipulation, CRC Press 1994, chapter 3; control as in `native.osc`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray

from trajloom.poses import Poses
from trajloom.sim.eef_actions import rotation as turn_of
from trajloom.sim.eef_actions import rotation_vector, turn_between
from trajloom.sim.native.linalg import cholesky, multiply, product, solve

_SUBSTEPS = 4
"""Integration steps in a control step."""
_REST_KP, _REST_KD = 10.0, 2 * np.sqrt(10.0)
_DAMPING = 1e-4
"""Added to the diagonal of `J J^T`, in m^2 and rad^2: keeps joints calm where the arm is straight."""

AT_LIMIT_RAD = 0.01
TOO_LONG_S = 1.5
"""Seconds on a joint limit after which an arm does not get where it should.

Of 600 attempts at Stack D1, Square D1 and D2 this foresees 7 of the 22 first subtasks that failed, and none of the 578
others.
"""
TOO_FAR_M = 0.01
"""How far from the last target an arm that has settled may be. Of 200 attempts at Square D2 8 were farther from it with
every one of ten sources: none of these 8 could be solved."""
_SETTLE_S = 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """What of an arm matters for where it can go."""

    site: int
    """The end effector's site in the model."""
    joints: NDArray[np.int64]
    """(J,). Hinges, from the base outwards."""
    limits: Floats
    """(J, 2). In rad; infinite where a joint has none."""
    rest: Floats
    """(J,). Where the null space pulls, in rad."""
    step: Floats
    """(6,). Metres and radians that an action of 1 asks for."""
    stiffness: float
    """1/s^2."""
    control_step: float
    """Seconds."""

    def obstacle(self, model: mujoco.MjModel, data: mujoco.MjData, targets: Sequence[Poses]) -> str:
        """What keeps the arm from following targets (see `foresee`), in words; "" where it may follow them."""
        slack, gap = self.foresee(model, data, targets)
        if gap > TOO_FAR_M:
            return f"the arm would end {100 * gap:.1f} cm from its target"
        steps = np.sum(slack < AT_LIMIT_RAD, axis=0)
        worst = int(np.argmax(steps))
        seconds = steps[worst] * self.control_step
        if seconds < TOO_LONG_S:
            return ""
        return f"{model.joint(self.joints[worst]).name} would be at its limit for {seconds:.1f} s"

    def foresee(self, model: mujoco.MjModel, data: mujoco.MjData, targets: Sequence[Poses]) -> tuple[Floats, float]:
        """Where the joints go when the arm is led from where it is along targets.

        Args:
            model, data: MuJoCo's structs; positions must be up to date. Nothing is changed.
            targets: (T, 4, 4). One a control step, in the world.

        Returns:
            (T, J). How far each joint is from its nearer limit after each control step, in rad; 0 is at the limit.
            How far from the last target the end effector is a second later, in m.
        """
        qpos = data.qpos[model.jnt_qposadr[self.joints]]
        speed = data.qvel[model.jnt_dofadr[self.joints]]
        eef = np.eye(4)
        eef[:3, :3], eef[:3, 3] = data.site_xmat[self.site].reshape(3, 3), data.site_xpos[self.site]
        anchors, axes = data.xanchor[self.joints], data.xaxis[self.joints]
        settle = round(_SETTLE_S / self.control_step)
        path = np.array([*targets, *[targets[-1]] * settle], dtype=np.float64)
        time = self.control_step / _SUBSTEPS
        slack, end = _follow(
            path, eef, anchors, axes, qpos, speed, self.limits, self.rest, self.step, self.stiffness, time
        )
        return slack[: len(targets)], float(np.linalg.norm(end - path[-1, :3, 3]))


@njit(cache=True)
def _follow(targets, eef, anchors, axes, start, speed, limits, rest, step, stiffness, time):
    """(T, J) and (3,): see `Arm.foresee`; anchors and axes (J, 3) are in the world, with the joints at `start` (J,)."""
    count, damping = len(start), 2 * np.sqrt(stiffness)
    joints, rates = start.copy(), speed.copy()
    jacobian, task, lower = np.empty((6, count)), np.empty((6, 6)), np.zeros((6, 6))
    wrench, pull = np.empty(6), np.empty(count)
    position, rotation = np.empty(3), np.empty((3, 3))
    slack = np.empty((len(targets), count))
    for t in range(len(targets)):
        for _ in range(_SUBSTEPS):
            _forward(joints - start, eef, anchors, axes, position, rotation, jacobian)
            turn = rotation_vector(turn_between(rotation, targets[t]))
            for j in range(count):
                pull[j] = _REST_KP * (rest[j] - joints[j]) - _REST_KD * rates[j]
            for i in range(6):
                way = targets[t, i, 3] - position[i] if i < 3 else turn[i - 3]
                wrench[i] = stiffness * min(max(way, -step[i]), step[i])
                for j in range(count):
                    wrench[i] -= jacobian[i, j] * (damping * rates[j] + pull[j])
                for k in range(i + 1):
                    task[i, k] = _DAMPING if i == k else 0.0
                    for j in range(count):
                        task[i, k] += jacobian[i, j] * jacobian[k, j]
            cholesky(task, 6, lower)
            solve(lower, 6, wrench)
            for j in range(count):
                push = pull[j]
                for i in range(6):
                    push += jacobian[i, j] * wrench[i]
                rates[j] += time * push
                joints[j] += time * rates[j]
                if not limits[j, 0] <= joints[j] <= limits[j, 1]:
                    joints[j] = min(max(joints[j], limits[j, 0]), limits[j, 1])
                    rates[j] = 0.0
        for j in range(count):
            slack[t, j] = min(joints[j] - limits[j, 0], limits[j, 1] - joints[j])
    return slack, position


@njit(cache=True)
def _forward(turned, eef, anchors, axes, position, rotation, jacobian):
    """Fill in where the end effector is after each joint has turned by an angle (J,), and its Jacobian (6, J)."""
    frame, origin, turned_frame = np.eye(3), np.zeros(3), np.empty((3, 3))
    for j in range(len(turned)):
        for i in range(3):
            # for now: where the joint's anchor is, and its axis
            jacobian[i, j], jacobian[3 + i, j] = origin[i], 0.0
            for k in range(3):
                jacobian[i, j] += frame[i, k] * anchors[j, k]
                jacobian[3 + i, j] += frame[i, k] * axes[j, k]
        product(frame, turn_of(axes[j] * turned[j]), turned_frame, None)
        for i in range(3):
            origin[i] = jacobian[i, j]
            for k in range(3):
                frame[i, k] = turned_frame[i, k]
                origin[i] -= turned_frame[i, k] * anchors[j, k]
    multiply(frame, eef[:3, 3], position, None)
    for i in range(3):
        position[i] += origin[i]
    product(frame, eef[:3, :3], rotation, None)
    for j in range(len(turned)):
        dx, dy, dz = position[0] - jacobian[0, j], position[1] - jacobian[1, j], position[2] - jacobian[2, j]
        x, y, z = jacobian[3, j], jacobian[4, j], jacobian[5, j]
        jacobian[0, j], jacobian[1, j], jacobian[2, j] = y * dz - z * dy, z * dx - x * dz, x * dy - y * dx
