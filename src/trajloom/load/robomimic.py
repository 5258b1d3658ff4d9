"""robomimic's `SequenceDataset` over our loader: the same arguments and items, from any format."""

import os
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from trajloom.errors import SettingsError
from trajloom.load.dataset import TrajectoryDataset
from trajloom.load.fields import Form, put
from trajloom.load.normalizer import ROBOMIMIC_STD
from trajloom.load.opening import Data, find
from trajloom.tables import Array


class SequenceDataset(TrajectoryDataset):
    """Takes the place of `robomimic.utils.dataset.SequenceDataset` in robomimic's training code.

    Items are robomimic's, but for what its training makes of them anyhow: all floats are float32, and images are not
    normalised. An episode too short for a window has none, where robomimic stops.

    >>> SequenceDataset("demos.hdf5", ["object"], ["actions", "rewards", "dones"], seq_length=10)  # doctest: +SKIP
    """

    def __init__(
        self, hdf5_path: Data, obs_keys: Iterable[str], dataset_keys: Iterable[str], frame_stack: int = 1,
        seq_length: int = 1, pad_frame_stack: bool = True, pad_seq_length: bool = True, get_pad_mask: bool = False,
        goal_mode: Literal["last"] | None = None, hdf5_cache_mode: str | None = None, hdf5_use_swmr: bool = True,
        hdf5_normalize_obs: bool = False, filter_by_attribute: str | None = None, load_next_obs: bool = True,
        cache: str | os.PathLike[str] | None = None,
    ):  # fmt: skip
        """Open a dataset.

        Args:
            hdf5_path: A dataset of any format, not of HDF5 alone.
            obs_keys: Observations, without `obs/`.
            dataset_keys: Other columns; one that is not there is zeros (L, 1), as in robomimic.
            frame_stack, seq_length, pad_frame_stack, pad_seq_length, get_pad_mask, goal_mode: As in robomimic.
            hdf5_cache_mode, hdf5_use_swmr: Taken so that calls need not change; how data lies is no choice here.
            hdf5_normalize_obs: Whether observations become (x - mean) / (std + 1e-3).
            filter_by_attribute: Only the episodes of this filter key.
            load_next_obs: Whether items have `next_obs`, which goals are made of.
            cache: The cache folder; None is the user's.
        """
        if goal_mode not in (None, "last"):
            raise SettingsError(f"goal_mode must be 'last' or None, got {goal_mode!r}")
        if goal_mode and not load_next_obs:
            raise SettingsError("goal_mode='last' needs load_next_obs=True: goals are next observations")
        del hdf5_cache_mode, hdf5_use_swmr
        self.obs_keys, self.dataset_keys = tuple(obs_keys), tuple(dataset_keys)
        self.filter_by_attribute = filter_by_attribute
        groups = ("obs", "next_obs") if load_next_obs else ("obs",)
        found = find(hdf5_path, cache, {})
        there = {column.name for column in found.header.steps}
        self._absent = tuple(key for key in self.dataset_keys if key not in there)
        plain = [key for key in self.dataset_keys if key in there]
        super().__init__(
            found, seq_length, frame_stack=frame_stack, pad=_PAD[pad_frame_stack, pad_seq_length],
            pad_mask=get_pad_mask, columns=[*plain, *(f"{group}/{key}" for group in groups for key in self.obs_keys)],
            split=filter_by_attribute,
            normalize={f"{group}/*": "robomimic" for group in groups} if hdf5_normalize_obs else None,
            goal=goal_mode, dtype={"float": "float32", **dict.fromkeys(plain, "float32")}, layout="robomimic",
        )  # fmt: skip

    @property
    def n_demos(self) -> int:
        """robomimic's name of `num_episodes`."""
        return self.num_episodes

    @property
    def total_num_sequences(self) -> int:
        """robomimic's name of the length."""
        return len(self)

    def get_obs_normalization_stats(self) -> dict[str, dict[str, Array]]:
        """Observation -> `mean` and `std`, (1, *shape) each, as robomimic's policies take them."""
        if self.normalizer is None:
            raise SettingsError("observations are not normalised; open the dataset with hdf5_normalize_obs=True")
        found = {}
        for name, scaling in self.normalizer.scalings.items():
            if name.startswith("obs/"):
                mean, std = scaling.statistics["mean"][None], scaling.statistics["std"][None] + ROBOMIMIC_STD
                found[name.removeprefix("obs/")] = {"mean": mean.astype("float32"), "std": std.astype("float32")}
        return found

    def get_dataset_sampler(self) -> None:
        """None: items are drawn evenly, as robomimic's training takes it."""
        return

    def _gathered(self, numbers: Array, epoch: int, form: Form) -> dict[str, Any]:
        tree = super()._gathered(numbers, epoch, form)
        for key in self._absent:
            put(tree, (key,), form.own(np.zeros((len(numbers), self.shape.length, 1), np.float32)))
        return tree


_PAD = {(True, True): True, (False, False): False, (True, False): "start", (False, True): "end"}
