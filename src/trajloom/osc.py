"""Operational space control as robosuite does it, in plain arithmetic: which poses recorded actions asked for.

Every version from 1.0 on is meant, by the settings that a demonstration carries (`controller_configs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SourceError
from trajloom.poses import Poses, axis_angle_from_rotation, invert, make, rotation_from_axis_angle

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

DEFAULT = {"type": "OSC_POSE", "output_max": [0.05] * 3 + [0.5] * 3, "output_min": [-0.05] * 3 + [-0.5] * 3}
"""What robosuite's own OSC_POSE does with an action: at most 5 cm and 0.5 rad a step."""

_ARM_SIZES = {"OSC_POSE": 6, "OSC_POSITION": 3}
_SIGN_FIXED_IN = (1, 2)
_BASE_FRAME_SINCE = (1, 5)
_HELD_UNTIL = (1, 5)
_INPUT_TYPE_SINCE = (1, 5)
_TELLING_STEPS, _NEAR_M, _FAR_M = 10, 0.1, 0.5
"""Of how many steps the actions tell what they are, and how far from the hand targets are and are not (median)."""
_ROUNDING = 1e-9
"""Of an action's range: an action this much beyond it came there by rounding."""


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
    holds: bool = False
    """Whether an action that asks for no turn at all leaves the last target rotation as it was (before robosuite 1.5),
    where others take the reached one for the target."""
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
            absolute=_is_absolute(one),
            base_frame=frame == "base",
            transposed=known is not None and known < _SIGN_FIXED_IN,
            holds=known < _HELD_UNTIL if known is not None else one is config and "input_type" not in one,
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
        command = self.command(actions)
        frame = base_in_world if self.base_frame else np.eye(4)
        turn = frame[:3, :3]
        rotation = turn @ rotation_from_axis_angle(command[:, 3:]) @ turn.T
        position = command[:, :3] @ turn.T
        if self.absolute:
            return make(position + frame[:3, 3], rotation @ turn)
        if self.transposed:
            rotation = np.swapaxes(rotation, -1, -2)
        return make(eef_in_world[:, :3, 3] + position, rotation @ eef_in_world[:, :3, :3])

    def to_absolute(self, eef_in_world: Poses, actions: Array, base_in_world: Array) -> tuple[Array, Mask]:
        """Delta actions as the target poses that they ask for, in the controller's frame.

        Args:
            eef_in_world: (T, 4, 4). Reached poses before the actions, of the site that the controller moves.
            actions: (T, A + G). Of one episode, from its start: before robosuite 1.5 a target rotation is held.
            base_in_world: (4, 4). Pose of the frame that a base-frame controller's actions are in.

        Returns:
            (T, A + G): position in metres, rotation vector in radians where rotations are controlled, gripper.
            (T,): whether the controller clips the delta action; the target is that of the clipped one.
        """
        command, reached = self.command(actions), self._in_frame(eef_in_world, base_in_world)
        turn = rotation_from_axis_angle(command[:, 3:]) @ reached[:, :3, :3]
        if self.holds:
            turn = turn[_last(command[:, 3:].any(axis=1))]
        arm = np.hstack([reached[:, :3, 3] + command[:, :3], axis_angle_from_rotation(turn)])
        return self._with_gripper(arm, actions), self._outside(actions).any(axis=1)

    def to_delta(self, eef_in_world: Poses, actions: Array, base_in_world: Array) -> tuple[Array, Mask]:
        """The inverse of `to_absolute`; a target out of one step's reach becomes the longest step towards it.

        Where a target rotation is held (before robosuite 1.5), one that is the last one's to the bit becomes no turn.

        Returns:
            (T, A + G): delta actions within the input range, gripper.
            (T,): whether the target was out of reach, so that the action was clipped.
        """
        asked, reached = self._target(actions), self._in_frame(eef_in_world, base_in_world)
        turn = axis_angle_from_rotation(asked[:, :3, :3] @ np.swapaxes(reached[:, :3, :3], -1, -2))
        command = np.hstack([asked[:, :3, 3] - reached[:, :3, 3], turn])
        if self.holds and self.arm_size == 6:
            new = np.any(np.diff(actions[:, 3:6], axis=0, prepend=np.nan) != 0, axis=1)
            reachable = ~self._outside(self.action_for(command))[:, 3:].any(axis=1)
            command[~new & reachable[_last(new)], 3:] = 0
        arm = self.action_for(command)
        low, high = self.input_range
        return self._with_gripper(np.clip(arm, low, high), actions), self._outside(arm).any(axis=1)

    def contradiction(self, eef_in_world: Poses, actions: Array, base_in_world: Array) -> str | None:
        """Why an episode's actions cannot be what the settings say, or None; short episodes say nothing.

        Targets lie about where the hand is, however far that is from the frame's origin; changes know nothing of it.

        Args:
            eef_in_world: (T, 4, 4). Reached poses before the actions.
            actions: (T, A + G).
            base_in_world: (4, 4). Pose of the frame that a base-frame controller's actions are in.
        """
        if len(actions) < _TELLING_STEPS:
            return None
        position = self._in_frame(eef_in_world, base_in_world)[:, :3, 3]
        off = float(np.median(np.linalg.norm(np.asarray(actions, dtype=np.float64)[:, :3] - position, axis=1)))
        if not self.absolute and off < _NEAR_M:
            return f"they lie {off:.2g} m from where the hand is (median), as targets do, where changes are said"
        if self.absolute and off > _FAR_M:
            return (
                f"they lie {off:.2g} m from where the hand is (median), out of reach of targets, as they are said to be"
            )
        return None

    def _in_frame(self, eef_in_world: Poses, base_in_world: Array) -> Poses:
        return invert(base_in_world) @ eef_in_world if self.base_frame else eef_in_world

    def _target(self, actions: Array) -> Poses:
        """(T, 4, 4). Absolute actions as poses in the controller's frame."""
        arm = np.asarray(actions, dtype=np.float64)
        turn = arm[:, 3:6] if self.arm_size == 6 else np.zeros((len(arm), 3))
        return make(arm[:, :3], rotation_from_axis_angle(turn))

    def action_for(self, command: Array) -> Array:
        """(T, A). The delta actions, not clipped, of metres and rotation vectors (T, 6): the inverse of `command`."""
        (low, high), (out_low, out_high) = self.input_range, self.output_range
        return low + (command[:, : self.arm_size] - out_low) / (out_high - out_low) * (high - low)

    def _outside(self, actions: Array) -> Mask:
        """(T, A). Where an action lies out of the input range by more than rounding."""
        low, high = self.input_range
        arm, room = np.asarray(actions, dtype=np.float64)[:, : self.arm_size], _ROUNDING * (high - low)
        return (arm < low - room) | (arm > high + room)

    def _with_gripper(self, arm: Array, actions: Array) -> Array:
        return np.hstack([arm[:, : self.arm_size], self.gripper(actions)])

    def command(self, actions: Array) -> Array:
        """(T, 6): metres and rotation vector of each action (T, A + G), which is clipped as the controller does it.

        No rotation where only positions are controlled.
        """
        arm = np.asarray(actions, dtype=np.float64)[:, : self.arm_size]
        if not self.absolute:
            (low, high), (out_low, out_high) = self.input_range, self.output_range
            arm = out_low + (np.clip(arm, low, high) - low) / (high - low) * (out_high - out_low)
        return np.hstack([arm, np.zeros((len(arm), 6 - self.arm_size))])


def _last(marked: Mask) -> NDArray[np.intp]:
    """(T,). For each row, the last marked row at or before it; the first row counts as marked."""
    return np.maximum.accumulate(np.where(marked, np.arange(len(marked)), 0))


def is_absolute(config: Mapping[str, Any]) -> bool:
    """Whether the arm's actions are targets rather than changes, by robosuite's `controller_configs`."""
    return _is_absolute(_arm_config(config))


def with_input(config: Mapping[str, Any], version: str | None, absolute: bool) -> dict[str, Any]:
    """`controller_configs` of the same controller that takes targets, or changes, in the words of its own version."""
    arm, known = _arm_config(config), _version(version)
    new = {"input_type": "absolute" if absolute else "delta"}
    old = {"control_delta": not absolute}
    is_new = "input_type" in arm or arm is not config or (known is not None and known >= _INPUT_TYPE_SINCE)
    words = {**(new if is_new else old), **(old if "control_delta" in arm else {})}
    return {**arm, **words} if arm is config else _replaced(config, arm, {**arm, **words})


def with_longer_steps(config: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """`controller_configs` of the same controller, whose actions go `factor` times as far."""
    arm = _arm_config(config)
    size = _ARM_SIZES.get(str(arm.get("type")), 6)
    found = {name: _vector(arm.get(name, DEFAULT[name]), size) for name in ("output_min", "output_max")}
    words = {name: (factor * values).tolist() for name, values in found.items()}
    return {**arm, **words} if arm is config else _replaced(config, arm, {**arm, **words})


def _replaced(node: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of settings with one of its nodes replaced."""
    return {
        key: new if value is old else _replaced(value, old, new) if isinstance(value, Mapping) else value
        for key, value in node.items()
    }


def _is_absolute(arm: Mapping[str, Any]) -> bool:
    return arm.get("input_type") == "absolute" or arm.get("control_delta") is False


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
