"""Mean, standard deviation, least and greatest of every column, in one pass."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom import tables
from trajloom.dataset import Dataset
from trajloom.schema import Column, path_of
from trajloom.tables import Array


@dataclass
class Moments:
    """What is known of the values so far."""

    count: int = 0
    mean: Array = field(default_factory=lambda: np.zeros(()))
    squares: Array = field(default_factory=lambda: np.zeros(()))
    """Sum of the squared distances from the mean."""
    least: Array = field(default_factory=lambda: np.asarray(np.inf))
    greatest: Array = field(default_factory=lambda: np.asarray(-np.inf))

    def add(self, values: Array) -> None:
        """Take values (N, ...); pairwise as by Chan et al., so that large means cost no digits."""
        if not len(values):
            return
        # float64 also where sums of bytes or of float16 would not fit
        wide = values.astype(np.float64)
        count, mean = len(wide), wide.mean(axis=0)
        squares, delta, total = ((wide - mean) ** 2).sum(axis=0), mean - self.mean, self.count + len(wide)
        self.squares = self.squares + squares + delta**2 * (self.count * count / total)
        self.mean, self.count = self.mean + delta * (count / total), total
        self.least, self.greatest = (
            np.minimum(self.least, wide.min(axis=0)),
            np.maximum(self.greatest, wide.max(axis=0)),
        )


def of_columns(dataset: Dataset) -> dict[str, dict[str, Any]]:
    """Path -> dtype, shape, mean, std, min, max; of pictures (H, W, C) one for each channel."""
    found = {column.name: Moments() for column in dataset.header.steps}
    for part in dataset.parts():
        for batch in part.steps(list(found)) if found else ():
            for column in dataset.header.steps:
                values = batch.column(column.name)
                values = values.drop_null() if values.null_count else values
                found[column.name].add(_by_component(tables.to_numpy(values, column), column))
    return {path_of(column.name): _said(column, found[column.name]) for column in dataset.header.steps}


def _by_component(values: Array, column: Column) -> Array:
    return values.reshape(-1, column.shape[-1]) if len(column.shape) >= 3 else values


def _said(column: Column, moments: Moments) -> dict[str, Any]:
    std = np.sqrt(moments.squares / max(moments.count, 1))
    return {
        "dtype": column.dtype,
        "shape": column.shape,
        "mean": moments.mean,
        "std": std,
        "min": moments.least,
        "max": moments.greatest,
    }
