"""`trajloom generate`: new episodes from sources."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trajloom.cli import console, options, running


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
    select_src_per_subtask: Annotated[
        bool | None,
        typer.Option(
            "--select-src-per-subtask/--select-src-once", help="Choose a source for every subtask, or once an attempt."
        ),
    ] = None,
    transform_first_robot_pose: Annotated[
        bool | None,
        typer.Option(
            "--from-first-robot-pose/--from-first-target", help="Begin later segments with a reached pose or a target."
        ),
    ] = None,
    interpolate_from_last_target_pose: Annotated[
        bool | None,
        typer.Option("--from-last-target/--from-reached-pose", help="Where the bridge to the next segment begins."),
    ] = None,
    success: Annotated[
        str, typer.Option(help="'any' step counts, as in MimicGen; 'final'; or 'hold-5': held for 5 steps.")
    ] = "any",
    compat: Annotated[str | None, typer.Option(help="'mimicgen' repeats the original's quirks.")] = None,
    tries: Annotated[
        int,
        typer.Option(min=1, help="Tries at a subtask: go back and try another source. 1 is MimicGen."),
    ] = 1,
    back: Annotated[
        int, typer.Option(min=0, help="With tries used up, try again up to so many subtasks before the failed one.")
    ] = 0,
    step_budget: Annotated[
        int | None, typer.Option(min=1, help="Control steps that an attempt may simulate, discarded tries included.")
    ] = None,
    hold: Annotated[
        int, typer.Option(min=1, help="Steps in a row that a subtask's signal must hold at its end, with --tries.")
    ] = 1,
    check: Annotated[
        str | None,
        typer.Option(
            help="With --tries: your own check at each subtask's end, 'module:function', found in this folder too."
        ),
    ] = None,
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="With --tries: steps after which a try that strays from its source is given up; 0 is never."
        ),
    ] = 5,
    branches: Annotated[
        str | None,
        typer.Option(help="With --tries: keep what is discarded as failed episodes of this second dataset."),
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="With --tries: prefer sources that worked in earlier rounds of attempts.")
    ] = False,
    round: Annotated[int, typer.Option(min=1, help="Attempts in a round: whole units.")] = 50,
    max_attempts: options.MaxAttempts = None,
    min_success_rate: Annotated[float, typer.Option(min=0, max=1, help="Give up below this rate.")] = 0.01,
    unit: options.Unit = 5,
    preload: Annotated[
        list[str] | None, typer.Option(help="Module that workers import first, such as one with your own strategy.")
    ] = None,
    hang_after: Annotated[float, typer.Option(help="Seconds after which an attempt counts as hung.")] = 600.0,
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
            select_src_per_subtask=select_src_per_subtask,
            transform_first_robot_pose=transform_first_robot_pose,
            interpolate_from_last_target_pose=interpolate_from_last_target_pose,
            success=success,
            compat=options.compat(compat),
            tries=tries,
            back=back,
            step_budget=step_budget,
            hold=hold,
            check=check,
            patience=patience,
            branches=branches,
            adapt=adapt,
            round=round,
            max_attempts=max_attempts,
            min_success_rate=min_success_rate,
            unit=unit,
            hang_after=hang_after,
            preload=preload or (),
            on_progress=progress,
        )
    running.report(summary)
