"""What some models and one controller of robosuite 1.5.2 lack to work at all, put right.

Repairs of models are made before the model is compiled and stand in the XML of every episode, so that playing it back
and annotating it use the same physics. A plain robosuite environment, made from `env_args` alone, does not have them.

* Sawyer: the collision shape of its base holds its first link. MuJoCo lets neighbours pass through each other, but not
  where the one is fixed to the world; friction then stops the first joint.
* Robotiq85Gripper: its linkage is held together by springs and by parts that push each other, and jams with 6 cm
  between the pads. Here the joints are coupled as they are in the real gripper, where the finger stays parallel to
  the hand, and the parts of one finger pass through each other.
* JOINT_VELOCITY: the controller sets `torque_compensation` to whether gravity is compensated, but its base class has
  made that name a property without a setter, so no such controller can be made. `repair_classes` gives it one.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

_ARM, _HAND = "robot0_", "gripper0_right_"

_DAMPING = 0.3
"""Damping of each driven joint of the Robotiq in N m s / rad; robosuite's drive has none, and friction is gone too."""
_HALF_CLOSED = 0.4
"""Radians of the Robotiq's driven joints where its command is in the middle, as it is after a reset."""
_LINKAGES = (("left", "finger_joint"), ("right", "right_outer_knuckle_joint"))
"""Side and driven joint of each finger of the Robotiq."""


def repair(env: Any, xml: str) -> str:
    """The XML of a robosuite environment's model with what its robot and its gripper need; other XML is unchanged."""
    repairs = _needed(env)
    if not repairs:
        return xml
    root = ET.fromstring(xml)
    for change in repairs:
        change(root)
    return ET.tostring(root, encoding="unicode")


def is_needed(env: Any) -> bool:
    """Whether `repair` changes anything for this environment's robot and gripper."""
    return bool(_needed(env))


def finger_positions(gripper: Any) -> NDArray[np.float64]:
    """(F,). Positions of a gripper's joints at reset, in rad or m: robosuite's own, or those that a repair asks for."""
    if _name(gripper) in _FINGERS:
        return np.array(_FINGERS[_name(gripper)])
    return np.array(gripper.init_qpos, dtype=np.float64)


def finger_pads(gripper: Any) -> list[list[str]]:
    """Names of the collision geoms of a gripper's pads, left and right: robosuite's own, or those that its XML has."""
    if _name(gripper) in _PADS:
        return [[f"{gripper.naming_prefix}{geom}" for geom in pad] for pad in _PADS[_name(gripper)]]
    return [list(gripper.important_geoms[name]) for name in ("left_fingerpad", "right_fingerpad")]


class Compensation(NDArray[np.float64] if TYPE_CHECKING else np.ndarray):
    """(J,). Torques in Nm that hold a robot against gravity, true where they are to be added; arithmetic forgets that.

    robosuite asks whether to compensate and what to add by one name.
    """

    wanted: bool = True

    def __bool__(self) -> bool:
        return self.wanted

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        plain = [np.asarray(value) if isinstance(value, Compensation) else value for value in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)


def repair_classes(robosuite: Any) -> None:
    """Make JOINT_VELOCITY usable: it adds `qfrc_bias` where `use_torque_compensation` is set, as robosuite 1.4 did.

    For robosuite's package, before environments are made; twice is once.
    """
    robosuite.controllers.parts.generic.JointVelocityController.torque_compensation = property(_bias, _compensate)


def _bias(controller: Any) -> Compensation:
    torques = np.array(controller.sim.data.qfrc_bias[controller.qvel_index]).view(Compensation)
    torques.wanted = controller.use_torque_compensation
    return torques


def _compensate(controller: Any, wanted: bool) -> None:
    controller.use_torque_compensation = bool(wanted)


def _needed(env: Any) -> list[Callable[[ET.Element], None]]:
    robot = env.robots[0]
    names = (_name(robot.robot_model), _name(robot.gripper["right"]))
    return [_REPAIRS[name] for name in names if name in _REPAIRS]


def _name(model: Any) -> str:
    """robosuite's name of a robot or gripper."""
    return type(model).__name__


def _free_first_joint(root: ET.Element) -> None:
    """Let a Sawyer's first link turn in its base."""
    _exclude(root, f"{_ARM}right_arm_base_link", f"{_ARM}right_l0")


def _couple_fingers(root: ET.Element) -> None:
    """Make each finger of a Robotiq85 a parallelogram: knuckles turn together, the finger turns back as much."""
    _remove_springs(root)
    equality = _section(root, "equality")
    for side, driven in _LINKAGES:
        for follower, ratio in (("inner_knuckle", 1), ("inner_finger", -1)):
            ET.SubElement(
                equality,
                "joint",
                joint1=f"{_HAND}{side}_{follower}_joint",
                joint2=f"{_HAND}{driven}",
                polycoef=f"0 {ratio} 0 0 0",
            )
        for part in ("outer_knuckle", "inner_finger"):
            _exclude(root, f"{_HAND}{side}_inner_knuckle", f"{_HAND}{side}_{part}")
    driven_joints = {f"{_HAND}{driven}" for _, driven in _LINKAGES}
    for joint in root.iter("joint"):
        if joint.get("name") in driven_joints:
            joint.set("damping", str(_DAMPING))


def _remove_springs(root: ET.Element) -> None:
    for tendons in root.findall("tendon"):
        for tendon in [one for one in tendons if one.get("name", "").startswith(_HAND)]:
            tendons.remove(tendon)


def _exclude(root: ET.Element, body: str, other: str) -> None:
    """No contacts between two bodies."""
    ET.SubElement(_section(root, "contact"), "exclude", body1=body, body2=other)


def _section(root: ET.Element, name: str) -> ET.Element:
    found = root.find(name)
    return ET.SubElement(root, name) if found is None else found


_REPAIRS: dict[str, Callable[[ET.Element], None]] = {"Sawyer": _free_first_joint, "Robotiq85Gripper": _couple_fingers}
_FINGERS = {"Robotiq85Gripper": [_HALF_CLOSED, -_HALF_CLOSED, _HALF_CLOSED] * 2}
_PADS = {"XArm7Gripper": [[f"{side}_finger_pad_{i}" for i in (1, 2)] for side in ("left", "right")]}
"""Pads that robosuite gives names of another gripper's."""
