"""Another rate, by timestamps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from trajloom.augment import _checks
from trajloom.augment._source import edited, edited_header
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.resample import resample
from trajloom.edit.resample_rules import Method, Rule
from trajloom.formats import Source
from trajloom.schema import Header


@dataclass(frozen=True, kw_only=True)
class Resample(Augmentation):
    """Bring every episode to another rate; see `edit.resample` for what becomes of each column.

    Delta actions are not rescaled: `action_conversion` makes them absolute first, `subsample` adds them up.
    """

    hz: float
    """Steps a second."""
    method: Method = "linear"
    """"linear" (and SLERP for rotations), or "nearest" to interpolate nothing."""
    columns: Mapping[str, Rule] = field(default_factory=dict)
    """Rules of single columns: "linear", "slerp", "nearest" or "previous"."""
    from_hz: float | None = None
    """The rate that the dataset had, where it does not say."""

    def __post_init__(self) -> None:
        _checks.above(0, hz=self.hz, from_hz=self.from_hz)
        _checks.one_of(("linear", "nearest"), method=self.method)

    def header(self, header: Header) -> Header:
        return edited_header(header, self._change)

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        return edited(batch, self._change)

    @property
    def _change(self) -> partial[Source]:
        return partial(resample, hz=self.hz, method=self.method, columns=self.columns, from_hz=self.from_hz)
