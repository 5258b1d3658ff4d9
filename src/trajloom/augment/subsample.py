"""Every k-th step, each with what was done until the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from trajloom import osc, poses
from trajloom.augment import _checks
from trajloom.augment._robot import ACTIONS, arms_of, gripper_of
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.resample import with_rate
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header, path_of
from trajloom.tables import Array

AT_THE_END = ("next_obs/", "datagen_info/target_pose", "datagen_info/gripper_action", "actions_abs")
"""What is true, or asked for, at the end of a step: of the last of the steps that become one."""


@dataclass(frozen=True, kw_only=True)
class Subsample(Augmentation):
    """Keep every k-th step of every episode; the last one stands for those that are left, also where they are fewer.

    A kept step is the first of k: observations are its own, and what happens until the next is added up. Rewards are
    summed; `dones` are those of any of the k; `next_obs/...`, columns taken after the action, target poses and the
    gripper's numbers are those of the last.
    """

    every: int
    """k: 2 halves the rate."""
    actions: Literal["auto", "compose", "sum", "last", "mean", "first"] = "auto"
    """What becomes of k actions. "auto" asks the controller in `env_args`: deltas of robosuite's OSC are composed
    (positions added, rotations multiplied), and its `output_min/max` become k times as large, so that actions stay in
    its range; target poses are the last one's. "sum" is for other deltas, "mean" for velocities, "last" for targets."""
    gripper: tuple[int, ...] | None = None
    """Of "sum" and "mean": numbers of an action that are the last one's all the same. None asks the controller."""

    def __post_init__(self) -> None:
        _checks.at_least(1, every=self.every)
        _checks.one_of(("auto", "compose", "sum", "last", "mean", "first"), actions=self.actions)

    def header(self, header: Header) -> Header:
        way = self._way(header)
        if self.every == 1:
            return header
        hz = None if header.control_hz is None else header.control_hz / self.every
        env_args = header.env_args if hz is None else with_rate(header.env_args, hz)
        if way == "compose":
            env_args = _with_longer_steps(env_args, self.every)
        said = f"every {self.every}. step was kept; actions: {way}"
        return header.with_(control_hz=hz, env_args=env_args, warnings=(*header.warnings, said))

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        way, header = self._way(batch.header), self.header(batch.header)
        if self.every == 1:
            return batch
        frame = np.arange(batch.steps.num_rows) - batch.starts[batch.position]
        first = np.flatnonzero(frame % self.every == 0)
        last = np.minimum(first + self.every, batch.starts[batch.position[first] + 1]) - 1
        new = {c.name: self._column(batch, c, first, last, way) for c in batch.header.steps}
        taken = batch.under(header).take_steps(first)
        return taken.with_arrays({name: values for name, values in new.items() if values is not None})

    def _column(self, batch: Batch, column: Column, first: Array, last: Array, way: str) -> Array | None:
        """A column's value for each kept step; None where it is the first step's own."""
        path = path_of(column.name)
        if path == ACTIONS:
            return self._actions(batch, column, first, last, way)
        if column.when == "after" or path.startswith(AT_THE_END):
            return batch.array(column.name)[last]
        if not len(first) or path not in ("rewards", "dones"):
            return None
        values = batch.array(column.name)
        if path == "dones":
            return np.maximum.reduceat(values, first)
        return np.add.reduceat(values, first).astype(column.dtype)

    def _actions(self, batch: Batch, column: Column, first: Array, last: Array, way: str) -> Array | None:
        acts = batch.array(column.name)
        new = acts[last]
        if way == "first" or not len(first):
            return None
        if way in ("sum", "mean"):
            sums = np.add.reduceat(acts.astype(np.float64), first)
            sums = sums / (last - first + 1)[:, None] if way == "mean" else sums
            arm = np.ones(column.size, dtype=bool)
            arm[gripper_of(batch.header, column, self.gripper)] = False
            new[:, arm] = sums[:, arm].astype(column.dtype)
        for arm in arms_of(batch.header, column) if way == "compose" else ():
            command = _composed(arm.controller.command(acts[:, arm.start : arm.stop]), first, last, self.every)
            new[:, arm.arm] = arm.controller.action_for(command / self.every)
        return new

    def _way(self, header: Header) -> str:
        """What becomes of actions, decided and possible."""
        column = next((column for column in header.steps if column.name == ACTIONS), None)
        if column is None:
            return "first"
        if self.actions in ("sum", "mean"):
            gripper_of(header, column, self.gripper)
        if self.actions not in ("auto", "compose"):
            return self.actions
        try:
            absolute = [arm.controller.absolute for arm in arms_of(header, column)]
        except SettingsError as error:
            raise SettingsError(f"{error}; say what becomes of actions: sum, mean, last or first") from error
        if any(absolute) and self.actions == "compose":
            raise SettingsError("target poses cannot be composed; the last one is what k of them ask for")
        return "last" if any(absolute) else "compose"


def _composed(command: Array, first: Array, last: Array, every: int) -> Array:
    """(K, 6). Metres added up, and rotations multiplied from the left, of commands (N, 6) from `first` to `last`."""
    found = np.add.reduceat(command, first)
    rotation = poses.rotation_from_axis_angle(command[:, 3:])
    turn = rotation[first]
    for later in range(1, every):
        there = first + later <= last
        turn[there] = rotation[first[there] + later] @ turn[there]
    found[:, 3:] = poses.axis_angle_from_rotation(turn)
    return found


def _with_longer_steps(env_args: Mapping[str, Any] | None, factor: int) -> dict[str, Any]:
    """`env_args` of controllers whose actions go further."""
    args = dict(env_args or {})
    kwargs = dict(args["env_kwargs"])
    configs = kwargs["controller_configs"]
    many = isinstance(configs, list)
    longer = [osc.with_longer_steps(config, factor) for config in (configs if many else [configs])]
    return {**args, "env_kwargs": {**kwargs, "controller_configs": longer if many else longer[0]}}
