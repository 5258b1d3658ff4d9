"""What the engine and a simulator agree on: the task's subtasks, what is known of a scene, and what a scene can do.

Everything is keyed by end effector; a single arm is one key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SchemaError
from trajloom.poses import Poses

Array = NDArray[Any]

SINGLE_ARM = "robot0"
"""The key of the only end effector where a source does not name it."""


@dataclass(frozen=True, kw_only=True)
class Subtask:
    """One object-centred piece of a task; the names are those of MimicGen's task specification."""

    object_ref: str | None
    """The object whose frame the segment is carried in; None leaves the segment where it was."""
    subtask_term_signal: str | None = None
    """The signal whose rising edge ends the subtask; None for the last subtask alone."""
    subtask_term_offset_range: tuple[int, int] = (0, 0)
    """Steps added to the end, drawn uniformly from this inclusive range at each attempt."""
    selection_strategy: str = "random"
    """How a source demonstration is chosen: the name of a strategy."""
    selection_strategy_kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the strategy, such as `{"nn_k": 3}`."""
    action_noise: float = 0.0
    """Standard deviation of the noise added to the arm's action, in the action's own units ([-1, 1])."""
    num_interpolation_steps: int = 5
    """Poses put between the end of the last subtask and the start of this one."""
    num_fixed_steps: int = 0
    """Steps for which the segment's first pose is held before it is followed."""
    apply_noise_during_interpolation: bool = False
    """Whether the interpolated steps get the noise too."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subtask_term_offset_range", tuple(self.subtask_term_offset_range or (0, 0)))
        object.__setattr__(self, "selection_strategy_kwargs", dict(self.selection_strategy_kwargs or {}))
        low, high = self.subtask_term_offset_range
        faults = [
            (low > high, f"subtask_term_offset_range must be (low, high), got {(low, high)}"),
            (self.action_noise < 0, f"action_noise must be >= 0, got {self.action_noise}"),
            (
                self.num_interpolation_steps < 0,
                f"num_interpolation_steps must be >= 0, got {self.num_interpolation_steps}",
            ),
            (self.num_fixed_steps < 0, f"num_fixed_steps must be >= 0, got {self.num_fixed_steps}"),
            (
                self.object_ref is None and self.selection_strategy != "random",
                f"a subtask without object_ref can only choose at random, not by {self.selection_strategy!r}",
            ),
        ]
        wrong = [words for is_wrong, words in faults if is_wrong]
        if wrong:
            raise SchemaError("; ".join(wrong))


@dataclass(frozen=True)
class TaskSpec:
    """The subtasks of every end effector, in order."""

    subtasks: Mapping[str, tuple[Subtask, ...]]
    """End effector -> its subtasks."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subtasks", {eef: tuple(some) for eef, some in self.subtasks.items()})
        if not self.subtasks or not all(self.subtasks.values()):
            raise SchemaError("a task needs at least one end effector, and each end effector at least one subtask")
        for eef, some in self.subtasks.items():
            last = some[-1]
            if last.subtask_term_signal is not None or last.subtask_term_offset_range != (0, 0):
                raise SchemaError(
                    f"the last subtask of {eef} ends with the demonstration: no signal, no offset; got {last}"
                )
            for i, subtask in enumerate(some[:-1]):
                if subtask.subtask_term_signal is None:
                    raise SchemaError(f"subtask {i} of {eef} is not the last, so it needs a subtask_term_signal")

    @classmethod
    def single_arm(cls, *subtasks: Subtask, eef: str = SINGLE_ARM) -> "TaskSpec":
        """The task of one arm."""
        return cls({eef: subtasks})

    @property
    def eefs(self) -> tuple[str, ...]:
        """The end effectors, in order."""
        return tuple(self.subtasks)

    def __iter__(self) -> Iterator[tuple[str, int, Subtask]]:
        """Every subtask as (end effector, number, subtask)."""
        return ((eef, i, subtask) for eef, some in self.subtasks.items() for i, subtask in enumerate(some))

    def to_json(self) -> dict[str, Any]:
        """As JSON values: `{eef: {"subtask_1": {...}, ...}}`, each subtask under MimicGen's keys."""
        return {
            eef: {f"subtask_{i + 1}": _subtask_to_json(subtask) for i, subtask in enumerate(some)}
            for eef, some in self.subtasks.items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TaskSpec":
        """From `to_json`, from MimicGen's `task_spec` alone, or from a whole MimicGen config."""
        values = values.get("task", values)
        values = values.get("task_spec", values)
        if all(_is_subtask(value) for value in values.values()):
            values = {SINGLE_ARM: values}
        return cls(
            {
                eef: tuple(_subtask_from_json(eef, name, one) for name, one in some.items())
                for eef, some in values.items()
            }
        )


def _is_subtask(value: object) -> bool:
    return isinstance(value, Mapping) and "object_ref" in value


def _subtask_to_json(subtask: Subtask) -> dict[str, Any]:
    return {**asdict(subtask), "subtask_term_offset_range": list(subtask.subtask_term_offset_range)}


def _subtask_from_json(eef: str, name: str, values: Mapping[str, Any]) -> Subtask:
    known = {f.name for f in fields(Subtask)}
    unknown = set(values) - known
    if unknown or "object_ref" not in values:
        missing = "" if "object_ref" in values else "; object_ref is missing"
        raise SchemaError(f"{eef}/{name}: unknown keys {sorted(unknown)}{missing}; there are: {sorted(known)}")
    # MimicGen writes null where it means "the default"
    given: dict[str, Any] = {key: value for key, value in values.items() if value is not None or key == "object_ref"}
    return Subtask(**given)


@dataclass
class DatagenInfo:
    """What data generation needs to know of a scene, at one step or for T steps. All of it is optional.

    Single-arm values are plain arrays, as in MimicGen; with several arms they are mappings by end effector.
    """

    eef_pose: Poses | Mapping[str, Poses] | None = None
    """(..., 4, 4). Reached end-effector poses in the world, before the action."""
    object_poses: Mapping[str, Poses] | None = None
    """Object -> (..., 4, 4) in the world, before the action."""
    subtask_term_signals: Mapping[str, Any] | None = None
    """Signal -> 0 or 1, or an array (...) of them, before the action."""
    target_pose: Poses | Mapping[str, Poses] | None = None
    """(..., 4, 4). End-effector poses in the world that the actions ask for."""
    gripper_action: Array | Mapping[str, Array] | None = None
    """(..., G). The gripper's part of the actions."""

    def to_dict(self) -> dict[str, Any]:
        """The fields that are there."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}

    def of(self, eef: str) -> "DatagenInfo":
        """The view of one end effector, with plain arrays."""
        return DatagenInfo(
            eef_pose=_of(self.eef_pose, eef),
            object_poses=self.object_poses,
            subtask_term_signals=self.subtask_term_signals,
            target_pose=_of(self.target_pose, eef),
            gripper_action=_of(self.gripper_action, eef),
        )

    def to_columns(self) -> dict[str, Array]:
        """As columns: `datagen_info/eef_pose`, `datagen_info/object_poses/cubeA`, ..."""
        return {path: np.asarray(value) for path, value in _flatten("datagen_info", self.to_dict())}

    @classmethod
    def from_columns(cls, columns: Mapping[str, Array]) -> "DatagenInfo":
        """From columns named by their path; others are ignored."""
        tree: dict[str, Any] = {}
        for path, value in columns.items():
            parts = path.split("/")
            if parts[0] != "datagen_info" or len(parts) not in (2, 3):
                continue
            if len(parts) == 2:
                tree[parts[1]] = value
            else:
                tree.setdefault(parts[1], {})[parts[2]] = value
        return cls(**{f.name: tree[f.name] for f in fields(cls) if f.name in tree})


def _of(value: Any, eef: str) -> Any:
    return value[eef] if isinstance(value, Mapping) else value


def _flatten(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(f"{path}/{name}", inner)
    else:
        yield path, value


@dataclass(frozen=True)
class Step:
    """What came of one control step."""

    reward: float
    done: bool
    success: bool


class Scene(Protocol):
    """What a simulator must offer to the engine. Poses are in the world; a control step lasts 1 / control_hz s."""

    eefs: tuple[str, ...]
    control_hz: float
    action_dim: int
    """Length D of an action."""

    @property
    def env_args(self) -> Mapping[str, Any]:
        """robomimic's description of the environment."""
        ...

    def reset(self, rng: np.random.Generator) -> None:
        """Draw a new start from `rng` alone; nothing of earlier episodes is left."""
        ...

    def eef_pose(self) -> dict[str, Poses]:
        """End effector -> (4, 4)."""
        ...

    def object_poses(self) -> dict[str, Poses]:
        """Object -> (4, 4)."""
        ...

    def subtask_term_signals(self) -> dict[str, bool]:
        """Signal -> whether it holds now."""
        ...

    def observation(self) -> dict[str, Array]:
        """What a policy sees, by robomimic's names (`robot0_eef_pos`, `object`, ...)."""
        ...

    def state(self) -> NDArray[np.float64]:
        """(D,). The simulator's state as robosuite flattens it: time, qpos, qvel."""
        ...

    def target_pose_to_action(self, target: Mapping[str, Poses]) -> dict[str, NDArray[np.float64]]:
        """End effector -> arm action (A,), clipped to [-1, 1], that asks for the pose (4, 4) from where it is now."""
        ...

    def action_to_target_pose(self, action: NDArray[np.float64]) -> dict[str, Poses]:
        """End effector -> (4, 4): the pose that the action, clipped as the controller clips it, asks for."""
        ...

    def gripper_action(self, action: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """End effector -> the gripper's part (G,) of an action."""
        ...

    def join_action(self, arm: Mapping[str, Array], gripper: Mapping[str, Array]) -> NDArray[np.float64]:
        """One action (D,) from the parts of every end effector."""
        ...

    def step(self, action: NDArray[np.float64]) -> Step:
        """Apply an action for one control step."""
        ...

    def save(self) -> Any:
        """Everything that the next step depends on, the controller's goals included."""
        ...

    def restore(self, saved: Any) -> None:
        """Go back: restore-then-step equals step."""
        ...

    def diagnose(self) -> str:
        """Which condition of success does not hold now, in a few words; "" where all hold."""
        ...

    def model_xml(self) -> str:
        """The simulator's model of this episode, or "" where there is none."""
        ...


@runtime_checkable
class Readable(Protocol):
    """What a scene may also offer: to be read quickly at every step, and asked afterwards what all steps were like."""

    def reading(self, action: NDArray[np.float64]) -> Any:
        """All that the columns of this step are made from, before an action (D,), as a copy."""
        ...

    def columns_of(self, readings: Sequence[Any]) -> dict[str, Array]:
        """Column -> (T, ...) of T >= 1 readings: `actions`, `states`, `obs/...`, `datagen_info/...`."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """What a scene may also offer: to say that it is no use to go on."""

    def hopeless(self) -> str:
        """Why the task cannot be solved any more from here, whatever the robot does; "" where it still may be."""
        ...


@runtime_checkable
class Reaching(Protocol):
    """What a scene may also offer: to say beforehand that an arm cannot follow a path."""

    def out_of_reach(self, eef: str, targets: Sequence[Poses]) -> str:
        """Why an end effector will not follow targets (T, 4, 4), one a control step, from where it is; "" if it may."""
        ...


def datagen_info(scene: Scene, action: NDArray[np.float64] | None = None) -> DatagenInfo:
    """What is known of a scene now; with an action, also what the action asks for. A single arm gives plain arrays."""
    signals = {name: int(value) for name, value in scene.subtask_term_signals().items()}
    target = scene.action_to_target_pose(action) if action is not None else None
    gripper = scene.gripper_action(action) if action is not None else None

    def plain(by_eef: dict[str, Array] | None) -> Any:
        return by_eef[scene.eefs[0]] if by_eef is not None and len(scene.eefs) == 1 else by_eef

    return DatagenInfo(
        eef_pose=plain(scene.eef_pose()),
        object_poses=scene.object_poses(),
        subtask_term_signals=signals,
        target_pose=plain(target),
        gripper_action=plain(gripper),
    )
