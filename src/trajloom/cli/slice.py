"""`trajloom slice`: frames from and to the same place of every episode."""

from typing import Annotated

import typer

from trajloom.cli import editing, options


def slice(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write.")],
    start: Annotated[
        float | None, typer.Option(help="The first frame that is kept; negative ones count from the end.")
    ] = None,
    stop: Annotated[
        float | None, typer.Option(help="The first frame after those; negative ones count from the end.")
    ] = None,
    seconds: Annotated[bool, typer.Option("--seconds", help="Both are seconds instead of frames.")] = False,
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Keep the same stretch of every episode; an episode that has no frame in it is left out.

    Example: trajloom slice demos.hdf5 cut.hdf5 --start 10 --stop -5
    """
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)
    editing.make([source], out, "slicing", lambda found: found[0].slice(start, stop, seconds=seconds), way)
