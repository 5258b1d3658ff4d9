"""Square: put the square nut on the square peg. robosuite's NutAssemblySquare; in D1 and D2 the peg moves too."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trajloom.sim.placement import AWAY, FULL_TURN, Placement, Range, Region, draw
from trajloom.sim.senses import carried
from trajloom.sim.tasks import Task, reaches
from trajloom.sim.world import World
from trajloom.task import Subtask, TaskSpec

NUT, PEG = "SquareNut_main", "peg1"
_ROUND_NUT, _ROUND_PEG = "RoundNut_main", "peg2"
TABLE_Z = 0.82
_PEG_Z = 0.85
# the nut's circle takes in its handle; the peg is a square of 3.2 cm
_NUT_RADIUS, _PEG_RADIUS = 0.11, float(np.hypot(0.016, 0.016))


@dataclass(frozen=True)
class _Range:
    nut_x: Range
    nut_y: Range
    peg_x: Range
    peg_y: Range
    peg_turn: Range = (0.0, 0.0)


_RANGES = {
    "D0": _Range((-0.115, -0.11), (0.11, 0.225), (0.23, 0.23), (0.10, 0.10)),
    "D1": _Range((-0.115, 0.115), (-0.255, 0.255), (-0.1, 0.3), (-0.2, 0.2)),
    "D2": _Range((-0.25, 0.25), (-0.25, 0.25), (-0.25, 0.25), (-0.25, 0.25), (0.0, np.pi / 2)),
}


class Square(Task):
    """Done when the nut is within 3 cm of the peg's axis, below the peg's top, and the gripper has let go."""

    env_name = "NutAssemblySquare"
    variants = ("D0", "D1", "D2")
    frames: ClassVar = {"square_nut": NUT, "square_peg": PEG}
    senses: ClassVar = carried("SquareNut")
    unused = (_ROUND_NUT,)
    horizon = 500
    spec = TaskSpec.single_arm(
        Subtask(
            object_ref="square_nut",
            subtask_term_signal="grasp",
            subtask_term_offset_range=(10, 20),
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        ),
        Subtask(
            object_ref="square_peg",
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        ),
    )

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        of = _RANGES[variant]
        peg = Region(PEG, of.peg_x, of.peg_y, _PEG_Z, _PEG_RADIUS, of.peg_turn)
        # robosuite drops the nut from 2 cm; its origin is 5 cm above its lower side
        nut = Region(NUT, of.nut_x, of.nut_y, TABLE_Z + 0.07, _NUT_RADIUS, FULL_TURN)
        poses = draw([peg, nut], (0.0, 0.0), rng)
        poses[_ROUND_NUT] = AWAY
        if variant != "D0":
            # the square peg may stand where the round one does
            poses[_ROUND_PEG] = AWAY
        return Placement(poses)

    def signals(self, world: World) -> dict[str, bool]:
        return {"grasp": world.grasped(NUT)}

    def diagnose(self, world: World) -> str:
        nut, peg = world.position(NUT), world.position(PEG)
        if abs(nut[0] - peg[0]) >= 0.03 or abs(nut[1] - peg[1]) >= 0.03:
            return "the nut is not over the peg"
        if nut[2] >= TABLE_Z + 0.05:
            return "the nut is not down on the peg"
        return "the gripper has not left the nut" if reaches(world, nut) else ""


TASK = Square()
