"""The progress bar and the table of results of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from trajloom.cli import console

if TYPE_CHECKING:
    from trajloom.run import Summary
    from trajloom.run.drive import OnProgress, Progress


@contextmanager
def run_bar(words: str, successes: int | None, attempts: int | None) -> Iterator["OnProgress"]:
    """A bar that counts what was asked for and shows the success rate so far."""
    with console.bar() as bar:
        task = bar.add_task(words, total=successes or attempts, more="starting workers")

        def show(now: "Progress") -> None:
            done = now.attempts if successes is None else now.successes
            rate = f"{now.successes} of {now.attempts} attempts succeeded" if now.attempts else ""
            bar.update(task, completed=min(done, successes or attempts or done), more=rate)

        yield show


def report(summary: "Summary") -> None:
    """Print the table of results; leave with status 1 where there is less than was asked for."""
    from trajloom import dataset, query

    data = dataset.read(summary.path)
    outcome = query.success_rate(data)
    speed = summary.simulated_steps / summary.seconds if summary.seconds else 0.0
    rows: list[tuple[str, object]] = [
        ("attempts", summary.attempts),
        ("successes", summary.successes),
        ("success rate", f"{100 * outcome.rate:.1f} % (95 %: {100 * outcome.low:.1f} to {100 * outcome.high:.1f})"),
        ("made now", f"{summary.new_attempts} attempts in {summary.seconds:.1f} s ({speed:.0f} steps/s)"),
        ("dataset", summary.path),
    ]
    console.table("results", ("", ""), [(name, str(value)) for name, value in rows])
    failures = query.failures(data).collect()
    if failures.height:
        console.table("causes of failure", failures.columns, failures.rows())
    by_source = query.successes_by_source(data).collect()
    if by_source.height:
        console.table("successes by source", by_source.columns, by_source.rows())
    if summary.shortfall:
        console.errors.print(f"trajloom: {summary.shortfall}", style="red", markup=False, highlight=False)
        raise typer.Exit(1)
