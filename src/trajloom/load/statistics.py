"""Exact statistics of the columns of packed records, over the episodes that are loaded; made once and kept."""

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from trajloom.load.normalizer import STATISTICS
from trajloom.load.place import draft
from trajloom.load.records import GroupRows, Records
from trajloom.tables import Array

if TYPE_CHECKING:
    from trajloom.query.moments import Moments

BLOCK_BYTES = 8 << 20
"""Bytes of the rows that are in memory at a time, as float64."""


def of_group(records: Records, rows: GroupRows, episodes: Sequence[int] | None) -> dict[str, Array]:
    """`mean`, `std`, `min`, `max` of the rows of some episodes (None: all), (width,) float64 each; NaN do not count."""
    told = f"{rows.path.name} {'all' if episodes is None else list(episodes)}"
    path = records.folder / f"statistics-{hashlib.sha256(told.encode()).hexdigest()[:16]}.npy"
    try:
        found = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (OSError, ValueError):
        moments = _moments(records, rows, episodes)
        found = np.stack([moments.mean, moments.std, moments.low, moments.high])
        # a cache that cannot be written to is read all the same
        with suppress(OSError), draft(path) as file:
            np.save(file, found)
    return dict(zip(STATISTICS, found, strict=True))


def _moments(records: Records, rows: GroupRows, episodes: Sequence[int] | None) -> "Moments":
    # queries take longer to import than all else that loading needs
    from trajloom.query.moments import Moments

    chosen = np.ones(len(records.episode_index), bool)
    if episodes is not None:
        chosen[:] = False
        chosen[np.asarray(episodes, np.int64)] = True
    found = Moments.of(np.empty((0, rows.group.width)))
    step = max(1, BLOCK_BYTES // (8 * rows.group.width))
    for start in range(0, len(rows.array), step):
        block = rows.array[start : start + step]
        if episodes is not None:
            block = block[chosen[records.episodes_of(np.arange(start, start + len(block)))]]
        found = found.merge(Moments.of(block))
    return found
