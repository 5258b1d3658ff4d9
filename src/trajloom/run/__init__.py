"""Run attempts on Dask until there are as many as were asked for: `generate` from sources, `expert` from scripts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trajloom.engine import generate as engine
from trajloom.engine import own_check
from trajloom.engine.segments import Sources
from trajloom.generation.goal import Goal
from trajloom.generation.recipe import Recipe
from trajloom.generation.sources import identity, read_sources
from trajloom.run.drive import OnProgress
from trajloom.run.execute import Summary, Workplace, execute
from trajloom.task import TaskSpec

if TYPE_CHECKING:
    from distributed import Client

    from trajloom.engine.own_check import Check
    from trajloom.sim.loop import Kind


def generate(
    source: str | Path,
    out: str | Path,
    *,
    task: str,
    variant: str = "D0",
    robot: str = "Panda",
    gripper: str | None = None,
    loop: "Kind" = "fast",
    successes: int | None = None,
    attempts: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    envs_per_worker: int | None = None,
    scheduler: "Client | str | None" = None,
    at_once: int | None = None,
    scratch: str | None = None,
    keep_failed: bool = False,
    spec: TaskSpec | Mapping[str, Any] | str | Path | None = None,
    select_src_per_subtask: bool | None = None,
    transform_first_robot_pose: bool | None = None,
    interpolate_from_last_target_pose: bool | None = None,
    success: str = "any",
    compat: Literal["mimicgen"] | None = None,
    tries: int = 1,
    back: int = 0,
    step_budget: int | None = None,
    hold: int = 1,
    check: "Check | str | None" = None,
    patience: int = 5,
    foresee: bool = True,
    branches: str | Path | None = None,
    adapt: bool = False,
    round: int = 50,
    max_attempts: int | None = None,
    min_success_rate: float = 0.01,
    split: str | None = None,
    unit: int = 5,
    hang_after: float = Workplace.hang_after,
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
        loop: How control steps are computed: "fast" is compiled; "exact" too, with robosuite's own arithmetic, at about
            twice the cost of control; "robosuite" is its own Python. Results differ in the last digits.
        successes: Go on until there are this many; or
        attempts: make exactly this many attempts.
        seed: Decides every draw.
        workers: Processes of the local cluster; by default as many as give every core one environment.
        envs_per_worker: Environments in each process, on threads; by default one. Saves memory and start-up.
        scheduler: A Dask cluster to use instead: the address of its scheduler, or a client of it.
        at_once: Units made at the same time, at most; by default one for every thread, and a few that wait.
        scratch: Folder or URL shared by client and workers; by default beside `out`.
        keep_failed: Also keep the steps of failed attempts.
        spec: The subtasks: a TaskSpec, its JSON or MimicGen's, or a file of either; by default the task's own. Of a
            whole MimicGen config, what `experiment.generation` says of the three settings below counts too.
        select_src_per_subtask, transform_first_robot_pose, interpolate_from_last_target_pose: How segments are chosen
            and followed; see `trajloom.engine.generate.Settings`. By default what the config or the task says.
        success: What counts as success: "any" step, the "final" one, or "hold-<k>".
        compat: "mimicgen" repeats the original's quirks.
        tries: How often a subtask may be tried: where its signal does not hold at its end (of the last: success), the
            scene is restored to its start and another source is tried. 1 is plain MimicGen.
        back: How many subtasks before one whose tries are used up may be tried again, too.
        step_budget: Control steps that an attempt may simulate, discarded tries included.
        adapt: Choose sources by how often they worked in earlier rounds (Thompson sampling), with `tries`.
        round: Attempts in a round: whole units.
        hold: Steps in a row that a subtask's signal must hold at its end.
        check: A check of your own, made where a subtask ends: a function of the scene, the end effector and the
            subtask's number that returns what is wrong, in words, or False. It must be at the top of a module that
            workers can import; "module:function" names it.
        patience: Steps after which a try is given up that lacks a signal which its source had; or whose arm stands
            still for four times as long, 3 cm farther from its target than in the source. 0 plays every try out.
        foresee: Pass over sources whose way the arm cannot follow, because it would end short of it or rest on the
            limit of a joint; where that holds for all of them, there is one try.
        branches: Folder or URL of a second dataset, which keeps what was discarded as failed episodes: each begins as
            its attempt's episode does. Its columns of `episodes` say where they part: `branch/attempt`,
            `branch/parts_at` (the first step that differs), `branch/subtask`, `branch/try`.
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
    arguments = dict(locals())  # some of them are the settings of attempts, by their names
    from trajloom.dataset import read  # a worker, which imports this package, needs no Polars
    from trajloom.sim import tasks

    for module in preload:
        import_module(module)
    own = None if check is None else own_check.name_of(check)
    if own is not None:
        own_check.load(own)  # what is wrong with it is found here, before anything is written
    chosen = tasks.get(task)
    task_spec, config = _spec_and_config(spec) if spec is not None else (chosen.spec, {})
    demos = read_sources(read(str(source)), str(source), split)
    Sources.from_demos(demos, task_spec)  # faults of the sources are found here, not on a worker
    usual = {"select_src_per_subtask": chosen.select_src_per_subtask}
    settings = _settings(usual, config, {**arguments, "check": own})
    recipe = Recipe(
        kind="mimicgen",
        task=task,
        variant=variant,
        robot=robot,
        gripper=gripper,
        loop=loop,
        seed=seed,
        keep_failed=keep_failed,
        unit=unit,
        spec=task_spec.to_json(),
        engine=settings.to_json(),
        sources=(identity(demos),),
    )
    goal = Goal(successes=successes, attempts=attempts, max_attempts=max_attempts, min_success_rate=min_success_rate)
    workplace = Workplace(
        workers=workers,
        envs_per_worker=envs_per_worker,
        scheduler=scheduler,
        at_once=at_once,
        scratch=scratch,
        hang_after=hang_after,
        preload=preload,
    )
    return execute(recipe, demos, str(out), goal, workplace, on_progress, None if branches is None else str(branches))


def expert(
    task: str,
    out: str | Path,
    *,
    episodes: int,
    variant: str = "D0",
    robot: str = "Panda",
    gripper: str | None = None,
    loop: "Kind" = "fast",
    seed: int = 0,
    workers: int | None = None,
    envs_per_worker: int | None = None,
    scheduler: "Client | str | None" = None,
    scratch: str | None = None,
    keep_failed: bool = False,
    max_attempts: int | None = None,
    unit: int = 5,
    hang_after: float = Workplace.hang_after,
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
        loop=loop,
        seed=seed,
        keep_failed=keep_failed,
        unit=unit,
    )
    goal = Goal(successes=episodes, max_attempts=max_attempts)
    workplace = Workplace(
        workers=workers, envs_per_worker=envs_per_worker, scheduler=scheduler, scratch=scratch, hang_after=hang_after
    )
    return execute(recipe, [], str(out), goal, workplace, on_progress)


def _settings(*layers: Mapping[str, Any]) -> engine.Settings:
    """The engine's settings from several places: what comes later counts, None is not said, other names are left."""
    known = {f.name for f in fields(engine.Settings)}
    said = [(name, value) for layer in layers for name, value in layer.items() if value is not None and name in known]
    return engine.Settings(**dict(said))


def _spec_and_config(spec: TaskSpec | Mapping[str, Any] | str | Path) -> tuple[TaskSpec, Mapping[str, Any]]:
    """The subtasks, and what a MimicGen config says of `experiment.generation`."""
    if isinstance(spec, TaskSpec):
        return spec, {}
    values = spec if isinstance(spec, Mapping) else json.loads(Path(spec).read_text())
    return TaskSpec.from_json(values), values.get("experiment", {}).get("generation", {})


__all__ = ["Summary", "Workplace", "expert", "generate"]
