"""The progress bar and the table of results of a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from trajloom.cli import console

if TYPE_CHECKING:
    from trajloom.run import Summary
    from trajloom.run.drive import OnProgress, Progress


_STARTING = "starting workers; the first time ever this compiles the control loop, for half a minute"


@contextmanager
def run_bar(words: str, successes: int | None, attempts: int | None) -> Iterator["OnProgress"]:
    """A bar that counts what was asked for and shows the success rate so far."""
    with console.bar() as bar:
        task = bar.add_task(words, total=successes or attempts, more=_STARTING)

        def show(now: "Progress") -> None:
            done = now.attempts if successes is None else now.successes
            rate = f"{now.successes} of {now.attempts} attempts succeeded" if now.attempts else ""
            bar.update(task, completed=min(done, successes or attempts or done), more=rate)

        try:
            yield show
        except KeyboardInterrupt:
            bar.stop()
            said = "interrupted; what was committed is kept, the same command goes on from there"
            print(f"trajloom: {said}", file=sys.stderr)
            raise typer.Exit(130) from None


def report(summary: "Summary") -> None:
    """Print the table of results; leave with status 1 where there is less than was asked for."""
    from trajloom import dataset, query

    data = dataset.read(summary.path)
    speed = summary.simulated_steps / summary.seconds if summary.seconds else 0.0
    now = f"{summary.new_attempts} attempts in {summary.seconds:.1f} s ({speed:.0f} steps/s)"
    console.pairs("results", {**console.outcome(query.success_rate(data)), "made now": now, "dataset": summary.path})
    console.frame("causes of failure", query.failures(data).collect())
    console.frame("successes by source", query.successes_by_source(data).collect())
    if summary.shortfall:
        console.errors.print(f"trajloom: {summary.shortfall}", style="red", markup=False, highlight=False)
        raise typer.Exit(1)
