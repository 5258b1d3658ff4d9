"""robosuite, loaded quietly and made once: which environment, with which robot, gripper and controller."""

import logging
import warnings
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

from trajloom.errors import MissingExtraError, UnknownNameError
from trajloom.sim import repairs
from trajloom.sim.tasks import Task

ROBOTS = ("Panda", "Sawyer", "IIWA", "UR5e")
GRIPPERS = {
    "PandaGripper": 0.080,
    "RethinkGripper": 0.058,
    "Robotiq85Gripper": 0.085,
    "Robotiq140Gripper": 0.126,
}
"""Gripper -> metres between its pads when it is told to open; robosuite opens the Rethink's less far than it could."""
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
            import robosuite.utils.control_utils
    except ImportError as error:
        raise MissingExtraError("the simulator", "sim", str(error)) from error
    return package


def transform_utils() -> ModuleType:
    """robosuite's functions on quaternions and matrices."""
    return robosuite().utils.transform_utils


def control_utils() -> ModuleType:
    """robosuite's functions for operational space control, compiled with numba."""
    return robosuite().utils.control_utils


def _errors_only(record: logging.LogRecord) -> bool:
    """robosuite logs hints about its own set-up on import and on every environment; its errors still get through."""
    return record.levelno >= logging.ERROR


def make_env(task: Task, robot: str, gripper: str | None, control_hz: float) -> Any:
    """A robosuite environment of the task: no cameras, no horizon, sparse reward, resets that keep the model.

    Raises:
        UnknownNameError: No such robot or gripper.
        MissingExtraError: robosuite is not installed.
    """
    _check("robot", robot, ROBOTS)
    if gripper is not None:
        _check("gripper", gripper, tuple(GRIPPERS))
    suite = robosuite()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = suite.make(task.environment(), **env_kwargs(task, robot, gripper, control_hz), hard_reset=False, seed=0)
        env.reset()
        if repairs.is_needed(env):
            env.reset_from_xml_string(repairs.repair(env, env.model.get_xml()))
    return env


def model_xml(env: Any) -> str:
    """The XML that an environment's model was compiled from, asset paths and repairs included."""
    return env.edit_model_xml(repairs.repair(env, env.model.get_xml()))


def _check(kind: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, known)


def env_kwargs(task: Task, robot: str, gripper: str | None, control_hz: float) -> dict[str, Any]:
    """The arguments of the robosuite environment, as JSON values."""
    suite = robosuite()
    return {
        "robots": [robot],
        "gripper_types": gripper or "default",
        "controller_configs": _plain(suite.load_composite_controller_config(robot=robot)),
        "control_freq": control_hz,
        "has_renderer": False,
        "has_offscreen_renderer": False,
        "use_camera_obs": False,
        "use_object_obs": True,
        "reward_shaping": False,
        "ignore_done": True,
        **task.env_kwargs(),
    }


def env_args(task: Task, name: str, variant: str, robot: str, gripper: str | None, control_hz: float) -> dict[str, Any]:
    """robomimic's `env_args`, and under "trajloom" what `make_scene` needs to make the scene again."""
    return {
        "env_name": task.env_name,
        "env_version": robosuite().__version__,
        "type": 1,  # robomimic's EnvType.ROBOSUITE_TYPE
        "env_kwargs": env_kwargs(task, robot, gripper, control_hz),
        "trajloom": {"task": name, "variant": variant, "robot": robot, "gripper": gripper, "control_hz": control_hz},
    }


def _plain(value: Any) -> Any:
    """Mappings as dicts, sequences as lists."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
