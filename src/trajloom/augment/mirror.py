"""Left and right changed over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from trajloom import poses
from trajloom.augment import _checks, _draws
from trajloom.augment._layout import Layout, Piece, check_told, layout_of, settled, unknowns
from trajloom.augment._robot import ACTIONS, Arm, arms_of, robots_of
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.columns import fits
from trajloom.edit.images import image_of
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header, path_of
from trajloom.tables import Array


@dataclass(frozen=True)
class Robot:
    """A robot that is its own mirror image: the same hand pose, mirrored, is reached by mirrored joint angles."""

    signs: tuple[float, ...]
    """Of each joint, in the mirrored robot."""
    offsets_rad: tuple[float, ...]
    """Added to each joint's angle then: a hand that is mounted turned has its neutral angle there."""
    fingers: tuple[int, ...] = ()
    """The finger that each finger of the mirrored gripper is, and with the other sign; () is not known."""


ROBOTS = {
    "Panda": Robot((-1, 1, -1, 1, -1, 1, -1), (0, 0, 0, 0, 0, 0, np.pi / 2), (1, 0)),
    "IIWA": Robot((-1, 1, -1, 1, -1, 1, -1), (0,) * 7),
}
"""Of robosuite's arms the ones that are symmetric (to 1 mm; Kinova3 and Jaco are off by 2 to 5 cm, Sawyer and UR5e by
more)."""

CAMERAS = ("*agentview_*", "*frontview_*", "*birdview_*", "*robotview_*", "*eye_in_hand_*")
"""robosuite's cameras that stand in the plane of the mirror, upright, or on the hand's own plane."""


@dataclass(frozen=True, kw_only=True)
class Mirror(Augmentation):
    """Reflect episodes at a vertical plane through the robot's base: y becomes -y, left becomes right.

    Positions and directions are reflected, rotations become those of the mirrored thing, OSC actions those that move it
    so, images are flipped. Objects and hand are taken to be symmetric about their own x-z plane, as cubes, cans and
    grippers are; a scene that is not symmetric itself (two different bins) is another scene then. Joint angles are
    known for robosuite's Panda and IIWA, finger positions for the Panda's gripper. Environments of two robots, or with
    robots of other names, are refused where actions or joints would have to be known.

    The model XML of episodes stays: it tells of the robot, which is the same. Arrays in `rest` stay as they are.
    """

    probability: float = 1.0
    """Of each episode being mirrored."""
    plane_y_m: float = 0.0
    """Where the plane is, in the world's frame: the y of the robot's base."""
    cameras: tuple[str, ...] = CAMERAS
    """Names or patterns of image columns that become their own mirror image: cameras that look along the plane."""
    layouts: Mapping[str, str] = field(default_factory=dict)
    """Name or pattern of a column -> what its numbers are: "position xyzw vector same3" (words: `augment._layout`)."""
    unknown: Literal["refuse", "drop", "keep"] = "refuse"
    """What becomes of columns of which nobody says how they are mirrored, such as `states`, and of arrays one an
    episode."""

    def __post_init__(self) -> None:
        _checks.share(probability=self.probability)
        _checks.one_of(("refuse", "drop", "keep"), unknown=self.unknown)

    def header(self, header: Header) -> Header:
        check_told(header, self.layouts)
        for column in header.steps:
            self._arms(header, column)
        return settled(header, self._unknown(header), self.unknown, "mirrored")

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        which = _draws.per_episode(batch, _draws.streams(batch, rng_of), lambda rng: rng.random()) < self.probability
        header = self.header(batch.header)
        lost = {column.name for column in self._unknown(batch.header)}
        new: dict[str, Array] = {}
        for column in header.steps:
            if column.name not in lost and (image_of(column) or not _is_same(self._layout(batch.header, column))):
                new[column.name] = self._some_mirrored(batch, column, which)
        return batch.under(header).with_arrays(new)

    def _some_mirrored(self, batch: Batch, column: Column, which: Array) -> Array:
        if which.all():
            return self._mirrored(batch, column, slice(None))
        values = batch.array(column.name).copy()
        values[which] = self._mirrored(batch, column, which)
        return values

    def _mirrored(self, batch: Batch, column: Column, which: Array | slice) -> Array:
        """A column of the steps that are mirrored."""
        values = batch.array(column.name)[which]
        if image_of(column):
            return values[:, :, ::-1]
        arms = self._arms(batch.header, column)
        if arms:
            return _mirrored_actions(values, arms, self.plane_y_m)
        rows = values.reshape(len(values), column.size).astype(np.float64)
        for piece in self._layout(batch.header, column) or ():
            old = rows[:, piece.start : piece.stop]
            if piece.kind == "joints":
                new = self._joints(batch, column, old, which)
            elif piece.kind == "fingers":
                new = -old[:, list(self._robot(batch.header).fingers)]
            else:
                new = _reflected(old, piece, 0.0 if piece.local else self.plane_y_m)
            rows[:, piece.start : piece.stop] = new
        return rows.reshape(values.shape).astype(values.dtype)

    def _joints(self, batch: Batch, column: Column, old: Array, which: Array | slice) -> Array:
        """Angles, or their cosines, sines, or changes, of mirrored joints."""
        robot = self._robot(batch.header)
        signs, offsets = np.array(robot.signs), np.array(robot.offsets_rad)
        partner = _partner(column.name)
        if partner is not None:
            other = batch.array(partner)[which].astype(np.float64)
            if column.name.endswith("_cos"):
                return np.cos(offsets) * old - np.sin(offsets) * signs * other
            return np.sin(offsets) * other + np.cos(offsets) * signs * old
        return signs * old + (offsets if column.name.endswith(("_pos", "joint_position")) else 0)

    def _layout(self, header: Header, column: Column) -> Layout | None:
        return layout_of(header, column, self.layouts)

    def _arms(self, header: Header, column: Column) -> list[Arm]:
        """The arm of a column of actions; none of another column, or where the user says what the numbers are."""
        if path_of(column.name) != ACTIONS or self._layout(header, column) is not None:
            return []
        try:
            arms = arms_of(header, column)
        except SettingsError as error:
            said = f'say what its numbers are: layouts={{"{column.name}": "vector turn same"}}'
            raise SettingsError(f"{error}; {said}") from error
        if len(arms) > 1:
            raise SettingsError(f"one robot can be mirrored; {column.name} are for {len(arms)}")
        return arms

    def _robot(self, header: Header) -> Robot:
        return ROBOTS[robots_of(header)[0]]

    def _unknown(self, header: Header) -> list[Column]:
        found = list(unknowns(header, self.layouts))
        return [*found, *(column for column in header.steps if column not in found and not self._can(header, column))]

    def _can(self, header: Header, column: Column) -> bool:
        """Whether a column, of which it is known what it is, can be mirrored."""
        if image_of(column):
            return fits(column.name, self.cameras)
        robots = robots_of(header)
        robot = ROBOTS.get(robots[0]) if len(robots) == 1 else None
        kinds = [piece.kind for piece in self._layout(header, column) or ()]
        partner = _partner(column.name)
        if "joints" in kinds:
            there = partner is None or any(other.name == partner for other in header.steps)
            return robot is not None and there and column.size == len(robot.signs)
        return "fingers" not in kinds or (robot is not None and column.size == len(robot.fingers))


def _partner(name: str) -> str | None:
    """The sines that go with a column of cosines of joint angles, or the other way round."""
    if "joint_" not in name:
        return None
    ends = {"_cos": "_sin", "_sin": "_cos"}
    return name[:-4] + ends[name[-4:]] if name[-4:] in ends else None


def _is_same(layout: Layout | None) -> bool:
    """Whether nothing of a column has a direction; actions, which have no layout, do."""
    return layout is not None and all(piece.kind == "same" for piece in layout)


# ---- reflections -----------------------------------------------------------------------------------------------

FLIP = np.diag([1.0, -1.0, 1.0])
"""Of the world, and of a thing's own axes: M in `M @ rotation @ S`."""
GRIP_FLIP = np.diag([-1.0, 1.0, 1.0])
"""Of the axes of robosuite's grip site, whose x axis lies along the hand's y axis."""


def _reflected(old: Array, piece: Piece, plane_y: float) -> Array:
    """Some numbers (N, K) of a layout's piece in a mirrored world."""
    match piece.kind:
        case "position":
            return old * [1, -1, 1] + [0, 2 * plane_y, 0]
        case "vector":
            return old * [1, -1, 1]
        case "turn":
            return old * [-1, 1, -1]
        case "xyzw":
            return old[:, [1, 0, 3, 2]] if piece.grip else old * [-1, 1, -1, 1]
        case "wxyz":
            return old[:, [3, 2, 1, 0]] if piece.grip else old * [1, -1, 1, -1]
        case "rotation":
            return (FLIP @ old.reshape(-1, 3, 3) @ _own_flip(piece)).reshape(-1, 9)
        case "pose":
            return _reflected_poses(old.reshape(-1, 4, 4), _own_flip(piece), plane_y).reshape(-1, 16)
        case _:
            return old


def _own_flip(piece: Piece) -> Array:
    return GRIP_FLIP if piece.grip else FLIP


def _reflected_poses(pose: Array, own_flip: Array, plane_y: float) -> Array:
    new = pose.copy()
    new[:, :3, :3] = FLIP @ pose[:, :3, :3] @ own_flip
    new[:, 1, 3] = 2 * plane_y - pose[:, 1, 3]
    return new


def _mirrored_actions(actions: Array, arms: list[Arm], plane_y: float) -> Array:
    """Actions (N, A) that move the mirrored arm as the mirror image moves."""
    new = actions.copy()
    for arm in arms:
        controller = arm.controller
        command = controller.command(actions[:, arm.start : arm.stop])
        if controller.absolute:
            # in the base's frame the plane goes through its origin
            plane = 0.0 if controller.base_frame else plane_y
            target = poses.make(command[:, :3], poses.rotation_from_axis_angle(command[:, 3:]))
            target = _reflected_poses(target, GRIP_FLIP, plane)
            command = np.hstack([target[:, :3, 3], poses.axis_angle_from_rotation(target[:, :3, :3])])
            new[:, arm.arm] = command[:, : controller.arm_size]
        else:
            command = command * [1, -1, 1, -1, 1, -1]
            new[:, arm.arm] = controller.action_for(command)
    return new
