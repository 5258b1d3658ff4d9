"""What the commands share on a terminal: progress bars on standard error, tables on standard output."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

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
    return Progress(*columns, console=errors, transient=False)


@contextmanager
def episodes_bar(words: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that counts episodes."""
    with bar() as progress:
        task = progress.add_task(words, total=None, more="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def warnings_in_words() -> Iterator[None]:
    """Print warnings as one line each instead of Python's two with a place in the code."""
    seen: set[str] = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            errors.print(f"note: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on standard output."""
    drawn = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[i], int | float) for row in rows if row[i] is not None)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    output().print(drawn)
    output().print()


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
