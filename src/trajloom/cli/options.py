"""Options that several commands have, declared once."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from trajloom.sim.loop import Kind

Task = Annotated[str, typer.Option(help="lift, stack, stack_three, square, pick_place or door.")]
Variant = Annotated[str, typer.Option(help="Where objects start: D0, D1, ... as in the MimicGen paper.")]
Robot = Annotated[str, typer.Option(help="Panda, Sawyer, IIWA or UR5e.")]
Gripper = Annotated[
    str | None,
    typer.Option(
        help="PandaGripper, RethinkGripper, Robotiq85Gripper or Robotiq140Gripper; by default the robot's own."
    ),
]
Seed = Annotated[int, typer.Option(help="Decides every draw: the same seed gives the same bytes.")]
Loop = Annotated[
    str,
    typer.Option(
        help="How control steps are computed: 'fast' is compiled; 'exact' too, with robosuite's own arithmetic, "
        "a little slower; 'robosuite' is its own Python, about ten times slower. An output keeps to one of them."
    ),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; by default as many as give every core one environment.")
]
EnvsPerWorker = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Environments in each process, a thread each; by default one. More save memory; the bytes are equal.",
    ),
]
Scheduler = Annotated[str | None, typer.Option(help="Work on this Dask cluster instead (tcp://host:port).")]
Scratch = Annotated[str | None, typer.Option(help="Folder or URL that this machine and all workers share.")]
KeepFailed = Annotated[bool, typer.Option("--keep-failed", help="Keep the steps of failed attempts too.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")]
MaxAttempts = Annotated[int | None, typer.Option(min=1, help="Give up after this many attempts.")]
Unit = Annotated[int, typer.Option(min=1, help="Attempts in a part of the dataset.")]
OnError = Annotated[str, typer.Option(help="'raise' refuses damaged episodes, 'skip' keeps the whole ones.")]
To = Annotated[str | None, typer.Option(help="Format to write; by default the suffix decides, none: ours.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]


def on_error(word: str) -> Literal["raise", "skip"]:
    """The option `--on-error`, checked."""
    if word not in ("raise", "skip"):
        raise typer.BadParameter(f"--on-error must be 'raise' or 'skip', got {word!r}")
    return word


def loop(word: str) -> "Kind":
    """The option `--loop`, checked."""
    if word not in ("fast", "exact", "robosuite"):
        raise typer.BadParameter(f"--loop must be 'fast', 'exact' or 'robosuite', got {word!r}")
    return word
