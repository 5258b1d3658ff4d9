"""The environment that robosuite does not have: Stack with a third, blue cube. Importing this registers it."""

from collections import OrderedDict
from typing import Any

import numpy as np
from robosuite.environments.manipulation.stack import Stack
from robosuite.models.objects import BoxObject
from robosuite.utils.mjcf_utils import CustomMaterial
from robosuite.utils.observables import Observable, sensor
from robosuite.utils.transform_utils import convert_quat

_HALF = 0.020


class StackThree(Stack):
    """robosuite's Stack and cubeC; done when A is on B, C on A and neither is held. The reward is 0 or 1."""

    # robosuite sets both after construction has begun
    sim: Any
    placement_initializer: Any

    def _load_model(self) -> None:
        super()._load_model()
        material = CustomMaterial(
            texture="WoodBlue",
            tex_name="bluewood",
            mat_name="bluewood_mat",
            tex_attrib={"type": "cube"},
            mat_attrib={"texrepeat": "1 1", "specular": "0.4", "shininess": "0.1"},
        )
        half = [_HALF] * 3
        self.cubeC = BoxObject(name="cubeC", size_min=half, size_max=half, rgba=[0, 0, 1, 1], material=material)
        self.placement_initializer.add_objects(self.cubeC)
        self.model.mujoco_objects.append(self.cubeC)
        self.model.merge_objects([self.cubeC])

    def _setup_references(self) -> None:
        super()._setup_references()
        self.cubeC_body_id = self.sim.model.body_name2id(self.cubeC.root_body)

    def _setup_observables(self) -> "OrderedDict[str, Any]":
        observables = super()._setup_observables()

        @sensor(modality="object")
        def cubeC_pos(cache: dict[str, Any]) -> Any:
            return np.array(self.sim.data.body_xpos[self.cubeC_body_id])

        @sensor(modality="object")
        def cubeC_quat(cache: dict[str, Any]) -> Any:
            return convert_quat(np.array(self.sim.data.body_xquat[self.cubeC_body_id]), to="xyzw")

        towards = self._get_obj_eef_sensor("robot0_", "cubeC_pos", "gripper_to_cubeC", "object")
        for one in (cubeC_pos, cubeC_quat, towards):
            observables[one.__name__] = Observable(name=one.__name__, sensor=one, sampling_rate=self.control_freq)
        return observables

    def reward(self, action: Any = None) -> float:
        return (self.reward_scale or 1.0) * float(self._check_success())

    def _check_success(self) -> bool:
        table = self.table_offset[2]
        return self._rests(self.cubeA, self.cubeB, table + 0.04) and self._rests(self.cubeC, self.cubeA, table + 0.08)

    def _rests(self, upper: BoxObject, lower: BoxObject, height: float) -> bool:
        """Whether one cube is above a height, in contact with another and not held."""
        above = self.sim.data.body_xpos[self.sim.model.body_name2id(upper.root_body)][2] > height
        held = self._check_grasp(gripper=self.robots[0].gripper, object_geoms=upper)
        return bool(above and not held and self.check_contact(upper, lower))
