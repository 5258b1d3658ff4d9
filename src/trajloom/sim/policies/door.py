"""Door: take the handle from the front, press it down, pull the door open about its hinge.

A UR5e with its own gripper does not manage (0 of 4): with its hand towards the door, its second wrist joint is near
pi and its fingers meet its forearm.
"""

import numpy as np

from trajloom.poses import make
from trajloom.sim.expert import CARE, Hand, at

LATCH = np.array([-0.125, 0.10, 0.0])
"""(3,). Metres from the handle's frame to the point that the handle turns about, in its axes, while shut."""
HINGE = LATCH + np.array([0.43, 0.0, 0.025])
"""(3,). Metres from the handle's frame to the door's hinge."""
PRESSED, OPENED = 1.4, 0.40
"""Radians that the handle and the door are turned; the door counts as open at 0.3."""
_INWARD = 0.015
"""Metres from the handle's end, towards the latch, to the grasp."""


def play(hand: Hand, rng: np.random.Generator) -> None:
    """Open the door."""
    handle = hand.object("handle")
    frame, middle = handle[:3, :3], handle[:3, 3]
    # from the front, with one finger above the handle and one below: from above, the palm would touch the door
    rotation = np.column_stack([frame[:, 2], frame[:, 0], frame[:, 1]])
    grasp = make(middle - frame[:, 0] * (_INWARD + rng.uniform(-0.005, 0.005)), rotation)
    before = at(grasp, grasp[:3, 3] - frame[:, 1] * (hand.style.clearance + 0.02))
    # the other way round the turn would be shorter, but the last joint would have no way left to press the handle
    hand.go(make((hand.pose[:3, 3] + before[:3, 3]) / 2, _half_way(frame)))
    hand.go(before)
    hand.shape(0.08)
    hand.settle(metres=0.004)
    hand.go(grasp, CARE)
    hand.settle()
    hand.close("grasp")
    hand.wait(3)
    hand.swing(middle + frame @ LATCH, frame[:, 1], PRESSED)
    hand.settle()
    hand.swing(middle + frame @ HINGE, np.array([0.0, 0.0, 1.0]), OPENED)
    hand.wait(20)


def _half_way(frame: np.ndarray) -> np.ndarray:
    """(3, 3). Half tilted from straight down to the door, with the fingers level, for axes (3, 3) of the door."""
    forward = (frame[:, 1] - frame[:, 2]) / np.sqrt(2)
    return np.column_stack([frame[:, 0], np.cross(forward, frame[:, 0]), forward])
