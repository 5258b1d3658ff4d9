"""Episodes that are unlike the others go."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from trajloom.augment import _checks
from trajloom.augment._columns import chosen, is_float
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.images import image_of
from trajloom.errors import SettingsError
from trajloom.query import statistics
from trajloom.schema import Column, Header
from trajloom.tables import Array

if TYPE_CHECKING:
    from trajloom.dataset import Dataset

LENGTH = "length"


@dataclass(frozen=True, kw_only=True)
class Outliers(Augmentation):
    """Drop the episodes of which too many steps lie far from the mean of all steps, in any component of a column.

    Mean and standard deviation are those of each component over the whole dataset. A step is far if any number of it
    is more than `sigmas` standard deviations away, or is infinite; NaN and absent values are not.
    """

    columns: tuple[str, ...] = ("actions",)
    """Names or patterns of columns of floats; () looks at lengths alone."""
    sigmas: float = 5.0
    """Standard deviations from the mean that are still usual."""
    share: float = 0.0
    """Of an episode's steps that may be far: 0 is none."""
    length_sigmas: float | None = None
    """Standard deviations from the mean length, in steps, that are still usual; None lets all lengths be."""
    usual: Mapping[str, tuple[Array, Array]] | None = field(
        default=None, repr=False, compare=False, metadata={"fitted": True}
    )
    """Column -> lowest and highest usual value of each component; what `fit` finds."""

    def __post_init__(self) -> None:
        _checks.above(0, sigmas=self.sigmas, length_sigmas=self.length_sigmas)
        _checks.share(share=self.share)
        if not self.columns and self.length_sigmas is None:
            raise SettingsError("nothing to go by: give columns, or length_sigmas")

    def header(self, header: Header) -> Header:
        self._columns(header)
        return header

    def fit(self, dataset: "Dataset", rng: np.random.Generator) -> "Outliers":
        columns = self._columns(dataset.header)
        usual = self._usual_values(dataset, [column.name for column in columns]) if columns else {}
        if self.length_sigmas is not None:
            lengths = dataset.episodes().select(LENGTH).collect()[LENGTH].to_numpy()
            mean, std = (lengths.mean(), lengths.std()) if len(lengths) else (0.0, 0.0)
            usual[f"//{LENGTH}"] = np.array(mean - self.length_sigmas * std), np.array(mean + self.length_sigmas * std)
        return replace(self, usual=usual)

    def _usual_values(self, dataset: "Dataset", names: list[str]) -> dict[str, tuple[Array, Array]]:
        found = statistics(dataset, names)
        usual: dict[str, tuple[Array, Array]] = {}
        for name in names:
            rows = found.filter(found["column"] == name)
            mean, std = rows["mean"].to_numpy(), rows["std"].to_numpy()
            usual[name] = mean - self.sigmas * std, mean + self.sigmas * std
        return usual

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        if self.usual is None:
            raise SettingsError("outliers looks at all episodes first: call fit, and apply what it returns")
        far = np.zeros(batch.steps.num_rows, dtype=bool)
        for column in self._columns(batch.header):
            if column.name in self.usual:
                far |= _outside(batch.array(column.name).reshape(len(far), column.size), *self.usual[column.name])
        count = np.bincount(batch.position[far], minlength=batch.episodes.num_rows)
        keep = count <= self.share * batch.lengths
        if self.length_sigmas is not None:
            keep &= ~_outside(batch.lengths[:, None].astype(np.float64), *self.usual[f"//{LENGTH}"])
        return batch if keep.all() else batch.take_episodes(np.flatnonzero(keep))

    def _columns(self, header: Header) -> list[Column]:
        if not self.columns:
            return []
        return chosen(header, self.columns, lambda c: is_float(c) and not image_of(c), "floats that are no images")


def _outside(values: Array, low: Array, high: Array) -> Array:
    """(N,) bool. Whether any of the values (N, D) of a row is beyond its bounds; NaN is not."""
    room = 1e-9 * (high - low)  # a constant component's values differ from its mean by rounding
    floor, ceiling = low - room - 1e-12 * np.abs(low), high + room + 1e-12 * np.abs(high)
    return ((values < floor) | (values > ceiling)).any(axis=1)
