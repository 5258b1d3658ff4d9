"""Simulator tasks by file name: `tasks.get("stack")` is TASK in `tasks/stack.py`. Adding a task is adding a file."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import UnknownNameError
from trajloom.poses import Poses
from trajloom.sim.placement import Placement
from trajloom.sim.senses import Sense
from trajloom.sim.world import World
from trajloom.task import TaskSpec

FALLEN_Z = 0.6
"""Height in metres below which an object is off every table: robosuite's are at 0.8 m."""


class Task(ABC):
    """Everything that is particular to one task: frames, signals, success, reset ranges and the default TaskSpec."""

    env_name: ClassVar[str]
    """robosuite's name of the environment."""
    variants: ClassVar[tuple[str, ...]] = ("D0",)
    """Reset distributions, by MimicGen's names."""
    frames: ClassVar[Mapping[str, str]]
    """Object -> the body whose frame is the object's."""
    origins: ClassVar[Mapping[str, str]] = {}
    """Object -> the site at its frame's origin, where that is not the body's own."""
    senses: ClassVar[Mapping[str, Sense]] = {}
    """robosuite's object sensor -> what it senses. With one missing they are all asked robosuite's way: slower."""
    unused: ClassVar[tuple[str, ...]] = ()
    """Bodies of robosuite's environment that the task has no use for."""
    spec: ClassVar[TaskSpec]
    """The default subtasks."""
    select_src_per_subtask: ClassVar[bool] = False
    """Whether the reference settings choose a new source demonstration for each subtask."""
    horizon: ClassVar[int]
    """Control steps at 20 Hz after which a scripted expert gives up."""

    def environment(self) -> str:
        """robosuite's name of the environment, made known to robosuite first where it is not its own."""
        return self.env_name

    def env_kwargs(self) -> dict[str, Any]:
        """Further arguments of the robosuite environment."""
        return {}

    @abstractmethod
    def place(self, variant: str, rng: np.random.Generator) -> Placement:
        """Draw a start."""

    @abstractmethod
    def signals(self, world: World) -> dict[str, bool]:
        """Subtask signal -> whether it holds now."""

    @abstractmethod
    def diagnose(self, world: World) -> str:
        """The first condition of success that does not hold, in a few words; "" where all hold."""

    def hopeless(self, world: World) -> str:
        """Why the task cannot be solved any more: an object has fallen where the robot does not reach it; "" if not."""
        fallen = [name for name, body in self.frames.items() if world.height(body) < FALLEN_Z]
        return f"{', '.join(fallen)} fell off the table" if fallen else ""

    def success(self, world: World) -> bool:
        """Whether the task is done, by robosuite's conditions."""
        return not self.diagnose(world)

    def object_poses(self, world: World) -> dict[str, Poses]:
        """Object -> (4, 4) in the world, in the order of `frames`."""
        poses = {name: world.body(body) for name, body in self.frames.items()}
        for name, site in self.origins.items():
            poses[name][:3, 3] = world.site(site)[:3, 3]
        return poses


def names() -> list[str]:
    """The tasks that there are."""
    return sorted(module.name for module in iter_modules(__path__))


@cache
def get(name: str) -> Task:
    """The task of that name; UnknownNameError where there is none."""
    if name not in names():
        raise UnknownNameError("task", name, names())
    return import_module(f"{__name__}.{name}").TASK


def reaches(world: World, position: NDArray[np.float64]) -> bool:
    """Whether the end effector is within 4.2 cm of a point (3,): robosuite's rule for an object not yet let go."""
    distance = np.linalg.norm(world.eef()[:3, 3] - position)
    return bool(1 - np.tanh(10.0 * distance) >= 0.6)
