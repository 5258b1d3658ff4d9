"""`trajloom split`: some episodes to train on, the others to validate with."""

from typing import Annotated

import typer

from trajloom.cli import editing, options


def split(
    source: Annotated[str, typer.Argument(help="A dataset in any format.")],
    out: Annotated[str, typer.Argument(help="File or folder to write.")],
    ratio: Annotated[float, typer.Option(help="Share of the first split.")] = 0.9,
    seed: options.Seed = 0,
    keys: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Names of the two splits; by default train and valid, or better_train, ... --within better."),
    ] = None,
    within: Annotated[str | None, typer.Option(help="Divide the episodes of this split alone.")] = None,
    to: options.To = None,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Put every episode in one of two splits (robomimic's filter keys), decided by the seed and its name alone.

    Example: trajloom split demos.hdf5 divided.hdf5 --ratio 0.9 --seed 1
    """
    way = editing.Way(on_error=options.on_error(on_error), to=to, overwrite=overwrite)
    editing.make(
        [source], out, "splitting", lambda found: found[0].split(ratio=ratio, seed=seed, keys=keys, within=within), way
    )
