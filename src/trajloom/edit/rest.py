"""Cutting arrays in `rest` that have a row for each frame."""

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trajloom.errors import TrajloomWarning
from trajloom.tables import Rest


@dataclass
class Cutter:
    """Cuts the arrays of some episodes, which may come in pieces one after the other."""

    spans: Mapping[int, tuple[int, int, int]]
    """Episode -> its length, the first frame that is left, and the frame after the last."""
    attrs: dict[tuple[int | None, str], Mapping[str, Any]] = field(default_factory=dict)
    """Of arrays whose first pieces were cut off: they stand on the first piece."""

    def cut(self, row: Rest) -> list[Rest]:
        """What is left of a row; all of one that does not have as many rows as the episode has frames."""
        if row.episode_index is None or not row.shape or row.shape[0] != self.spans[row.episode_index][0]:
            return [row]
        _, start, stop = self.spans[row.episode_index]
        return self._piece(row, start, stop)

    def _piece(self, row: Rest, start: int, stop: int) -> list[Rest]:
        attrs = dict(row.attrs or {})
        about = attrs.pop("", {})
        first, last = about.get("rows", (0, row.shape[0] if row.shape else 0))
        low, high = max(first, start), min(last, stop)
        key = row.episode_index, row.path
        if low >= high:
            self.attrs.setdefault(key, attrs)
            return []
        data = rows_of(row, last - first, low - first, high - first)
        if data is None:
            said = f"{row.path} of episode {row.episode_index} ({row.dtype[:20]}) cannot be cut by frames; left out"
            warnings.warn(said, TrajloomWarning, stacklevel=2)
            return []
        if low == start:
            attrs = {**self.attrs.pop(key, {}), **attrs}
        if "rows" in about:
            about = {**about, "rows": [low - start, high - start]}
        shape = (stop - start, *(row.shape or ())[1:])
        return [replace(row, shape=shape, data=data, attrs={**attrs, **({"": about} if about else {})})]


def rows_of(row: Rest, rows: int, start: int, stop: int) -> bytes | None:
    """The content of rows [start, stop) of `rows`: bytes, or JSON of a flat list; None where it is neither."""
    data, a_row = row.data or b"", math.prod((row.shape or ())[1:])
    size = _item_bytes(row.dtype)
    if size is None and data[:1] == b"[" and (values := _flat_list(data)) is not None and len(values) == rows * a_row:
        return json.dumps(values[start * a_row : stop * a_row]).encode()
    nbytes = len(data) // rows if size is None else size * a_row
    if rows * nbytes != len(data):
        return None
    return data[start * nbytes : stop * nbytes]


def _item_bytes(dtype: str) -> int | None:
    """Bytes of an element; None where the name is none of NumPy's."""
    try:
        return np.dtype(dtype).itemsize if dtype[:1] in "<>|=" else None
    except TypeError:
        return None


def _flat_list(data: bytes) -> list[Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, list) else None
