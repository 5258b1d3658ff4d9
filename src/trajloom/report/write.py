"""How the page comes to be: what it shows is gathered, and the file appears whole or not at all."""

import os
from pathlib import PurePosixPath

from trajloom.dataset import Dataset
from trajloom.errors import MissingExtraError
from trajloom.formats._place import appearing_file
from trajloom.report.page import page
from trajloom.report.sections import Facts, facts, sections


def write(dataset: Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a page about a dataset: success by source, causes of failure, coverage, lengths, actions, paths, cameras.

    One HTML file that needs no network, of 2 to 5 MB however large the dataset. Memory: some batches, and a row an
    episode.

    Args:
        dataset: Any dataset.
        path: A file or URL.
        overwrite: Whether a file that is there may go.

    Raises:
        MissingExtraError: plotly is not installed.
        OutputExistsError: There is something, and `overwrite` is off.
        SettingsError: The path is that of the dataset, or lies within it.
    """
    plotly = _plotly()
    with appearing_file(dataset.source, os.fspath(path), overwrite) as draft:
        found = facts(dataset)
        made = page(_title(dataset), _subtitle(found), _tiles(found), sections(found), plotly)
        draft.write_text(made, encoding="utf-8")


def _plotly() -> str:
    """The text of plotly.js."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise MissingExtraError("a report", "report", str(error)) from error
    return get_plotlyjs()


def _title(dataset: Dataset) -> str:
    return PurePosixPath(dataset.path.rstrip("/")).name if dataset.path else "A dataset in memory"


def _subtitle(found: Facts) -> str:
    info = found.info
    words = [info.format, info.env, ", ".join(info.tasks[:5]), f"{info.control_hz:g} Hz" if info.control_hz else None]
    made = ", ".join(f"{name} {version}" for name, version in list(info.made_by.items())[:4])
    return " · ".join(str(word) for word in (*words, made) if word)


def _tiles(found: Facts) -> dict[str, str]:
    info, outcome = found.info, found.outcome
    tiles = {"episodes": f"{info.episodes:,}", "steps": f"{info.steps:,}"}
    if info.duration:
        tiles["duration"] = f"{info.duration / 60:,.1f} min" if info.duration >= 120 else f"{info.duration:.1f} s"
    if outcome.attempts:
        tiles["attempts" if info.attempts else "with outcome"] = f"{outcome.attempts:,}"
        tiles["success"] = f"{100 * outcome.rate:.1f} %"
        tiles["95 % interval"] = f"{100 * outcome.low:.1f} to {100 * outcome.high:.1f} %"
        if outcome.successes:
            tiles["steps per success"] = f"{outcome.steps_per_success:,.0f}"
    if info.nbytes:
        tiles["size"] = f"{info.nbytes / 1e6:,.1f} MB"
    return tiles
