"""What an augmentation is: a class with a method `apply` that says what it is given.

>>> from trajloom import Augmentation, local_aug
>>> class AddNoise(Augmentation):
...     def __init__(self, scale=0.01):
...         self.scale = scale
...     @local_aug
...     def apply(self, traj):
...         traj = traj.copy()
...         traj["actions"] = traj["actions"] + np.random.normal(0, self.scale, traj["actions"].shape)
...         return traj
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from trajloom.errors import SettingsError
from trajloom.schema import Header

if TYPE_CHECKING:
    from trajloom.dataset import Dataset

Kind = Literal["local", "batch", "global", "dataset"]
RngOf = Callable[[int], np.random.Generator]
"""Position of an episode in a batch -> its own stream, whatever batch it is in."""

F = TypeVar("F", bound=Callable[..., Any])


class Augmentation:
    """Base of all augmentations. A subclass need not call `super().__init__()`."""

    times: int = 1
    """Global: independent calls, each on all episodes. MimicGen: new successful episodes. Local: no effect."""
    keep_original: bool = True
    """Global: whether what it was given stays, before what it makes. Local: no effect."""
    num_workers: int | None = None
    """Global: how many of the `times` calls may run at once; None is all."""

    def __init__(self, times: int = 1, keep_original: bool = True, num_workers: int | None = None):
        """See the attributes of the same names; SettingsError where a number is below 1."""
        check_counts(times, num_workers)
        self.times, self.keep_original, self.num_workers = times, keep_original, num_workers

    def header(self, header: Header) -> Header:
        """For a `batch_aug`: the header of what it makes. Called before anything runs, so faults show early.

        Raises:
            SchemaError: A column that it needs is not there, or has an element type or shape that it cannot work on.
        """
        return header

    def fit(self, dataset: "Dataset", rng: np.random.Generator) -> "Augmentation":
        """What it learns from all episodes before it is applied to any; by default nothing.

        An augmentation that overrides this (`balance`, `outliers`) begins a new stage of the pipeline: the steps before
        it run first. Nothing may be kept in `self`; the fitted copy that it returns goes to the workers.
        """
        return self


def check_counts(times: int, num_workers: int | None, whose: str = "") -> None:
    """Raise SettingsError unless both are at least 1, or None."""
    for name, value in (("times", times), ("num_workers", num_workers)):
        if value is not None and value < 1:
            raise SettingsError(f"{whose}{name} must be >= 1, got {value}")


def local_aug(apply: F) -> F:
    """`apply(self, traj)`: one episode, a nested dict of arrays as in HDF5 -> another, a list of them, or None."""
    return _marked(apply, "local")


def batch_aug(apply: F) -> F:
    """`apply(self, batch, rng_of)`: a `Batch` of whole episodes -> another; the vectorised form of `local_aug`.

    The result must not depend on which episodes share a batch: chance is drawn from `rng_of(position)` of each.
    """
    return _marked(apply, "batch")


def global_aug(apply: F) -> F:
    """`apply(self, trajs)`: all episodes, nested dicts -> a list of new ones, or one."""
    return _marked(apply, "global")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a `dataset_aug` works."""

    out: str
    """Folder or URL for the dataset that it makes; nothing is there."""
    scratch: str
    """A folder or URL that client and workers share."""
    client: Any
    """The Dask client."""
    seed: int
    """What its chance is drawn from."""


def dataset_aug(apply: F) -> F:
    """`apply(self, dataset, site)`: a frozen `Dataset` -> nothing; a run of its own fills `site.out`."""
    return _marked(apply, "dataset")


def _marked(apply: F, kind: Kind) -> F:
    apply._aug_type = kind  # pyright: ignore[reportFunctionMemberAccess]
    return apply


def kind_of(augmentation: Augmentation) -> Kind:
    """What its `apply` is given; SettingsError where no decorator says so."""
    kind = getattr(getattr(augmentation, "apply", None), "_aug_type", None)
    if kind is None:
        name = type(augmentation).__name__
        raise SettingsError(f"{name} needs a method apply under @local_aug, @batch_aug or @global_aug")
    return kind
