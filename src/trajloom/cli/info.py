"""`trajloom info`: what a dataset is."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trajloom.cli import console, options

if TYPE_CHECKING:
    from trajloom.query import Info


def info(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    as_json: options.AsJson = False,
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
        print(json.dumps({**asdict(found), "columns": found.columns.to_dicts()}, indent=2, default=str))
        return
    console.pairs(path, {**_facts(found), "warnings": "\n".join(found.warnings)})
    console.frame("columns", found.columns)


def _facts(found: "Info") -> dict[str, Any]:
    """What is worth a line, in words."""
    duration = found.duration
    return {
        "format": found.format,
        "episodes": found.episodes,
        "steps": f"{found.steps}" + (f" ({duration:.1f} s at {found.control_hz:g} Hz)" if duration else ""),
        "attempts": found.attempts,
        "parts": found.parts,
        "size": f"{found.nbytes / 1e6:.1f} MB" if found.nbytes else None,
        "environment": found.env,
        "tasks": ", ".join(found.tasks),
        "splits": ", ".join(f"{name} ({count})" for name, count in found.splits.items()),
        "run": (found.generation or {}).get("id"),
        "made by": ", ".join(f"{name} {version}" for name, version in found.made_by.items()),
    }
