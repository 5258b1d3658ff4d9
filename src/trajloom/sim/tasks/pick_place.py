"""PickPlace: put the can from the left bin into its quarter of the right one. robosuite's PickPlaceCan."""

from typing import ClassVar

import numpy as np

from trajloom.sim.placement import AWAY, Placement, Pose, Region, draw
from trajloom.sim.senses import carried
from trajloom.sim.tasks import Task, reaches
from trajloom.sim.world import World, upright
from trajloom.task import Subtask, TaskSpec

CAN = "Can_main"
_BIN_1, _BIN_2 = (0.1, -0.25), (0.1, 0.28)
_BIN_Z = 0.8
# sides of a bin in metres; the can belongs in the quarter of bin 2 with the larger x and y
_SIDES = (0.39, 0.49)
_GOAL_X, _GOAL_Y = (_BIN_2[0], _BIN_2[0] + _SIDES[0] / 2), (_BIN_2[1], _BIN_2[1] + _SIDES[1] / 2)
# robosuite keeps objects 5 cm and their radius away from the walls
_HALF_X, _HALF_Y = _SIDES[0] / 2 - 0.05, _SIDES[1] / 2 - 0.05
# height of each object's origin above its lower side, in the order of the quarters
_HEIGHTS = {"Milk": 0.085, "Bread": 0.045, "Cereal": 0.1, "Can": 0.06}
_RADII = {"Milk": 0.025, "Bread": 0.03, "Cereal": 0.04, "Can": 0.025}


class PickPlace(Task):
    """Done when the can's centre is in its quarter, below the bin's rim, and the gripper has let go."""

    env_name = "PickPlaceCan"
    frames: ClassVar = {"can": CAN}
    senses: ClassVar = carried("Can")
    unused = ("Milk_main", "Bread_main", "Cereal_main")
    select_src_per_subtask = True
    horizon = 400
    spec = TaskSpec.single_arm(
        Subtask(
            object_ref="can",
            subtask_term_signal="grasp",
            subtask_term_offset_range=(10, 20),
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        ),
        Subtask(object_ref=None, action_noise=0.05),
    )

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        # robosuite draws all four, the can last where it finds room, and then takes the other three away
        poses = draw([_region(name) for name in _HEIGHTS], _BIN_1, rng)
        others = {body: AWAY for body in poses if body != CAN}
        return Placement({**poses, **others, **_pictures()})

    def signals(self, world: World) -> dict[str, bool]:
        return {"grasp": world.grasped(CAN)}

    def diagnose(self, world: World) -> str:
        x, y, z = can = world.position(CAN)
        if not (_GOAL_X[0] < x < _GOAL_X[1] and _GOAL_Y[0] < y < _GOAL_Y[1]):
            return "the can is not over its bin"
        if not _BIN_Z < z < _BIN_Z + 0.1:
            return "the can is not down in its bin"
        return "the gripper has not left the can" if reaches(world, can) else ""


def _region(name: str) -> Region:
    """Anywhere in the left bin."""
    x, y = (-_HALF_X, _HALF_X), (-_HALF_Y, _HALF_Y)
    return Region(f"{name}_main", x, y, z=_BIN_Z + _HEIGHTS[name], radius=_RADII[name], inside=True)


def _pictures() -> dict[str, Pose]:
    """robosuite shows in each quarter of bin 2 what belongs there."""
    middles = {}
    for i, (name, height) in enumerate(_HEIGHTS.items()):
        right, upper = i in (1, 3), i >= 2
        x = _BIN_2[0] + (0.25 if right else -0.25) * _SIDES[0]
        y = _BIN_2[1] + (0.25 if upper else -0.25) * _SIDES[1]
        middles[f"Visual{name}_main"] = (np.array([x, y, _BIN_Z + height]), upright(0.0))
    return middles


TASK = PickPlace()
