"""Lift: take the cube 4 cm up. robosuite's Lift, with its cube of 4.0 to 4.4 cm within 3 cm of the table's middle."""

from typing import ClassVar

import numpy as np

from trajloom.sim.placement import Placement, Region, draw
from trajloom.sim.senses import cube
from trajloom.sim.tasks import Task
from trajloom.sim.world import World
from trajloom.task import Subtask, TaskSpec

CUBE = "cube_main"
TABLE_Z = 0.8
_LIFTED_Z = TABLE_Z + 0.04


class Lift(Task):
    """Done when the cube's centre is more than 4 cm above the table."""

    env_name = "Lift"
    frames: ClassVar = {"cube": CUBE}
    senses: ClassVar = cube("cube", "_pos")
    horizon = 200
    spec = TaskSpec.single_arm(
        Subtask(
            object_ref="cube",
            subtask_term_signal="grasp",
            # people lift at once: their demonstrations end some 5 to 10 steps after the grasp
            subtask_term_offset_range=(0, 3),
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        ),
        Subtask(
            object_ref="cube",
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        ),
    )

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        half = rng.uniform(0.020, 0.022, size=3)
        region = Region(CUBE, x=(-0.03, 0.03), y=(-0.03, 0.03), z=TABLE_Z + 0.01 + half[2], radius=_radius(half))
        return Placement(draw([region], (0.0, 0.0), rng), {CUBE: half})

    def signals(self, world: World) -> dict[str, bool]:
        return {"grasp": world.grasped(CUBE)}

    def diagnose(self, world: World) -> str:
        return "" if world.position(CUBE)[2] > _LIFTED_Z else "the cube is not lifted"


def _radius(half: np.ndarray) -> float:
    return float(np.linalg.norm(half[:2]))


TASK = Lift()
