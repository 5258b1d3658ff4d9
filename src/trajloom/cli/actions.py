"""`trajloom actions`: changes of the pose into target poses, and back."""

from typing import Annotated

import typer

from trajloom.cli import console, options


def actions(
    source: Annotated[str, typer.Argument(help="Demonstrations of one arm under robosuite's OSC.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    to: Annotated[str, typer.Option(help="'absolute' (target poses) or 'delta' (changes of the pose).")],
    format: options.Format = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Convert robosuite's actions between delta and absolute, with the controller's own scaling; env_args follow.

    Example: trajloom actions demos.hdf5 absolute.hdf5 --to absolute
    """
    from trajloom.dataset import read
    from trajloom.edit.actions import clipped

    with console.warnings_in_words(), console.episodes_bar("converting") as progress:
        new = read(source, on_error=options.on_error(on_error)).actions(to)  # type: ignore[arg-type]
        new.write(out, to=format, overwrite=overwrite, progress=progress)
        for name, count in clipped(new.source).items():
            said = f"note: {name}: {count} steps were clipped, so the way back does not give them again"
            console.errors.print(said, style="yellow", highlight=False, markup=False, soft_wrap=True)
    print(out)
