"""Give a demonstration its datagen_info by replaying its stored states on its own model, without stepping."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from trajloom.errors import LayoutError, ShapeError, SourceError, UnknownNameError
from trajloom.osc import RecordedController
from trajloom.poses import Poses
from trajloom.sim import model_xml
from trajloom.sim.stored_world import REACH, StoredWorld
from trajloom.sim.tasks import Task
from trajloom.task import DatagenInfo


@dataclass(frozen=True)
class Annotation:
    """The datagen_info of T steps, and what a user should know about how it was found."""

    info: DatagenInfo
    notes: tuple[str, ...]


def annotate_episode(
    states: NDArray[np.floating],
    actions: NDArray[np.floating],
    xml: str,
    task: Task,
    *,
    version: str | None = None,
    controller: Mapping[str, Any] | None = None,
    stand_in: Callable[[], str] | None = None,
) -> Annotation:
    """Find poses, signals and targets of one single-arm demonstration.

    Each stored state is set in a bare MuJoCo model and only kinematics and contacts are computed. Poses are those of
    the world before the action. A signal is reported as it is at every step: nothing is smoothed, and one that rises
    more than once is noted.

    Args:
        states: (T, 1 + nq + nv). Time, qpos, qvel before each action, as robosuite flattens them.
        actions: (T, A + G). What the controller was given: the arm's part, then the gripper's.
        xml: The episode's model, "" where it has none.
        task: Objects and signals.
        version: robosuite's version when the demonstration was recorded; below 1.2 the rotation of an action has the
            opposite sign. None is taken for 1.2 or later.
        controller: robosuite's `controller_configs`; None stands for its default OSC_POSE (0.05 m,
            0.5 rad), and is noted.
        stand_in: Gives the model XML of the task's own environment, used where `xml` does not load or does not fit.

    Returns:
        eef_pose (T, 4, 4), object_poses (T, 4, 4) each, subtask_term_signals (T,) of 0 and 1 each, target_pose
        (T, 4, 4), gripper_action (T, G); and notes.

    Raises:
        ShapeError: states and actions are not (T, D) and (T, A) with the same T.
        SourceError: No model fits the states, the task's objects are not in the model, or values are not finite.
        HostileFileError: The model XML asks for other files.
    """
    _check_arrays(states, actions)
    model, notes = _fitting_model(xml, states.shape[1], stand_in)
    recorded = RecordedController.from_config(controller, version, actions.shape[1])
    world = StoredWorld(model)
    gripper = recorded.gripper(actions)
    eef, objects, signals = _replay(world, states, gripper, task)
    info = DatagenInfo(
        eef_pose=eef,
        object_poses=objects,
        subtask_term_signals=signals,
        target_pose=recorded.target_pose(eef, actions, world.base()),
        gripper_action=gripper,
    )
    return Annotation(info, (*notes, *recorded.notes, *_judged(world), *_rises(signals)))


def _check_arrays(states: NDArray[np.floating], actions: NDArray[np.floating]) -> None:
    if np.ndim(states) != 2 or np.ndim(actions) != 2 or len(states) != len(actions) or len(states) == 0:
        shapes = f"{np.shape(states)} and {np.shape(actions)}"
        raise ShapeError(f"states and actions must be (T, D) and (T, A) with the same T >= 1, got {shapes}")
    bad = [name for name, values in (("states", states), ("actions", actions)) if not np.isfinite(values).all()]
    if bad:
        raise SourceError(f"{' and '.join(bad)} hold values that are not finite; such an episode cannot be annotated")


def _fitting_model(
    xml: str, state_size: int, stand_in: Callable[[], str] | None
) -> tuple[mujoco.MjModel, Sequence[str]]:
    """The episode's own model, or the stand-in, whichever has a state of this size."""
    faults = []
    for name, read in (("the episode's own model", lambda: xml), ("the task's own environment", stand_in)):
        text = read() if read is not None else ""
        if not text:
            faults.append(f"{name}: none given")
            continue
        try:
            model, notes = model_xml.load(text)
        except LayoutError as error:
            faults.append(f"{name}: {error}")
            continue
        size = 1 + model.nq + model.nv
        if size == state_size:
            return model, ((f"annotated on {name} ({faults[0]})", *notes) if faults else notes)
        faults.append(f"{name}: its states have {size} numbers, not {state_size}")
    raise SourceError(f"no model fits the stored states; {'; '.join(faults)}")


def _replay(
    world: StoredWorld, states: NDArray[np.floating], gripper: NDArray[np.floating], task: Task
) -> tuple[Poses, dict[str, Poses], dict[str, NDArray[np.int64]]]:
    eef, objects, signals = [], [], []
    for state, command in zip(states, gripper, strict=True):
        # robosuite closes a gripper on positive commands
        world.show(state, closing=bool(np.all(command > 0)))
        eef.append(world.eef())
        objects.append(_object_poses(world, task))
        signals.append(task.signals(world))
    return (
        np.array(eef),
        {name: np.array([row[name] for row in objects]) for name in objects[0]},
        {name: np.array([int(row[name]) for row in signals]) for name in signals[0]},
    )


def _object_poses(world: StoredWorld, task: Task) -> dict[str, Poses]:
    try:
        return task.object_poses(world)
    except UnknownNameError as error:
        raise SourceError(f"the demonstration's model is not one of {task.env_name}: {error}") from error


def _judged(world: StoredWorld) -> list[str]:
    return [
        f"whether {body} is held was judged by the gripper's opening and its distance (below {REACH} m): "
        "the geoms that would touch are gone"
        for body in sorted(world.judged)
    ]


def _rises(signals: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """A note for each signal that does not rise exactly once: segmentation takes the first rise after the last end."""
    rises = {name: int(np.sum(np.diff(values, prepend=0) > 0)) for name, values in signals.items()}
    return [f"signal {name!r} rises {count} times" for name, count in rises.items() if count != 1]
