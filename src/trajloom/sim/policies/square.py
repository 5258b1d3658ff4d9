"""Square: take the nut by its handle, hold it over the peg with its hole aligned, lower it, let go."""

from itertools import product

import numpy as np

from trajloom.poses import Poses, invert, make, rotation_from_axis_angle
from trajloom.sim.expert import CARE, HASTE, Hand, downward, heading, nearest

HANDLE = 0.058
"""Metres from the nut's middle, along its x axis, to where the handle is taken."""
_ABOVE_MIDDLE = 0.006
"""Metres from the nut's middle to the grasp, so that the fingers do not press on the table."""
_PEG_TOP = 0.10
"""Metres from the peg's middle to its top."""
_CLEAR = 0.05
"""Metres between the nut's middle and the peg's top before it is lowered."""
_DOWN = 0.055
"""Metres below the peg's top at which the nut is let go; it slides down the rest."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Put the square nut on the square peg."""
    yaw, turned = plan(hand)
    grasp_nut(hand, yaw, rng)
    grasped_at = hand.steps
    top = hand.object("square_peg")[2, 3] + _PEG_TOP
    hand.rise(top + _CLEAR - hand.object("square_nut")[2, 3])
    # the random offset of the subtask's end is at most 20 steps: what follows belongs to the next subtask
    hand.wait(max(0, grasped_at + 20 - hand.steps))
    hand.go(over_peg(hand, turned - yaw, top + _CLEAR))
    hand.wait(6)
    hand.settle()
    # once more: what the arm's friction and the nut's slip in the fingers have left is taken away
    hand.go(over_peg(hand, 0.0, top + _CLEAR), CARE)
    hand.settle()
    hand.go(over_peg(hand, 0.0, top - _DOWN), CARE)
    hand.settle()
    hand.open(6)
    hand.rise(0.12, HASTE)
    hand.wait(3)


def plan(hand: Hand) -> tuple[float, float]:
    """Which way to hold the nut: the hand's angles about the vertical at the grasp and over the peg.

    The handle can be taken from two sides and the nut fits the peg in four ways. Wanted are angles near to the hand's
    ease, and a handle that does not point away from the robot, where the arm is stretched out.
    """
    handle = heading(hand.object("square_nut")[:3, :3])
    peg = heading(hand.object("square_peg")[:3, :3])
    square = nearest(peg, np.pi / 2, hand.ease)
    grasps = [nearest(handle + np.pi / 2, 2 * np.pi, hand.ease), nearest(handle - np.pi / 2, 2 * np.pi, hand.ease)]
    turned = [square + k * np.pi / 2 for k in (-1, 0, 1)]

    def effort(angles: tuple[float, float]) -> float:
        grasp, over = angles
        away = np.cos(handle + over - grasp)
        return max(abs(grasp - hand.ease), abs(over - hand.ease)) + 0.3 * abs(over - grasp) + 4 * max(0.0, away)

    return min(product(grasps, turned), key=effort)


def grasp_nut(hand: Hand, yaw: float, rng: np.random.Generator) -> None:
    """Take the nut's handle from above, with the fingers along its sides."""
    rotation = downward(yaw)
    along = HANDLE + rng.uniform(-0.003, 0.003)

    def grasp() -> Poses:
        nut = hand.object("square_nut")
        aim = nut[:3, 0] * along + rotation[:, 0] * hand.style.aim[0]
        return make(nut[:3, 3] + aim + [0, 0, _ABOVE_MIDDLE], rotation)

    hand.take(grasp, "grasp", width=0.072)


def over_peg(hand: Hand, turn: float, height: float) -> Poses:
    """The hand's pose (4, 4) that holds the nut level over the peg, turned to its nearest side.

    Args:
        hand: Holding the nut.
        turn: Radians about the vertical by which the hand has yet to turn; then the nut is aligned exactly.
        height: Of the nut's middle, in metres in the world.
    """
    nut, peg = hand.object("square_nut"), hand.object("square_peg")
    yaw = nearest(heading(peg[:3, :3]), np.pi / 2, heading(nut[:3, :3]) + turn)
    level = rotation_from_axis_angle(np.array([0.0, 0.0, yaw]))
    return make(np.array([*peg[:2, 3], height]), level) @ invert(nut) @ hand.pose
