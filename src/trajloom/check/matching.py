"""Which episode of one dataset is which of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trajloom.formats import Source

By = Literal["name", "episode_index"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an episode lies in a dataset."""

    number: int
    """Its place among the dataset's episodes."""
    part: int
    """Number of the part that holds it."""
    row: int
    """Of the part's `episodes`."""
    start: int
    """Row of the part's `steps` that is its first."""
    length: int
    index: int
    name: str


@dataclass(frozen=True)
class Matching:
    """Pairs of episodes, and those that are in one dataset alone."""

    by: By
    pairs: Sequence[tuple[Place, Place]]
    """In the order of the first dataset."""
    only_first: Sequence[Place]
    only_second: Sequence[Place]


def places(source: Source) -> list[Place]:
    """Where each episode lies, in order."""
    found: list[Place] = []
    for number, part in enumerate(source.parts()):
        start = 0
        table = part.episodes().select(["length", "episode_index", "name"])
        for row, (length, index, name) in enumerate(zip(*(c.to_pylist() for c in table.columns), strict=True)):
            found.append(Place(len(found), number, row, start, length, index, name))
            start += length
    return found


def match(first: Sequence[Place], second: Sequence[Place]) -> Matching:
    """Pair episodes by name, or by `episode_index` where names are given twice or none is in both."""
    by: By = "name" if _names_serve(first, second) else "episode_index"
    field = "name" if by == "name" else "index"
    theirs = {getattr(place, field): place for place in second}
    ours = {getattr(place, field) for place in first}
    return Matching(
        by,
        [(place, theirs[getattr(place, field)]) for place in first if getattr(place, field) in theirs],
        [place for place in first if getattr(place, field) not in theirs],
        [place for place in second if getattr(place, field) not in ours],
    )


def _names_serve(first: Sequence[Place], second: Sequence[Place]) -> bool:
    names = [{place.name for place in places_} for places_ in (first, second)]
    return len(names[0]) == len(first) and len(names[1]) == len(second) and bool(names[0] & names[1])
