"""Lift: over the cube, down, close, up."""

import numpy as np

from trajloom.poses import make
from trajloom.sim.expert import Hand, downward, heading, nearest

WIDTH = 0.064
"""Metres between the fingers on the way down, for cubes of 4 to 4.4 cm."""
FINGER = (0.04, 0.0)
"""Metres from the middle of the hand to the middle of a finger, along the fingers' line and across."""
HALF = 0.02
"""Half the side of a cube in metres."""
PALM = (0.105, 0.035)
"""Half size in metres of the hand above the fingers, along and across."""
PALM_Z = 0.035
"""Metres from the middle of the fingers' pads up to the palm."""
ROOM = 0.045
"""Metres that the hand wants from the middle of other cubes: half a cube's diagonal and half a finger."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Take the cube up by 10 cm or so and hold it there."""
    grasp_cube(hand, "cube", "grasp", rng)
    hand.rise(rng.uniform(0.09, 0.12))
    hand.wait(15)


def grasp_cube(hand: Hand, cube: str, signal: str, rng: np.random.Generator) -> bool:
    """Approach a cube from above, with the fingers along the sides nearest to the hand, and close on it.

    Args:
        hand: Above all obstacles, its fingers half open or wider.
        cube: The object's name.
        signal: The signal that the cube is held.
        rng: Varies the height of the grasp.

    Returns:
        Whether the cube is held.
    """
    rotation = downward(free_yaw(hand, cube))
    aim = rotation[:, :2] @ hand.style.aim + [0, 0, rng.uniform(0.002, 0.008)]
    return hand.take(lambda: make(hand.object(cube)[:3, 3] + aim, rotation), signal, WIDTH)


def free_yaw(hand: Hand, cube: str) -> float:
    """The angle about the vertical for a grasp along two sides of a cube: the easiest with room for the fingers."""
    poses = hand.scene.object_poses()
    middle, others = poses[cube][:3, 3], [pose[:3, 3] for name, pose in poses.items() if name != cube]
    least = nearest(heading(poses[cube][:3, :3]), np.pi / 2, hand.ease)
    options = sorted((least + k * np.pi / 2 for k in (-1, 0, 1)), key=lambda yaw: abs(yaw - hand.ease))

    def room(yaw: float) -> float:
        return min((_room(other - middle, yaw) for other in others), default=np.inf)

    return next((yaw for yaw in options if room(yaw) > ROOM), max(options, key=room))


def _room(other: np.ndarray, yaw: float) -> float:
    """Metres between a cube's middle (3,), seen from the grasp, and the part of the hand that comes closest to it."""
    turn = np.array([[np.cos(yaw), np.sin(yaw)], [-np.sin(yaw), np.cos(yaw)]])
    aside = np.abs(turn @ other[:2])
    finger = float(np.linalg.norm(aside - FINGER))
    if other[2] + HALF < PALM_Z:
        return finger
    return min(finger, float(np.linalg.norm(np.maximum(aside - PALM, 0))))
