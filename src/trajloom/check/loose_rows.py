"""Where the tables `attempts` and `rest`, and the models, of two datasets differ."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trajloom.check.difference import Difference
from trajloom.check.matching import Matching
from trajloom.formats import Source
from trajloom.tables import Rest, rest_rows

Attempt = Mapping[str, Any]
Key = tuple[int | None, str]
"""(number of the pair of episodes, or None for the file's own; path)."""


def attempt_differences(first: Source, second: Source) -> Iterator[Difference]:
    """Attempts that one lacks, and columns in which those of one number differ."""
    wrong: dict[str, list[int]] = {}
    lone: dict[str, list[int]] = {"first": [], "second": []}
    pairs = 0
    for ours, theirs in _side_by_side(_attempts(first), _attempts(second)):
        if ours is None or theirs is None:
            lone["second" if ours is None else "first"].append((ours or theirs or {})["attempt"])
            continue
        pairs += 1
        for name in dict.fromkeys([*ours, *theirs]):
            if ours.get(name) != theirs.get(name):
                wrong.setdefault(name, []).append(ours["attempt"])
    for which, numbers in lone.items():
        if numbers:
            said = f"{len(numbers)} attempts are only in the {which} (first: {numbers[0]})"
            yield Difference(table="attempts", name="", what=said, rows=len(numbers))
    for name, numbers in wrong.items():
        said = f"{len(numbers)} of {pairs} attempts (first: {numbers[0]})"
        yield Difference(table="attempts", name=name, what=said, rows=len(numbers))


def _attempts(source: Source) -> Iterator[Attempt]:
    for part in source.parts():
        for batch in part.attempts().to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


def _side_by_side(
    first: Iterator[Attempt], second: Iterator[Attempt]
) -> Iterator[tuple[Attempt | None, Attempt | None]]:
    """Attempts of one number together; both come with rising numbers."""
    ours, theirs = next(first, None), next(second, None)
    while ours is not None or theirs is not None:
        a, b = (np.inf if row is None else row["attempt"] for row in (ours, theirs))
        yield (ours if a <= b else None), (theirs if b <= a else None)
        ours, theirs = (next(first, None) if a <= b else ours), (next(second, None) if b <= a else theirs)


def rest_differences(first: Source, second: Source, matching: Matching) -> Iterator[Difference]:
    """Arrays outside the regular columns that one lacks or that differ, by path."""
    numbers = [{pair[side].index: i for i, pair in enumerate(matching.pairs)} for side in (0, 1)]
    # of each array a digest is kept, not its bytes
    ours = {key: _digest(row) for key, row in _rest(first, numbers[0])}
    only: dict[str, Counter[str]] = {"first": Counter(), "second": Counter()}
    wrong: dict[str, list[int | None]] = {}
    for key, row in _rest(second, numbers[1]):
        mine = ours.pop(key, None)
        if mine is None:
            only["second"][key[1]] += 1
        elif mine != _digest(row):
            wrong.setdefault(key[1], []).append(key[0])
    only["first"].update(path for _, path in ours)
    for which, paths in only.items():
        for path, count in sorted(paths.items()):
            yield Difference(table="rest", name=path, what=f"{count} arrays are only in the {which}", rows=count)
    for path, found in sorted(wrong.items()):
        episodes = sorted(number for number in found if number is not None)
        name = matching.pairs[episodes[0]][0].name if episodes else None
        yield Difference(
            table="rest", name=path, what=f"{len(found)} arrays", episodes=len(episodes), rows=len(found), episode=name
        )


def _rest(source: Source, numbers: Mapping[int, int]) -> Iterator[tuple[Key, Rest]]:
    """Rows of `rest` but those of episodes that the other dataset lacks."""
    for part in source.parts():
        for batch in part.rest():
            for row in rest_rows(batch):
                if row.episode_index is None or row.episode_index in numbers:
                    yield (None if row.episode_index is None else numbers[row.episode_index], row.path), row


def _digest(row: Rest) -> bytes:
    about = repr((row.dtype, row.shape, row.data is None, sorted((row.attrs or {}).items())))
    return hashlib.blake2b((row.data or b"") + about.encode(), digest_size=16).digest()


def model_differences(first: Source, second: Source) -> Iterator[Difference]:
    """Models that one lacks; which episode has which is in the column `model`."""
    ours, theirs = set(first.models()), set(second.models())
    for which, only in (("first", ours - theirs), ("second", theirs - ours)):
        if only:
            said = f"{len(only)} models are only in the {which} (such as {min(only)[:12]}...)"
            yield Difference(table="models", name="", what=said, rows=len(only))
