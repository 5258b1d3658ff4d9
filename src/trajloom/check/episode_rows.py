"""Where the rows of `episodes` of two datasets differ."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.check.difference import Chosen, Difference, of_tally
from trajloom.check.headers import leaves, shared
from trajloom.check.matching import Matching, Place
from trajloom.check.values import Tally, compare
from trajloom.formats import Source
from trajloom.schema import EPISODES, Column

KEPT_PARTS = 4


class Rows:
    """Rows of `episodes` by place; those of a few parts are kept."""

    def __init__(self, source: Source):
        self._parts = source.parts()
        self._tables: OrderedDict[int, pa.Table] = OrderedDict()

    def at(self, place: Place) -> pa.Table:
        """The one row of an episode."""
        if place.part not in self._tables:
            self._tables[place.part] = self._parts[place.part].episodes().combine_chunks()
            if len(self._tables) > KEPT_PARTS:
                self._tables.popitem(last=False)
        return self._tables[place.part].slice(place.row, 1)


def episode_differences(
    first: Source, second: Source, matching: Matching, chosen: Chosen, tolerance: float | None
) -> Iterator[Difference]:
    """Episodes that one lacks, then the columns in which pairs differ."""
    for which, places in (("first", matching.only_first), ("second", matching.only_second)):
        if places:
            said = f"{len(places)} episodes are only in the {which}"
            yield Difference(table="episodes", name="", what=said, episodes=len(places), episode=places[0].name)
    counted = _Counted(first, second, matching, chosen, tolerance)
    for number in range(len(matching.pairs)):
        counted.pair(number)
    for name, tally in counted.tallies.items():
        yield of_tally("episodes", name, tally, matching.pairs, len(matching.pairs))


class _Counted:
    def __init__(
        self, first: Source, second: Source, matching: Matching, chosen: Chosen, tolerance: float | None
    ) -> None:
        self.rows, self.pairs, self.tolerance = (Rows(first), Rows(second)), matching.pairs, tolerance
        self.own = [name for name in EPISODES.names if chosen(name) and name != matching.by]
        columns = shared(first.header.episodes, second.header.episodes)
        self.columns = {name: pair for name, pair in columns.items() if chosen(name)}
        self.tallies: dict[str, Tally] = {}

    def pair(self, number: int) -> None:
        tables = [rows.at(place) for rows, place in zip(self.rows, self.pairs[number], strict=True)]
        ours, theirs = (table.select(self.own).to_pylist()[0] for table in tables)
        for name in self.own:
            for wrong, apart in _own(name, ours[name], theirs[name]):
                self._count(wrong, number, apart)
        for name, columns in self.columns.items():
            self._array(name, columns, [table.column(name) for table in tables], number)

    def _array(self, name: str, columns: tuple[Column, Column], values: Sequence[pa.ChunkedArray], number: int) -> None:
        found = compare(values[0].chunk(0), values[1].chunk(0), columns, self.tolerance)
        if found:
            self._count(name, number, found.apart)
            self.tallies[name].nulls += found.nulls

    def _count(self, name: str, number: int, apart: float | None) -> None:
        tally = self.tallies.setdefault(name, Tally())
        tally.add(np.array([number]), np.array([0]), apart)


def _own(name: str, first: Any, second: Any) -> Iterator[tuple[str, float | None]]:
    """Names of what differs in one of our own columns, each attribute by itself, and by how much."""
    if name == "attrs":
        if first != second:
            ours, theirs = (_attributes(text) for text in (first, second))
            wrong = [key for key in sorted({*ours, *theirs}) if repr(ours.get(key)) != repr(theirs.get(key))]
            yield from ((f"attrs: {key}", None) for key in wrong)
    elif name == "splits":
        if set(first) != set(second):
            yield name, None
    elif first != second:
        numbers = name in ("length", "episode_index", "seed") and None not in (first, second)
        yield name, float(abs(first - second)) if numbers else None


def _attributes(text: str) -> Mapping[str, Any]:
    """`<path>/<attribute>` -> what of it is in the JSON of an episode's `attrs`."""
    found: dict[str, Any] = {}
    for path, attrs in json.loads(text or "{}").items():
        plain = attrs if isinstance(attrs, Mapping) else {"": attrs}
        found.update({f"{path}/{key}".strip("/"): dict(leaves(value)) for key, value in plain.items()})
    return found
