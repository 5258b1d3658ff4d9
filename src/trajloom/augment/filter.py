"""Some of the episodes."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from trajloom.augment import _checks
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.episodes import expression, fulfilling
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Header


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter(Augmentation):
    """Keep the episodes that fulfil all that is asked; where it cannot be said, as of an unknown success, they go."""

    success: bool | None = None
    """Whether they must have succeeded, or failed; None asks for neither."""
    min_length: int | None = None
    """Fewest steps."""
    max_length: int | None = None
    """Most steps."""
    where: str | pl.Expr | None = None
    """A condition over the table `episodes`, in SQL ("length > 50 and task = 'lift'") or as a Polars expression. It
    sees one row at a time: a `mean()` in it is that of the row alone."""

    def __post_init__(self) -> None:
        _checks.at_least(0, min_length=self.min_length, max_length=self.max_length)
        if self.success is None and self.min_length is None and self.max_length is None and self.where is None:
            raise SettingsError("a filter needs something to go by: success, min_length, max_length or where")
        if self.min_length is not None and self.max_length is not None and self.min_length > self.max_length:
            raise SettingsError(f"no length is both >= {self.min_length} and <= {self.max_length}")

    def header(self, header: Header) -> Header:
        empty = pl.from_arrow(header.episodes_schema.empty_table())
        assert isinstance(empty, pl.DataFrame)
        self._where(empty, header)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        there = pl.from_arrow(batch.episodes)
        assert isinstance(there, pl.DataFrame)
        keep = self._where(there, batch.header)
        if self.success is not None:
            keep &= (there["success"] == self.success).fill_null(False).to_numpy()
        low, high = self.min_length, self.max_length
        keep &= (batch.lengths >= (0 if low is None else low)) & (batch.lengths <= (np.inf if high is None else high))
        return batch if keep.all() else batch.take_episodes(np.flatnonzero(keep))

    def _where(self, there: pl.DataFrame, header: Header) -> np.ndarray:
        """(E,) bool. Which episodes fulfil `where`."""
        if self.where is None:
            return np.ones(there.height, dtype=bool)
        condition = expression(self.where, header) if isinstance(self.where, str) else self.where
        unknown = sorted(set(condition.meta.root_names()) - set(there.columns))
        if unknown:
            raise UnknownNameError("column of episodes", ", ".join(unknown), there.columns)
        # each row by itself, so that it does not matter which episodes share a batch
        alone = condition.over("episode_index")
        return fulfilling(there, alone, str(self.where), header).to_numpy().copy()
