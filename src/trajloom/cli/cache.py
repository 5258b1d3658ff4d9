"""`trajloom cache list` and `trajloom cache clear`: the packed records that loaders made."""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, options

if TYPE_CHECKING:
    from trajloom.load.place import Entry

commands = typer.Typer(
    help="See and empty the cache of packed records, which loaders make to read from. It lies in $TRAJLOOM_CACHE, else "
    "in the user's cache folder. Example: trajloom cache list",
    no_args_is_help=True,
)

Folder = Annotated[str | None, typer.Option("--cache", help="Another cache folder than the user's.")]


@commands.command("list")
def list_(folder: Folder = None, as_json: options.AsJson = False) -> None:
    """Say what the cache holds: of which datasets, how large, and when it was last used.

    Example: trajloom cache list
    """
    import polars as pl

    from trajloom.load import place

    found = place.entries(folder)
    if as_json:
        print(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    rows = [[e.key, e.of, e.episodes, e.steps, f"{e.nbytes / 1e6:.1f} MB", _ago(e.used)] for e in found]
    columns = ["key", "of", "episodes", "steps", "size", "last used"]
    console.frame(str(place.packed_folder(folder)), pl.DataFrame(rows, schema=columns, orient="row"))
    console.note(_sum(found))


@commands.command()
def clear(
    what: Annotated[
        list[str] | None, typer.Argument(help="Keys of entries, or paths of datasets; without any, all goes.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Only what was not used for so many days.", metavar="DAYS")
    ] = None,
    folder: Folder = None,
) -> None:
    """Delete packed records; they are made again when a loader needs them. Prints the keys of what is gone.

    Example: trajloom cache clear --older-than 30
    """
    from trajloom.load import place

    gone = [e for name in what or [None] for e in place.clear(name, older_than_days=older_than, cache=folder)]
    for entry in gone:
        print(entry.key)
    console.note(f"deleted {_sum(gone)}")


def _sum(found: "list[Entry]") -> str:
    entries = "1 entry" if len(found) == 1 else f"{len(found)} entries"
    return f"{entries}, {sum(entry.nbytes for entry in found) / 1e6:.1f} MB"


def _ago(when: float) -> str:
    """How long ago, in words."""
    seconds = max(0.0, time.time() - when)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "now"
