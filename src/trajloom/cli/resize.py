"""`trajloom resize`: images of another size."""

from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import editing, options

if TYPE_CHECKING:
    from trajloom.dataset import Dataset


def resize(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write; its suffix says the format.")],
    height: Annotated[int, typer.Option(min=1, help="Pixels.")],
    width: Annotated[int, typer.Option(min=1, help="Pixels.")],
    column: Annotated[list[str] | None, typer.Option(help="Resize this column alone. May be given often.")] = None,
    method: Annotated[str, typer.Option(help="'area', 'bilinear' or 'nearest'; depth and masks: nearest.")] = "area",
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Resize the images of a dataset; depth and masks take the nearest pixel. Camera intrinsics are not adjusted.

    Example: trajloom resize demos.hdf5 small.hdf5 --height 64 --width 64
    """
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)

    def change(found: "list[Dataset]") -> "Dataset":
        return found[0].resize(height, width, columns=column, method=method)  # type: ignore[arg-type]

    editing.make([source], out, "resizing", change, way)
