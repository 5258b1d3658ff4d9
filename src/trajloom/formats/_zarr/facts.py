"""What is known of the episodes once they were written, and whether the hierarchy holds all of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from trajloom.formats._columnar import ColumnarSource
from trajloom.schema import Header

HELD_FIELDS = ("steps", "episodes", "eefs", "control_hz", "env_args", "attrs", "generation", "attempts_end", "layout")
OWN = ("name", "success", "seed", "attrs")


@dataclass
class Facts:
    """What is known of the episodes."""

    lengths: list[int] = field(default_factory=list)
    success: list[bool | None] = field(default_factory=list)
    seed: list[int | None] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    attrs: list[str] = field(default_factory=list)
    ordinary: bool = True
    """Whether nothing else is known of any."""
    rest_held: bool = True
    """Whether all rows of `rest` were written where they came from."""

    def take(self, rows: pa.Table) -> None:
        first = len(self.lengths)
        for name in OWN:
            getattr(self, name).extend(rows.column(name).to_pylist())
        self.lengths += rows.column("length").to_pylist()
        self.ordinary = (
            self.ordinary
            and rows.column("episode_index").to_pylist() == list(range(first, len(self.lengths)))
            and not any(rows.column("splits").to_pylist())
            and all(rows.column(name).null_count == rows.num_rows for name in ("task", "model"))
        )

    def success_rate(self) -> float | None:
        return rate_of(self.success)


def rate_of(success: Sequence[bool | None]) -> float | None:
    """Share of the episodes that succeeded, among those of which it is known; None where of none."""
    known = [value for value in success if value is not None]
    return sum(known) / len(known) if known else None


def one_chunk(values: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    found = values.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def is_held(read: Callable[[], ColumnarSource], header: Header, facts: Facts, aside: Path) -> bool:
    """Whether what was written is read back as the dataset that it was, so that nothing needs to be kept aside.

    Args:
        read: Reads the hierarchy that was written, without what was kept aside.
        header: The dataset's.
        facts: What is known of its episodes.
        aside: The folder that `AsideWriter` wrote.
    """
    kept = {file.name for file in aside.iterdir()} & {"steps.parquet", "attempts.parquet", "times.parquet", "models"}
    nulls = json.loads((aside / "aside.json").read_text())["nulls"]
    if kept or not facts.ordinary or not facts.rest_held:
        return False
    native = read()
    there, wanted = native.header.to_json(), header.to_json()
    if any(there[name] != wanted[name] for name in HELD_FIELDS) or nulls != _nulls(native):
        return False
    rows = [part.episodes() for part in native.parts()]
    return all([v for table in rows for v in table.column(name).to_pylist()] == getattr(facts, name) for name in OWN)


def _nulls(native: ColumnarSource) -> dict[str, list[list[int]]]:
    """Column -> ranges of rows in which it is null, as `AsideWriter` notes them."""
    steps = {column.name for column in native.header.steps}
    found = {}
    for name, absent in native.absent.items():
        mask = np.repeat(absent, native.lengths) if name in steps else absent
        edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
        found[name] = edges.reshape(-1, 2).tolist()
    return {name: runs for name, runs in found.items() if runs}
