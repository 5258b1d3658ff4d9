"""Readings: one short vector of MuJoCo's numbers a step, and robosuite's object-state made from many of them at once.

Nearly all that robosuite senses of objects are numbers of MuJoCo or differences of two, so the object-state of a whole
episode is a gather and a subtraction, to the bit what robosuite's own functions return one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trajloom.sim import backend
from trajloom.sim.senses import HAND, InHand, Joint, Offset, Place, Position, Quat, Sense
from trajloom.sim.world import World

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]


class Layout:
    """Which of MuJoCo's numbers a reading holds, and where: time, qpos and qvel first, then what was asked for."""

    def __init__(self, world: World):
        self.world, self._time = world, np.zeros(1)
        data = world.data
        self._views = [self._time, data.qpos, data.qvel]
        self._found: dict[tuple[str, str], Indices] = {}
        self.qpos, self.qvel = 1, 1 + len(data.qpos)
        self.size = self.state_size = self.qvel + len(data.qvel)
        self.zero = int(self.add(np.zeros(1))[0])
        """Where a reading holds the number 0."""

    def read(self) -> Floats:
        """(size,). The numbers now."""
        self._time[0] = self.world.data.time
        return np.concatenate(self._views)

    def position(self, place: Place) -> Indices:
        """(3,). Where in a reading a place is."""
        kind, name = ("site", self.world.eef_site) if place == HAND else (place.kind, place.name)
        positions = self.world.data.site_xpos if kind == "site" else self.world.data.xpos
        return self._once(f"{kind} position", name, positions[self.world.id(kind, name)])

    def rotation(self, kind: str, name: str) -> Indices:
        """(9,). Where in a reading the rotation matrix of a body or a site is, row by row."""
        matrices = self.world.data.site_xmat if kind == "site" else self.world.data.xmat
        return self._once(f"{kind} rotation", name, matrices[self.world.id(kind, name)])

    def quat(self, body: str) -> Indices:
        """(4,). Where in a reading a body's quaternion is, x, y, z, w; MuJoCo's own order is w, x, y, z."""
        return self._once("quat", body, self.world.data.xquat[self.world.id("body", body)])[[1, 2, 3, 0]]

    def joint(self, name: str) -> Indices:
        """(1,). Where in a reading a joint's position is."""
        return np.array([self.qpos + int(self.world.model.jnt_qposadr[self.world.id("joint", name)])])

    def _once(self, kind: str, name: str, view: Floats) -> Indices:
        if (kind, name) not in self._found:
            self._found[kind, name] = self.add(view)
        return self._found[kind, name]

    def add(self, view: Floats) -> Indices:
        """Where in a reading the numbers (N,) of a view will be; whoever owns its memory keeps them up to date."""
        self._views.append(view)
        self.size += len(view)
        return np.arange(self.size - len(view), self.size)


@dataclass(frozen=True)
class _Held:
    """A body that is seen from the hand."""

    position: Indices
    """(3,). Where in a reading its position is."""
    quat: Indices
    """(4,). Where in a reading its quaternion is."""
    position_at: int | None
    """Where in the object-state its position goes, if it does."""
    quat_at: int | None


class ObjectState:
    """Some senses, one after another, for many readings at once."""

    def __init__(self, layout: Layout, senses: Mapping[str, Sense], hand: str):
        """Find where in a reading each number is, and which number is taken away from it.

        Args:
            layout: Is made to read what the senses need.
            senses: In order; what they are called does not matter.
            hand: The body that turns with the hand.
        """
        self._utils = backend.transform_utils()
        pairs = [_numbers(layout, sense) for sense in senses.values()]
        self._plus = np.concatenate([plus for plus, _ in pairs])
        self._minus = np.concatenate([minus for _, minus in pairs])
        self._hand = layout.position(HAND), layout.quat(hand)
        self._in_hand, self._body = np.eye(4), np.eye(4, dtype=np.float32)
        ends = np.cumsum([len(plus) for plus, _ in pairs]).tolist()
        starts = dict(zip(senses.values(), [0, *ends], strict=False))
        self._held = [
            _Held(
                layout.position(Place("body", name)),
                layout.quat(name),
                starts.get(InHand(name, "position")),
                starts.get(InHand(name, "quat")),
            )
            for name in {sense.body: None for sense in senses.values() if isinstance(sense, InHand)}
        ]

    def of(self, readings: Floats) -> Floats:
        """(T, O) of readings (T, K)."""
        values = readings[:, self._plus] - readings[:, self._minus]
        if self._held:
            for reading, row in zip(readings, values, strict=True):
                self._fill_in(reading, row)
        return values

    def _fill_in(self, reading: Floats, values: Floats) -> None:
        """Put in what is seen from the hand, rounded to single precision where robosuite does it."""
        position, quat = self._hand
        rotation = self._rotation(reading[quat]).T
        self._in_hand[:3, :3] = rotation
        self._in_hand[:3, 3] = -rotation.astype(np.float64).dot(reading[position].astype(np.float32))
        for body in self._held:
            pose = self._body
            pose[:3, :3] = self._rotation(reading[body.quat])
            pose[:3, 3] = reading[body.position]
            seen = self._in_hand.dot(pose)
            if body.position_at is not None:
                values[body.position_at : body.position_at + 3] = seen[:3, 3]
            if body.quat_at is not None:
                values[body.quat_at : body.quat_at + 4] = self._utils.mat2quat(seen[:3, :3].copy())

    def _rotation(self, quat: Floats) -> NDArray[np.float32]:
        """(3, 3). Of a quaternion x, y, z, w."""
        return self._utils.quat2mat(quat).astype(np.float32)


def _numbers(layout: Layout, sense: Sense) -> tuple[Indices, Indices]:
    """Where in a reading a sense's numbers are, and those to take away; a number minus 0 is that number."""
    match sense:
        case Offset(to, since):
            return layout.position(to), layout.position(since)
        case Position(of):
            plus = layout.position(of)
        case Quat(name):
            plus = layout.quat(name)
        case Joint(name):
            plus = layout.joint(name)
        case InHand(_, part):
            plus = np.full(3 if part == "position" else 4, layout.zero)
    return plus, np.full(len(plus), layout.zero)
