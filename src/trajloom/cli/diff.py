"""`trajloom diff`: where two datasets differ."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, options
from trajloom.errors import TrajloomError

if TYPE_CHECKING:
    from trajloom.check import Difference


def diff(
    first: Annotated[str, typer.Argument(help="A dataset in any format.")],
    second: Annotated[str, typer.Argument(help="Another, in any format.")],
    columns: Annotated[
        list[str] | None, typer.Option(help="Compare only columns of this name or pattern, such as 'obs/*'.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Largest difference of two numbers that counts as none.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Say where two datasets differ, whatever their formats; one line for each column, to the bit unless told else.

    Exit status: 0 where they are equal, 1 where they differ, 2 where one cannot be read.

    Example: trajloom diff demos.hdf5 demos/     trajloom diff old/ new/ --columns 'obs/*' --tolerance 1e-6
    """
    from trajloom import check
    from trajloom.dataset import read

    try:
        with console.warnings_in_words(), console.episodes_bar("comparing") as progress:
            pair = read(first), read(second)
            found = list(check.diff(*pair, columns=columns or (), tolerance=tolerance, progress=progress))
            by = check.matched_by(*pair) if found else None
    except TrajloomError as error:
        print(f"trajloom: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    if as_json:
        told = {"equal": not found, "matched_by": by, "differences": [one.to_json() for one in found]}
        print(json.dumps(told, indent=2))
    elif by:
        _print(found, by)
    if found:
        raise typer.Exit(1)


def _print(found: "Sequence[Difference]", by: str) -> None:
    for one in found:
        first = [f"first in {one.episode}"] * bool(one.episode) + [f"frame {one.frame}"] * (one.frame is not None)
        print(f"{one.table} {one.name}".rstrip() + f": {one.what}" + (f" ({', '.join(first)})" if first else ""))
    print(f"{len(found)} differences; episodes matched by {by}")
