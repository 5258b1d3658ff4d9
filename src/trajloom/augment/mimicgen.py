"""Generation from demonstrations as a step of a pipeline, with the settings that DataAug Platform gave it."""

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trajloom import dataset as datasets
from trajloom.augmentation import Augmentation, Site, check_counts, dataset_aug
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError, TrajloomWarning, UnknownNameError
from trajloom.task import TaskSpec


@dataclass(frozen=True, kw_only=True)
class MimicGenAugmentation(Augmentation):
    """Make new episodes that solve the task from the episodes there are, which need `datagen_info`.

    It attempts until there are `times` successes, on all workers of the pipeline, with `trajloom.generate`.
    """

    task_spec: Any = None
    """The subtasks: a `TaskSpec`, an `MG_TaskSpec` (ours or MimicGen's own), MimicGen's JSON or a file of it; None is
    the task's own."""
    env_meta: Mapping[str, Any] | None = None
    """robomimic's description of the environment: its `env_name` may say the variant ("Square_D1"), its `env_kwargs`
    the robot. None is what the data says."""
    env_interface_type: str
    """MimicGen's name of the task's interface, such as "MG_Square", or our name of the task."""
    times: int = 1
    """New successful episodes."""
    keep_original: bool = True
    """Whether the episodes there were stay, before the new ones."""
    num_workers: int | None = 5
    """Attempts that run at the same time, at most; None is as many as the workers have threads."""
    select_src_per_subtask: bool = False
    """Whether each subtask chooses a source of its own."""
    transform_first_robot_pose: bool = False
    """Whether a segment begins with the source's reached pose."""
    interpolate_from_last_target_pose: bool = True
    """Whether segments are bridged from the last target, not from the reached pose."""
    render: bool = False
    """Whether each new episode is played in a window of this machine, once all are there."""
    video_writer: Any = None
    """Something with `append_data(frame)`, such as imageio's writer, that is given frames of the new episodes."""
    video_skip: int = 5
    """Every so many steps there is a frame."""
    camera_names: Sequence[str] | None = None
    """Cameras that the frames are seen by, side by side; needed with `video_writer`."""
    max_attempts: int | None = None
    """Attempts after which it gives up, with a warning, and with what there is."""
    min_success_rate: float = 0.01
    """Share of attempts below which it gives up."""

    def __post_init__(self) -> None:
        check_counts(self.times, self.num_workers)
        if self.video_writer is not None and not self.camera_names:
            raise SettingsError("a video needs camera_names, such as ['agentview']")
        if self.video_skip < 1:
            raise SettingsError(f"video_skip must be >= 1, got {self.video_skip}")

    @dataset_aug
    def apply(self, dataset: Dataset, site: Site) -> None:
        """Generate from the episodes of a dataset into `site.out`."""
        from trajloom.run import generate

        if self.render or self.video_writer is not None:
            from trajloom.sim.film import must_render

            must_render()
        meta = self.env_meta or dataset.header.env_args or {}
        task = task_of(self.env_interface_type)
        assert dataset.path is not None, "a frozen dataset lies somewhere"
        summary = generate(
            dataset.path,
            site.out,
            task=task,
            variant=variant_of(meta.get("env_name"), task),
            robot=robot_of(meta),
            successes=self.times,
            seed=site.seed,
            spec=spec_of(self.task_spec),
            select_src_per_subtask=self.select_src_per_subtask,
            transform_first_robot_pose=self.transform_first_robot_pose,
            interpolate_from_last_target_pose=self.interpolate_from_last_target_pose,
            max_attempts=self.max_attempts,
            min_success_rate=self.min_success_rate,
            scheduler=site.client,
            at_once=self.num_workers,
            scratch=site.scratch,
        )
        if summary.shortfall:
            warnings.warn(f"{type(self).__name__}: {summary.shortfall}", TrajloomWarning, stacklevel=2)
        self._show(datasets.read(site.out))

    def _show(self, made: Dataset) -> None:
        """Film and play the new episodes from their stored states."""
        if not self.render and self.video_writer is None:
            return
        from trajloom.sim import film

        models = made.models()
        for episode in made.iter_episodes(["states"]):
            xml, states = models[episode.row["model"]], episode.columns["states"]
            if self.video_writer is not None:
                for frame in film.frames(xml, states, list(self.camera_names or ()), self.video_skip):
                    self.video_writer.append_data(frame)
            if self.render:
                film.show(xml, states, made.header.control_hz or 20.0)


def task_of(interface: str) -> str:
    """Our name of the task of one of MimicGen's interfaces ("MG_StackThree"), or of ours; UnknownNameError."""
    from trajloom.sim import tasks

    known = {"MG_" + "".join(word.title() for word in name.split("_")): name for name in tasks.names()}
    if interface in known.values():
        return interface
    if interface not in known:
        raise UnknownNameError("task interface", interface, known)
    return known[interface]


def variant_of(env_name: Any, task: str) -> str:
    """The variant that an environment's name says ("Square_D1"), else the task's first."""
    from trajloom.sim import tasks

    variants = tasks.get(task).variants
    found = re.search(r"_(D\d+)$", env_name) if isinstance(env_name, str) else None
    if found is None:
        return variants[0]
    if found[1] not in variants:
        raise UnknownNameError(f"variant of {task}", found[1], variants)
    return found[1]


def robot_of(meta: Mapping[str, Any]) -> str:
    """The robot of robomimic's description of an environment, where it says one."""
    robots = meta.get("env_kwargs", {}).get("robots", "Panda")
    return robots if isinstance(robots, str) else robots[0]


def spec_of(task_spec: Any) -> TaskSpec | Mapping[str, Any] | str | Path | None:
    """What `generate` takes as `spec`; SettingsError where it is nothing that says subtasks."""
    if task_spec is None or isinstance(task_spec, TaskSpec | Mapping | str | Path):
        return task_spec
    if hasattr(task_spec, "to_task_spec"):
        return task_spec.to_task_spec()
    if hasattr(task_spec, "serialize"):
        # MimicGen's own
        return TaskSpec.from_json(json.loads(task_spec.serialize()))
    raise SettingsError(
        f"task_spec is a {type(task_spec).__name__}; expected a TaskSpec, an MG_TaskSpec, or MimicGen's JSON"
    )
