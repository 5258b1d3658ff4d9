"""`trajloom stats`: how often it succeeded, why not, from which sources, how the numbers lie, how the arm moves."""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, options

if TYPE_CHECKING:
    import polars as pl

    from trajloom.dataset import Dataset

TITLES = {
    "causes": "causes of failure",
    "sources": "successes by source",
    "segments": "successes by segment",
    "tries": "tries by subtask",
    "tried": "tries by source, the worst first",
    "lengths": "lengths",
    "columns": "columns",
    "saturation": "action saturation",
    "motion": "motion",
    "initial": "initial object poses",
    "coverage": "coverage of initial positions",
    "duplicates": "duplicates",
    "near": "near duplicates",
}
"""What can be shown -> its title, which is also its key in JSON."""
USUAL = ("causes", "sources", "lengths", "columns")
SEARCHED = ("tries", "tried")
"""Shown too, of attempts that could go back."""


def stats(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", "--columns", help="Columns whose numbers to show; by default actions; 'all'."),
    ] = None,
    quantiles: Annotated[
        str, typer.Option(help="Quantiles of those columns, within 0.1 % of rank; '' for none.")
    ] = "0.01,0.5,0.99",
    exact: Annotated[bool, typer.Option("--exact", help="Exact quantiles, in a second pass.")] = False,
    show: Annotated[
        str | None,
        typer.Option(help=f"What to show: some of {', '.join(TITLES)}; or all. By default {', '.join(USUAL)}."),
    ] = None,
    as_json: options.AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one table (see --show) as CSV.")] = False,
    on_error: options.OnError = "raise",
) -> None:
    """Show success rates with 95 % intervals, causes of failure, yield per source, lengths, and statistics of columns.

    --show adds how often actions stand at their bounds, how long and how smooth the arm's way is, where objects stand
    at first, and episodes that are there twice. Of attempts that could go back (generate --tries), what each subtask
    took is shown too, and how often each source worked for it.

    Example: trajloom stats out/ --column actions --column obs/robot0_eef_pos --quantiles 0.05,0.95

    For a pipe: trajloom stats out/ --show coverage --csv
    """
    from trajloom import query
    from trajloom.dataset import read

    shown = _shown(show, as_csv)
    with console.warnings_in_words():
        data = read(path, on_error=options.on_error(on_error))
        shown += [name for name in SEARCHED if show is None and not as_csv and data.header.tries]
        tables = {TITLES[name]: _tables(data, column, _shares(quantiles), exact)[name]() for name in shown}
        outcome = query.success_rate(data)
    if as_csv:
        with console.piped() as output:
            query.stream(tables[TITLES[shown[0]]].lazy(), output, "csv")
    elif as_json:
        rate = {"attempts": outcome.attempts, "successes": outcome.successes, "steps": outcome.steps}
        found = {"outcome": rate, **{name: table.to_dicts() for name, table in tables.items()}}
        print(json.dumps(console.finite(found), indent=2, default=str))
    else:
        console.pairs(path, console.outcome(outcome))
        for title, table in tables.items():
            console.frame(title, table)


def _shown(words: str | None, as_csv: bool) -> list[str]:
    """What to show, checked."""
    names: list[str]
    if words is None:
        names = ["columns"] if as_csv else [*USUAL]
    else:
        names = list(TITLES) if words == "all" else [word.strip() for word in words.split(",")]
    if unknown := [name for name in names if name not in TITLES]:
        raise typer.BadParameter(f"--show knows {', '.join(TITLES)} and all, got {', '.join(unknown)}")
    if as_csv and len(names) != 1:
        raise typer.BadParameter(f"--csv prints one table; choose it with --show: {', '.join(names)}")
    return names


def _shares(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",") if word.strip()]
    except ValueError as error:
        raise typer.BadParameter(
            f"--quantiles takes numbers between 0 and 1, such as 0.05,0.95; got {text!r}"
        ) from error


def _tables(
    data: "Dataset", columns: Sequence[str] | None, shares: Sequence[float], exact: bool
) -> "dict[str, Callable[[], pl.DataFrame]]":
    """How each table is made."""
    import polars as pl

    from trajloom import query

    there = [one.name for one in data.header.steps]
    has_actions = "actions" in there
    usual = ["actions"] if has_actions else []
    wanted = there if columns == ["all"] else columns or usual
    return {
        "causes": lambda: query.failures(data).collect(),
        "sources": lambda: query.successes_by_source(data, per="source").collect(),
        "segments": lambda: query.successes_by_source(data).collect(),
        "tries": lambda: query.tries_by_subtask(data).collect(),
        "tried": lambda: query.tries_by_source(data).collect(),
        "lengths": lambda: query.lengths(data).collect(),
        "columns": lambda: query.statistics(data, wanted, quantiles=shares, exact=exact),
        "saturation": lambda: query.saturation(data).collect() if has_actions else pl.DataFrame(),
        "motion": lambda: query.motion(data).collect(),
        "initial": lambda: query.initial_ranges(data).collect(),
        "coverage": lambda: query.coverage(data).collect(),
        "duplicates": lambda: query.duplicates(data).collect(),
        "near": lambda: query.near_duplicates(data).collect(),
    }
