"""`trajloom generate`: new episodes from sources."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trajloom.cli import console, options, running
from trajloom.cli.settings import said, with_settings

ATTEMPTS = "How attempts are made"
FLAGS = {
    "select_src_per_subtask": "--select-src-per-subtask/--select-src-once",
    "transform_first_robot_pose": "--from-first-robot-pose/--from-first-target",
    "interpolate_from_last_target_pose": "--from-last-target/--from-reached-pose",
}


@with_settings(FLAGS, without=("select_src_per_arm", "floor"), panel=ATTEMPTS)
def generate(
    source: Annotated[str, typer.Argument(help="Demonstrations with datagen_info, in any format.")],
    out: Annotated[str, typer.Argument(help="Folder or URL of the dataset to make, resume or extend.")],
    task: options.Task,
    variant: options.Variant = "D0",
    robot: options.Robot = "Panda",
    gripper: options.Gripper = None,
    loop: options.Loop = "fast",
    successes: Annotated[int | None, typer.Option(min=1, help="Go on until there are this many.")] = None,
    attempts: Annotated[int | None, typer.Option(min=1, help="Or: make exactly this many attempts.")] = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    envs_per_worker: options.EnvsPerWorker = None,
    scheduler: options.Scheduler = None,
    scratch: options.Scratch = None,
    keep_failed: options.KeepFailed = False,
    config: Annotated[
        Path | None, typer.Option(help="Subtasks from a JSON file: ours, or a MimicGen config or task_spec.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Use only the sources of this split (filter key).")] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="With --tries: your own check at each subtask's end, 'module:function', found in this folder too.",
            rich_help_panel=ATTEMPTS,
        ),
    ] = None,
    branches: Annotated[
        str | None,
        typer.Option(
            help="With --tries: keep what is discarded as failed episodes of this second dataset.",
            rich_help_panel=ATTEMPTS,
        ),
    ] = None,
    max_attempts: options.MaxAttempts = None,
    min_success_rate: Annotated[float, typer.Option(min=0, max=1, help="Give up below this rate.")] = 0.01,
    unit: options.Unit = 5,
    preload: Annotated[
        list[str] | None, typer.Option(help="Module that workers import first, such as one with your own strategy.")
    ] = None,
    hang_after: Annotated[float, typer.Option(help="Seconds after which an attempt counts as hung.")] = 600.0,
    **settings: Any,
) -> None:
    """Generate new, verified episodes from source demonstrations (MimicGen). The same command resumes or extends.

    Example: trajloom generate annotated.hdf5 out/ --task lift --successes 100 --seed 7
    """
    from trajloom.run import generate as run

    if check is not None or preload:
        # as `python -m` has it; workers get the path of this process
        sys.path.insert(0, os.getcwd())
    if successes is None and attempts is None:
        successes = 10
    with console.warnings_in_words(), running.run_bar(f"generating {task} {variant}", successes, attempts) as progress:
        summary = run(
            source,
            out,
            task=task,
            variant=variant,
            robot=robot,
            gripper=gripper,
            loop=options.loop(loop),
            successes=successes,
            attempts=attempts,
            seed=seed,
            workers=workers,
            envs_per_worker=envs_per_worker,
            scheduler=scheduler,
            scratch=scratch,
            keep_failed=keep_failed,
            spec=config,
            split=split,
            check=check,
            branches=branches,
            max_attempts=max_attempts,
            min_success_rate=min_success_rate,
            unit=unit,
            hang_after=hang_after,
            preload=preload or (),
            on_progress=progress,
            **said(settings),
        )
    running.report(summary)
