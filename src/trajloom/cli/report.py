"""`trajloom report`: one page about a dataset, with plots."""

from typing import Annotated

import typer

from trajloom.cli import console, options


def report(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="The page: an HTML file.")],
    overwrite: options.Overwrite = False,
    on_error: options.OnError = "raise",
) -> None:
    """Write one HTML page about a dataset: success by source, causes of failure, where objects stood, lengths, actions,
    paths of the arm in 3-D, and what cameras saw.

    It needs no network and stays a few MB however large the dataset.

    Example: trajloom report out/ report.html
    """
    from trajloom import report as reports
    from trajloom.dataset import read

    with console.warnings_in_words():
        reports.write(read(path, on_error=options.on_error(on_error)), out, overwrite=overwrite)
    print(out)
