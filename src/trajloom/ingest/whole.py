"""Items that are whole trajectories, or pieces of them: arrays (T, ...) that are T steps."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trajloom.errors import SchemaError
from trajloom.ingest.columns import Columns, Item
from trajloom.ingest.values import Odd, Value, flat
from trajloom.tables import Array

ACTIONS = ("actions", "action")
"""Names of arrays whose length is that of the trajectory, whatever others have."""


def is_trajectory(items: Sequence[Item]) -> bool:
    """Whether items, each alone in its trajectory, are trajectories rather than steps.

    They are where each has two arrays or more, all of one first length T, and T differs between items or exceeds all
    other dimensions of the arrays of numbers (such as (T, 7) beside (T,)): a pair of pictures, of poses or of vectors
    is a step.
    """
    every = [_arrays(item) for item in items]
    if not every or any(len(arrays) < 2 or len({len(a) for a in arrays.values()}) != 1 for arrays in every):
        return False
    lengths = {len(next(iter(arrays.values()))) for arrays in every}
    return len(lengths) > 1 or (lengths.pop() > 1 and all(map(_is_long, every)))


def _arrays(item: Item) -> dict[str, Array]:
    try:
        values = flat(item)
    except SchemaError:
        return {}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim}


def _is_long(arrays: Mapping[str, Array]) -> bool:
    length = len(next(iter(arrays.values())))
    numbers = [array for array in arrays.values() if array.ndim <= 2]
    other = max((n for array in numbers for n in array.shape[1:]), default=0)
    # vectors alone tell nothing: (7,) beside (7,) may be a state and an action
    return bool(numbers) and length > other and (other > 0 or len(numbers) < len(arrays))


@dataclass
class Joiner:
    """Takes the items of one trajectory, one after the other in time."""

    pieces: list[dict[str, Array]] = field(default_factory=list)
    once: dict[str, list[Odd]] = field(default_factory=dict)

    def take(self, item: Item) -> None:
        """Take an item; SchemaError says why it does not fit."""
        values = flat(item)
        length = _length(values)
        steps = {n: v for n, v in values.items() if isinstance(v, np.ndarray) and v.ndim and len(v) == length}
        if self.pieces:
            _check(steps, self.pieces[0])
        self.pieces.append(steps)
        for name, value in values.items():
            if name not in steps:
                self.once.setdefault(name, []).append(_odd(value))

    def columns(self) -> Columns:
        """What was taken."""
        arrays = {name: np.concatenate([piece[name] for piece in self.pieces]) for name in self.pieces[0]}
        return Columns(len(next(iter(arrays.values()))), arrays, once=self.once)


def _length(values: Mapping[str, Value]) -> int:
    """That of the actions, else the commonest first length, of those the longest."""
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray) and value.ndim}
    for name in ACTIONS:
        if name in arrays:
            return len(arrays[name])
    if not arrays:
        raise SchemaError("there is no array (T, ...) that says how many steps there are")
    counts = Counter(map(len, arrays.values()))
    return max(counts, key=lambda length: (counts[length], length))


def _check(steps: Mapping[str, Array], first: Mapping[str, Array]) -> None:
    faults = [f"lacks {name}, which its trajectory has" for name in first if name not in steps]
    faults += [f"{name} is not in the first item of its trajectory" for name in steps if name not in first]
    faults += [
        f"{name} has steps of shape {steps[name].shape[1:]}; in its trajectory they have {first[name].shape[1:]}"
        for name in steps
        if name in first and steps[name].shape[1:] != first[name].shape[1:]
    ]
    if faults:
        raise SchemaError("; ".join(faults))


def _odd(value: Value) -> Odd:
    """A number as JSON, an array as it is."""
    return value if isinstance(value, Odd) else Odd(value if value.ndim else value.item())
