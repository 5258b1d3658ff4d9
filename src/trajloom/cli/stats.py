"""`trajloom stats`: how often it succeeded, why not, from which sources, and how the numbers lie."""

import json
from typing import Annotated

import typer

from trajloom.cli import console, options


def stats(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    column: Annotated[
        list[str] | None, typer.Option(help="Columns whose numbers to show; by default actions. 'all' shows all.")
    ] = None,
    as_json: options.AsJson = False,
    on_error: options.OnError = "raise",
) -> None:
    """Show success rates with 95 % intervals, causes of failure, yield per source, lengths, and statistics of columns.

    Example: trajloom stats out/ --column actions --column obs/robot0_eef_pos
    """
    from trajloom import query
    from trajloom.dataset import read

    with console.warnings_in_words():
        data = read(path, on_error=options.on_error(on_error))
        there = [one.name for one in data.header.steps]
        wanted = there if column == ["all"] else column or [name for name in ("actions",) if name in there]
        tables = {
            "causes of failure": query.failures(data).collect(),
            "successes by source": query.successes_by_source(data).collect(),
            "lengths": query.lengths(data).collect(),
            "columns": query.statistics(data, wanted),
        }
    outcome = query.success_rate(data)
    if as_json:
        rate = {"attempts": outcome.attempts, "successes": outcome.successes, "steps": outcome.steps}
        print(
            json.dumps({"outcome": rate, **{name: t.to_dicts() for name, t in tables.items()}}, indent=2, default=str)
        )
        return
    console.pairs(path, console.outcome(outcome))
    for title, table in tables.items():
        console.frame(title, table)
