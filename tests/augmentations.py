"""Augmentations as users write them; workers import them from here."""

import random

import numpy as np

from trajloom import Augmentation, batch_aug, global_aug, local_aug
from trajloom.schema import Column


class AddNoise(Augmentation):
    """As in DataAug Platform's document: no `super().__init__()`, chance from the global generators."""

    def __init__(self, scale: float = 0.01):
        self.scale = scale

    @local_aug
    def apply(self, traj):
        noisy = traj.copy()
        noise = np.random.normal(0, self.scale, noisy["actions"].shape)  # noqa: NPY002  what users do
        noisy["actions"] = noisy["actions"] + noise + random.random()
        return noisy


class Shake(Augmentation):
    """The same for a batch, from each episode's own stream."""

    @batch_aug
    def apply(self, batch, rng_of):
        noise = [rng_of(at).normal(size=(n, 3)) for at, n in enumerate(batch.lengths)]
        return batch.with_arrays({"actions": batch.array("actions") + np.concatenate(noise)})


class AddMask(Augmentation):
    """A column that was not there, known before anything runs."""

    COLUMN = Column(name="mask", dtype="bool")

    def header(self, header):
        return header.with_(steps=(*header.steps, self.COLUMN))

    @batch_aug
    def apply(self, batch, rng_of):
        return batch.with_arrays({"mask": np.ones(batch.steps.num_rows, bool)}, self.COLUMN)


class Keep(Augmentation):
    """The episodes of some names."""

    def __init__(self, *names: str):
        self.names = names

    @local_aug
    def apply(self, traj):
        return traj if traj.name in self.names else None


class Halves(Augmentation):
    """Every episode of two steps or more in two; a shorter one in a list of one."""

    @local_aug
    def apply(self, traj):
        middle = len(traj["actions"]) // 2
        return [_cut(traj, 0, middle), _cut(traj, middle, None)] if middle else [traj]


def _cut(tree, start, stop):
    return {
        key: _cut(value, start, stop) if isinstance(value, dict) else value[start:stop]
        for key, value in tree.items()
        if key != "initial_state"
    }


class Mean(Augmentation):
    """One new episode a call: the mean of all first actions, and a draw."""

    @global_aug
    def apply(self, trajs):
        first = np.mean([traj["actions"][0] for traj in trajs], axis=0)
        return {"actions": np.stack([first, np.full(3, random.random())])}


class Inner(Augmentation):
    """Whatever function it is given, on one episode."""

    def __init__(self, function):
        self.function = function

    @local_aug
    def apply(self, traj):
        return self.function(traj)
