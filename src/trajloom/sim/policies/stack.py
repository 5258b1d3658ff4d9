"""Stack: take cube A, carry it over cube B, put it down and let go."""

import numpy as np

from trajloom.poses import Poses, make
from trajloom.sim.expert import CARE, HASTE, Hand, at, downward, raised
from trajloom.sim.policies.lift import grasp_cube

HALF_A, HALF_B = 0.020, 0.025
"""Half sides of the cubes in metres."""
CARRIED = 0.055
"""Metres above its place at which a cube is carried there: far out, the arm does not reach higher."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Put cubeA on cubeB."""
    grasp_cube(hand, "cubeA", "grasp", rng)
    put_on(hand, "cubeA", "cubeB", HALF_A + HALF_B, CARRIED)


def put_on(hand: Hand, held: str, base: str, height: float, carried: float) -> None:
    """Carry a held object over another, put it down, let go and move away upwards.

    Args:
        hand: Holding the object.
        held: The held object's name.
        base: The name of the object to put it on.
        height: Metres from the middle of the one to the middle of the other once it stands there.
        carried: Metres above its place at which it is carried.
    """
    grasped_at = hand.steps
    place = hand.object(base)[:3, 3] + np.array([0, 0, height])
    over_place = place + np.array([0, 0, carried])
    up = raised(hand.target, over_place[2] - hand.object(held)[2, 3])
    # soon high and with its last joint in the middle of its range: from 10 steps on, a segment that was made somewhere
    # else may begin, and the hand must get there
    hand.go(make(up[:3, 3], downward(hand.ease)), HASTE)
    # the random offset of the subtask's end is at most 20 steps: what follows belongs to the next subtask
    hand.wait(max(0, grasped_at + 20 - hand.steps))
    hand.go(over(hand, held, over_place))
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
