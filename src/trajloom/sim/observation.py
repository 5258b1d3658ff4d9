"""robosuite's observations under robomimic's names, all from the same instant: read at every step, made when asked for.

A reading is a copy of some of MuJoCo's numbers and takes 3 microseconds. What robosuite observes is a function of it,
so the observations of an episode are made from all its readings together.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.sim import backend
from trajloom.sim.object_state import Floats, Layout, ObjectState
from trajloom.sim.senses import HAND, Sense
from trajloom.sim.world import World
from trajloom.task import Array


class Observation:
    """Reads what robosuite's observables would, without its sampling clocks.

    robosuite fills in what relates an object to the gripper ("..._to_...") before the object's own pose, so its
    values mix two control steps; here every value is of now.
    """

    def __init__(self, env: Any, world: World, senses: Mapping[str, Sense] | None = None):
        """Find out where the robot's numbers are and which object sensors robosuite has for this environment.

        Args:
            env: robosuite's environment.
            world: Its model and data.
            senses: Sensor -> what it senses. Where one of the environment's sensors is not among them, robosuite's own
                functions are called instead, at every reading.
        """
        robot = env.robots[0]
        self._mat2quat = backend.transform_utils().mat2quat
        self.layout = layout = Layout(world)
        """What a reading holds; others may have it read more, before the first reading."""
        hand = robot.robot_model.eef_name["right"]
        self._joints = _run(layout.qpos, robot._ref_joint_pos_indexes)
        self._joint_speeds = _run(layout.qvel, robot._ref_joint_vel_indexes)
        self._fingers = _run(layout.qpos, robot._ref_gripper_joint_pos_indexes["right"])
        self._finger_speeds = _run(layout.qvel, robot._ref_gripper_joint_vel_indexes["right"])
        self._eef, self._eef_rotation = _run(0, layout.position(HAND)), _run(0, layout.rotation("site", world.eef_site))
        self._hand_quat = layout.quat(hand)
        shown = _Sensors(env)
        known = {name: senses[name] for name in shown.names if senses and name in senses}
        self._sensors = None if len(known) == len(shown.names) else shown
        self._objects = ObjectState(layout, known, hand) if self._sensors is None else None

    def reading(self) -> Floats:
        """(K,). All that the observations of this instant are made from."""
        numbers = self.layout.read()
        if self._sensors is None:
            return numbers
        return np.concatenate([numbers, self._sensors.read(_first(self._robot(numbers[None])))])

    def read(self) -> dict[str, Array]:
        """Name -> array: the robot's joints, end effector and gripper, and `object`, robosuite's object-state."""
        return _first(self.of(self.reading()[None]))

    def of(self, readings: Floats) -> dict[str, Array]:
        """Name -> (T, ...), as `read` gives them, of readings (T, K)."""
        known = self._objects
        objects = readings[:, self.layout.size :] if known is None else known.of(readings)
        return {**self._robot(readings), "object": objects}

    def columns(self, readings: Floats) -> dict[str, Array]:
        """The columns of readings (T, K): `states` (T, 1 + nq + nv), robosuite's flat state, and `obs/...`."""
        seen = {f"obs/{name}": np.ascontiguousarray(values) for name, values in self.of(readings).items()}
        return {"states": np.ascontiguousarray(readings[:, : self.layout.state_size]), **seen}

    def _robot(self, readings: Floats) -> dict[str, Array]:
        joints = np.ascontiguousarray(readings[:, self._joints])
        rotations = readings[:, self._eef_rotation].reshape(-1, 3, 3)
        return {
            "robot0_joint_pos": joints,
            "robot0_joint_pos_cos": np.cos(joints),
            "robot0_joint_pos_sin": np.sin(joints),
            "robot0_joint_vel": readings[:, self._joint_speeds],
            "robot0_eef_pos": readings[:, self._eef],
            "robot0_eef_quat": readings[:, self._hand_quat],
            # robosuite's function itself: no other rounds as it does
            "robot0_eef_quat_site": np.array([self._mat2quat(rotation) for rotation in rotations]),
            "robot0_gripper_qpos": readings[:, self._fingers],
            "robot0_gripper_qvel": readings[:, self._finger_speeds],
        }


class _Sensors:
    """robosuite's own object sensors of an environment."""

    def __init__(self, env: Any):
        found = {name: one for name, one in env._observables.items() if one.modality == "object" and one.is_enabled()}
        self._sensors = sorted(((name, one._sensor) for name, one in found.items()), key=lambda item: "_to_" in item[0])
        self.names = [name for name, one in found.items() if one.is_active()]
        """Those that are part of the object-state, in its order."""

    def read(self, robot: Mapping[str, Array]) -> Floats:
        """(O,). Their values, with the robot's observations of the same instant."""
        cache = dict(robot)
        for name, sensor in self._sensors:
            cache[name] = sensor(cache)
        return np.concatenate([np.atleast_1d(cache[name]) for name in self.names])


def _first(values: Mapping[str, Array]) -> dict[str, Array]:
    return {name: value[0] for name, value in values.items()}


def _run(start: int, indices: Sequence[int] | NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Where in a reading some neighbours are: as a slice, which NumPy reads much faster, where they are in order."""
    where = start + np.asarray(indices)
    if np.array_equal(where, np.arange(where[0], where[0] + len(where))):
        return slice(int(where[0]), int(where[-1]) + 1)
    return where
