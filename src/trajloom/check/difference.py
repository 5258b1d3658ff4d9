"""The record of one difference between two datasets."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from trajloom.check.matching import Place
from trajloom.check.values import Tally

Table = Literal["header", "steps", "episodes", "attempts", "rest", "models"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Where two datasets differ: one for each column, field or array, however often it is."""

    table: Table
    name: str
    """Column, field of the header, path of an array of `rest`; "" for the table as a whole."""
    what: str
    """A clause for people: "20.0 in the first, 10.0 in the second"."""
    episodes: int = 0
    """In how many episodes."""
    rows: int = 0
    """In how many rows of the table."""
    episode: str | None = None
    """Name of the first of the episodes, in the first dataset."""
    frame: int | None = None
    """First frame in that episode, where it is about steps."""
    largest: float | None = None
    """Largest absolute difference, where numbers are compared that are finite in both."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Chosen:
    """Which columns are compared."""

    patterns: Sequence[str] = ()
    """Shell patterns, such as `obs/*`; none choose everything."""

    def __call__(self, name: str) -> bool:
        return not self.patterns or any(fnmatchcase(name, pattern) for pattern in self.patterns)


OnPairs = Callable[[int, int], None]
"""Called with (pairs of episodes done, pairs in all)."""


def of_tally(table: Table, name: str, tally: Tally, pairs: Sequence[tuple[Place, Place]], of: int) -> Difference:
    """What was counted of a column, of so many rows."""
    assert tally.first is not None
    unit = "step" if table == "steps" else "episode"
    said = f"{tally.rows} of {of} {unit}s"
    if table == "steps":
        said += f", in {tally.episodes} of {len(pairs)} episodes"
    if tally.nulls:
        said += f"; {tally.nulls} are null in one alone"
    if tally.largest is not None:
        said += f"; by at most {tally.largest:.6g}"
    return Difference(
        table=table,
        name=name,
        what=said,
        episodes=tally.episodes,
        rows=tally.rows,
        episode=pairs[tally.first[0]][0].name,
        frame=tally.first[1] if table == "steps" else None,
        largest=tally.largest,
    )
