"""Lift: over the cube, down, close, up."""

import numpy as np

from trajloom.poses import make
from trajloom.sim.expert import CARE, Hand, downward, heading, nearest_yaw, raised

SHAPE = 3
"""Steps of opening that make a Panda's hand 6.4 cm wide, for cubes of 4 to 4.4 cm."""
FINGER = 0.04
"""Metres from the middle of the open hand to the middle of a finger."""
ROOM = 0.045
"""Metres that a finger wants from the middle of other cubes: half a cube's diagonal and half a finger."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Take the cube up by 10 cm or so and hold it there."""
    grasp_cube(hand, "cube", "grasp", rng)
    hand.rise(rng.uniform(0.09, 0.12))
    hand.wait(15)


def grasp_cube(hand: Hand, cube: str, signal: str, rng: np.random.Generator) -> bool:
    """Approach a cube from above, with the fingers along the sides nearest to the hand, and close on it.

    Args:
        hand: Open, above all obstacles.
        cube: The object's name.
        signal: The signal that the cube is held.
        rng: Varies the height of the grasp.

    Returns:
        Whether the cube is held.
    """
    pose = hand.object(cube)
    rotation = downward(free_yaw(hand, cube))
    aim = rotation[:, :2] @ hand.style.aim
    grasp = make(pose[:3, 3] + aim + [0, 0, rng.uniform(0.0, 0.004)], rotation)
    hand.go(raised(grasp, hand.style.clearance))
    hand.shape(SHAPE)
    hand.settle(metres=0.004)
    hand.go(grasp, CARE)
    hand.settle()
    return hand.close(signal)


def free_yaw(hand: Hand, cube: str) -> float:
    """The angle about the vertical for a grasp along two sides of a cube: the smallest turn with room for the fingers."""
    poses = hand.scene.object_poses()
    middle, others = poses[cube][:3, 3], [pose[:3, 3] for name, pose in poses.items() if name != cube]
    least = nearest_yaw(heading(poses[cube][:3, :3]), np.pi / 2, hand.pose[:3, :3])
    here = heading(hand.pose[:3, :3])
    options = sorted((least + k * np.pi / 2 for k in (-1, 0, 1)), key=lambda yaw: abs(yaw - here))

    def room(yaw: float) -> float:
        along = np.array([np.cos(yaw), np.sin(yaw)])
        fingers = [middle[:2] + side * FINGER * along for side in (-1, 1)]
        return min((float(np.linalg.norm(finger - other[:2])) for finger in fingers for other in others), default=np.inf)

    return next((yaw for yaw in options if room(yaw) > ROOM), max(options, key=room))
