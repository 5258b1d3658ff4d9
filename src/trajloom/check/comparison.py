"""Two datasets of any formats, compared through the model: nothing is unequal because it lies in another way."""

from collections.abc import Iterator, Sequence

from trajloom.check.difference import Chosen, Difference, OnPairs, of_tally
from trajloom.check.episode_rows import episode_differences
from trajloom.check.headers import column_differences, header_differences, shared
from trajloom.check.lockstep import Chunk, lockstep
from trajloom.check.loose_rows import attempt_differences, model_differences, rest_differences
from trajloom.check.matching import By, Matching, match, places
from trajloom.check.rows import step_columns
from trajloom.check.values import Tally, compare
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.formats import Source
from trajloom.schema import EPISODES, Column, Header


def diff(
    first: Source,
    second: Source,
    *,
    columns: Sequence[str] = (),
    tolerance: float | None = None,
    progress: OnPairs | None = None,
) -> Iterator[Difference]:
    """Where two datasets differ, one difference for each column; nothing where they are equal.

    Values are compared to the bit, and NaN equals NaN; of columns whose element types differ, the numbers are
    compared. Episodes are matched by name, or by `episode_index` where names do not serve (see `matched_by`). Both are
    streamed; memory depends on their parts.

    Args:
        first: A dataset, or its source.
        second: Another.
        columns: Shell patterns of the columns of `steps` and `episodes` to compare, and nothing else then but which
            episodes there are and how long.
        tolerance: Largest absolute difference of numbers that is none.
        progress: Called with (pairs of episodes whose steps were compared, pairs in all).

    Raises:
        UnknownNameError: A pattern that no column has.
        SettingsError: A tolerance below 0.
    """
    if tolerance is not None and not tolerance >= 0:
        raise SettingsError(f"tolerance must be at least 0, got {tolerance}")
    chosen = Chosen(columns)
    _check_patterns(columns, first.header, second.header)
    return _differences(first, second, chosen, tolerance, progress)


def matched_by(first: Source, second: Source) -> By:
    """How `diff` finds the episodes that belong together."""
    return match(places(first), places(second)).by


def _differences(
    first: Source, second: Source, chosen: Chosen, tolerance: float | None, progress: OnPairs | None
) -> Iterator[Difference]:
    if not chosen.patterns:
        yield from header_differences(first.header, second.header)
    yield from column_differences(first.header, second.header, chosen)
    matching = match(places(first), places(second))
    # how long episodes are is told whatever was chosen: only the frames that both have are compared
    rows = Chosen([*chosen.patterns, "length"] if chosen.patterns else ())
    yield from episode_differences(first, second, matching, rows, tolerance)
    yield from step_differences(first, second, matching, chosen, tolerance, progress)
    if not chosen.patterns:
        yield from attempt_differences(first, second)
        yield from rest_differences(first, second, matching)
        yield from model_differences(first, second)


def step_differences(
    first: Source, second: Source, matching: Matching, chosen: Chosen, tolerance: float | None,
    progress: OnPairs | None = None,
) -> Iterator[Difference]:  # fmt: skip
    """The columns of `steps` in which pairs of episodes differ."""
    columns = shared(step_columns(first.header), step_columns(second.header))
    columns = {name: pair for name, pair in columns.items() if chosen(name)}
    tallies: dict[str, Tally] = {}
    rows = 0
    for chunk in lockstep(first, second, matching.pairs, list(columns)) if columns else ():
        for name, pair in columns.items():
            _count(chunk, name, pair, tolerance, tallies)
        rows += chunk.first.num_rows
        if progress:
            progress(_pairs_done(chunk), len(matching.pairs))
    for name, tally in tallies.items():
        yield of_tally("steps", name, tally, matching.pairs, rows)


def _pairs_done(chunk: Chunk) -> int:
    done = chunk.start + chunk.first.num_rows
    whole = int((chunk.run.starts < done).sum())
    return chunk.run.first + (whole if done == chunk.run.rows else max(whole - 1, 0))


def _count(
    chunk: Chunk, name: str, columns: tuple[Column, Column], tolerance: float | None, tallies: dict[str, Tally]
) -> None:
    found = compare(chunk.first.column(name), chunk.second.column(name), columns, tolerance)
    if found:
        tally = tallies.setdefault(name, Tally())
        tally.add(*chunk.locate(found.rows), found.apart)
        tally.nulls += found.nulls


def _check_patterns(patterns: Sequence[str], *headers: Header) -> None:
    known = {*EPISODES.names, *(c.name for h in headers for c in (*step_columns(h), *h.episodes))}
    for pattern in patterns:
        if not any(map(Chosen([pattern]), known)):
            raise UnknownNameError("column", pattern, known)
