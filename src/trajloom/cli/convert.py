"""`trajloom convert`: any format into any other."""

from typing import Annotated

import typer

from trajloom.cli import console, options


def convert(
    source: Annotated[str, typer.Argument(help="A dataset in any format; which one is found by looking.")],
    out: Annotated[str, typer.Argument(help="File or folder to write.")],
    to: Annotated[str | None, typer.Option(help="Format to write; by default the suffix decides, none: ours.")] = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Convert a dataset without losing anything: HDF5 to the Parquet store, and back.

    Example: trajloom convert demos.hdf5 demos/     trajloom convert out/ out.hdf5
    """
    from trajloom.dataset import read

    with console.warnings_in_words(), console.episodes_bar("converting") as progress:
        read(source, on_error=options.on_error(on_error)).write(out, to=to, overwrite=overwrite, progress=progress)
    print(out)
