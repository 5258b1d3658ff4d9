"""The controller that a demonstration was recorded with: which poses its actions asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SourceError
from trajloom.poses import Poses, make, rotation_from_axis_angle

Array = NDArray[np.floating]

DEFAULT = {"type": "OSC_POSE", "output_max": [0.05] * 3 + [0.5] * 3, "output_min": [-0.05] * 3 + [-0.5] * 3}
"""What robosuite's own OSC_POSE does with an action: at most 5 cm and 0.5 rad a step."""

_ARM_SIZES = {"OSC_POSE": 6, "OSC_POSITION": 3}
_SIGN_FIXED_IN = (1, 2)
_BASE_FRAME_SINCE = (1, 5)


@dataclass(frozen=True)
class RecordedController:
    """Operational space control as robosuite's versions do it; A is 6, or 3 where only positions are controlled."""

    input_range: tuple[Array, Array]
    """(A,) each. Lowest and highest action; the controller clips to it."""
    output_range: tuple[Array, Array]
    """(A,) each, in metres and radians. What lowest and highest action mean."""
    absolute: bool = False
    """Whether the action is the target pose itself, not a change of the reached pose."""
    base_frame: bool = False
    """Whether the action is in the frame of the robot's base, not of the world."""
    transposed: bool = False
    """Whether the rotation is applied the other way round (robosuite 1.0 and 1.1)."""
    notes: tuple[str, ...] = ()

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any] | None, version: str | None, action_size: int
    ) -> "RecordedController":
        """Read robosuite's `controller_configs`, of any version from 1.0 on.

        Args:
            config: As in `env_args["env_kwargs"]` or `env_info`; a composite one (1.5) names the parts of the body.
            version: robosuite's version, such as "1.4.1"; None is taken for the newest that the config can be of.
            action_size: Length of the recorded actions, gripper included.

        Raises:
            SourceError: The controller is no OSC, or takes more of the action than there is.
        """
        notes = () if config else ("no controller settings: took robosuite's default OSC_POSE (0.05 m, 0.5 rad)",)
        one = _arm_config(config or DEFAULT)
        size = _ARM_SIZES.get(str(one.get("type")))
        if size is None or one.get("impedance_mode", "fixed") != "fixed":
            raise SourceError(
                f"target poses need one of {sorted(_ARM_SIZES)} with fixed impedance, "
                f"got {one.get('type')!r} with {one.get('impedance_mode')!r}"
            )
        if action_size <= size:
            raise SourceError(
                f"{one['type']} takes {size} numbers and the gripper at least one; actions have {action_size}"
            )
        known = _version(version)
        low, high = DEFAULT["output_min"], DEFAULT["output_max"]
        frame = one.get("input_ref_frame", "base" if known is not None and known >= _BASE_FRAME_SINCE else "world")
        return cls(
            input_range=(_vector(one.get("input_min", -1), size), _vector(one.get("input_max", 1), size)),
            output_range=(_vector(one.get("output_min", low), size), _vector(one.get("output_max", high), size)),
            absolute=one.get("input_type") == "absolute" or one.get("control_delta") is False,
            base_frame=frame == "base",
            transposed=known is not None and known < _SIGN_FIXED_IN,
            notes=notes,
        )

    @property
    def arm_size(self) -> int:
        """How many numbers of an action are the arm's; the others are the gripper's."""
        return len(self.input_range[0])

    def gripper(self, actions: Array) -> Array:
        """The gripper's part (T, G) of actions (T, A + G)."""
        return np.asarray(actions, dtype=np.float64)[:, self.arm_size :]

    def target_pose(self, eef_in_world: Poses, actions: Array, base_in_world: Array) -> Poses:
        """The poses that the controller was told to reach.

        An action is clipped, scaled to metres and radians, added to the reached position and multiplied from the left
        onto the reached rotation; in the base's frame both happen there.

        Args:
            eef_in_world: (T, 4, 4). Reached poses before the actions.
            actions: (T, A + G).
            base_in_world: (4, 4). Pose of the robot's base.

        Returns:
            (T, 4, 4), in the world.
        """
        command = self._command(actions)
        frame = base_in_world if self.base_frame else np.eye(4)
        turn = frame[:3, :3]
        rotation = turn @ rotation_from_axis_angle(command[:, 3:]) @ turn.T
        position = command[:, :3] @ turn.T
        if self.absolute:
            return make(position + frame[:3, 3], rotation @ turn)
        if self.transposed:
            rotation = np.swapaxes(rotation, -1, -2)
        return make(eef_in_world[:, :3, 3] + position, rotation @ eef_in_world[:, :3, :3])

    def _command(self, actions: Array) -> Array:
        """(T, 6): metres and rotation vector of each action; no rotation where only positions are controlled."""
        arm = np.asarray(actions, dtype=np.float64)[:, : self.arm_size]
        if not self.absolute:
            (low, high), (out_low, out_high) = self.input_range, self.output_range
            arm = out_low + (np.clip(arm, low, high) - low) / (high - low) * (out_high - out_low)
        return np.hstack([arm, np.zeros((len(arm), 6 - self.arm_size))])


def _arm_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arm's part of a composite config; other configs are the arm's already."""
    parts = config.get("body_parts", config.get("body_parts_controller_configs"))
    if not isinstance(parts, Mapping):
        return config
    arms = [parts[name] for name in ("right", "left") if name in parts] or [
        part for names in (parts.get("arms"),) if isinstance(names, Mapping) for part in names.values()
    ]
    if len(arms) != 1:
        raise SourceError(f"one arm can be annotated; the controller settings name {len(arms)} in {sorted(parts)}")
    return arms[0]


def _version(version: str | None) -> tuple[int, int] | None:
    try:
        major, minor = str(version).split(".")[:2]
        return int(major), int(minor)
    except ValueError:
        return None


def _vector(value: Any, size: int) -> Array:
    """`value` for each of `size` numbers, where it is one number for all."""
    return np.broadcast_to(np.asarray(value, dtype=np.float64).ravel()[:size], (size,))
