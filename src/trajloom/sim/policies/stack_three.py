"""StackThree: cube A onto cube B, then cube C onto cube A."""

import numpy as np

from trajloom.sim.expert import Hand
from trajloom.sim.policies.lift import grasp_cube
from trajloom.sim.policies.stack import CARRIED, HALF_A, HALF_B, put_on

HALF_C = 0.020
"""Half the side of cube C in metres."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Build the tower."""
    grasp_cube(hand, "cubeA", "grasp_1", rng)
    put_on(hand, "cubeA", "cubeB", HALF_A + HALF_B, CARRIED)
    # the second subtask ends up to 20 steps after the cube stands; its last steps lead nowhere in particular
    hand.wait(6)
    grasp_cube(hand, "cubeC", "grasp_2", rng)
    # higher: what the bridge between two subtasks may hit is a tower now
    put_on(hand, "cubeC", "cubeA", HALF_C + HALF_A, CARRIED + 0.025)
