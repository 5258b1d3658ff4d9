"""MimicGen's own classes under their own names, for code that was written for them. They drive the same engine."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.generate import Settings, attempt
from trajloom.engine.interfaces import MG_EnvInterface, SceneInterface, as_scene, make_interface
from trajloom.engine.plan import select
from trajloom.engine.results import Film, as_lists
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.engine.select import MG_SelectionStrategy, make_selection_strategy
from trajloom.engine.settings import Compat
from trajloom.engine.waypoints import Waypoint, WaypointSequence, WaypointTrajectory
from trajloom.errors import SettingsError, SourceError
from trajloom.poses import Poses, carry
from trajloom.rollout import Rollout
from trajloom.seeding import rng_from_globals
from trajloom.task import SINGLE_ARM, DatagenInfo, Subtask, TaskSpec

__all__ = [
    "DataGenerator",
    "DatagenInfo",
    "MG_EnvInterface",
    "MG_SelectionStrategy",
    "MG_TaskSpec",
    "SceneInterface",
    "Waypoint",
    "WaypointSequence",
    "WaypointTrajectory",
    "make_interface",
    "make_selection_strategy",
    "transform_source_data_segment_using_object_pose",
]

Loader = Callable[[str | Path, Sequence[str] | None], Sequence[SourceDemo]]
"""Reads the demonstrations of a file, all or those named."""


class MG_TaskSpec:
    """The subtasks of one arm, added one by one; each is a dict with the names of `Subtask`."""

    def __init__(self) -> None:
        self.spec: list[dict[str, Any]] = []

    def add_subtask(
        self,
        object_ref: str | None,
        subtask_term_signal: str | None,
        subtask_term_offset_range: tuple[int, int] | None = None,
        selection_strategy: str = "random",
        selection_strategy_kwargs: Mapping[str, Any] | None = None,
        action_noise: float = 0.0,
        num_interpolation_steps: int = 5,
        num_fixed_steps: int = 0,
        apply_noise_during_interpolation: bool = False,
    ) -> None:
        """Append a subtask; the arguments are those of `Subtask`.

        Raises:
            SchemaError: A value is out of its range.
        """
        values = {
            "object_ref": object_ref,
            "subtask_term_signal": subtask_term_signal,
            "subtask_term_offset_range": tuple(subtask_term_offset_range or (0, 0)),
            "selection_strategy": selection_strategy,
            "selection_strategy_kwargs": dict(selection_strategy_kwargs or {}),
            "action_noise": action_noise,
            "num_interpolation_steps": num_interpolation_steps,
            "num_fixed_steps": num_fixed_steps,
            "apply_noise_during_interpolation": apply_noise_during_interpolation,
        }
        Subtask(**values)
        self.spec.append(values)

    @classmethod
    def from_json(
        cls, json_string: str | None = None, json_dict: Mapping[str, Mapping[str, Any]] | None = None
    ) -> "MG_TaskSpec":
        """From a JSON text or from its values: subtask name -> the arguments of `add_subtask`, in order.

        Raises:
            SettingsError: Neither or both were given.
            SchemaError: A subtask has a key that there is not.
        """
        if (json_string is None) == (json_dict is None):
            raise SettingsError("from_json wants json_string or json_dict, one of the two")
        values = json.loads(json_string) if json_string is not None else json_dict
        return cls.from_task_spec(TaskSpec.from_json(values or {}))

    @classmethod
    def from_task_spec(cls, spec: TaskSpec) -> "MG_TaskSpec":
        """From a TaskSpec of one arm."""
        if len(spec.eefs) != 1:
            raise SettingsError(f"MG_TaskSpec has one arm; this task is for {', '.join(spec.eefs)}")
        made = cls()
        for _, _, subtask in spec:
            made.add_subtask(**vars(subtask))
        return made

    def to_task_spec(self, eef: str = SINGLE_ARM) -> TaskSpec:
        """As a TaskSpec, with all its checks: the last subtask has no signal, the others have one."""
        return TaskSpec.from_json({eef: json.loads(self.serialize())})

    def serialize(self) -> str:
        """As a JSON text: `{"subtask_1": {...}, ...}`; `from_json` reads it back."""
        return json.dumps({f"subtask_{i + 1}": subtask for i, subtask in enumerate(self.spec)})

    def __len__(self) -> int:
        return len(self.spec)

    def __getitem__(self, ind: int) -> dict[str, Any]:
        return self.spec[ind]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.spec)


def transform_source_data_segment_using_object_pose(
    obj_pose: Poses, src_eef_poses: Poses, src_obj_pose: Poses
) -> Poses:
    """Carry a source segment to where its object is now: `poses.carry` in MimicGen's order of arguments.

    Args:
        obj_pose: (4, 4). The object's pose now.
        src_eef_poses: (T, 4, 4). End-effector poses of the source segment.
        src_obj_pose: (4, 4). The object's pose when the source segment began.

    Returns:
        (T, 4, 4).
    """
    return carry(src_eef_poses, src_obj_pose, obj_pose)


class DataGenerator:
    """Makes new trajectories from source demonstrations, one a call of `generate`."""

    def __init__(
        self,
        task_spec: MG_TaskSpec | TaskSpec,
        dataset_path: str | Path | Sequence[SourceDemo],
        demo_keys: Sequence[str] | None = None,
        *,
        load: Loader | None = None,
        compat: Compat = None,
    ):
        """Cut the sources into subtasks.

        Args:
            task_spec: The task of one arm.
            dataset_path: A file that `load` reads, or the demonstrations themselves.
            demo_keys: Names of the demonstrations to use; all of them where left out.
            load: Reads a path; `trajloom.DataGenerator` has one built in.
            compat: "mimicgen" repeats the original's quirks; see `Settings`.

        Raises:
            SourceError: A demonstration cannot serve, or one of `demo_keys` is not there.
        """
        spec = task_spec.to_task_spec() if isinstance(task_spec, MG_TaskSpec) else task_spec
        if len(spec.eefs) != 1:
            raise SettingsError(f"DataGenerator has one arm, this task {len(spec.eefs)}; use engine.generate.attempt")
        self.task_spec, self.dataset_path = task_spec, dataset_path
        self.compat: Compat = compat
        self.spec, (self.eef,) = spec, spec.eefs
        self.sources = Sources.from_demos(_demos(dataset_path, demo_keys, load), spec)

    def randomize_subtask_boundaries(self, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """(N, S, 2). First frame and one past the last frame of every subtask, with new random offsets."""
        bounds = self.sources.draw_boundaries(rng or rng_from_globals())[self.eef]
        return np.stack([bounds[:, :-1], bounds[:, 1:]], axis=-1)

    def select_source_demo(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        subtask_ind: int,
        src_subtask_inds: NDArray[np.int64],
        subtask_object_name: str | None,
        selection_strategy_name: str,
        selection_strategy_kwargs: Mapping[str, Any] | None = None,
        rng: np.random.Generator | None = None,
    ) -> int:
        """The index of the source that a strategy chooses for a subtask.

        Args:
            eef_pose: (4, 4). The end effector now.
            object_pose: (4, 4). The subtask's object now; None where it has none.
            subtask_ind: Which subtask.
            src_subtask_inds: (N, 2). First frame and one past the last frame of this subtask in every source.
            subtask_object_name: The subtask's object.
            selection_strategy_name: The strategy.
            selection_strategy_kwargs: Its settings.
            rng: Chance; left out, a stream seeded from the global `np.random`.
        """
        subtask = Subtask(
            object_ref=subtask_object_name,
            selection_strategy=selection_strategy_name,
            selection_strategy_kwargs=selection_strategy_kwargs or {},
        )
        inds, rng = np.asarray(src_subtask_inds), rng or rng_from_globals()
        return select(self.sources, inds, self.eef, subtask, eef_pose, object_pose, rng)

    def generate(
        self,
        env: Any,
        env_interface: Any,
        select_src_per_subtask: bool = False,
        transform_first_robot_pose: bool = False,
        interpolate_from_last_target_pose: bool = True,
        render: bool = False,
        video_writer: Any = None,
        video_skip: int = 5,
        camera_names: Sequence[str] | None = None,
        pause_subtask: bool = False,
        rng: np.random.Generator | None = None,
    ) -> dict[str, Any]:
        """Make one attempt at a new trajectory.

        Args:
            env: A robomimic environment or a Scene; it is reset first.
            env_interface: Its MG_EnvInterface, or the Scene again.
            select_src_per_subtask: Choose a source at every subtask, not only at the first.
            transform_first_robot_pose: Begin every segment with the source's reached pose.
            interpolate_from_last_target_pose: Bridge from the last target instead of from the reached pose.
            render, video_writer, video_skip, camera_names: As in `WaypointTrajectory.execute`.
            pause_subtask: Wait for Enter after every subtask.
            rng: Chance; left out, a stream seeded from the global `np.random`.

        Returns:
            `initial_state` (dict), `states`, `observations`, `datagen_infos`, `actions` (lists, an item a step),
            `success`, `src_demo_inds` (list, one a subtask), `src_demo_labels` (T, 1).
        """
        settings = Settings(
            select_src_per_subtask=select_src_per_subtask,
            transform_first_robot_pose=transform_first_robot_pose,
            interpolate_from_last_target_pose=interpolate_from_last_target_pose,
            compat=self.compat,
        )
        scene, film = as_scene(env, env_interface), Film(env, render, video_writer, video_skip, camera_names)
        pause = _wait_for_enter if pause_subtask else None
        made = attempt(scene, self.sources, self.spec, settings, rng or rng_from_globals(), film.take, pause)
        return {**_results(made), **self._labels(made)}

    def _labels(self, made: Rollout) -> dict[str, Any]:
        index = {int(episode): i for i, episode in enumerate(self.sources.episode_index)}
        labels = [index[int(episode)] for episode in made.columns[f"source_episode/{self.eef}"]]
        return {
            "src_demo_inds": [index[choice.source_episode] for choice in made.choices],
            "src_demo_labels": np.array(labels).reshape(-1, 1),
        }


def _results(made: Rollout) -> dict[str, Any]:
    initial_state = {"states": made.initial_state, "model": made.model_xml}
    return {"initial_state": initial_state, **as_lists(made.columns, made.success)}


def _wait_for_enter(eef: str, number: int) -> None:
    input(f"subtask {number} of {eef} has ended; press Enter to go on: ")


def _demos(source: Any, demo_keys: Sequence[str] | None, load: Loader | None) -> Sequence[SourceDemo]:
    if isinstance(source, str | Path):
        if load is None:
            raise SettingsError(f"cannot read {source} here without load=; trajloom.DataGenerator reads files itself")
        source = load(source, demo_keys)
    if demo_keys is None:
        return source
    by_name = {demo.name: demo for demo in source}
    absent = [key for key in demo_keys if key not in by_name]
    if absent:
        raise SourceError(f"no demonstrations named {', '.join(absent)}; there are: {', '.join(by_name)}")
    return [by_name[key] for key in demo_keys]
