"""MimicGen's environment interface, and the two ways between it and a Scene."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SettingsError, UnknownNameError
from trajloom.poses import Poses
from trajloom.seeding import seeded_globals
from trajloom.task import SINGLE_ARM, Array, DatagenInfo, Scene, Step

_CLASSES: dict[tuple[str, str], type["MG_EnvInterface"]] = {}


class MG_EnvInterface:
    """What MimicGen asks of an environment with one arm. A subclass is found by its name under its `INTERFACE_TYPE`."""

    INTERFACE_TYPE: ClassVar[str] = "base"

    def __init__(self, env: Any):
        self.env = env

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _CLASSES[(cls.__module__, cls.__qualname__)] = cls

    def get_robot_eef_pose(self) -> Poses:
        """(4, 4). The end effector's pose in the world."""
        raise self._lacks("get_robot_eef_pose")

    def target_pose_to_action(self, target_pose: Poses, relative: bool = True) -> Array:
        """(A,). The arm's action that asks for a target pose (4, 4) from where the arm is now."""
        raise self._lacks("target_pose_to_action")

    def action_to_target_pose(self, action: Array, relative: bool = True) -> Poses:
        """(4, 4). The pose that an action (D,) asks for."""
        raise self._lacks("action_to_target_pose")

    def action_to_gripper_action(self, action: Array) -> Array:
        """(G,). The gripper's part of an action (D,): its last value, unless a subclass knows better."""
        return action[-1:]

    def get_object_poses(self) -> dict[str, Poses]:
        """Object -> (4, 4) in the world."""
        raise self._lacks("get_object_poses")

    def get_subtask_term_signals(self) -> dict[str, Any]:
        """Signal -> 0 or 1."""
        raise self._lacks("get_subtask_term_signals")

    def get_datagen_info(self, action: Array | None = None) -> DatagenInfo:
        """What is known now; with an action, also the target pose and gripper action that it asks for."""
        return DatagenInfo(
            eef_pose=self.get_robot_eef_pose(),
            object_poses=self.get_object_poses(),
            subtask_term_signals=self.get_subtask_term_signals(),
            target_pose=None if action is None else self.action_to_target_pose(action),
            gripper_action=None if action is None else self.action_to_gripper_action(action),
        )

    def _lacks(self, method: str) -> SettingsError:
        return SettingsError(f"{type(self).__name__} does not define {method}(), which was asked for")


def interfaces() -> dict[str, dict[str, type[MG_EnvInterface]]]:
    """Interface type -> class name -> class; of two classes of one name the later one counts."""
    found: dict[str, dict[str, type[MG_EnvInterface]]] = {}
    for cls in _CLASSES.values():
        found.setdefault(cls.INTERFACE_TYPE, {})[cls.__name__] = cls
    return found


def make_interface(name: str, interface_type: str, env: Any) -> MG_EnvInterface:
    """An interface for an environment by class name and type; UnknownNameError where there is none."""
    found = interfaces()
    if interface_type not in found:
        raise UnknownNameError("interface type", interface_type, found)
    if name not in found[interface_type]:
        raise UnknownNameError(f"{interface_type} interface", name, found[interface_type])
    return found[interface_type][name](env)


class SceneInterface(MG_EnvInterface):
    """A single-arm Scene behind MimicGen's interface."""

    INTERFACE_TYPE = "trajloom"

    def __init__(self, env: Scene):
        super().__init__(env)
        if len(env.eefs) != 1:
            raise SettingsError(f"an MG_EnvInterface has one arm; this scene has {', '.join(env.eefs)}")
        self.scene, self.eef = env, env.eefs[0]

    def get_robot_eef_pose(self) -> Poses:
        return self.scene.eef_pose()[self.eef]

    def target_pose_to_action(self, target_pose: Poses, relative: bool = True) -> Array:
        self._only(relative)
        return self.scene.target_pose_to_action({self.eef: target_pose})[self.eef]

    def action_to_target_pose(self, action: Array, relative: bool = True) -> Poses:
        self._only(relative)
        return self.scene.action_to_target_pose(action)[self.eef]

    def action_to_gripper_action(self, action: Array) -> Array:
        return self.scene.gripper_action(action)[self.eef]

    def get_object_poses(self) -> dict[str, Poses]:
        return self.scene.object_poses()

    def get_subtask_term_signals(self) -> dict[str, int]:
        return {name: int(value) for name, value in self.scene.subtask_term_signals().items()}

    def _only(self, relative: bool) -> None:
        if not relative:
            raise SettingsError("a Scene speaks its controller's own actions; relative=False is not among them")


class InterfaceScene:
    """A robomimic environment and its MG_EnvInterface as one single-arm Scene."""

    def __init__(self, env: Any, interface: MG_EnvInterface):
        self.env, self.interface = env, interface
        self.eefs: tuple[str, ...] = (SINGLE_ARM,)
        inner = getattr(env, "env", env)
        self.control_hz = float(getattr(inner, "control_freq", 20.0))
        self.action_dim = int(getattr(env, "action_dimension", 0) or inner.action_dim)

    @property
    def env_args(self) -> Mapping[str, Any]:
        """What robomimic's own `serialize` says."""
        return self.env.serialize()

    def reset(self, rng: np.random.Generator) -> None:
        with seeded_globals(rng):
            self.env.reset()

    def eef_pose(self) -> dict[str, Poses]:
        return {SINGLE_ARM: self.interface.get_robot_eef_pose()}

    def object_poses(self) -> dict[str, Poses]:
        return dict(self.interface.get_object_poses() or {})

    def subtask_term_signals(self) -> dict[str, bool]:
        return {name: bool(value) for name, value in (self.interface.get_subtask_term_signals() or {}).items()}

    def observation(self) -> dict[str, Array]:
        return self.env.get_observation()

    def state(self) -> NDArray[np.float64]:
        return np.asarray(self.env.get_state()["states"])

    def target_pose_to_action(self, target: Mapping[str, Poses]) -> dict[str, NDArray[np.float64]]:
        action = self.interface.target_pose_to_action(target_pose=target[SINGLE_ARM])
        return {SINGLE_ARM: np.clip(action, -1.0, 1.0)}

    def action_to_target_pose(self, action: NDArray[np.float64]) -> dict[str, Poses]:
        return {SINGLE_ARM: self.interface.action_to_target_pose(action=action)}

    def gripper_action(self, action: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {SINGLE_ARM: np.asarray(self.interface.action_to_gripper_action(action))}

    def join_action(self, arm: Mapping[str, Array], gripper: Mapping[str, Array]) -> NDArray[np.float64]:
        return np.concatenate([arm[SINGLE_ARM], gripper[SINGLE_ARM]])

    def step(self, action: NDArray[np.float64]) -> Step:
        _, reward, done, _ = self.env.step(action)
        return Step(reward=float(reward), done=bool(done), success=bool(self.env.is_success()["task"]))

    def save(self) -> Any:
        return self.env.get_state()

    def restore(self, saved: Any) -> None:
        self.env.reset_to(saved)

    def diagnose(self) -> str:
        return "" if self.env.is_success()["task"] else "the environment does not report success"

    def model_xml(self) -> str:
        return str(self.env.get_state().get("model", ""))


def as_scene(env: Any, env_interface: Any) -> Scene:
    """The Scene that an environment and its interface are; one Scene may stand for both."""
    if isinstance(env_interface, SceneInterface):
        return env_interface.scene
    if isinstance(env_interface, MG_EnvInterface):
        return InterfaceScene(env, env_interface)
    if all(callable(getattr(env, name, None)) for name in ("eef_pose", "target_pose_to_action", "join_action")):
        return env
    raise SettingsError(
        f"wanted a Scene, or an environment with its MG_EnvInterface; got {type(env).__name__} with "
        f"{type(env_interface).__name__}"
    )
