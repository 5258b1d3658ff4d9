"""Stack: take cube A, carry it over cube B, put it down and let go."""

import numpy as np

from trajloom.poses import Poses, make
from trajloom.sim.expert import CARE, HASTE, Hand, at, downward, raised
from trajloom.sim.policies.lift import grasp_cube

HALF_A, HALF_B = 0.020, 0.025
"""Half sides of the cubes in metres."""
_UP_AT_ONCE = 0.13
"""Metres that a cube is lifted before it is carried: above all other cubes."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Put cubeA on cubeB."""
    grasp_cube(hand, "cubeA", "grasp", rng)
    put_on(hand, "cubeA", "cubeB", HALF_A + HALF_B)


def put_on(hand: Hand, held: str, base: str, height: float) -> None:
    """Carry a held object over another, put it down, let go and move away upwards.

    Args:
        hand: Holding the object.
        held: The held object's name.
        base: The name of the object to put it on.
        height: Metres from the middle of the one to the middle of the other once it stands there.
    """
    grasped_at = hand.steps
    # with its last joint in the middle of its range, the hand can turn either way when the segment is carried away
    hand.go(make(raised(hand.target, _UP_AT_ONCE)[:3, 3], downward(hand.ease)))
    # the random offset of the subtask's end is at most 20 steps: what follows belongs to the next subtask
    hand.wait(max(0, grasped_at + 20 - hand.steps))
    place = hand.object(base)[:3, 3] + np.array([0, 0, height])
    hand.go(over(hand, held, place + np.array([0, 0, hand.style.clearance])))
    hand.wait(6)
    hand.settle(metres=0.003)
    hand.go(over(hand, held, place), CARE)
    hand.settle()
    hand.open()
    # quick, so that the hand is clear of the cubes once the subtask's end is reached, 10 steps later at the soonest
    hand.rise(0.12, HASTE)
    hand.wait(3)


def over(hand: Hand, held: str, position: np.ndarray) -> Poses:
    """The hand's pose (4, 4) that takes a held object's middle to a position (3,), without turning."""
    offset = hand.object(held)[:3, 3] - hand.pose[:3, 3]
    return at(hand.target, np.asarray(position) - offset)
