"""Noise on observations: what a sensor would have said beside the truth."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajloom import poses
from trajloom.augment import _checks, _draws
from trajloom.augment._columns import chosen, is_float
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.images import image_of
from trajloom.edit.rotations import rotation_of
from trajloom.schema import Column, Header
from trajloom.tables import Array

Kind = Literal["gaussian", "uniform", "correlated"]


@dataclass(frozen=True, kw_only=True)
class ObservationNoise(Augmentation):
    """Add noise to columns of floats; rotations are turned by small random rotations, and stay rotations.

    Columns are independent of each other: `obs/x` and `next_obs/x` get different noise. Images have `image_noise`.
    A vector that mixes kinds (`obs/object`, `states`) is numbers like others, the quaternions in it too.
    """

    columns: tuple[str, ...]
    """Names or patterns of columns of floats, all in the same unit."""
    sigma: float
    """Standard deviation, in the column's unit."""
    sigma_rad: float | None = None
    """Of rotations (`edit.rotations` says which columns hold any): standard deviation of each component of the rotation
    vector that the value is turned by, in radians, in the frame it is expressed in. None is `sigma`."""
    kind: Literal["gaussian", "uniform", "correlated"] = "gaussian"
    """Independent from step to step and normal or even (up to sqrt(3) sigma), or normal with a memory."""
    correlation_steps: float = 10.0
    """Of "correlated": after so many steps the correlation is 1/e (an Ornstein-Uhlenbeck process)."""

    def __post_init__(self) -> None:
        _checks.at_least(0, sigma=self.sigma, sigma_rad=self.sigma_rad)
        _checks.above(0, correlation_steps=self.correlation_steps)
        _checks.one_of(("gaussian", "uniform", "correlated"), kind=self.kind)

    def header(self, header: Header) -> Header:
        self._columns(header)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        rngs = _draws.streams(batch, rng_of)
        return batch.with_arrays({c.name: self._noisy(batch, rngs, c) for c in self._columns(batch.header)})

    def _columns(self, header: Header) -> list[Column]:
        return chosen(header, self.columns, lambda c: is_float(c) and not image_of(c), "floats that are no images")

    def _noisy(self, batch: Batch, rngs: _draws.Streams, column: Column) -> Array:
        values = batch.array(column.name).astype(np.float64)
        rotation = rotation_of(column)
        if rotation is None:
            return (values + self.sigma * self._unit_noise(batch, rngs, column.shape)).astype(column.dtype)
        lead = column.shape[:-1] if rotation == "quat" else column.shape[:-2]
        sigma = self.sigma if self.sigma_rad is None else self.sigma_rad
        turn = poses.rotation_from_axis_angle(sigma * self._unit_noise(batch, rngs, (*lead, 3)))
        if rotation == "quat":
            values[..., -4:] = _turned_quat(column, values[..., -4:], turn)
            values[..., :-4] += self.sigma * self._unit_noise(batch, rngs, (*lead, column.shape[-1] - 4))
        else:
            values[..., :3, :3] = turn @ values[..., :3, :3]
            beside = values[..., :3, 3:]
            beside += self.sigma * self._unit_noise(batch, rngs, beside.shape[1:])
        return values.astype(column.dtype)

    def _unit_noise(self, batch: Batch, rngs: _draws.Streams, shape: tuple[int, ...]) -> Array:
        match self.kind:
            case "gaussian":
                return _draws.normal(batch, rngs, shape)
            case "uniform":
                return np.sqrt(3) * _draws.uniform(batch, rngs, shape)
            case "correlated":
                return _draws.correlated(batch, rngs, shape, self.correlation_steps)


def _turned_quat(column: Column, quat: Array, turn: Array) -> Array:
    """Quaternions (..., 4) after a rotation (..., 3, 3) from the left, in their own order and on their own side."""
    to_wxyz = [0, 1, 2, 3] if column.rotation == "wxyz" or "wxyz" in column.name else [3, 0, 1, 2]
    known = np.isfinite(quat).all(-1) & (np.linalg.norm(quat, axis=-1) > 0)
    turned = quat.copy()
    old = quat[known][..., to_wxyz]
    new = poses.quat_from_rotation(turn[known] @ poses.rotation_from_quat(old))
    # q and -q are one rotation, but a network sees two numbers: no jump is to come from noise
    new = np.where(np.sum(new * old, axis=-1, keepdims=True) < 0, -new, new)
    turned[known] = new[..., np.argsort(to_wxyz)]
    return turned
