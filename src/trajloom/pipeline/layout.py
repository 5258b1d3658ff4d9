"""Which columns the outputs of users' functions become: seen episode by episode, decided once for the whole dataset.

So the columns depend on the outputs alone, not on who saw them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from trajloom.edit.view import edited
from trajloom.errors import SchemaError
from trajloom.formats.hdf5.columns import rotation_of
from trajloom.formats.hdf5.dialect import BEFORE_AND_AFTER
from trajloom.pipeline.values import column_type
from trajloom.schema import Column, Header, path_of, stored_name
from trajloom.tables import Array

Kind = tuple[str, tuple[int, ...]]
"""Element type, and shape of a row."""
MAX_ONCE_BYTES = 4 << 20
"""Size of an array above which it is no column of `episodes`."""
ESSENTIAL = ("actions", "states")
"""Arrays that say how long an episode is, in this order."""


@dataclass(frozen=True)
class Seen:
    """What the values of one path were."""

    steps: Kind | None
    """As a value a step; None where some are not."""
    once: Kind | None
    """As a value an episode; None where some are not, or differ in shape."""
    episodes: int
    """How many have it."""
    nonempty: int
    """How many with at least a step have it."""
    example: str
    """The first episode that has it, and what it is there."""
    odd: str | None = None
    """The first episode in which it is no array with a row a step, and what it is there."""
    clash: str | None = None
    """Two episodes that have it a step, with different rows."""

    def and_(self, later: "Seen") -> "Seen":
        """What was seen here and in later episodes."""
        steps = _common(self.steps, later.steps)
        clash = self.clash or later.clash
        if steps is None and self.steps and later.steps:
            clash = clash or f"{self.example}, but {later.example}"
        return Seen(
            steps,
            _common(self.once, later.once),
            self.episodes + later.episodes,
            self.nonempty + later.nonempty,
            self.example,
            self.odd or later.odd,
            clash,
        )


@dataclass(frozen=True)
class Outputs:
    """What was seen of some episodes."""

    episodes: int = 0
    nonempty: int = 0
    """Those with at least a step."""
    paths: Mapping[str, Seen] = field(default_factory=dict)

    def and_(self, later: "Outputs") -> "Outputs":
        """What was seen here and in later episodes."""
        paths = dict(self.paths)
        for path, seen in later.paths.items():
            paths[path] = paths[path].and_(seen) if path in paths else seen
        return Outputs(self.episodes + later.episodes, self.nonempty + later.nonempty, paths)


def all_of(outputs: Iterable[Outputs]) -> Outputs:
    """What was seen of all parts, in their order."""
    found = Outputs()
    for one in outputs:
        found = found.and_(one)
    return found


def seen(name: str, length: int, values: Mapping[str, Array], odd: Iterable[str]) -> Outputs:
    """What the arrays of one episode are.

    Args:
        name: The episode's.
        length: Its steps.
        values: Path -> array.
        odd: Paths of arrays that are as they were in the source, and no regular column there.
    """
    odd = set(odd)
    paths = {path: _seen(name, length, path, value, path in odd) for path, value in values.items()}
    return Outputs(1, int(length > 0), paths)


def _seen(name: str, length: int, path: str, value: Array, odd: bool) -> Seen:
    kind, shape = None if odd else column_type(value), value.shape
    told = f"{name}: {path} has shape {shape}, {kind or value.dtype}"
    steps = (kind, shape[1:]) if kind and shape[:1] == (length,) else None
    once = (kind, shape) if kind and shape and 0 not in shape and value.nbytes <= MAX_ONCE_BYTES else None
    return Seen(steps, once, 1, int(length > 0), told, None if steps else f"{told}, and the episode {length} steps")


def _common(one: Kind | None, other: Kind | None) -> Kind | None:
    """The kind that holds both, without loss; None where there is none."""
    if one is None or other is None or one[1] != other[1]:
        return None
    if one[0] == other[0]:
        return one
    widened = np.promote_types(one[0], other[0])
    families = {np.dtype(dtype).kind for dtype in (one[0], other[0])}
    keeps = families <= {"i", "u"} or len(families) == 1
    return (widened.name, one[1]) if keeps and widened.kind in families else None


# ---- decisions -------------------------------------------------------------------------------------------------


def length_of(values: Mapping[str, Array]) -> int:
    """Steps of an episode: those of `actions`, else of `states`, else the commonest first length."""
    for path in ESSENTIAL:
        if path in values and values[path].shape:
            return len(values[path])
    lengths = [len(value) for path, value in sorted(values.items()) if value.shape and value.dtype.kind in "biuf"]
    return max(lengths, key=lambda n: (lengths.count(n), n), default=0)


def header_of(outputs: Outputs, prior: Header) -> Header:
    """The header of what was seen: columns that were there stay what they are, with what is known of them.

    Args:
        outputs: Of all episodes, or of a part.
        prior: The header of the input.

    Raises:
        SchemaError: A column with a value a step has none a step, or another shape, in some episode.
    """
    if not outputs.episodes:
        return prior
    known = {path_of(column.name): ("steps", column) for column in prior.steps}
    known |= {path_of(column.name): ("episodes", column) for column in prior.episodes}
    steps, once, faults = [], [], []
    order = [path for path in known if path in outputs.paths] + sorted(set(outputs.paths) - set(known))
    for path in order:
        there, column = known.get(path, (None, None))
        found = outputs.paths[path]
        table, fault = _table(path, found, there)
        if fault:
            faults.append(fault)
        elif table == "steps":
            steps.append(_column(path, found.steps, found.nonempty < outputs.nonempty, "steps", column))
        elif table == "episodes":
            once.append(_column(path, found.once, found.episodes < outputs.episodes, "episodes", column))
    if faults:
        raise SchemaError("; ".join(faults))
    return _with(prior, tuple(steps), tuple(once))


def _with(prior: Header, steps: tuple[Column, ...], once: tuple[Column, ...]) -> Header:
    if (steps, once) == (prior.steps, prior.episodes):
        return prior
    # readers of the source's layout take an episode without them for damaged
    lacking = any(column.nullable and column.name in ESSENTIAL for column in steps)
    return edited(prior, steps=steps, episodes=once, layout={} if lacking else prior.layout)


def _table(path: str, found: Seen, there: str | None) -> tuple[Literal["steps", "episodes", "rest"], str | None]:
    """Where a path goes, or what is wrong."""
    if there == "episodes" and found.once:
        return "episodes", None
    if found.steps:
        return "steps", None
    if found.clash:
        return "steps", f"{found.clash}; a column has one shape and element type in all episodes"
    if there == "steps" or path in ESSENTIAL:
        return "steps", f"{found.odd}; {path} has a row a step"
    return ("episodes" if found.once else "rest"), None


def _column(path: str, kind: Kind | None, lacking: bool, table: Any, column: Column | None) -> Column:
    assert kind is not None
    dtype, shape = kind
    nullable = lacking or (column is not None and column.nullable)
    if column is None:
        steps = table == "steps"
        return Column(
            name=stored_name(path, table),
            dtype=dtype,
            shape=shape,
            nullable=nullable,
            when=BEFORE_AND_AFTER.get(path.split("/")[0]) if steps else None,
            rotation=rotation_of(path, dtype, shape) if steps else None,
        )
    about = {} if column.shape == shape else {"rotation": None}
    return replace(column, dtype=dtype, shape=shape, nullable=nullable, **about)
