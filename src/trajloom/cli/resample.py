"""`trajloom resample`: another rate."""

from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import editing, options

if TYPE_CHECKING:
    from trajloom.dataset import Dataset


def resample(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    hz: Annotated[float, typer.Option(help="Steps a second.")],
    method: Annotated[str, typer.Option(help="'linear' interpolates floats and rotations, 'nearest' nothing.")] = (
        "linear"
    ),
    column: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RULE for one column: linear, slerp, nearest or previous. May be given often."),
    ] = None,
    from_hz: Annotated[float | None, typer.Option(help="The rate that it had, where the dataset does not say.")] = None,
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Bring a dataset to another rate: floats linear, rotations by SLERP, everything else the nearest step.

    Actions are not rescaled: make delta actions absolute first (trajloom actions).

    Example: trajloom resample demos.hdf5 at10hz.hdf5 --hz 10 --column states=nearest
    """
    rules = editing.pairs(column, "--column")
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)

    def change(found: "list[Dataset]") -> "Dataset":
        return found[0].resample(hz, method=method, columns=rules, from_hz=from_hz)  # type: ignore[arg-type]

    editing.make([source], out, "resampling", change, way)
