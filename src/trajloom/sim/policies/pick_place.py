"""PickPlace: take the can out of the left bin, carry it over the rims, set it down in its quarter of the right one."""

import numpy as np

from trajloom.poses import make
from trajloom.sim.expert import Hand, downward, raised
from trajloom.sim.policies.stack import over

BIN = np.array([0.155, 0.36, 0.86])
"""(3,). Where the can's middle shall be, in metres in the world: where the arm reaches its quarter best."""
_ABOVE_MIDDLE = 0.015
"""Metres from the can's middle to the grasp, so that the palm does not press on its top."""
_OVER_RIMS = 0.19
"""Metres that the can is lifted."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Put the can into its bin."""
    grasp_can(hand, rng)
    grasped_at = hand.steps
    hand.go(make(raised(hand.target, _OVER_RIMS)[:3, 3], downward(hand.ease)))
    # the random offset of the subtask's end is at most 20 steps: what follows belongs to the next subtask
    hand.wait(max(0, grasped_at + 20 - hand.steps))
    goal = BIN + np.array([*rng.uniform(-0.01, 0.01, size=2), 0.01])
    hand.go(over(hand, "can", goal + np.array([0, 0, 0.12])))
    hand.wait(15)
    hand.settle(metres=0.01)
    hand.go(over(hand, "can", goal))
    hand.settle(metres=0.005)
    hand.open()
    hand.rise(0.12)
    hand.wait(3)


def grasp_can(hand: Hand, rng: np.random.Generator) -> None:
    """Take the can from above. It is round, so that the hand need not turn."""
    rotation = downward(hand.ease)
    aim = rotation[:, :2] @ hand.style.aim + [0, 0, _ABOVE_MIDDLE + rng.uniform(0.0, 0.005)]
    hand.take(lambda: make(hand.object("can")[:3, 3] + aim, rotation), "grasp", width=0.072)
