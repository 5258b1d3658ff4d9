"""Targets for the end effector, one a control step, and the bridges between them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.interfaces import as_scene
from trajloom.engine.results import Film, as_lists
from trajloom.engine.settings import Compat
from trajloom.errors import SettingsError, ShapeError
from trajloom.poses import Poses, check_poses, interpolate, rotation_angle
from trajloom.rollout import Recorder
from trajloom.seeding import rng_from_globals
from trajloom.task import Array, Scene

NO_FRAME = -1
"""The source frame of a step that comes from no source: a bridge, a repeated target, a wait."""

_JUMP_BELOW_RAD = 0.05
_AHEAD = 600
"""Numbers drawn at once: 100 steps of six."""


@dataclass
class Waypoint:
    """Where the end effector should go in one control step, and what its gripper should do meanwhile."""

    pose: Poses
    """(4, 4). Target pose in the world."""
    gripper_action: Array
    """(G,)."""
    noise: float | None = None
    """Standard deviation of the noise on the arm's action, in the action's own units; None for no noise at all."""
    source_frame: int = NO_FRAME
    """The source frame that the target comes from."""

    def __post_init__(self) -> None:
        check_poses("pose", self.pose)
        self.gripper_action = np.atleast_1d(np.asarray(self.gripper_action, dtype=np.float64))


def _checked(pose: Poses, gripper_action: Array, noise: float | None, source_frame: int) -> Waypoint:
    """A waypoint of values that were checked all together: a third of the time of checking each."""
    waypoint = object.__new__(Waypoint)
    waypoint.pose, waypoint.gripper_action = pose, gripper_action
    waypoint.noise, waypoint.source_frame = noise, source_frame
    return waypoint


class WaypointSequence:
    """Waypoints in order."""

    def __init__(self, sequence: Iterable[Waypoint] | None = None):
        self.sequence: list[Waypoint] = list(sequence or ())

    @classmethod
    def from_poses(
        cls,
        poses: Poses,
        gripper_actions: Array,
        action_noise: float | Array,
        source_frames: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> "WaypointSequence":
        """A sequence from stacked arrays.

        Args:
            poses: (T, 4, 4). Target poses in the world.
            gripper_actions: (T, G).
            action_noise: One standard deviation for all steps, or one a step: (T,) or (T, 1).
            source_frames: (T,). The source frame of every step; none where left out.

        Raises:
            ShapeError: The arrays are not equally long.
        """
        noise = np.asarray(action_noise, dtype=np.float64)
        noise = np.full(len(poses), noise) if noise.ndim == 0 else noise.reshape(len(noise), -1)[:, 0]
        frames = np.full(len(poses), NO_FRAME) if source_frames is None else np.asarray(source_frames)
        lengths = [len(poses), len(gripper_actions), len(noise), len(frames)]
        if len(set(lengths)) > 1:
            raise ShapeError(f"poses, gripper_actions, noise and source_frames must be equally long, got {lengths}")
        check_poses("poses", poses)
        grippers = np.asarray(gripper_actions, dtype=np.float64).reshape(len(poses), -1)
        rows = zip(poses, grippers, noise.tolist(), frames.tolist(), strict=True)
        return cls(_checked(*row) for row in rows)

    @property
    def last_waypoint(self) -> Waypoint:
        """The last waypoint; IndexError where there is none."""
        return self.sequence[-1]

    def split(self, ind: int) -> tuple["WaypointSequence", "WaypointSequence"]:
        """The first `ind` waypoints and the others; IndexError unless 0 <= ind <= len."""
        if not 0 <= ind <= len(self):
            raise IndexError(f"cannot split {len(self)} waypoints at {ind}")
        return WaypointSequence(self.sequence[:ind]), WaypointSequence(self.sequence[ind:])

    def __len__(self) -> int:
        return len(self.sequence)

    def __iter__(self) -> Iterator[Waypoint]:
        return iter(self.sequence)

    @overload
    def __getitem__(self, ind: int) -> Waypoint: ...
    @overload
    def __getitem__(self, ind: slice) -> "WaypointSequence": ...
    def __getitem__(self, ind: int | slice) -> "Waypoint | WaypointSequence":
        return WaypointSequence(self.sequence[ind]) if isinstance(ind, slice) else self.sequence[ind]

    def __add__(self, other: "WaypointSequence") -> "WaypointSequence":
        return WaypointSequence([*self.sequence, *other.sequence])


def bridge(start: Poses, end: Poses, num_steps: int, compat: Compat = None) -> Poses:
    """Target poses that lead from one pose to another in equal steps.

    Args:
        start, end: (4, 4). `start` itself is left out; the last pose is `end`.
        num_steps: At least 1.
        compat: "mimicgen" turns at once, in the first step, where the whole turn is below 0.05 rad, as the original
            does; otherwise every turn is spread evenly.

    Returns:
        (num_steps, 4, 4).
    """
    poses = interpolate(start, end, np.arange(1, num_steps + 1) / num_steps)
    if compat == "mimicgen" and rotation_angle(end[:3, :3] @ start[:3, :3].T) < _JUMP_BELOW_RAD:
        poses[:, :3, :3] = end[:3, :3]
    return poses


class WaypointTrajectory:
    """Waypoint sequences, one after another: a whole motion."""

    def __init__(self, compat: Compat = None):
        self.waypoint_sequences: list[WaypointSequence] = []
        self.compat: Compat = compat

    def __len__(self) -> int:
        """How many waypoints there are in all sequences."""
        return sum(len(sequence) for sequence in self.waypoint_sequences)

    @property
    def last_waypoint(self) -> Waypoint:
        """The last waypoint; IndexError where there is none."""
        return self.get_full_sequence().last_waypoint

    def get_full_sequence(self) -> WaypointSequence:
        """All waypoints as one sequence."""
        return WaypointSequence(waypoint for sequence in self.waypoint_sequences for waypoint in sequence)

    def add_waypoint_sequence(self, sequence: WaypointSequence) -> None:
        """Append a sequence as it is, without a bridge."""
        self.waypoint_sequences.append(sequence)

    def add_waypoint_sequence_for_target_pose(
        self,
        pose: Poses,
        gripper_action: Array,
        num_steps: int,
        skip_interpolation: bool = False,
        action_noise: float = 0.0,
    ) -> None:
        """Append `num_steps` waypoints that end at a target pose.

        Args:
            pose: (4, 4). The target pose.
            gripper_action: (G,). The gripper's action in every one of the steps.
            num_steps: At least 1; the target is the last of them.
            skip_interpolation: Repeat the target instead of going there in equal steps from the last waypoint.
            action_noise: Noise of every one of the steps.

        Raises:
            SettingsError: There is nothing to go from, or `num_steps` is below 1.
        """
        if num_steps < 1:
            raise SettingsError(f"num_steps must be >= 1, got {num_steps}")
        if skip_interpolation:
            poses = np.repeat(pose[None], num_steps, axis=0)
        elif not len(self):
            raise SettingsError("an empty trajectory has no last waypoint to interpolate from; add a sequence first")
        else:
            poses = bridge(self.last_waypoint.pose, pose, num_steps, self.compat)
        grippers = np.repeat(np.atleast_1d(gripper_action)[None], num_steps, axis=0)
        self.add_waypoint_sequence(WaypointSequence.from_poses(poses, grippers, action_noise))

    def pop_first(self) -> WaypointSequence:
        """Take the first waypoint away and return it, in a sequence of its own."""
        first, rest = self.waypoint_sequences[0].split(1)
        self.waypoint_sequences[:1] = [rest] if len(rest) else []
        return first

    def merge(
        self,
        other: "WaypointTrajectory",
        num_steps_interp: int | None = None,
        num_steps_fixed: int | None = None,
        action_noise: float = 0.0,
    ) -> None:
        """Append another trajectory, with a bridge to its first waypoint.

        With N interpolated and F fixed steps this adds N intermediate poses, the first target of `other`, F repeats of
        it, and the rest of `other`: N + F + len(other) waypoints. All of the bridge has the first gripper action of
        `other` and the noise `action_noise`, but for its last waypoint, which is that of `other` itself.

        Args:
            other: What to append; it is left as it was.
            num_steps_interp: N.
            num_steps_fixed: F.
            action_noise: Noise of the bridge.
        """
        sequence = other.get_full_sequence()
        if not len(sequence):
            return
        (first,), rest = sequence.split(1)
        if num_steps_interp:
            self.add_waypoint_sequence_for_target_pose(
                first.pose, first.gripper_action, num_steps_interp + 1, action_noise=action_noise
            )
            self.waypoint_sequences[-1].sequence.pop()
        if num_steps_fixed:
            self.add_waypoint_sequence_for_target_pose(
                first.pose, first.gripper_action, num_steps_fixed, skip_interpolation=True, action_noise=action_noise
            )
        self.add_waypoint_sequence(WaypointSequence([first]) + rest)

    def execute(
        self,
        env: Any,
        env_interface: Any,
        render: bool = False,
        video_writer: Any = None,
        video_skip: int = 5,
        camera_names: Sequence[str] | None = None,
        rng: np.random.Generator | None = None,
    ) -> dict[str, Any]:
        """Follow the waypoints, one control step each.

        Args:
            env: A robomimic environment or a Scene.
            env_interface: Its MG_EnvInterface, or the Scene again: one Scene may stand for both.
            render: Show every step on the screen.
            video_writer: Gets a frame every `video_skip` steps by its `append_data`.
            video_skip: Steps a video frame.
            camera_names: Cameras in the video, side by side.
            rng: Where noise comes from; left out, a stream seeded from the global `np.random`.

        Returns:
            `states`, `observations`, `datagen_infos`, `actions`: lists, an item a step, all but the action from before
            it; `success`: whether the task was solved at any step.
        """
        scene = as_scene(env, env_interface)
        (eef,) = scene.eefs
        rngs = {eef: rng or rng_from_globals()}
        film = Film(env, render, video_writer, video_skip, camera_names)
        recorder = Recorder(scene)
        for waypoint in self.get_full_sequence():
            recorder.step(command(scene, {eef: waypoint}, rngs))
            film.take()
        return as_lists(recorder.columns(), success=any(recorder.succeeded_at))


class NormalStream:
    """A generator's standard normal numbers, drawn ahead: the same as one by one, and cheap to take a few of."""

    def __init__(self, rng: np.random.Generator):
        """Take over a generator; nobody else may draw from it."""
        self._rng, self._ahead, self._taken = rng, np.empty(0), 0

    def standard_normal(self, count: int) -> NDArray[np.float64]:
        """The next numbers (count,), the caller's own."""
        end = self._taken + count
        if end > len(self._ahead):
            left = self._ahead[self._taken :]
            self._ahead = np.concatenate([left, self._rng.standard_normal(max(_AHEAD, count))])
            self._taken, end = 0, count
        numbers = self._ahead[self._taken : end]
        self._taken = end
        return numbers


def command(
    scene: Scene, waypoints: dict[str, Waypoint], rngs: Mapping[str, np.random.Generator | NormalStream]
) -> NDArray[np.float64]:
    """The action that asks every end effector for its waypoint, noise included.

    Noise is added to the clipped arm action and the sum is clipped again; the gripper gets none.

    Args:
        scene: Where the arms are now.
        waypoints: End effector -> its waypoint.
        rngs: End effector -> where its noise comes from; drawn from only where the noise is above 0.

    Returns:
        (D,). The whole action.
    """
    arm = scene.target_pose_to_action({eef: waypoint.pose for eef, waypoint in waypoints.items()})
    noisy = {eef: _noisy(action, waypoints[eef].noise, rngs[eef]) for eef, action in arm.items()}
    return scene.join_action(noisy, {eef: waypoint.gripper_action for eef, waypoint in waypoints.items()})


def _noisy(action: Array, noise: float | None, rng: np.random.Generator | NormalStream) -> Array:
    if not noise:
        return action
    # for so few numbers plain floats are twice as fast as arrays; np.clip alone would take longer than all of this
    normal = rng.standard_normal(len(action)).tolist()
    noisy = [value + noise * one for value, one in zip(action.tolist(), normal, strict=True)]
    return np.array([1.0 if value > 1.0 else -1.0 if value < -1.0 else value for value in noisy])
