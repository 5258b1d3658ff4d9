"""Run attempts on Dask until there are as many as were asked for: `generate` from sources, `expert` from scripts."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import fsspec
from distributed import Client

from trajloom import dataset as datasets
from trajloom import store
from trajloom.engine import generate as engine
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.errors import OutputExistsError, RunError, SettingsError
from trajloom.generation.goal import Goal
from trajloom.generation.recipe import Recipe, differences
from trajloom.generation.sources import identity, read_sources
from trajloom.run.cluster import check_workers, connect
from trajloom.run.drive import Driver, Ledger, OnProgress
from trajloom.run.worker import PROBE, Job, freeze_sources, probe
from trajloom.task import TaskSpec

HANG_AFTER = 600.0
"""Seconds after which an attempt counts as hung, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of a run."""

    path: str
    successes: int
    attempts: int
    new_attempts: int
    """Attempts that this call made; the others were there."""
    simulated_steps: int
    seconds: float
    shortfall: str | None = None
    """Why there are fewer successes than were asked for."""

    @property
    def success_rate(self) -> float:
        return self.successes / self.attempts if self.attempts else 0.0


def generate(
    source: str | Path,
    out: str | Path,
    *,
    task: str,
    variant: str = "D0",
    robot: str = "Panda",
    gripper: str | None = None,
    successes: int | None = None,
    attempts: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    scratch: str | None = None,
    keep_failed: bool = False,
    spec: TaskSpec | Mapping[str, Any] | str | Path | None = None,
    select_src_per_subtask: bool | None = None,
    transform_first_robot_pose: bool | None = None,
    interpolate_from_last_target_pose: bool | None = None,
    success: str = "any",
    compat: Literal["mimicgen"] | None = None,
    max_attempts: int | None = None,
    min_success_rate: float = 0.01,
    split: str | None = None,
    unit: int = 5,
    hang_after: float = HANG_AFTER,
    preload: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Summary:
    """Generate new episodes from source demonstrations and keep them as a dataset.

    The same call again resumes, or extends when more is asked for. Attempt k is a function of sources, task, settings,
    seed and versions alone, so the episodes are the same bytes for any number of workers.

    Args:
        source: Demonstrations with `datagen_info`, in any format that `trajloom.read` knows.
        out: Folder or URL of the dataset.
        task: Name of the task, such as "stack".
        variant: Where objects start, such as "D1".
        robot, gripper: robosuite's names; no gripper is the robot's usual one.
        successes: Go on until there are this many; or
        attempts: make exactly this many attempts.
        seed: Decides every draw.
        workers: Processes of the local cluster; by default one for each core.
        scheduler: Address of a Dask scheduler to use instead.
        scratch: Folder or URL shared by client and workers; by default beside `out`.
        keep_failed: Also keep the steps of failed attempts.
        spec: The subtasks: a TaskSpec, its JSON or MimicGen's, or a file of either; by default the task's own. Of a
            whole MimicGen config, what `experiment.generation` says of the three settings below counts too.
        select_src_per_subtask, transform_first_robot_pose, interpolate_from_last_target_pose: How segments are chosen
            and followed; see `trajloom.engine.generate.Settings`. By default what the config or the task says.
        success: What counts as success: "any" step, the "final" one, or "hold-<k>".
        compat: "mimicgen" repeats the original's quirks.
        max_attempts, min_success_rate: Give up after so many attempts, or when fewer than this share succeed.
        split: Use only the sources of this split (robomimic's filter key).
        unit: Attempts in a part.
        hang_after: Seconds after which an attempt counts as hung and its worker is replaced.
        preload: Modules that every worker imports first, such as one that defines your own selection strategy.
        on_progress: Called after every unit.

    Raises:
        SourceError: The sources lack something that the task needs.
        SettingsError: `out` holds a run with other settings.
    """
    from trajloom.sim import tasks

    for module in preload:
        import_module(module)
    chosen = tasks.get(task)
    task_spec, config = _spec_and_config(spec) if spec is not None else (chosen.spec, {})
    demos = read_sources(datasets.read(str(source)), str(source), split)
    Sources.from_demos(demos, task_spec)  # faults of the sources are found here, not on a worker
    asked = {
        "select_src_per_subtask": select_src_per_subtask,
        "transform_first_robot_pose": transform_first_robot_pose,
        "interpolate_from_last_target_pose": interpolate_from_last_target_pose,
    }
    settings = engine.Settings(
        **{
            "select_src_per_subtask": chosen.select_src_per_subtask,
            **{name: config[name] for name in asked if name in config},
            **{name: value for name, value in asked.items() if value is not None},
        },
        success=success,
        compat=compat,
    )
    recipe = Recipe(
        kind="mimicgen",
        task=task,
        variant=variant,
        robot=robot,
        gripper=gripper,
        seed=seed,
        keep_failed=keep_failed,
        unit=unit,
        spec=task_spec.to_json(),
        engine=asdict(settings),
        sources=(identity(demos),),
    )
    goal = Goal(successes=successes, attempts=attempts, max_attempts=max_attempts, min_success_rate=min_success_rate)
    with connect(workers, scheduler) as client:
        return _run(client, recipe, demos, str(out), goal, scratch, hang_after, tuple(preload), on_progress)


def expert(
    task: str,
    out: str | Path,
    *,
    episodes: int,
    variant: str = "D0",
    robot: str = "Panda",
    gripper: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    scheduler: str | None = None,
    scratch: str | None = None,
    keep_failed: bool = False,
    max_attempts: int | None = None,
    unit: int = 5,
    hang_after: float = HANG_AFTER,
    on_progress: OnProgress | None = None,
) -> Summary:
    """Let a task's scripted expert solve it; its episodes carry `datagen_info` and are sources as they are.

    Args:
        task: Name of the task, such as "stack".
        out: Folder or URL of the dataset.
        episodes: Successful episodes to make.

    The others are those of `generate`.
    """
    recipe = Recipe(
        kind="expert",
        task=task,
        variant=variant,
        robot=robot,
        gripper=gripper,
        seed=seed,
        keep_failed=keep_failed,
        unit=unit,
    )
    goal = Goal(successes=episodes, max_attempts=max_attempts)
    with connect(workers, scheduler) as client:
        return _run(client, recipe, [], str(out), goal, scratch, hang_after, (), on_progress)


def _spec_and_config(spec: TaskSpec | Mapping[str, Any] | str | Path) -> tuple[TaskSpec, Mapping[str, Any]]:
    """The subtasks, and what a MimicGen config says of `experiment.generation`."""
    if isinstance(spec, TaskSpec):
        return spec, {}
    values = spec if isinstance(spec, Mapping) else json.loads(Path(spec).read_text())
    return TaskSpec.from_json(values), values.get("experiment", {}).get("generation", {})


def _run(
    client: Client,
    recipe: Recipe,
    demos: list[SourceDemo],
    out: str,
    goal: Goal,
    scratch: str | None,
    hang_after: float,
    preload: tuple[str, ...],
    on_progress: OnProgress | None,
) -> Summary:
    """Set the run up, drive it to its goal, and enter its end into the header, also when it is interrupted."""
    start = time.perf_counter()
    shared = (scratch or f"{out.rstrip('/')}.scratch").rstrip("/")
    recipe = replace(recipe, versions=_set_up(out, client, shared))
    job = Job(recipe=recipe, out=out, scratch=shared, hang_after=hang_after, preload=preload)
    ledger = _open(client, job)
    if demos:
        freeze_sources(demos, job.sources_file)
    job = replace(job, header=store.open_store(out).header)
    before = sum(map(len, ledger.outcomes.values()))
    driver = Driver(client, job, goal, ledger, on_progress)
    end: int | None = None
    try:
        end = driver.run()
    finally:
        _finish(job, ledger, end)
    outcomes = ledger.prefix()
    shown = store.open_store(out).header.attempts_end or end or 0
    return Summary(
        path=out,
        successes=sum(outcomes[:shown]),
        attempts=shown,
        new_attempts=sum(map(len, ledger.outcomes.values())) - before,
        simulated_steps=driver.simulated_steps,
        seconds=time.perf_counter() - start,
        shortfall=goal.shortfall(outcomes, shown),
    )


def _set_up(out: str, client: Client, scratch: str) -> dict[str, str]:
    """Refuse an output that is something else before anything is written; then check the workers."""
    fs, folder = fsspec.core.url_to_fs(out)
    if fs.exists(folder) and not store.is_store(out) and (fs.isfile(folder) or fs.ls(folder)):
        raise OutputExistsError(f"{out} is there already and is no dataset of ours; nothing was written")
    return check_workers(client, scratch)


def _open(client: Client, job: Job) -> Ledger:
    """Create the dataset, or resume it where it holds the same run."""
    if not store.is_store(job.out):
        header = client.submit(probe, job.recipe, pure=False).result()
        store.create(job.out, header)
        return Ledger(unit=job.recipe.unit)
    header = store.open_store(job.out).header
    old = (header.generation or {}).get("recipe")
    if old is None:
        raise OutputExistsError(f"{job.out} holds a dataset that was not generated; nothing was written")
    ledger = Ledger.from_commits(job.recipe.unit, store.resume(job.out).commits())
    new = job.recipe.to_json()
    if old != new:
        raise SettingsError(f"{job.out} holds another run; {'; '.join(differences(old, new))}")
    return ledger


def _finish(job: Job, ledger: Ledger, end: int | None) -> None:
    """Enter the run's end into the header, and remove what was only shared with the workers."""
    header = store.open_store(job.out).header
    if end is not None and (header.attempts_end or 0) < end:
        store.update_header(job.out, header.with_(attempts_end=end))
    fs, folder = fsspec.core.url_to_fs(job.scratch)
    for name in (PROBE, Path(job.sources_file).name):
        if fs.exists(f"{folder}/{name}"):
            fs.rm(f"{folder}/{name}")
    if fs.exists(folder) and not fs.ls(folder):
        fs.rmdir(folder)


__all__ = ["RunError", "Summary", "expert", "generate"]
