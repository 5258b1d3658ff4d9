"""`trajloom drop-columns`: a dataset without some of its columns."""

from typing import Annotated

import typer

from trajloom.cli import editing, options


def drop_columns(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write.")],
    column: Annotated[
        list[str], typer.Option(help="Columns to leave out, by name or pattern: rewards, 'next_obs/*'. Repeatable.")
    ],
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Leave columns out, and what belongs to them.

    Example: trajloom drop-columns demos.hdf5 small.hdf5 --column 'next_obs/*'
    """
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)
    editing.make([source], out, "dropping columns", lambda found: found[0].drop_columns(column), way)
