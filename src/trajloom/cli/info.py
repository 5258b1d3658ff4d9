"""`trajloom info`: what a dataset is."""

import json
from typing import Annotated

import typer

from trajloom.cli import console, options


def info(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    on_error: options.OnError = "raise",
) -> None:
    """Say what a dataset is: format, episodes, steps, columns, environment, and what its reader found odd.

    Example: trajloom info demos.hdf5
    """
    from trajloom import query
    from trajloom.dataset import read

    with console.warnings_in_words():
        found = query.info(read(path, on_error=options.on_error(on_error)))
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    columns = found.pop("columns")
    rows = [(name, value) for name, value in found.items() if value not in (None, [], {}, ())]
    console.table(path, ("", ""), [(name, _short(value)) for name, value in rows])
    if columns:
        console.table("columns", list(columns[0]), [list(column.values()) for column in columns])


def _short(value: object) -> str:
    if isinstance(value, dict | list | tuple):
        words = json.dumps(value, default=str)
        return words if len(words) < 400 else words[:400] + " ..."
    return str(value)
