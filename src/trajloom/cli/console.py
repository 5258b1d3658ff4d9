"""What the commands share on a terminal: progress bars on standard error, tables on standard output."""

import errno
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

    from trajloom.query import Outcome

errors = Console(stderr=True)


def output() -> Console:
    """Standard output; when piped, tables keep their full width."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def bar() -> Progress:
    """A progress bar; nothing is drawn where standard error is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[more]}"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=errors, disable=not errors.is_terminal)


@contextmanager
def episodes_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that counts episodes."""
    with bar() as progress:
        task = progress.add_task(words, total=None, more="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def note(text: str) -> None:
    """Print a line on standard error that a user should know of."""
    errors.print(f"note: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)


@contextmanager
def warnings_in_words() -> Iterator[None]:
    """Print warnings as one line each instead of Python's two with a place in the code."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            note(str(message))

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def pairs(title: str, values: Mapping[str, Any]) -> None:
    """Print names and values on standard output, without those that are empty."""
    drawn = Table(show_edge=False, pad_edge=False, show_header=False)
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in values.items():
        if value not in (None, "", 0):
            drawn.add_row(name, escape(str(value)))
    _print(title, drawn)


def frame(title: str, rows: "pl.DataFrame") -> None:
    """Print a data frame on standard output, unless it is empty."""
    if not rows.height:
        return
    drawn = Table(show_edge=False, pad_edge=False)
    for name, dtype in rows.schema.items():
        drawn.add_column(name, justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in rows.iter_rows():
        drawn.add_row(*(escape(_cell(value)) for value in row))
    _print(title, drawn)


def finite(value: Any) -> Any:
    """Values as JSON can say them: numbers that are none, or infinite, become null."""
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def piped() -> Iterator[IO[bytes]]:
    """Standard output for bytes; where its reader has left, as `head` does, the command ends without a word."""
    try:
        yield sys.stdout.buffer
        sys.stdout.flush()
    except OSError as error:
        # Polars' own errors carry no number
        if error.errno != errno.EPIPE and "Broken pipe" not in str(error):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def outcome(found: "Outcome") -> dict[str, object]:
    """A success rate in words."""
    if not found.attempts:
        return {}
    interval = f"95 %: {100 * found.low:.1f} to {100 * found.high:.1f}"
    return {
        "attempts": found.attempts,
        "successes": str(found.successes),
        "success rate": f"{100 * found.rate:.1f} % ({interval})",
        "steps per success": f"{found.steps_per_success:.0f}",
    }


def _print(title: str, drawn: Table) -> None:
    console = output()
    if title:
        console.print(title, style="italic", highlight=False, markup=False, soft_wrap=True)
    console.print(drawn)
    console.print()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(_cell, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
