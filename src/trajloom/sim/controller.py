"""The arm's controller: what an action asks for, which action asks for a pose, and the torques that follow.

robosuite's OSC_POSE takes an action of six numbers in [-1, 1]: a step of the end effector, scaled to metres and
radians, in the frame of the robot's base, from where the end effector is when the action arrives.
"""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import ShapeError
from trajloom.poses import Poses, check_poses
from trajloom.sim import backend

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class ActionScale:
    """What one unit of action means, and in which frame."""

    step: Vector
    """(6,). Metres (three) and radians (three) of an action of 1."""
    base_in_world: Vector
    """(3, 3). Rotation of the frame that actions are given in."""

    def target_to_action(self, eef_in_world: Poses, target_in_world: Poses) -> Vector:
        """The action that asks for a pose, clipped to [-1, 1]: a far target is approached, not reached.

        With R the rotations and B the base's:
        `position = B^T (target_p - eef_p) / step`, `rotation = log(B^T (target_R eef_R^T) B) / step`.

        Args:
            eef_in_world: (4, 4). Where the end effector is.
            target_in_world: (4, 4). Where it shall go.

        Returns:
            (6,).

        Source:
            Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), appendix N.1, for B = 1.
        """
        check_poses("target_in_world", target_in_world)
        base = self.base_in_world
        move = base.T @ (target_in_world[:3, 3] - eef_in_world[:3, 3])
        turn = base.T @ _log(target_in_world[:3, :3] @ eef_in_world[:3, :3].T)
        return np.clip(np.concatenate([move, turn]) / self.step, -1.0, 1.0)

    def action_to_target(self, eef_in_world: Poses, action: Vector) -> Poses:
        """The pose (4, 4) in the world that an action (6,), clipped as the controller clips it, asks for.

        Inverse of `target_to_action` within one step's reach.
        """
        scaled = self.step * np.clip(action, -1.0, 1.0)
        base = self.base_in_world
        position = eef_in_world[:3, 3] + base @ scaled[:3]
        pose = np.eye(4)
        pose[:3, :3] = _exp(base @ scaled[3:]) @ eef_in_world[:3, :3]
        pose[:3, 3] = position
        return pose


def _log(rotation: Vector) -> Vector:
    """Rotation vector (3,) in radians of one matrix; as `poses.axis_angle_from_rotation`, without its batches."""
    quat, vector = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quat, rotation.ravel())
    mujoco.mju_quat2Vel(vector, quat, 1.0)
    return vector


def _exp(vector: Vector) -> Vector:
    """Rotation matrix (3, 3) of one rotation vector in radians; the inverse of `_log`."""
    quat, matrix = np.array([1.0, 0.0, 0.0, 0.0]), np.empty(9)
    mujoco.mju_quatIntegrate(quat, vector, 1.0)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)


@dataclass
class Goal:
    """What the controller remembers from one substep to the next, and what a scene must save."""

    position: Vector
    """(3,). Goal of the end effector in the base's frame, in metres."""
    rotation: Vector
    """(3, 3). Goal of the end effector in the base's frame."""
    rest_joints: Vector
    """(J,). Where the null space is drawn to, in radians: the joints at reset."""
    gripper_ctrl: Vector
    """(G,). Control values of the gripper's actuators."""
    gripper_action: Vector
    """(G,). Where the gripper's command has got to: it moves by a fixed amount a control step."""

    def copy(self) -> "Goal":
        return Goal(*(np.array(value) for value in vars(self).values()))


def _span(indices: list[int]) -> slice:
    """Neighbouring indices as a slice, which NumPy reads much faster than a list of indices."""
    assert list(indices) == list(range(indices[0], indices[-1] + 1)), f"an arm's joints are neighbours, got {indices}"
    return slice(indices[0], indices[-1] + 1)


class OscPose:
    """robosuite's OSC_POSE for one arm on a fixed base and its gripper, without what a generator has no use for.

    Torques: `J^T [L_p (kp e_p - kd v_p), L_r (kp e_r - kd v_r)] + gravity + N^T M (10 (q0 - q) - 2 sqrt(10) dq)`,
    with L the inertias seen from the end effector and N the null space of the task.

    Source:
        Khatib, A unified approach for motion and force control of robot manipulators, IEEE J. Robotics and
        Automation 1987; robosuite 1.5.2, with which a test compares it bit for bit.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, robot: Any):
        """Take the gains and indices from robosuite's own controller.

        Args:
            model, data: MuJoCo's structs.
            robot: robosuite's robot, reset once, with one arm called "right" and a gripper.
        """
        arm, grip = robot.part_controllers["right"], robot.part_controllers["right_gripper"]
        self.model, self.data, self._arm, self._grip = model, data, arm, grip
        self._gripper, self._utils = robot.gripper["right"], backend.control_utils()
        self._transforms = backend.transform_utils()
        self._site = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, arm.ref_name)
        base = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, f"{arm.naming_prefix}{arm.part_name}_center")
        # views: IIWA's "base" is a site on its first link, so it turns with the arm
        self._origin, self._base = data.site_xpos[base], data.site_xmat[base].reshape(3, 3)
        self._moving_base = base if model.body_weldid[model.site_bodyid[base]] else None
        self._qpos, self._qvel = _span(arm.qpos_index), _span(arm.qvel_index)
        self._motors = _span(robot._ref_actuators_indexes_dict["right"])
        self._fingers = _span(robot._ref_actuators_indexes_dict["right_gripper"])
        self._low, self._high = model.actuator_ctrlrange[self._motors].T.copy()
        self._jacp, self._jacr = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        self._mass, self._both = np.zeros((model.nv, model.nv)), np.zeros((6, arm.joint_dim))
        self._pos, self._ori = self._both[:3], self._both[3:]
        # views of MuJoCo's memory
        self._joints, self._speeds, self._bias, self._ctrl = data.qpos, data.qvel, data.qfrc_bias, data.ctrl
        self._eef_position, self._eef_rotation = data.site_xpos[self._site], data.site_xmat[self._site].reshape(3, 3)
        self._step = np.array(arm.output_max, dtype=np.float64)
        self.action_dim = 6 + self._gripper.dof
        self.goal = self._rest()

    @property
    def scale(self) -> ActionScale:
        """What an action means now."""
        return ActionScale(self._step, self._base)

    def reset(self) -> None:
        """Forget everything: the goal is where the arm is now, the gripper's command is back in the middle."""
        self.goal = self._rest()
        self._hand_over()

    def _rest(self) -> Goal:
        position, rotation = self._eef_in_base()
        idle = np.zeros(self._gripper.dof)
        return Goal(position, rotation, self._joints[self._qpos].copy(), self._finger_ctrl(idle), idle)

    def set_goal(self, action: Vector) -> None:
        """Start a control step: take an action (6 + G,) from where the end effector is now."""
        if np.shape(action) != (self.action_dim,):
            raise ShapeError(f"action must have shape ({self.action_dim},), got {np.shape(action)}")
        position, rotation = self._eef_in_base()
        step = self._arm.scale_action(action[:6])
        self.goal.position = position + step[:3]
        self.goal.rotation = np.dot(self._turned(step[3:]), rotation)
        self._gripper.current_action = self.goal.gripper_action
        self.goal.gripper_action = np.array(self._gripper.format_action(action[6:]))
        self.goal.gripper_ctrl = self._finger_ctrl(self.goal.gripper_action)

    def _turned(self, axis_angle: Vector) -> Vector:
        """(3, 3). A rotation of so many radians, with robosuite's rounding (single precision)."""
        return self._transforms.quat2mat(self._transforms.axisangle2quat(axis_angle))

    def restore(self, goal: Goal) -> None:
        """Go back to a goal that was saved."""
        self.goal = goal.copy()
        self._hand_over()

    def _hand_over(self) -> None:
        """Tell robosuite's own controller too, so that its `env.step` goes on from here."""
        self._arm.initial_joint = self.goal.rest_joints.copy()
        self._gripper.current_action = self.goal.gripper_action.copy()
        self._arm.new_update = self._grip.new_update = True

    def _eef_in_base(self) -> tuple[Vector, Vector]:
        """Position (3,) and rotation (3, 3) of the end effector in the base's frame, rounded as robosuite does."""
        base_in_world = self._transforms.make_pose(self._origin, self._base)
        eef_in_world = self._transforms.make_pose(self._eef_position, self._eef_rotation)
        pose = self._transforms.pose_inv(base_in_world).dot(eef_in_world)
        return pose[:3, 3], pose[:3, :3]

    def _finger_ctrl(self, gripper_action: Vector) -> Vector:
        """(G,). The actuators' values: [-1, 1] onto their ranges."""
        low, high = self.model.actuator_ctrlrange[self._fingers].T
        scaled = self._grip.scale_action(gripper_action)
        return np.clip(0.5 * (high + low) + 0.5 * (high - low) * scaled, low, high)

    def drive(self) -> None:
        """Write this substep's torques and gripper commands to `ctrl`; positions and velocities must be fresh."""
        self._ctrl[self._motors] = np.minimum(np.maximum(self.torques(), self._low), self._high)
        self._ctrl[self._fingers] = self.goal.gripper_ctrl

    def torques(self) -> Vector:
        """(J,). Joint torques towards the goal, in Nm, before they are clipped."""
        model, data, goal, utils = self.model, self.data, self.goal, self._utils
        mujoco.mj_jacSite(model, data, self._jacp, self._jacr, self._site)
        mujoco.mj_fullM(model, self._mass, data.qM)
        self._pos[:], self._ori[:] = self._jacp[:, self._qvel], self._jacr[:, self._qvel]
        # in the memory order that robosuite's indexing gives: another one would round differently
        mass = self._mass[self._qvel, self._qvel].copy(order="F")
        _, inertia_pos, inertia_ori, null_space = utils.opspace_matrices(mass, self._both, self._pos, self._ori)
        wrench = np.concatenate(self._wrench(inertia_pos, inertia_ori))
        joints, speeds = self._joints[self._qpos], self._speeds[self._qvel]
        rest = utils.nullspace_torques(mass, null_space, goal.rest_joints, joints, speeds)
        return np.dot(self._both.T, wrench) + self._bias[self._qvel] + rest

    def _wrench(self, inertia_pos: Vector, inertia_ori: Vector) -> tuple[Vector, Vector]:
        """Force (3,) in N and torque (3,) in Nm on the end effector, in the world."""
        kp, kd, goal = self._arm.kp, self._arm.kd, self.goal
        away = self._origin + np.dot(self._base, goal.position) - self._eef_position
        turned = self._utils.orientation_error(np.dot(self._base, goal.rotation), self._eef_rotation)
        velocity, spin = np.dot(self._jacp, self._speeds), np.dot(self._jacr, self._speeds)
        if self._moving_base is not None:
            base_velocity, base_spin = self._base_twist(self._moving_base)
            velocity, spin = velocity - base_velocity, spin - base_spin
        force, torque = away * kp[:3] - velocity * kd[:3], turned * kp[3:] - spin * kd[3:]
        return np.dot(inertia_pos, force), np.dot(inertia_ori, torque)

    def _base_twist(self, site: int) -> tuple[Vector, Vector]:
        """Velocity (3,) in m/s and angular velocity (3,) in rad/s of the base, in the world."""
        jacp, jacr = np.zeros_like(self._jacp), np.zeros_like(self._jacr)
        mujoco.mj_jacSite(self.model, self.data, jacp, jacr, site)
        return np.dot(jacp, self._speeds), np.dot(jacr, self._speeds)
