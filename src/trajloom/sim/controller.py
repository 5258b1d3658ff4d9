"""The arm's controller: what an action asks for, and which action asks for a pose.

robosuite's OSC_POSE takes an action of six numbers in [-1, 1]: a step of the end effector, scaled to metres and
radians, in the frame of the robot's base, from where the end effector is when the action arrives. OSC_POSITION takes
the first three.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SettingsError, ShapeError
from trajloom.poses import Poses
from trajloom.sim import backend, eef_actions

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
        target = np.ascontiguousarray(target_in_world, dtype=np.float64)
        if target.shape != (4, 4):
            raise ShapeError(f"target_in_world must have shape (4, 4), got {np.shape(target_in_world)}")
        return eef_actions.action_towards(eef_in_world, target, self.base_in_world, self.step)

    def action_to_target(self, eef_in_world: Poses, action: Vector) -> Poses:
        """The pose (4, 4) in the world that an action (6,) or (3,), clipped as the controller clips it, asks for.

        Inverse of `target_to_action` within one step's reach.

        Raises:
            ShapeError: Another number of values.
        """
        asked = np.ascontiguousarray(action, dtype=np.float64)
        if asked.shape != self.step.shape:
            raise ShapeError(f"an arm's action must have shape {self.step.shape}, got {asked.shape}")
        return eef_actions.pose_asked(eef_in_world, asked, self.base_in_world, self.step)


def action_scale(env: Any) -> ActionScale:
    """What an action of an environment's one arm means.

    Raises:
        SettingsError: The arm's controller takes no steps of the end effector, in [-1, 1], with fixed gains.
    """
    arm = env.robots[0].part_controllers[backend.ARM]
    if not asks_for_poses(env):
        raise SettingsError(
            f"{arm.name} takes no steps of the end effector in [-1, 1] with fixed gains, so no action asks for a pose; "
            "OSC_POSE and OSC_POSITION with robosuite's ranges do"
        )
    data, base = env.sim.data._data, np.eye(3)
    if arm.input_ref_frame == "base":
        site = env.sim.model.site_name2id(f"{arm.naming_prefix}{arm.part_name}_center")
        base = data.site_xmat[site].reshape(3, 3)  # a view: IIWA's base is a site on its first link, and turns with it
    return ActionScale(np.array(arm.output_max, dtype=np.float64), base)


def asks_for_poses(env: Any) -> bool:
    """Whether the arm's controller takes steps of the end effector, in [-1, 1], with fixed gains."""
    arm = env.robots[0].part_controllers[backend.ARM]
    if not arm.name.startswith("OSC") or arm.impedance_mode != "fixed" or arm.input_type != "delta":
        return False
    symmetric = np.all(np.asarray(arm.output_min) == -np.asarray(arm.output_max))
    return bool(symmetric and np.all(np.asarray(arm.input_min) == -1) and np.all(np.asarray(arm.input_max) == 1))
