"""The whole scene, robot included, somewhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from trajloom import poses
from trajloom.augment import _checks, _draws
from trajloom.augment._layout import Layout, check_told, layout_of, settled, unknowns
from trajloom.augment._robot import ACTIONS, Arm, arms_of
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.images import image_of
from trajloom.errors import SettingsError
from trajloom.poses import Poses
from trajloom.schema import Column, Header, path_of
from trajloom.tables import Array

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class SceneTransform(Augmentation):
    """Move every episode's scene by one rigid motion, drawn for the episode: objects, robot and cameras together.

    What is seen from the world moves: poses, positions, directions, velocities, actions in the world's frame. What is
    seen from the robot's base or hand, joint angles, and images stay as they are. By default the scene turns about the
    vertical and goes along the floor, so that gravity stays where it is. The model XML of episodes, which says where
    the robot stands, is taken away. Arrays in `rest` stay as they are.

    Which columns are which: `layouts`, else what a column says itself (`frame`, `rotation`), else robosuite's names.
    """

    yaw_rad: Range = (-np.pi, np.pi)
    """Turn about the vertical, drawn evenly from this range. The same number twice is a fixed one."""
    x_m: Range = (-0.1, 0.1)
    """Way along x, in the world's frame, after the turn."""
    y_m: Range = (-0.1, 0.1)
    """Way along y."""
    z_m: Range = (0.0, 0.0)
    """Way along z."""
    roll_rad: Range = (0.0, 0.0)
    """Turn about the world's x axis, before yaw; gravity turns with the scene."""
    pitch_rad: Range = (0.0, 0.0)
    """Turn about the world's y axis, between roll and yaw; gravity turns with the scene."""
    about_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """The point that the turns are about, in the world's frame."""
    layouts: Mapping[str, str] = field(default_factory=dict)
    """Name or pattern of a column -> what its numbers are: "position xyzw vector same3" (words: `augment._layout`)."""
    unknown: Literal["refuse", "drop", "keep"] = "refuse"
    """What becomes of columns of which nobody says what they are, such as `states`, and of arrays one an episode."""

    def __post_init__(self) -> None:
        _checks.rising(**{name: getattr(self, name) for name in RANGES})
        _checks.one_of(("refuse", "drop", "keep"), unknown=self.unknown)

    def header(self, header: Header) -> Header:
        check_told(header, self.layouts)
        for column in header.steps:
            self._arms(header, column)
        return settled(header, self._unknown(header), self.unknown, "moved")

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        moves = _draws.per_episode(batch, _draws.streams(batch, rng_of), self._draw)
        header = self.header(batch.header)
        new: dict[str, Array] = {}
        for column in header.steps:
            arms = self._arms(batch.header, column)
            layout = None if arms or image_of(column) else layout_of(batch.header, column, self.layouts)
            if arms:
                new[column.name] = _moved_actions(batch.array(column.name), arms, moves)
            elif layout is not None and any(_moves(piece.kind) and not piece.local for piece in layout):
                new[column.name] = moved(batch.array(column.name), layout, moves)
        return replace(batch, episodes=_without_models(batch.episodes)).under(header).with_arrays(new)

    def _draw(self, rng: np.random.Generator) -> Poses:
        """(4, 4). A motion of the scene."""
        low, high = np.array([getattr(self, name) for name in RANGES]).T
        yaw, x, y, z, roll, pitch = low + rng.random(6) * (high - low)
        turn = poses.rotation_from_axis_angle(np.array([[0, 0, yaw], [0, pitch, 0], [roll, 0, 0]]))
        rotation, about = turn[0] @ turn[1] @ turn[2], np.array(self.about_m)
        return poses.make(about - rotation @ about + [x, y, z], rotation)

    def _arms(self, header: Header, column: Column) -> list[Arm]:
        """The arms of a column of actions; none of another column, or where the user says what the numbers are."""
        if path_of(column.name) != ACTIONS or layout_of(header, column, self.layouts) is not None:
            return []
        try:
            return arms_of(header, column)
        except SettingsError as error:
            said = f'say what its numbers are: layouts={{"{column.name}": "vector turn same"}}'
            raise SettingsError(f"{error}; {said}") from error

    def _unknown(self, header: Header) -> list[Column]:
        return list(unknowns(header, self.layouts))


RANGES = ("yaw_rad", "x_m", "y_m", "z_m", "roll_rad", "pitch_rad")


def _moves(kind: str) -> bool:
    return kind in ("position", "vector", "turn", "xyzw", "wxyz", "rotation", "pose")


def moved(values: Array, layout: Layout, moves: Poses) -> Array:
    """A column (N, *shape) after the world's contents were moved.

    Args:
        values: Floats.
        layout: What the numbers of a row are.
        moves: (N, 4, 4). `new_in_world = move @ old_in_world`.

    Returns:
        As `values`, of its element type.
    """
    rows = values.reshape(len(values), layout[-1].stop).astype(np.float64)
    turn = moves[:, :3, :3]
    for piece in layout:
        old = rows[:, piece.start : piece.stop]
        if piece.local or not _moves(piece.kind):
            continue
        match piece.kind:
            case "pose":
                new = (moves @ old.reshape(-1, 4, 4)).reshape(-1, 16)
            case "rotation":
                new = (turn @ old.reshape(-1, 3, 3)).reshape(-1, 9)
            case "position":
                new = _turned(turn, old) + moves[:, :3, 3]
            case "xyzw" | "wxyz":
                new = _turned_quat(turn, old, piece.kind)
            case _:
                new = _turned(turn, old)
        rows[:, piece.start : piece.stop] = new
    return rows.reshape(values.shape).astype(values.dtype)


def _turned(turn: Array, vectors: Array) -> Array:
    return (turn @ vectors[:, :, None])[:, :, 0]


def _turned_quat(turn: Array, quat: Array, order: str) -> Array:
    """Quaternions (N, 4) after a turn (N, 3, 3); of their own length, without a jump where there was none."""
    to_wxyz = [3, 0, 1, 2] if order == "xyzw" else [0, 1, 2, 3]
    a, b = poses.quat_from_rotation(turn), quat[:, to_wxyz]
    scalar = a[:, :1] * b[:, :1] - np.sum(a[:, 1:] * b[:, 1:], axis=1, keepdims=True)
    vector = a[:, :1] * b[:, 1:] + b[:, :1] * a[:, 1:] + np.cross(a[:, 1:], b[:, 1:])
    return np.hstack([scalar, vector])[:, np.argsort(to_wxyz)]


def _moved_actions(actions: Array, arms: list[Arm], moves: Poses) -> Array:
    """Actions (N, A) that do the same in a scene that was moved."""
    new, turn = actions.copy(), moves[:, :3, :3]
    for arm in arms:
        controller = arm.controller
        if controller.base_frame:
            continue
        command = controller.command(actions[:, arm.start : arm.stop])
        if controller.absolute:
            target = moves @ poses.make(command[:, :3], poses.rotation_from_axis_angle(command[:, 3:]))
            command = np.hstack([target[:, :3, 3], poses.axis_angle_from_rotation(target[:, :3, :3])])
            new[:, arm.arm] = command[:, : controller.arm_size]
        else:
            command = np.hstack([_turned(turn, command[:, :3]), _turned(turn, command[:, 3:])])
            new[:, arm.arm] = controller.action_for(command)
    return new


def _without_models(episodes: pa.Table) -> pa.Table:
    at = episodes.schema.get_field_index("model")
    return episodes.set_column(at, episodes.schema.field(at), pa.nulls(episodes.num_rows, pa.string()))
