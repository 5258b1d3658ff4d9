"""Whole batches looked at between their steps."""

from collections.abc import Mapping
from dataclasses import dataclass

from trajloom.batch import Batch
from trajloom.edit.resample_rules import Rule
from trajloom.edit.resampled import interpolated
from trajloom.errors import SchemaError
from trajloom.tables import Array


@dataclass(frozen=True)
class Places:
    """K places among the N steps of a batch: those of an episode together, and episodes in order."""

    before: Array
    """(K,). Row of the step at, or last before, each place."""
    fraction: Array
    """(K,) in [0, 1). How far towards the episode's next step it lies; 0 at its last."""

    @property
    def nearest(self) -> Array:
        """(K,). Row of the step that is nearest; the earlier of two as near."""
        return self.before + (self.fraction > 0.5)


def sampled(batch: Batch, places: Places, rules: Mapping[str, Rule]) -> Batch:
    """A batch with a step at each place, by the rules of `edit.resample` for each data column."""
    nearest = places.nearest
    new = batch.take_steps(nearest)
    moved = places.fraction > 0
    if not moved.any():
        return new
    arrays = {}
    for column in batch.header.steps:
        rule = rules[column.name]
        if rule == "nearest" or batch.steps.column(column.name).null_count == batch.steps.num_rows:
            continue
        values = batch.array(column.name)
        found = values[places.before]
        if rule in ("linear", "slerp"):
            known = moved & batch.has(column.name)[places.before]
            start, end = found[known], values[places.before[known] + 1]
            try:
                found[known] = interpolated(rule, column, start, end, places.fraction[known])
            except SchemaError as error:
                raise SchemaError(f"{column.name} {error}, so nothing lies between two of its rows") from error
        arrays[column.name] = found
    return new.with_arrays(arrays)
