"""Noise on actions; the gripper is left alone."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from trajloom.augment import _checks, _draws
from trajloom.augment._columns import chosen, is_float
from trajloom.augment._robot import ACTIONS, arm_mask
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.actions import conversion_of
from trajloom.edit.columns import fits
from trajloom.edit.converted import Conversion
from trajloom.errors import LayoutError, SettingsError, SourceError
from trajloom.schema import Column, Header
from trajloom.tables import Array

TARGET = "datagen_info/target_pose"
ABSOLUTE = "actions_abs"
"""What robomimic and its followers call the absolute form that they keep beside delta actions."""


@dataclass(frozen=True, kw_only=True)
class ActionNoise(Augmentation):
    """Add noise to every arm action: the same distribution at every step, independent from step to step."""

    sigma: float
    """Standard deviation, in the action's own units (robosuite's are normalised to [-1, 1])."""
    columns: tuple[str, ...] = (ACTIONS,)
    """Names or patterns of columns (A,) of floats."""
    kind: Literal["gaussian", "uniform"] = "gaussian"
    """Distribution; a uniform one reaches sqrt(3) sigma."""
    gripper: tuple[int, ...] | None = None
    """Numbers of an action that are left alone. None takes those that the controller in `env_args` gives to the
    gripper; () is none."""
    limits: tuple[float, float] | None = None
    """Noisy numbers are clipped to these; None clips nothing."""
    relabel: bool = False
    """Whether the noisy action is what a robot was told, so that columns which say the same action in another form,
    `datagen_info/target_pose` and `actions_abs`, are computed from it; else they stay what was meant. Needs `actions`
    of one arm under OSC, and the reached poses (see `edit.actions`)."""

    def __post_init__(self) -> None:
        _checks.at_least(0, sigma=self.sigma)
        _checks.one_of(("gaussian", "uniform"), kind=self.kind)
        _checks.rising(limits=self.limits)

    def header(self, header: Header) -> Header:
        for column in self._columns(header):
            arm_mask(header, column, self.gripper)
        if self.relabel:
            self._labels(header)
            conversion_of(header, dict)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        rngs, draw = _draws.streams(batch, rng_of), self._unit_noise
        noisy: dict[str, Array] = {}
        for column in self._columns(batch.header):
            arm = arm_mask(batch.header, column, self.gripper)
            values = batch.array(column.name).astype(np.float64)
            values[:, arm] += self.sigma * draw(batch, rngs, (int(arm.sum()),))
            if self.limits is not None:
                values[:, arm] = np.clip(values[:, arm], *self.limits)
            noisy[column.name] = values.astype(column.dtype)
        changed = batch.with_arrays(noisy)
        return self._relabelled(changed) if self.relabel else changed

    def _unit_noise(self, batch: Batch, rngs: _draws.Streams, shape: tuple[int, ...]) -> Array:
        if self.kind == "uniform":
            return np.sqrt(3) * _draws.uniform(batch, rngs, shape)
        return _draws.normal(batch, rngs, shape)

    def _columns(self, header: Header) -> list[Column]:
        return chosen(header, self.columns, lambda c: is_float(c) and len(c.shape) == 1, "floats (A,)")

    def _labels(self, header: Header) -> list[str]:
        there = [column.name for column in header.steps]
        other = [name for name in there if name.startswith("action_dict/")]
        if not fits(ACTIONS, self.columns):
            raise SettingsError(f"relabel computes labels from `{ACTIONS}`, which is not among columns={self.columns}")
        if other:
            raise SettingsError(f"relabel cannot compute {', '.join(other)} anew; drop these columns first")
        found = [name for name in (TARGET, ABSOLUTE) if name in there]
        if not found:
            raise SettingsError(f"relabel has nothing to do: neither {TARGET} nor {ABSOLUTE} is there")
        return found

    def _relabelled(self, batch: Batch) -> Batch:
        labels, conversion = self._labels(batch.header), conversion_of(batch.header, lambda: batch.models)
        new = {name: batch.array(name).copy() for name in labels}
        models, names = (batch.episodes.column(name).to_pylist() for name in ("model", "name"))
        for at, (start, stop) in enumerate(zip(batch.starts[:-1], batch.starts[1:], strict=True)):
            if start == stop or not batch.has(ACTIONS)[start]:
                continue
            try:
                _relabel(new, slice(start, stop), batch.steps.slice(start, stop - start), models[at], conversion)
            except (SourceError, LayoutError) as error:
                raise SourceError(f"{names[at]}: {error}") from error
        return batch.with_arrays(new)


def _relabel(labels: dict[str, Array], rows: slice, steps: pa.Table, model: str | None, conversion: Conversion) -> None:
    """Put into one episode's rows of the labels what its actions ask for."""
    reached, base = conversion.reached(steps, model)
    actions = conversion.actions(steps)
    if TARGET in labels:
        labels[TARGET][rows] = conversion.controller.target_pose(reached, actions, base)
    if ABSOLUTE in labels:
        absolute = conversion.controller.absolute
        labels[ABSOLUTE][rows] = actions if absolute else conversion.controller.to_absolute(reached, actions, base)[0]
