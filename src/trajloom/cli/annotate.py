"""`trajloom annotate`: make demonstrations into sources."""

from typing import Annotated

import typer

from trajloom.cli import console, options


def annotate(
    source: Annotated[str, typer.Argument(help="Demonstrations with states, actions and their model.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    task: options.Task,
    overwrite: options.Overwrite = False,
) -> None:
    """Add what generation needs (object poses, subtask signals, target poses) by replaying the stored states.

    Example: trajloom annotate demos.hdf5 annotated.hdf5 --task lift
    """
    from trajloom.annotation import annotate as run

    with console.warnings_in_words(), console.episodes_bar("annotating") as progress:
        notes = run(source, out, task=task, overwrite=overwrite, progress=progress)
    for note in notes:
        console.note(note)
    print(out)
