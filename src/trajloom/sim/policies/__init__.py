"""Scripted experts by task: `policies.get("stack")` is the `play` of `policies/stack.py`. Adding one is adding a file.

Experts see the true poses of all objects and steer the hand through waypoints. Their episodes carry `datagen_info`,
so that they are sources as they are.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

import numpy as np

from trajloom.errors import UnknownNameError
from trajloom.rollout import Rollout
from trajloom.sim.expert import Hand, Style
from trajloom.sim.scene import RobosuiteScene

Policy = Callable[[Hand, np.random.Generator], None]
"""Does a task with a hand, from where the scene was reset to."""


def names() -> list[str]:
    """The tasks that have an expert."""
    return sorted(module.name for module in iter_modules(__path__))


def get(name: str) -> Policy:
    """The expert for a task; UnknownNameError where there is none."""
    if name not in names():
        raise UnknownNameError("scripted expert", name, names())
    return import_module(f"{__name__}.{name}").play


def run_expert(scene: RobosuiteScene, task_name: str, rng: np.random.Generator) -> Rollout:
    """Reset a scene and let the scripted expert do the task once.

    Args:
        scene: A scene of the task, with any robot and gripper.
        task_name: Which expert.
        rng: Where the start and the demonstrator's style come from; the same stream gives the same episode.

    Returns:
        The episode, its columns with datagen_info. It is a success where the task is done at the end, not merely on
        the way; otherwise `reason` says what does not hold.

    Raises:
        UnknownNameError: There is no expert for the task.
    """
    play = get(task_name)
    scene.reset(rng)
    model_xml, initial_state = scene.model_xml(), scene.state()
    hand = Hand(scene, Style.draw(rng))
    play(hand, rng)
    success = bool(hand.recorder.succeeded_at) and hand.recorder.succeeded_at[-1]
    return Rollout(
        success=success,
        columns=hand.recorder.columns(),
        reason=None if success else scene.diagnose() or "the task was done, but not at the end",
        model_xml=model_xml,
        initial_state=initial_state,
    )
