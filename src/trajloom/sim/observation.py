"""robosuite's observations under robomimic's names, computed once a control step, all from the same instant."""

from typing import Any

import numpy as np

from trajloom.sim import backend
from trajloom.sim.world import World
from trajloom.task import Array


class Observation:
    """Reads what robosuite's observables would, without its sampling clocks.

    robosuite fills in what relates an object to the gripper ("..._to_...") before the object's own pose, so its
    values mix two control steps; here every value is of now.
    """

    def __init__(self, env: Any, world: World):
        """Find out which object sensors robosuite has for this environment, and where the robot's joints are."""
        robot = env.robots[0]
        self._data, self._world = world.data, world
        self._joints, self._joint_speeds = robot._ref_joint_pos_indexes, robot._ref_joint_vel_indexes
        self._fingers = robot._ref_gripper_joint_pos_indexes["right"]
        self._finger_speeds = robot._ref_gripper_joint_vel_indexes["right"]
        self._site = world.id("site", world.eef_site)
        self._hand = world.id("body", robot.robot_model.eef_name["right"])
        self._mat2quat = backend.transform_utils().mat2quat
        sensors = {
            name: one._sensor for name, one in env._observables.items() if one.modality == "object" and one.is_enabled()
        }
        self._sensors = sorted(sensors.items(), key=lambda item: "_to_" in item[0])
        self._shown = [name for name in sensors if env._observables[name].is_active()]

    def read(self) -> dict[str, Array]:
        """Name -> array: the robot's joints, end effector and gripper, and `object`, robosuite's object-state."""
        data = self._data
        joints = data.qpos[self._joints]
        robot = {
            "robot0_joint_pos": joints,
            "robot0_joint_pos_cos": np.cos(joints),
            "robot0_joint_pos_sin": np.sin(joints),
            "robot0_joint_vel": data.qvel[self._joint_speeds],
            "robot0_eef_pos": data.site_xpos[self._site].copy(),
            "robot0_eef_quat": np.roll(data.xquat[self._hand], -1),
            "robot0_eef_quat_site": self._mat2quat(data.site_xmat[self._site].reshape(3, 3)),
            "robot0_gripper_qpos": data.qpos[self._fingers],
            "robot0_gripper_qvel": data.qvel[self._finger_speeds],
        }
        return {**robot, "object": self._objects(robot)}

    def _objects(self, robot: dict[str, Array]) -> Array:
        """(O,). The values of robosuite's object sensors, in its order."""
        cache = dict(robot)
        for name, sensor in self._sensors:
            cache[name] = sensor(cache)
        return np.concatenate([np.atleast_1d(cache[name]) for name in self._shown])
