"""What scripted experts are made of: a hand that follows smooth, speed-limited motions in a scene and records them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trajloom.poses import Poses, interpolate, invert, make, rotation_angle, rotation_from_axis_angle
from trajloom.rollout import Recorder
from trajloom.sim.scene import RobosuiteScene

Vector = NDArray[np.float64]

OPEN, KEEP, CLOSED = -1.0, 0.0, 1.0
"""Gripper commands. robosuite moves the fingers by a fixed amount a step; 0 leaves them where they are, half open."""
CARE, HASTE = 0.5, 1.25
"""Shares of the usual speed for motions close to things, and away from them."""
COMMAND_STEP = 0.2
"""What one step adds to a gripper's command, which is 0 after a reset and 1 (closed) or -1 (open) at its ends."""
EASE = 0.35
"""Radians about the vertical from where a Panda's hand starts to where its last joint can turn far to both sides."""


@dataclass(frozen=True)
class Style:
    """How one demonstrator moves; each demonstration has its own, so that sources differ as people do."""

    speed: float
    """Metres a control step. The arm lags about 3.3 steps behind, and a step's action reaches 5 cm."""
    turn_speed: float
    """Radians a control step."""
    clearance: float
    """Metres above a thing from which it is approached."""
    aim: Vector
    """(2,). Metres by which a grasp misses the middle of a thing, along the fingers and across."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Style":
        """A demonstrator."""
        return cls(
            speed=rng.uniform(0.009, 0.012),
            turn_speed=rng.uniform(0.05, 0.07),
            clearance=rng.uniform(0.07, 0.09),
            aim=rng.uniform(-0.002, 0.002, size=2),
        )


class Hand:
    """The gripper of a single-arm scene, moved by target poses; every step is recorded."""

    def __init__(self, scene: RobosuiteScene, style: Style):
        """Start where the arm is, with the fingers where they are."""
        self.scene, self.style = scene, style
        self.recorder = Recorder(scene)
        self.eef = scene.eefs[0]
        self.gripper = KEEP
        self.ease = heading(self.pose[:3, :3]) + EASE
        self.target = self.pose

    @property
    def pose(self) -> Poses:
        """(4, 4). Where the hand is."""
        return self.scene.eef_pose()[self.eef]

    @property
    def steps(self) -> int:
        """Control steps so far."""
        return len(self.recorder.rows)

    def object(self, name: str) -> Poses:
        """(4, 4). Where an object is."""
        return self.scene.object_poses()[name]

    def signal(self, name: str) -> bool:
        """Whether a subtask signal holds."""
        return bool(self.scene.subtask_term_signals()[name])

    def step(self) -> None:
        """One control step towards the target."""
        arm = self.scene.target_pose_to_action({self.eef: self.target})
        self.recorder.step(self.scene.join_action(arm, {self.eef: np.array([self.gripper])}))

    def wait(self, steps: int) -> None:
        """Keep the target for some steps."""
        for _ in range(steps):
            self.step()

    def wait_for(self, condition: Callable[[], bool], at_most: int) -> bool:
        """Keep the target until the condition holds; False where it did not within `at_most` steps."""
        for _ in range(at_most):
            if condition():
                return True
            self.step()
        return condition()

    def go(self, goal: Poses, care: float = 1.0) -> None:
        """Move the target to a pose along a straight line, turning about one axis, with a soft start and end.

        Args:
            goal: (4, 4).
            care: Share of the style's speed.
        """
        start = self.target
        metres = np.linalg.norm(goal[:3, 3] - start[:3, 3])
        radians = rotation_angle(goal[:3, :3] @ start[:3, :3].T)
        steps = int(np.ceil(max(metres / self.style.speed, radians / self.style.turn_speed) / care)) + 2
        for pose in interpolate(start, goal, soft(steps)):
            self.target = pose
            self.step()

    def swing(self, pivot: Vector, axis: Vector, angle: float, care: float = 1.0) -> None:
        """Move the target along an arc, turning with it, as the hand that holds a handle does.

        Args:
            pivot: (3,). A point on the axis, in metres in the world.
            axis: (3,). The axis, of length 1.
            angle: Radians.
            care: Share of the style's speed.
        """
        start, about = self.target, at(np.eye(4), pivot)
        from_pivot = invert(about) @ start
        metres = abs(angle) * np.linalg.norm(np.cross(axis, from_pivot[:3, 3]))
        steps = int(np.ceil(max(metres / self.style.speed, abs(angle) / self.style.turn_speed) / care)) + 2
        for fraction in soft(steps):
            turn = rotation_from_axis_angle(axis * angle * fraction)
            self.target = about @ make(np.zeros(3), turn) @ from_pivot
            self.step()

    def settle(self, metres: float = 0.002, radians: float = 0.02, at_most: int = 12) -> bool:
        """Wait until the hand is where its target is."""
        return self.wait_for(lambda: self._is_there(metres, radians), at_most)

    def _is_there(self, metres: float, radians: float) -> bool:
        here, there = self.pose, self.target
        near = np.linalg.norm(here[:3, 3] - there[:3, 3]) < metres
        return bool(near and rotation_angle(here[:3, :3] @ there[:3, :3].T) < radians)

    def take(self, grasp: Callable[[], Poses], signal: str, width: float) -> bool:
        """Come from above, with half-open fingers, and close on a thing.

        Args:
            grasp: Gives the hand's pose (4, 4) around the thing; asked again once the hand is above, because a
                reset may let things fall a little.
            signal: The signal that the thing is held.
            width: Metres between the fingers on the way down.

        Returns:
            Whether it is held.
        """
        self.go(raised(grasp(), self.style.clearance))
        self.shape(width)
        self.settle(metres=0.004)
        self.go(grasp(), CARE)
        self.settle()
        return self.close(signal)

    def close(self, signal: str, at_most: int = 20) -> bool:
        """Close the gripper until a grasp is reported and one step longer, so that the grip is firm."""
        self.gripper = CLOSED
        held = self.wait_for(lambda: self.signal(signal), at_most)
        self.wait(1)
        return held

    def open(self, steps: int = 4) -> None:
        """Open the gripper, and give what was held a moment to come to rest."""
        self.gripper = OPEN
        self.wait(steps)

    def shape(self, width: float) -> None:
        """Open the fingers to some metres and keep them there: narrow hands do not push what stands beside.

        The steps are counted from the half-open hand that a reset leaves; a gripper that does not open that far opens
        as far as it does.
        """
        self.gripper = OPEN
        self.wait(opening_steps(width, self.scene.gripper_opening))
        self.gripper = KEEP

    def rise(self, metres: float, care: float = 1.0) -> None:
        """Move straight up."""
        self.go(raised(self.target, metres), care)


def opening_steps(width: float, opening: float) -> int:
    """Steps of opening from the middle of a gripper's range to a width, for an opening at most, both in metres."""
    command = min(1.0, 2 * width / opening - 1)
    # a little less, because 0.6 / 0.2 is more than 3 in floating point
    return max(0, int(np.ceil(command / COMMAND_STEP - 1e-6)))


def soft(steps: int) -> NDArray[np.float64]:
    """(steps,). Fractions from just above 0 to 1 whose speed is a trapezoid: a quarter of the way up, one down."""
    time = np.linspace(0, 1, 4 * steps + 1)
    speed = np.minimum(1.0, 4 * np.minimum(time, 1 - time) + 0.15)
    way = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)])
    fraction = np.interp(np.arange(1, steps + 1) / steps, time, way / way[-1])
    fraction[-1] = 1.0
    return fraction


def raised(pose: Poses, metres: float) -> Poses:
    """A pose (4, 4), higher."""
    return at(pose, pose[:3, 3] + [0, 0, metres])


def at(pose: Poses, position: Vector) -> Poses:
    """The rotation of a pose (4, 4) at another position (3,)."""
    return make(np.asarray(position, dtype=np.float64), pose[:3, :3])


def heading(rotation: NDArray[np.float64]) -> float:
    """The angle about the vertical of the x axis of a rotation (3, 3), in radians."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def downward(yaw: float) -> NDArray[np.float64]:
    """(3, 3). Pointing straight down, with the fingers' line (the hand's x axis) at an angle about the vertical."""
    across = rotation_from_axis_angle(np.array([0.0, 0.0, yaw]))
    return across @ np.diag([1.0, -1.0, -1.0])


def nearest(yaw: float, period: float, to: float) -> float:
    """Of the angles `yaw + k * period`, in radians, the one nearest to another."""
    return to + (yaw - to + period / 2) % period - period / 2
