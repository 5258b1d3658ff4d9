"""Augmentations in order, and what they do to some data."""

import os
import warnings
from typing import Any

from trajloom.augmentation import Augmentation, check_counts, kind_of
from trajloom.errors import SettingsError, TrajloomWarning
from trajloom.pipeline.inputs import Data, checked
from trajloom.pipeline.result import Place, Result


class Pipeline:
    """Augmentations in order; `run` gives a lazy result."""

    def __init__(
        self, client: Any = None, *, seed: int = 0, scratch: str | os.PathLike[str] | None = None,
        workers: int | None = None,
    ):  # fmt: skip
        """Begin an empty one.

        Args:
            client: A Dask client, or the address of a scheduler; None starts a local cluster for the time of a run.
                Data of one part, or of less than 32 MB where no `workers` are asked for, is worked on in this process.
            seed: Decides every draw.
            scratch: Folder or URL shared by client and workers, for what lies between two stages; by default one
                beside the output, or a temporary one.
            workers: Processes of the local cluster; by default one for every core. 1 is this process, without Dask.
        """
        if workers is not None and workers < 1:
            raise SettingsError(f"workers must be >= 1, got {workers}")
        self.seed = seed
        self.place = Place(client, workers, None if scratch is None else os.fspath(scratch))
        self.augmentations: list[Augmentation] = []

    def add(self, augmentation: Augmentation) -> "Pipeline":
        """Add an augmentation as the last step, and return the pipeline.

        Raises:
            SettingsError: It has no `apply` under a decorator, or `times` or `num_workers` are below 1.
        """
        kind = kind_of(augmentation)
        name = type(augmentation).__name__
        check_counts(augmentation.times, augmentation.num_workers, f"{name}: ")
        if kind in ("local", "batch"):
            _warn_of_no_effect(augmentation, name)
        self.augmentations.append(augmentation)
        return self

    def run(self, data: "Data | Result") -> Result:
        """The lazy result of the augmentations on some data.

        Args:
            data: A path or `Dataset` of any format, a list of episodes as nested dicts of arrays, or an earlier result,
                whose augmentations come first.

        Raises:
            SettingsError: It is none of these.
        """
        if isinstance(data, Result):
            here = self.place.client is not None or self.place.workers is not None
            place = self.place if here else Place(data.place.client, data.place.workers, self.place.scratch)
            return data.with_steps(self.augmentations, place, self.seed)
        return Result(checked(data), (), self.place, self.seed).with_steps(self.augmentations, self.place, self.seed)


def _warn_of_no_effect(augmentation: Augmentation, name: str) -> None:
    default = {"times": 1, "keep_original": True, "num_workers": None}
    given = [setting for setting, value in default.items() if getattr(augmentation, setting) != value]
    if given:
        what = " and ".join(given)
        note = f"{name} works on one episode at a time: {what} has no effect; a global augmentation has that"
        warnings.warn(note, TrajloomWarning, stacklevel=3)
