"""From robosuite's own controllers and grippers to records: settings are taken from where robosuite keeps them."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
from numba import config

from trajloom.sim.native.records import (
    ARM,
    FIXED,
    GRIPPER,
    JOINT_POSITION,
    JOINT_VELOCITY,
    MAX_FINGERS,
    MAX_JOINTS,
    OSC,
    VARIABLE,
    VARIABLE_KP,
)

CONTROLLERS = {
    "OSC_POSE": OSC,
    "OSC_POSITION": OSC,
    "JOINT_POSITION": JOINT_POSITION,
    "JOINT_VELOCITY": JOINT_VELOCITY,
}
IMPEDANCE = {"fixed": FIXED, "variable": VARIABLE, "variable_kp": VARIABLE_KP}
CLOSING = {
    "PandaGripper": (-1.0, 1.0),
    "RethinkGripper": (1.0, -1.0),
    "Robotiq85Gripper": (1.0, 1.0),
    "Robotiq140Gripper": (1.0, -1.0),
}
"""Gripper -> which way a closing command moves each of its actuators."""


def unknown(env: Any) -> list[str]:
    """What the compiled loop does not know of a robosuite environment, in words; [] where it knows everything."""
    return [*_unknown_of_env(env), *(words for robot in env.robots for words in _unknown_of_robot(robot))]


def _unknown_of_env(env: Any) -> Iterator[str]:
    kind = type(env)
    if config.DISABLE_JIT:
        yield "how to run without numba's compiler (NUMBA_DISABLE_JIT)"
    own = {name: getattr(kind, name).__module__ for name in ("step", "_pre_action")}
    changed = [f"{name} ({module})" for name, module in own.items() if not module.startswith("robosuite.environments.")]
    if changed:
        yield f"{kind.__name__} has its own {' and '.join(changed)}"
    if not env.lite_physics:
        yield f"{kind.__name__} runs without lite_physics"


def _unknown_of_robot(robot: Any) -> Iterator[str]:
    name = robot.name
    composite = robot.composite_controller
    if composite.name != "BASIC":
        yield f"{name} has a {composite.name} composite controller"
    for part, controller in composite.part_controllers.items():
        if part in robot.arms:
            yield from (f"the {part} arm of {name} {words}" for words in _unknown_of_arm(controller))
        elif part in composite.grippers:
            yield from (f"the {part} of {name} {words}" for words in _unknown_of_gripper(robot, part, controller))
        else:
            yield f"{name} has a part {part!r}"


def _unknown_of_arm(controller: Any) -> Iterator[str]:
    if controller.name not in CONTROLLERS:
        yield f"has a {controller.name} controller"
        return
    if any(
        getattr(controller, name, None) is not None for name in ("interpolator", "interpolator_pos", "interpolator_ori")
    ):
        yield "interpolates"
    if controller.joint_dim > MAX_JOINTS:
        yield f"has {controller.joint_dim} joints"
    limits = controller.name.startswith("OSC") and (controller.position_limits, controller.orientation_limits)
    if limits and any(limit is not None for limit in limits):
        yield "limits the goals of its end effector"
    if list(controller.qvel_index) != sorted(controller.qvel_index):
        yield "has its joints in another order"


def _unknown_of_gripper(robot: Any, part: str, controller: Any) -> Iterator[str]:
    kind = type(robot.gripper[part.removesuffix("_gripper")]).__name__
    if kind not in CLOSING:
        yield f"is a {kind}"
    if getattr(controller, "interpolator", None) is not None:
        yield "interpolates"


def _parts(env: Any) -> Iterator[tuple[Any, str, Any, int]]:
    """Every part as (robot, name, controller, where its share of the environment's action begins)."""
    start = 0
    for robot in env.robots:
        composite = robot.composite_controller
        for part, controller in composite.part_controllers.items():
            yield robot, part, controller, start + composite._action_split_indexes[part][0]
        start += robot.action_dim


def arm_controllers(env: Any) -> list[Any]:
    """robosuite's controllers of the arms, in the order of `arms`."""
    return [controller for robot, part, controller, _ in _parts(env) if part in robot.arms]


def gripper_models(env: Any) -> list[Any]:
    """robosuite's grippers, in the order of `grippers`."""
    return [robot.gripper[part.removesuffix("_gripper")] for robot, part, _, _ in _parts(env) if part not in robot.arms]


def arms(env: Any) -> np.ndarray:
    """(A,) of ARM."""
    model = env.sim.model._model
    return np.array([_arm(model, *part)[()] for part in _parts(env) if part[1] in part[0].arms], dtype=ARM)


def grippers(env: Any) -> np.ndarray:
    """(G,) of GRIPPER."""
    model = env.sim.model._model
    return np.array([_gripper(model, *part)[()] for part in _parts(env) if part[1] not in part[0].arms], dtype=GRIPPER)


def _arm(model: mujoco.MjModel, robot: Any, part: str, controller: Any, start: int) -> np.ndarray:
    arm, kind = np.zeros((), ARM), CONTROLLERS[controller.name]
    motors = robot._ref_actuators_indexes_dict[part]
    base = mujoco.mj_name2id(
        model, mujoco.mjtObj.mjOBJ_SITE, f"{controller.naming_prefix}{controller.part_name}_center"
    )
    arm["controller"], arm["joints"] = kind, controller.joint_dim
    arm["impedance"] = IMPEDANCE[getattr(controller, "impedance_mode", "fixed")]
    arm["is_absolute"] = getattr(controller, "input_type", "delta") == "absolute"
    arm["site"] = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, controller.ref_name) if controller.ref_name else -1
    arm["base"], arm["base_moves"] = base, model.body_weldid[model.site_bodyid[base]] != 0
    arm["action_start"] = start
    for name, values in (("qpos", controller.qpos_index), ("qvel", controller.qvel_index), ("motors", motors)):
        arm[name][: len(values)] = values
    _fill(arm, ("motor_low", "motor_high"), model.actuator_ctrlrange[motors].T)
    _take_scale(arm, controller)
    if kind == OSC:
        arm["has_orientation"], arm["is_uncoupled"] = controller.use_ori, controller.uncoupling
        arm["is_in_world"] = controller.input_ref_frame == "world"
    if kind != JOINT_VELOCITY:
        ranges = (controller.kp_min, controller.kp_max, controller.damping_ratio_min, controller.damping_ratio_max)
        _fill(arm, ("kp_min", "kp_max", "damping_min", "damping_max"), ranges)
    if kind != OSC:
        _take_joint_settings(arm, controller, kind)
    return arm


def _take_joint_settings(arm: np.ndarray, controller: Any, kind: int) -> None:
    limits = controller.position_limits if kind == JOINT_POSITION else controller.velocity_limits
    if limits is not None:
        arm["has_limits"] = True
        _fill(arm, ("limit_low", "limit_high"), (limits[0], limits[1]))
    if kind == JOINT_POSITION:
        arm["compensates"] = controller.use_torque_compensation
    else:
        arm["compensates"] = bool(controller.torque_compensation)
        _fill(arm, ("ki",), (controller.ki,))


def _gripper(model: mujoco.MjModel, robot: Any, part: str, controller: Any, start: int) -> np.ndarray:
    found, gripper = np.zeros((), GRIPPER), robot.gripper[part.removesuffix("_gripper")]
    actuators = robot._ref_actuators_indexes_dict[part]
    assert len(actuators) <= MAX_FINGERS, f"{type(gripper).__name__} has {len(actuators)} actuators"
    found["action_start"], found["fingers"] = start, len(actuators)
    found["actuators"][: len(actuators)] = actuators
    _fill(found, ("speed",), (gripper.speed * np.array(CLOSING[type(gripper).__name__]),))
    _fill(found, ("ctrl_low", "ctrl_high"), model.actuator_ctrlrange[actuators].T)
    found["is_scaled"] = controller.use_action_scaling
    _take_scale(found, controller)
    return found


def _take_scale(part: np.ndarray, controller: Any) -> None:
    """How the controller scales a command."""
    low, high, bottom, top = (
        np.asarray(getattr(controller, name), dtype=np.float64)
        for name in ("input_min", "input_max", "output_min", "output_max")
    )
    values = (low, high, abs(top - bottom) / abs(high - low), (top + bottom) / 2.0, (high + low) / 2.0)
    _fill(part, ("input_min", "input_max", "scale", "output_middle", "input_middle"), values)


def _fill(part: np.ndarray, names: tuple[str, ...], values: Any) -> None:
    """Set the first elements of some fields; one number stands for all."""
    for name, value in zip(names, values, strict=True):
        part[name][: np.size(value) if np.ndim(value) else None] = value
