"""The arm's controller: what an action asks for, and which action asks for a pose.

robosuite's OSC_POSE takes an action of six numbers in [-1, 1]: a step of the end effector, scaled to metres and
radians, in the frame of the robot's base, from where the end effector is when the action arrives. OSC_POSITION takes
the first three.
"""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SettingsError
from trajloom.poses import Poses, check_poses
from trajloom.sim import backend

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class ActionScale:
    """What one unit of action means, and in which frame."""

    step: Vector
    """(6,) or (3,). Metres (three) and radians (three) of an action of 1."""
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
            (6,), or (3,) of a controller of the position alone.

        Source:
            Mandlekar et al., MimicGen, CoRL 2023 (arXiv:2310.17596), appendix N.1, for B = 1.
        """
        check_poses("target_in_world", target_in_world)
        base = self.base_in_world
        move = base.T @ (target_in_world[:3, 3] - eef_in_world[:3, 3])
        turn = base.T @ _log(target_in_world[:3, :3] @ eef_in_world[:3, :3].T)
        return np.clip(np.concatenate([move, turn])[: len(self.step)] / self.step, -1.0, 1.0)

    def action_to_target(self, eef_in_world: Poses, action: Vector) -> Poses:
        """The pose (4, 4) in the world that an action (6,) or (3,), clipped as the controller clips it, asks for.

        Inverse of `target_to_action` within one step's reach.
        """
        scaled = self.step * np.clip(action, -1.0, 1.0)
        base = self.base_in_world
        position = eef_in_world[:3, 3] + base @ scaled[:3]
        pose = np.eye(4)
        rotation = eef_in_world[:3, :3]
        pose[:3, :3] = _exp(base @ scaled[3:]) @ rotation if len(scaled) > 3 else rotation
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


def action_scale(env: Any) -> ActionScale:
    """What an action of an environment's one arm means.

    Raises:
        SettingsError: The arm's controller takes no steps of the end effector, in [-1, 1], with fixed gains.
    """
    arm = env.robots[0].part_controllers[backend.ARM]
    if not _takes_steps(arm):
        raise SettingsError(
            f"{arm.name} takes no steps of the end effector in [-1, 1] with fixed gains, so no action asks for a pose; "
            "OSC_POSE and OSC_POSITION with robosuite's ranges do"
        )
    data, base = env.sim.data._data, np.eye(3)
    if arm.input_ref_frame == "base":
        site = env.sim.model.site_name2id(f"{arm.naming_prefix}{arm.part_name}_center")
        base = data.site_xmat[site].reshape(3, 3)  # a view: IIWA's base is a site on its first link, and turns with it
    return ActionScale(np.array(arm.output_max, dtype=np.float64), base)


def _takes_steps(arm: Any) -> bool:
    if not arm.name.startswith("OSC") or arm.impedance_mode != "fixed" or arm.input_type != "delta":
        return False
    symmetric = np.all(np.asarray(arm.output_min) == -np.asarray(arm.output_max))
    return bool(symmetric and np.all(np.asarray(arm.input_min) == -1) and np.all(np.asarray(arm.input_max) == 1))
