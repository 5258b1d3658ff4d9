"""Arrays that are no columns, as rows of `rest` and back."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from trajloom.formats._zarr.container import Arrays
from trajloom.formats._zarr.draft import Documents, Draft
from trajloom.tables import Rest

PIECE = 16 << 20


def rows_of(arrays: Arrays, path: str, name: str, episode: int | None) -> Iterator[Rest]:
    """Rows of `rest` for an array, in pieces where it is large."""
    node = arrays.nodes[path]
    kind = node.dtype.str
    if not node.shape:
        yield Rest(name, kind, (), arrays.scalar(path).tobytes(), episode)
        return
    most = max(1, PIECE // max(1, math.prod(node.shape[1:]) * node.dtype.itemsize))
    if node.shape[0] <= most:
        yield Rest(name, kind, node.shape, arrays.read(path, 0, node.shape[0]).tobytes(), episode)
        return
    for start in range(0, node.shape[0], most):
        stop = min(start + most, node.shape[0])
        attrs: dict[str, Any] = {"": {"rows": [start, stop]}}
        yield Rest(name, kind, node.shape, arrays.read(path, start, stop).tobytes(), episode, attrs)


def write_row(draft: Draft, path: str, row: Rest, documents: Documents | None) -> None:
    """Write a row of `rest` that came from Zarr."""
    if row.shape is None:
        return
    piece = (row.attrs or {}).get("", {}).get("rows")
    if piece and piece[0]:
        from trajloom.formats._zarr.container import library

        array = library().open_array(draft.store, path=path, mode="r+", zarr_format=draft.version)
    else:
        array = draft.array(path, row.shape, row.dtype, documents=documents)
    start, stop = piece or (0, row.shape[0] if row.shape else 0)
    values = np.frombuffer(row.data or b"", dtype=row.dtype)
    if not row.shape:
        array[...] = values.reshape(())
    elif stop > start and values.size:
        array[start:stop] = values.reshape(stop - start, *row.shape[1:])
