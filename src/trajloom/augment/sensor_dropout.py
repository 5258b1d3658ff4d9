"""Sensors that fail: for an episode, or for single steps."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trajloom.augment import _checks, _draws
from trajloom.augment._columns import chosen
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header, path_of, stored_name
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class SensorDropout(Augmentation):
    """Take columns (sensors, cameras) away at random."""

    columns: tuple[str, ...]
    """Names or patterns."""
    probability: float = 0.1
    """Of each being away, for each episode or step."""
    per: Literal["episode", "step"] = "episode"
    """Whether a sensor fails for whole episodes, or for single steps independently."""
    together: bool = False
    """Whether all columns fail at once, or each by itself."""
    fill: Literal["zero", "hold", "null"] = "zero"
    """What stands for it: 0, or (per step) the last value that was seen, or (per episode) nothing: a null column. With
    "hold" the first step never fails."""
    mark: bool = False
    """Whether columns `dropped/...` (bool) say where it was taken away."""

    def __post_init__(self) -> None:
        _checks.share(probability=self.probability)
        _checks.one_of(("episode", "step"), per=self.per)
        _checks.one_of(("zero", "hold", "null"), fill=self.fill)
        if (self.fill, self.per) in (("hold", "episode"), ("null", "step")):
            raise SettingsError(
                f"fill={self.fill!r} does not go with per={self.per!r}; hold is per step, null per episode"
            )

    def header(self, header: Header) -> Header:
        found = self._columns(header)
        steps = {column.name: column for column in header.steps}
        marks = [_mark(column) for column in found] if self.mark else []
        taken = [mark.name for mark in marks if mark.name in steps]
        if taken:
            raise SettingsError(f"these columns are there already: {', '.join(taken)}; mark once")
        if self.fill == "null":
            steps |= {column.name: replace(column, nullable=True) for column in found}
        return header.with_(steps=(*steps.values(), *marks))

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        header, found = self.header(batch.header), self._columns(batch.header)
        away = self._away(batch, rng_of, len(found))
        arrays: dict[str, Array] = {}
        present: dict[str, Array] = {}
        for column, gone in zip(found, away.T, strict=True):
            gone = gone & batch.has(column.name)
            arrays[column.name] = self._filled(batch.array(column.name), gone)
            if self.fill == "null":
                present[column.name] = batch.has(column.name) & ~gone
            if self.mark:
                arrays[_mark(column).name] = gone
        return batch.with_arrays(arrays, *header.steps, present=present)

    def _away(self, batch: Batch, rng_of: RngOf, count: int) -> Array:
        """(N, C) bool. Where each column is away."""
        rngs, draws = _draws.streams(batch, rng_of), 1 if self.together else count
        if self.per == "episode":
            drawn = _draws.per_episode(batch, rngs, lambda rng: rng.random(draws))
        else:
            drawn = _draws.per_step(batch, rngs, lambda rng, length: rng.random((length, draws)))
        away = np.broadcast_to(drawn < self.probability, (batch.steps.num_rows, count)).copy()
        if self.fill == "hold":
            away[batch.starts[:-1][batch.lengths > 0]] = False
        return away

    def _filled(self, values: Array, gone: Array) -> Array:
        if self.fill == "hold":
            seen = np.maximum.accumulate(np.where(gone, 0, np.arange(len(gone))))
            return values[seen]
        filled = values.copy()
        filled[gone] = 0
        return filled

    def _columns(self, header: Header) -> list[Column]:
        return chosen(header, self.columns, lambda column: True, "anything")


def _mark(column: Column) -> Column:
    return Column(name=stored_name(f"dropped/{path_of(column.name)}"), dtype="bool", nullable=column.nullable)
