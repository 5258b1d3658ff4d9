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
        name, flat = column, index[0]
    else:
        name, flat = column.name, _flat_index(column, index)
    values = pl.col(name).ext.storage().cast(pl.List(pl.Float64))
    return values.list.get(flat).alias(f"{name}[{', '.join(map(str, index))}]")


def _flat_index(column: Column, index: tuple[int, ...]) -> int:
    fits = len(index) == len(column.shape) and all(0 <= i < n for i, n in zip(index, column.shape, strict=True))
    if not fits or column.encoding == "image":
        kind = "an image" if column.encoding == "image" else f"of shape {column.shape}"
        raise ShapeError(f"{column.name} is {kind}; it has no component {index}")
    return int(np.ravel_multi_index(index, column.shape))
