"""`trajloom merge`: several datasets as one."""

from typing import Annotated

import typer

from trajloom.cli import editing, options


def merge(
    paths: Annotated[list[str], typer.Argument(help="Two datasets or more in any formats, and last what to write.")],
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Put datasets one after the other. Episodes are numbered anew; a column that one lacks is null there.

    Example: trajloom merge monday.hdf5 tuesday/ week.hdf5
    """
    from trajloom.dataset import merge as merged

    *inputs, out = paths
    if len(inputs) < 2:
        raise typer.BadParameter("give two datasets or more, and last the file or folder to write")
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)
    editing.make(inputs, out, "merging", merged, way)
