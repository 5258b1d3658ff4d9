"""robosuite, loaded quietly and made once: which environment, with which robot, gripper and controller."""

import logging
import math
import warnings
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from trajloom.errors import MissingExtraError, UnknownNameError
from trajloom.sim import bystanders, repairs
from trajloom.sim.tasks import Task

ARM = "right"
"""What robosuite calls the arm of a robot that has one."""
GRIPPERS = {
    "PandaGripper": 0.080,
    "RethinkGripper": 0.058,
    "Robotiq85Gripper": 0.085,
    "Robotiq140Gripper": 0.126,
}
"""Gripper -> metres between its pads when it is told to open; robosuite opens the Rethink's less far than it could."""
_OWN_GRIPPERS = {
    "XArm7Gripper": 0.085,
    "JacoThreeFingerGripper": 0.069,
    "InspireRightHand": 0.095,
    "InspireLeftHand": 0.095,
}
"""The same for grippers that only their own robots have."""
Controller = str | Mapping[str, Any] | None
"""A controller's name, its settings, or None for the robot's own."""
_LOGGER = "robosuite_logs"


@cache
def robosuite() -> ModuleType:
    """The robosuite package, without its greeting on standard error; MissingExtraError where it is not installed."""
    logger = logging.getLogger(_LOGGER)
    logger.addFilter(_errors_only)
    try:
        with warnings.catch_warnings():
            # what robosuite's own dependencies deprecate is none of the user's concern
            warnings.simplefilter("ignore")
            import robosuite as package
            import robosuite.utils.buffers
            import robosuite.utils.traj_utils
    except ImportError as error:
        raise MissingExtraError("the simulator", "sim", str(error)) from error
    repairs.repair_classes(package)
    return package


def transform_utils() -> ModuleType:
    """robosuite's functions on quaternions and matrices."""
    return robosuite().utils.transform_utils


def _errors_only(record: logging.LogRecord) -> bool:
    """robosuite logs hints about its own set-up on import and on every environment; its errors still get through."""
    return record.levelno >= logging.ERROR


def robots() -> tuple[str, ...]:
    """robosuite's robots with one arm on a fixed base, those that an extension registered included."""
    package = robosuite().robots
    known = package.REGISTERED_ROBOTS
    return tuple(
        name
        for name, kind in package.ROBOT_CLASS_MAPPING.items()
        if issubclass(kind, package.FixedBaseRobot) and name in known and list(known[name].arms) == [ARM]
    )


def gripper_opening(gripper: Any) -> float:
    """Metres between the pads of robosuite's gripper when it is told to open; NaN for one that nobody has measured."""
    return {**GRIPPERS, **_OWN_GRIPPERS}.get(type(gripper).__name__, math.nan)


def controllers() -> tuple[str, ...]:
    """robosuite's controllers of an arm."""
    return tuple(robosuite().controllers.ALL_PART_CONTROLLERS)


def controller_config(robot: str, controller: Controller) -> dict[str, Any]:
    """The configuration of all of a robot's controllers, as robosuite 1.5 writes it, in JSON values.

    Args:
        robot: robosuite's name of it.
        controller: None for the robot's own; the name of an arm's controller, with robosuite's settings; the settings
            of an arm's controller (`{"type": "OSC_POSE", "kp": 300, ...}`), or of all (`{"type": "BASIC",
            "body_parts": {...}}`). The gripper keeps its own where only the arm's is given.

    Raises:
        UnknownNameError: No such controller.
    """
    suite = robosuite()
    if isinstance(controller, str):
        _check("controller", controller, controllers())
        controller = suite.load_part_controller_config(default_controller=controller)
    if controller is not None and "body_parts" in controller:
        whole = _plain(controller)
        whole["body_parts"].update(whole["body_parts"].pop("arms", {}))
        return whole
    whole = _plain(suite.load_composite_controller_config(robot=robot))
    if controller is not None:
        _check("controller", str(controller.get("type")), controllers())
        own = whole["body_parts"][ARM]
        whole["body_parts"][ARM] = {"gripper": own["gripper"], **_plain(controller)}
    return whole


def make_env(task: Task, robot: str, gripper: str | None, control_hz: float, *, controller: Controller = None) -> Any:
    """A robosuite environment of the task: no cameras, no horizon, sparse reward, resets that keep the model.

    Raises:
        UnknownNameError: No such robot, gripper or controller.
        MissingExtraError: robosuite is not installed.
    """
    suite = robosuite()
    _check("robot", robot, robots())
    if gripper is not None:
        _check("gripper", gripper, tuple(GRIPPERS))
    kwargs = env_kwargs(task, robot, gripper, control_hz, controller=controller)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = suite.make(task.environment(), **kwargs, hard_reset=False, seed=0)
        env.reset()
        if task.unused or repairs.is_needed(env):
            env.reset_from_xml_string(_changed(task, env))
    return env


def model_xml(task: Task, env: Any) -> str:
    """The XML that an environment's model was compiled from, asset paths and our changes included."""
    return env.edit_model_xml(_changed(task, env))


def _changed(task: Task, env: Any) -> str:
    return bystanders.set_aside(task.unused, repairs.repair(env, env.model.get_xml()))


def _check(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, known)


def env_kwargs(
    task: Task, robot: str, gripper: str | None, control_hz: float, *, controller: Controller = None
) -> dict[str, Any]:
    """The arguments of the robosuite environment, as JSON values; UnknownNameError for an unknown controller."""
    return {
        "robots": [robot],
        "gripper_types": gripper or "default",
        "controller_configs": controller_config(robot, controller),
        "control_freq": control_hz,
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "use_camera_obs": False,
        "use_object_obs": True,
        "reward_shaping": False,
        "ignore_done": True,
        **task.env_kwargs(),
    }


def env_args(
    task: Task,
    name: str,
    variant: str,
    robot: str,
    gripper: str | None,
    control_hz: float,
    *,
    controller: Controller = None,
    loop: str = "fast",
) -> dict[str, Any]:
    """robomimic's `env_args`, and under "trajloom" what `make_scene` needs to make the scene again."""
    again = {
        "task": name,
        "variant": variant,
        "robot": robot,
        "gripper": gripper,
        "control_hz": control_hz,
        "controller": _plain(controller),
        "loop": loop,
    }
    return {
        "env_name": task.env_name,
        "env_version": robosuite().__version__,
        "type": 1,  # robomimic's EnvType.ROBOSUITE_TYPE
        "env_kwargs": env_kwargs(task, robot, gripper, control_hz, controller=controller),
        "trajloom": again,
    }


def _plain(value: Any) -> Any:
    """Mappings as dicts, sequences and arrays as lists, numbers as Python's own."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
