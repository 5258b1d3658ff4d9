"""Columns and the arrays that they become."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.schema import Column, stored_name
from trajloom.tables import Array

NAME = re.compile(r"[^/\\\0]{1,100}")
RESERVED = {"zarr.json", "c"}
WHEN: Mapping[str, Any] = {"obs": "before", "next_obs": "after"}


def is_path(path: str) -> bool:
    """Whether an array can lie at a path on any system."""
    return all(
        NAME.fullmatch(step) and not step.startswith((".", "__")) and step not in RESERVED and len(step.encode()) < 200
        for step in path.split("/")
    )


def placed(paths: Iterable[str]) -> list[str]:
    """Those of some paths that can be arrays side by side: none lies inside another."""
    wanted = [path for path in paths if is_path(path)]
    inner = {"/".join(path.split("/")[:i]) for path in wanted for i in range(1, path.count("/") + 1)}
    return [path for path in wanted if path not in inner]


def step_column(path: str, dtype: str, shape: tuple[int, ...], nullable: bool = False) -> Column:
    """The column of `steps` of an array."""
    when = WHEN.get(path.split("/")[0])
    return Column(name=stored_name(path), dtype=dtype, shape=shape, nullable=nullable, when=when)


def episode_column(path: str, dtype: str, shape: tuple[int, ...], nullable: bool = False) -> Column:
    """The column of `episodes` of an array."""
    return Column(name=stored_name(path, "episodes"), dtype=dtype, shape=shape, nullable=nullable)


def filled(values: pa.Array, column: Column) -> Array:
    """Values as an array (n, *shape); where they are null, NaN or 0 stands."""
    if not values.null_count:
        return tables.to_numpy(values, column)
    present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    empty = np.nan if np.dtype(column.dtype).kind == "f" else 0
    out = np.full((len(values), *column.shape), empty, dtype=column.dtype)
    if len(present):
        out[present] = tables.to_numpy(values.take(pa.array(present)), column)
    return out


def one(values: Any) -> pa.Array:
    """A column of a table in one piece."""
    if isinstance(values, pa.Array):
        return values
    return (
        values.chunk(0)
        if values.num_chunks == 1
        else pa.concat_arrays(values.chunks)
        if values.num_chunks
        else pa.nulls(0, values.type)
    )
