"""`trajloom actions`: changes of the pose into target poses, and back."""

from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, editing, options

if TYPE_CHECKING:
    from trajloom.dataset import Dataset


def actions(
    source: Annotated[str, typer.Argument(help="Demonstrations of one arm under robosuite's OSC.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    to: Annotated[str, typer.Option(help="'absolute' (target poses) or 'delta' (changes of the pose).")],
    format: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Convert robosuite's actions between delta and absolute, with the controller's own scaling; env_args follow.

    Example: trajloom actions demos.hdf5 absolute.hdf5 --to absolute
    """
    from trajloom.edit.actions import clipped

    made: list[Dataset] = []

    def change(found: "list[Dataset]") -> "Dataset":
        made.append(found[0].actions(to))  # type: ignore[arg-type]
        return made[0]

    editing.make([source], out, "converting", change, way=editing.Way(
        on_error=options.on_error(on_error), to=format, overwrite=overwrite
    ))  # fmt: skip
    for name, count in clipped(made[0].source).items():
        console.note(f"{name}: {count} steps were clipped, so the way back does not give them again")
