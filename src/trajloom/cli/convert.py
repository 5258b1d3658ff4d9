"""`trajloom convert`: any format into any other, all of it or some."""

from typing import Annotated

import typer

from trajloom.cli import editing, options

READ_FLAGS = ("path", "on_error", "format")
WRITE_FLAGS = ("path", "to", "strict", "overwrite", "progress")


def convert(
    source: Annotated[str, typer.Argument(help="A dataset in any format; which one is found by looking.")],
    out: Annotated[str, typer.Argument(help="File or folder to write.")],
    to: options.To = None,
    from_: Annotated[str | None, typer.Option("--from", help="Format to read it as, where looking is wrong.")] = None,
    episodes: Annotated[
        str | None, typer.Option(help="Only these: numbers, ranges and names, such as 0-3,7,demo_9.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Only episodes of this split (robomimic's filter key).")] = None,
    where: Annotated[
        str | None, typer.Option(help="Only episodes for which this SQL holds: 'success and length > 50'.")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(help="Only these columns, by name or pattern: actions, 'obs/*'. Repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Call a column, or a group ending in /, otherwise: OLD=NEW. Repeatable.")
    ] = None,
    from_option: Annotated[
        list[str] | None, typer.Option(help="A setting of the format that is read: NAME=VALUE. Repeatable.")
    ] = None,
    to_option: Annotated[
        list[str] | None, typer.Option(help="A setting of the format that is written: NAME=VALUE. Repeatable.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a format that cannot hold everything.")] = False,
    on_error: options.OnError = "raise",
    overwrite: options.Overwrite = False,
) -> None:
    """Convert a dataset, all of it or some. What the format written has no place for is said before it is written.

    Example: trajloom convert demos.hdf5 demos/ --split train --columns actions --columns 'obs/*'
    """
    names = editing.pairs(rename, "--rename")
    way = editing.Way(
        on_error=options.on_error(on_error),
        read_as=from_,
        read_options=editing.pairs(from_option, "--from-option", READ_FLAGS),
        to=to,
        write_options=editing.pairs(to_option, "--to-option", WRITE_FLAGS),
        strict=strict,
        overwrite=overwrite,
    )
    editing.make(
        [source],
        out,
        "converting",
        lambda found: found[0].select(episodes, split=split, where=where, columns=columns or None).rename(names),
        way,
    )
