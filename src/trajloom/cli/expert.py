"""`trajloom expert`: sources from a scripted policy."""

from typing import Annotated

import typer

from trajloom.cli import console, options, running


def expert(
    task: Annotated[str, typer.Argument(help="lift, stack, stack_three, square, pick_place or door.")],
    out: Annotated[str, typer.Argument(help="Folder or URL of the dataset to make, resume or extend.")],
    episodes: Annotated[int, typer.Option(min=1, help="Successful episodes to make.")] = 10,
    variant: options.Variant = "D0",
    robot: options.Robot = "Panda",
    gripper: options.Gripper = None,
    loop: options.Loop = "fast",
    seed: options.Seed = 0,
    workers: options.Workers = None,
    envs_per_worker: options.EnvsPerWorker = None,
    scheduler: options.Scheduler = None,
    scratch: options.Scratch = None,
    keep_failed: options.KeepFailed = False,
    max_attempts: options.MaxAttempts = None,
    unit: options.Unit = 5,
) -> None:
    """Let a task's scripted expert solve it; its episodes are sources as they are.

    Example: trajloom expert stack sources/ --episodes 10 --seed 1
    """
    from trajloom.run import expert as run

    with console.warnings_in_words(), running.run_bar(f"expert {task} {variant}", episodes, None) as progress:
        summary = run(
            task,
            out,
            episodes=episodes,
            variant=variant,
            robot=robot,
            gripper=gripper,
            loop=options.loop(loop),
            seed=seed,
            workers=workers,
            envs_per_worker=envs_per_worker,
            scheduler=scheduler,
            scratch=scratch,
            keep_failed=keep_failed,
            max_attempts=max_attempts,
            unit=unit,
            on_progress=progress,
        )
    running.report(summary)
