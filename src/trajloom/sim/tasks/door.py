"""Door: turn the handle and pull the door open. robosuite's Door, with its latch."""

from typing import ClassVar

import numpy as np

from trajloom.sim.placement import Placement, Region, draw
from trajloom.sim.senses import HAND, Joint, Offset, Position, body, site
from trajloom.sim.tasks import Task
from trajloom.sim.world import World
from trajloom.task import Subtask, TaskSpec

DOOR, PANEL, LATCH = "Door_main", "Door_door", "Door_latch"
HANDLE, HINGE, LATCH_JOINT = "Door_handle", "Door_hinge", "Door_latch_joint"
_TABLE = (-0.2, -0.35, 0.8)
_OPEN = 0.3
_PRESSED = 0.1
_TURNS = (-np.pi / 2 - 0.25, -np.pi / 2)


class Door(Task):
    """Done when the hinge has turned more than 0.3 rad."""

    env_name = "Door"
    # where the handle is, turned as the door is and not as the handle: pressing it down must not tilt the frame
    frames: ClassVar = {"handle": PANEL}
    origins: ClassVar = {"handle": HANDLE}
    senses: ClassVar = {
        "door_pos": Position(body(PANEL)),
        "handle_pos": Position(site(HANDLE)),
        "hinge_qpos": Joint(HINGE),
        "door_to_eef_pos": Offset(body(PANEL), HAND),
        "handle_to_eef_pos": Offset(site(HANDLE), HAND),
        "handle_qpos": Joint(LATCH_JOINT),
    }
    horizon = 500
    spec = TaskSpec.single_arm(
        Subtask(
            object_ref="handle",
            selection_strategy="nearest_neighbor_object",
            selection_strategy_kwargs={"nn_k": 3},
            action_noise=0.05,
        )
    )

    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        door = Region(DOOR, x=(0.07, 0.09), y=(-0.01, 0.01), z=_TABLE[2] + 0.3, radius=0.3, turn=_TURNS)
        return Placement(draw([door], _TABLE[:2], rng))

    def signals(self, world: World) -> dict[str, bool]:
        return {"grasp": world.grasped(LATCH)}

    def diagnose(self, world: World) -> str:
        if world.joint(HINGE) > _OPEN:
            return ""
        return "the door is not open" if abs(world.joint(LATCH_JOINT)) > _PRESSED else "the handle is not turned"


TASK = Door()
