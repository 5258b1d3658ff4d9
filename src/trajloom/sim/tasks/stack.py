"""Stack: put the red cube A on the green cube B. robosuite's Stack; D1 spreads the cubes over the table."""

from typing import ClassVar

import numpy as np

from trajloom.sim.placement import Placement, Range, Region, draw
from trajloom.sim.senses import Offset, body, cube
from trajloom.sim.tasks import Task
from trajloom.sim.world import World
from trajloom.task import Subtask, TaskSpec

CUBE_A, CUBE_B = "cubeA_main", "cubeB_main"
TABLE_Z = 0.8
# half sides of the cubes, in metres
HALF_A, HALF_B = 0.020, 0.025
_RANGES: dict[str, Range] = {"D0": (-0.08, 0.08), "D1": (-0.2, 0.2)}


def cube_region(body: str, half: float, xy: Range) -> Region:
    """A cube anywhere in the square `xy` by `xy`, dropped from 1 cm above the table as robosuite does."""
    return Region(body, x=xy, y=xy, z=TABLE_Z + 0.01 + half, radius=float(np.hypot(half, half)))


def nearest(object_ref: str, signal: str | None = None) -> Subtask:
    """A subtask with the settings that MimicGen publishes for stacking."""
    return Subtask(
        object_ref=object_ref,
        subtask_term_signal=signal,
        subtask_term_offset_range=(10, 20) if signal else (0, 0),
        selection_strategy="nearest_neighbor_object",
        selection_strategy_kwargs={"nn_k": 3},
        action_noise=0.05,
    )


class Stack(Task):
    """Done when cubeA is more than 4 cm above the table, touches cubeB and is not held."""

    env_name = "Stack"
    variants = ("D0", "D1")
    frames: ClassVar = {"cubeA": CUBE_A, "cubeB": CUBE_B}
    senses: ClassVar = {**cube("cubeA"), **cube("cubeB"), "cubeA_to_cubeB": Offset(body(CUBE_B), body(CUBE_A))}
    select_src_per_subtask = True
    horizon = 400
    spec = TaskSpec.single_arm(nearest("cubeA", "grasp"), nearest("cubeB"))

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        xy = _RANGES[variant]
        return Placement(draw([cube_region(CUBE_A, HALF_A, xy), cube_region(CUBE_B, HALF_B, xy)], (0.0, 0.0), rng))

    def signals(self, world: World) -> dict[str, bool]:
        return {"grasp": world.grasped(CUBE_A)}

    def diagnose(self, world: World) -> str:
        if world.position(CUBE_A)[2] <= TABLE_Z + 0.04:
            return "cubeA is not lifted"
        if not world.touching(CUBE_A, CUBE_B):
            return "cubeA is not on cubeB"
        return "cubeA is still held" if world.grasped(CUBE_A) else ""


TASK = Stack()
