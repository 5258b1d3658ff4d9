"""Where odd values go: texts that hold for a whole trajectory into its attributes, all others into `rest`; and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from trajloom.ingest.values import Odd
from trajloom.tables import Array, Rest

JSON = {"encoding": {"dtype": "str", "value": "json"}}
"""Attributes of texts in `rest` that are JSON."""


def placed(name: str, values: Sequence[Odd | None], episode: int, *, once: bool = False) -> tuple[Any, list[Rest]]:
    """What becomes of the odd values of one name in one trajectory: a typed attribute or None, and rows of `rest`.

    Args:
        name: Its path.
        values: One a step, None where it is absent; with `once`, as often as the whole trajectory said it.
        episode: The number of the trajectory.
        once: Whether the value is the trajectory's and not the steps'.
    """
    first = values[0]
    steps = first is not None and isinstance(first.value, np.ndarray) and not once
    if first is not None and not steps and all(value is not None and first.same(value) for value in values):
        return _one(name, first, episode)
    arrays = [value.value for value in values if value is not None and isinstance(value.value, np.ndarray)]
    if len(arrays) < len(values) and not arrays:
        return None, [_texts(name, values, episode)]
    if len(arrays) == len(values) and len({(a.dtype, a.shape) for a in arrays}) == 1:
        return None, [array_row(name, np.stack(arrays), episode)]
    rows = [_one(f"{name}/{at}", value, episode, attr=False)[1] for at, value in enumerate(values) if value is not None]
    return None, [row for few in rows for row in few]


def _one(name: str, value: Odd, episode: int, attr: bool = True) -> tuple[Any, list[Rest]]:
    if isinstance(value.value, np.ndarray):
        return None, [array_row(name, value.value, episode)]
    if attr and isinstance(value.value, str | bool | int | float):
        return typed(value.value), []
    return None, [Rest(name, "str", (), json.dumps([value.json]).encode(), episode, JSON)]


def typed(value: Any) -> dict[str, Any]:
    """An attribute's value with its type; what is no text or number is JSON."""
    kinds = {bool: "|b1", int: "<i8", float: "<f8"}
    if type(value) in kinds:
        return {"dtype": kinds[type(value)], "value": value}
    return {"dtype": "str", "value": value if isinstance(value, str) else Odd(value).json}


def _texts(name: str, values: Sequence[Odd | None], episode: int) -> Rest:
    """A row of one text a step: as it is where all are texts, else as JSON."""
    if all(value is not None and isinstance(value.value, str) for value in values):
        texts, attrs = [value.value for value in values if value is not None], {}
    else:
        texts, attrs = ["null" if value is None else value.json for value in values], JSON
    return Rest(name, "str", (len(texts),), json.dumps(texts).encode(), episode, attrs)


def array_row(name: str, array: Array, episode: int) -> Rest:
    return Rest(name, array.dtype.str, array.shape, array.tobytes(), episode, {})


def found(
    attrs: Mapping[str, Any], rows: Iterable[Rest], length: int
) -> tuple[dict[str, Any], dict[str, Sequence[Any]]]:
    """The inverse of `placed` for one trajectory: what holds for all of it, and what has a value a step."""
    whole = {name: typed.get("value") for name, typed in attrs.items()}
    steps: dict[str, Sequence[Any]] = {}
    for row in rows:
        values = _read(row)
        if row.shape and row.shape[0] == length:
            steps[row.path] = values
        elif values is not None:
            whole[row.path] = values
    return whole, steps


def _read(row: Rest) -> Any:
    data = row.data or b""
    if row.shape is None:
        return None
    if row.dtype != "str":
        return np.frombuffer(data, np.dtype(row.dtype)).reshape(row.shape)
    texts = json.loads(data)
    texts = [json.loads(text) for text in texts] if row.attrs == JSON else texts
    return texts if row.shape else texts[0]
