"""Delta actions as target poses, or the other way round."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from trajloom.augment import _checks
from trajloom.augment._source import edited
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit import actions as converting
from trajloom.edit.actions import conversion_of
from trajloom.errors import SettingsError
from trajloom.schema import Header


@dataclass(frozen=True, kw_only=True)
class ActionConversion(Augmentation):
    """Turn robosuite's OSC actions into target poses, or into changes of the pose; see `edit.actions`."""

    to: Literal["absolute", "delta"] = "absolute"
    """What they become."""

    def __post_init__(self) -> None:
        _checks.one_of(("absolute", "delta"), to=self.to)

    def header(self, header: Header) -> Header:
        # what is there is asked first: models are read as episodes come
        if conversion_of(header, dict).to != self.to:
            raise SettingsError(f"the actions are {self.to} already, say the controller_configs in env_args")
        return converting.changed(header, self.to)

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        return edited(batch, partial(converting.actions, to=self.to))
