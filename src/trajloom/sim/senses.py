"""What robosuite's object sensors sense, in words: a task lists its sensors, and `readings` reads them all at once."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Place:
    """A point that a sensor measures from or to: the origin of a body or a site, by the name that the model has."""

    kind: Literal["body", "site", "hand"]
    name: str = ""


HAND = Place("hand")
"""The site between the fingers, `robot0_eef_pos`, whatever the gripper calls it."""


def body(name: str) -> Place:
    """The origin of a body."""
    return Place("body", name)


def site(name: str) -> Place:
    """The origin of a site."""
    return Place("site", name)


@dataclass(frozen=True)
class Position:
    """(3,). Where something is in the world, in metres."""

    of: Place


@dataclass(frozen=True)
class Offset:
    """(3,). From one place to another along the world's axes, in metres."""

    to: Place
    since: Place


@dataclass(frozen=True)
class Quat:
    """(4,). How a body is turned in the world, x, y, z, w."""

    body: str


@dataclass(frozen=True)
class Joint:
    """(1,). A hinge's angle in radians, or a slide's way in metres."""

    name: str


@dataclass(frozen=True)
class InHand:
    """(3,) or (4,). Position, or quaternion x, y, z, w, of a body seen from the hand, in single precision."""

    body: str
    part: Literal["position", "quat"]


Sense = Position | Offset | Quat | Joint | InHand


def cube(name: str, suffix: str = "") -> dict[str, Sense]:
    """What robosuite senses of a cube: its position and quaternion, and its offset from the hand."""
    main = f"{name}_main"
    return {
        f"{name}_pos": Position(body(main)),
        f"{name}_quat": Quat(main),
        f"gripper_to_{name}{suffix}": Offset(body(main), HAND),
    }


def carried(name: str) -> dict[str, Sense]:
    """What robosuite senses of an object that is carried to a place: its pose in the world and in the hand."""
    main = f"{name}_main"
    return {
        f"{name}_pos": Position(body(main)),
        f"{name}_quat": Quat(main),
        f"{name}_to_robot0_eef_pos": InHand(main, "position"),
        f"{name}_to_robot0_eef_quat": InHand(main, "quat"),
    }
