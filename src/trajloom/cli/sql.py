"""`trajloom sql`: a question of the user's own."""

from typing import TYPE_CHECKING, Annotated

import typer

from trajloom.cli import console, options

if TYPE_CHECKING:
    import polars as pl

    from trajloom.query import Shape

MOST = 50
"""Rows that a table on a terminal shows."""


def sql(
    path: Annotated[str, typer.Argument(help="A dataset in any format.")],
    statement: Annotated[str, typer.Argument(help="A SELECT; '-' reads it from standard input.")],
    shape: Annotated[
        str | None,
        typer.Option(
            "--format", "-f", help="table, csv, json (a line a row) or parquet; by default --out's suffix, else table."
        ),
    ] = None,
    out: Annotated[str | None, typer.Option("--out", "-o", help="A file to write instead of standard output.")] = None,
    overwrite: options.Overwrite = False,
    on_error: options.OnError = "raise",
) -> None:
    """Ask a dataset in SQL (Polars' dialect). Tables: steps, episodes, attempts, rest; and, made when asked for,
    initial_poses, eef_motion, action_motion, tries.

    Names with slashes are quoted; components of tensors count from 0: actions[6], "obs/robot0_eef_pos"[2].

    Example: trajloom sql out/ "SELECT success, count(*) AS n, avg(length) FROM episodes GROUP BY success"

    For a pipe: trajloom sql out/ 'SELECT episode_index, max("obs/robot0_eef_pos"[2]) AS top FROM steps
    GROUP BY episode_index' --format csv
    """
    from trajloom import query
    from trajloom.dataset import read

    how = _shape(shape, out)
    with console.warnings_in_words():
        data = read(path, on_error=options.on_error(on_error))
        text = typer.get_text_stream("stdin").read() if statement == "-" else statement
        found = query.sql(data, text)
        if out is not None:
            assert how is not None
            query.save(data, found, out, how, overwrite=overwrite)
            print(out)
            return
        _show(found, how)


def _shape(asked: str | None, out: str | None) -> "Shape | None":
    suffix = (out or "").rpartition(".")[2].lower()
    known = {"csv": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet", "pq": "parquet"}
    how = asked or known.get(suffix, "table")
    if how == "table" and out is None:
        return None
    if how == "table":
        raise typer.BadParameter(f"say with --format what {out} is to be: csv, json or parquet")
    if how == "parquet" and out is None:
        raise typer.BadParameter("parquet needs a file: --out answer.parquet")
    if how in ("csv", "json", "parquet"):
        return how
    raise typer.BadParameter(f"--format is table, csv, json or parquet, got {how!r}")


def _show(found: "pl.LazyFrame", how: "Shape | None") -> None:
    from trajloom import query

    if how is None:
        rows = query.collected(found.head(MOST + 1))
        console.frame("", rows.head(MOST))
        if rows.height > MOST:
            console.note(f"only the first {MOST} rows are shown; --format csv prints all of them")
        elif not rows.height:
            console.note("no rows")
    else:
        with console.piped() as output:
            query.stream(found, output, how)
