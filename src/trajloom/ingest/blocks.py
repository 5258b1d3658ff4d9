"""Trajectories as columns: several at once where their items are alike, else each by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import Literal

import numpy as np

from trajloom.errors import SchemaError
from trajloom.ingest import oddities
from trajloom.ingest.columns import Columns, Gatherer, alike
from trajloom.ingest.config import UNITS, IngestionConfig
from trajloom.ingest.taking import Taken
from trajloom.ingest.whole import Joiner, is_trajectory
from trajloom.tables import Array, Rest

What = Literal["step", "trajectory"]
TIME = "timestamp"


@dataclass
class Trajectory:
    """What `episodes` and `rest` are to say of one trajectory."""

    index: int
    name: str
    length: int
    attrs: dict[str, object] = field(default_factory=dict)
    rest: list[Rest] = field(default_factory=list)


@dataclass
class Block:
    """Some trajectories, one after the other."""

    trajectories: list[Trajectory]
    arrays: dict[str, Array]
    """Path -> (N, ...): their steps."""
    time: Array | None
    """(N,) s; None where the items do not say it."""
    moved: int = 0
    """Timestamps that were not after the one before."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def starts(self) -> list[int]:
        """Row of the first step of each trajectory, and how many rows there are."""
        return np.cumsum([0, *(trajectory.length for trajectory in self.trajectories)]).tolist()


def what_items_are(taken: Sequence[Taken], config: IngestionConfig) -> What:
    """Whether items are steps or whole trajectories: as the settings say, else by the items of the first part."""
    if config.item != "auto":
        return config.item
    if any(len(t.group.items) > 1 for t in taken):
        return "step"
    return "trajectory" if is_trajectory([item for t in taken for item in t.items]) else "step"


def blocks_of(taken: Sequence[Taken], what: What, config: IngestionConfig) -> Iterator[Block]:
    """The trajectories of a part, those without an item left out. Items that do not fit are listed in `taken`."""
    kept = [t for t in taken if t.items]
    columns = alike([item for t in kept for item in t.items]) if what == "step" and kept else None
    if columns is not None and _has_times(columns):
        yield _block(columns, [_fresh(t) for t in kept], config)
        return
    for t in kept:
        one = _carefully(t, what)
        if one is not None and one.length:
            yield _block(one, [replace(_fresh(t), length=one.length)], config)


def _fresh(taken: Taken) -> Trajectory:
    return Trajectory(taken.group.index, taken.group.name, len(taken.items))


def _has_times(columns: Columns) -> bool:
    """Whether the timestamp, where there is one, is one finite number a step."""
    time = columns.arrays.get(TIME)
    if time is None:
        return TIME not in columns.odd
    return time.ndim == 1 and time.dtype.kind in "iuf" and bool(np.isfinite(time).all())


def _carefully(taken: Taken, what: What) -> Columns | None:
    """Columns of one trajectory; items that do not fit go to its list of those left out."""
    gatherer = Gatherer() if what == "step" else Joiner()
    some = False
    for number, item in zip(taken.numbers, taken.items, strict=True):
        try:
            _check_time(item, what)
            gatherer.take(item)
            some = True
        except SchemaError as error:
            taken.leave(number, "misfit", str(error))
    return gatherer.columns() if some else None


def _check_time(item: object, what: What) -> None:
    time = item.get(TIME) if isinstance(item, dict) else None
    if time is None:
        return
    try:
        array = np.asarray(time)
        good = array.dtype.kind in "iuf" and array.ndim == (0 if what == "step" else 1) and np.isfinite(array).all()
    except (TypeError, ValueError):
        good = False
    if not good:
        raise SchemaError(f"timestamp must be {'a number' if what == 'step' else 'numbers (T,)'}, got {time!r:.60}")


def _block(columns: Columns, trajectories: list[Trajectory], config: IngestionConfig) -> Block:
    time = columns.arrays.pop(TIME, None)
    block = Block(trajectories, columns.arrays, time)
    spans = list(pairwise(block.starts))
    if time is not None:
        block.time, block.moved = _seconds(time, spans, config)
    for trajectory, (start, stop) in zip(trajectories, spans, strict=True):
        odd = ((name, values[start:stop], False) for name, values in columns.odd.items())
        for name, values, once in chain(odd, ((name, values, True) for name, values in columns.once.items())):
            attr, rows = oddities.placed(name, values, trajectory.index, once=once)
            trajectory.rest += rows
            if attr is not None:
                trajectory.attrs[name] = attr
    return block


def _seconds(time: Array, spans: Sequence[tuple[int, int]], config: IngestionConfig) -> tuple[Array, int]:
    """Timestamps in s, and how many were put after the one before."""
    seconds = time.astype(np.float64) / UNITS[config.time_unit]
    moved = 0
    for start, stop in spans if config.enforce_monotonic else ():
        part = seconds[start:stop]
        if (np.diff(part) <= 0).any():
            ramp = np.arange(len(part)) * 1e-3
            risen = np.maximum.accumulate(part - ramp)
            late = risen > part - ramp
            seconds[start:stop] = np.where(late, risen + ramp, part)
            moved += int(late.sum())
    return seconds, moved
