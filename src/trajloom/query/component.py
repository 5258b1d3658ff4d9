"""One number of a tensor column, as an expression of Polars."""

import numpy as np
import polars as pl

from trajloom.errors import ShapeError
from trajloom.schema import Column


def component(column: str | Column, *index: int) -> pl.Expr:
    """One number of a tensor column of `steps` or `episodes`, as float64, whichever way the column is kept.

    Args:
        column: Its name, or its `Column` (`dataset.header.column(name)`), which knows the shape.
        index: Where the number stands in a row; of a name alone, its place in the flattened row.

    Raises:
        ShapeError: The index does not fit the column's shape.
    """
    if isinstance(column, str):
        if len(index) != 1:
            raise ShapeError(f"{column}: a name alone takes one index into the flattened row, got {index}")
        values = pl.col(column).ext.storage().cast(pl.List(pl.Float64)).list.get(index[0])
        return values.alias(component_name(column, index))
    flat = _flat_index(column, index)
    stored = pl.col(column.name)
    if column.encoding == "tensor":
        stored = stored.ext.storage().arr.get(flat)
    elif column.encoding == "list":
        stored = stored.list.get(flat)
    return stored.cast(pl.Float64).alias(component_name(column.name, index))


def component_name(column: str, index: tuple[int, ...]) -> str:
    """What a component is called: `actions[0]`, `obs/pose[0, 3]`; a scalar goes by its column's name."""
    return f"{column}[{', '.join(map(str, index))}]" if index else column


def _flat_index(column: Column, index: tuple[int, ...]) -> int:
    fits = len(index) == len(column.shape) and all(0 <= i < n for i, n in zip(index, column.shape, strict=True))
    if not fits or column.encoding == "image":
        kind = "an image" if column.encoding == "image" else f"of shape {column.shape}"
        raise ShapeError(f"{column.name} is {kind}; it has no component {index}")
    return int(np.ravel_multi_index(index, column.shape)) if index else 0
