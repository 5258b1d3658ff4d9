"""StackThree: put cube A on cube B, then cube C on cube A. MimicGen's task; the environment is our own."""

from typing import ClassVar

import numpy as np

from trajloom.sim.placement import Placement, Range, draw
from trajloom.sim.senses import cube
from trajloom.sim.tasks import Task
from trajloom.sim.tasks.stack import CUBE_A, CUBE_B, HALF_A, HALF_B, TABLE_Z, Stack, cube_region, nearest
from trajloom.sim.world import World
from trajloom.task import TaskSpec

CUBE_C = "cubeC_main"
HALF_C = 0.020
_RANGES: dict[str, Range] = {"D0": (-0.10, 0.10), "D1": (-0.20, 0.20)}


class StackThree(Task):
    """Done when A touches B above 4 cm, C touches A above 8 cm, and neither is held."""

    env_name = "StackThree"
    variants = ("D0", "D1")
    frames: ClassVar = {"cubeA": CUBE_A, "cubeB": CUBE_B, "cubeC": CUBE_C}
    senses: ClassVar = {**Stack.senses, **cube("cubeC")}
    select_src_per_subtask = True
    horizon = 800
    spec = TaskSpec.single_arm(
        nearest("cubeA", "grasp_1"), nearest("cubeB", "stack_1"), nearest("cubeC", "grasp_2"), nearest("cubeA")
    )

    def environment(self) -> str:
        # robosuite registers the class when it is defined
        from trajloom.sim.stack_three_env import StackThree as Environment

        return Environment.__name__

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        cubes = ((CUBE_A, HALF_A), (CUBE_B, HALF_B), (CUBE_C, HALF_C))
        return Placement(draw([cube_region(body, half, _RANGES[variant]) for body, half in cubes], (0.0, 0.0), rng))

    def signals(self, world: World) -> dict[str, bool]:
        return {
            "grasp_1": world.grasped(CUBE_A),
            "stack_1": not _fault(world, CUBE_A, CUBE_B, TABLE_Z + 0.04),
            "grasp_2": world.grasped(CUBE_C),
        }

    def diagnose(self, world: World) -> str:
        return _fault(world, CUBE_A, CUBE_B, TABLE_Z + 0.04) or _fault(world, CUBE_C, CUBE_A, TABLE_Z + 0.08)


def _fault(world: World, upper: str, lower: str, height: float) -> str:
    """Why one cube does not rest on another; "" where it does."""
    name, below = upper.removesuffix("_main"), lower.removesuffix("_main")
    if world.position(upper)[2] <= height:
        return f"{name} is not lifted"
    if not world.touching(upper, lower):
        return f"{name} is not on {below}"
    return f"{name} is still held" if world.grasped(upper) else ""


TASK = StackThree()
