"""The same motion, here faster and there slower."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from trajloom.augment import _checks
from trajloom.augment._robot import ACTIONS, arms_of, gripper_of
from trajloom.augment._sampling import Places, sampled
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.edit.resample_rules import Rule, rules_of
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class TimeWarp(Augmentation):
    """Look at every episode along a smooth, rising function of time, which begins and ends where the episode does.

    The speed is exp of a smooth curve through random heights, divided by its mean; so order is kept, and so are the
    number of steps (but for `stretch`) and the rate. Columns are interpolated as `edit.resample` does it.
    """

    sigma: float = 0.2
    """Standard deviation of the logarithm of the speed: 0.2 is about 20 % faster or slower."""
    knots: int = 4
    """Random heights, evenly spaced along the episode, that the speed's curve goes through."""
    stretch: tuple[float, float] = (1.0, 1.0)
    """The new length is the old one times a number drawn evenly from this range."""
    actions: Literal["auto", "deltas", "keep"] = "auto"
    """"auto" asks the controller in `env_args`: deltas of robosuite's OSC are shared out anew, so that they still add
    up to the same (as vectors), target poses are held. "deltas" shares out the actions of a controller that is not
    known; "keep" treats them like any column."""
    gripper: tuple[int, ...] | None = None
    """Of "deltas": numbers of an action that are held. None asks the controller."""
    columns: Mapping[str, Rule] = field(default_factory=dict)
    """Rules of single columns: "linear", "slerp", "nearest" or "previous"."""

    def __post_init__(self) -> None:
        _checks.at_least(0, sigma=self.sigma)
        _checks.at_least(1, knots=self.knots)
        _checks.rising(stretch=self.stretch)
        _checks.above(0, stretch=self.stretch[0])
        _checks.one_of(("auto", "deltas", "keep"), actions=self.actions)

    def header(self, header: Header) -> Header:
        rules_of(header, "linear", self.columns)
        self._held(header)
        return header

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        warps = [self._warp(rng_of(at), int(length)) for at, length in enumerate(batch.lengths)]
        begins = np.concatenate([*(warp[:-1] for warp in warps), np.empty(0)])
        position = np.repeat(np.arange(len(warps)), [len(warp) - 1 for warp in warps])
        # the end of an episode's last step is the beginning of none
        last = batch.lengths[position] - 1
        before = np.minimum(begins.astype(np.int64), last)
        places = Places(batch.starts[position] + before, np.where(before < last, begins - before, 0.0))
        new = sampled(batch, places, rules_of(batch.header, "linear", self.columns))
        held = self._held(batch.header)
        return new if held is None else new.with_arrays({ACTIONS: _shared_out(batch, warps, places, held)})

    def _warp(self, rng: np.random.Generator, length: int) -> Array:
        """(N + 1,). Where the new steps begin, in old steps from 0 to `length`, and where the last one ends."""
        height, factor = rng.standard_normal(self.knots), rng.uniform(*self.stretch)
        if not length:
            return np.zeros(1)
        new = max(1, round(length * factor))
        at = np.linspace(0, self.knots - 1, new)
        curve = np.interp(_smooth(at), np.arange(self.knots), height)
        edges = np.concatenate([[0.0], np.cumsum(np.exp(self.sigma * curve))])
        edges *= length / edges[-1]
        edges[-1] = length
        return edges

    def _held(self, header: Header) -> list[int] | None:
        """Numbers of an action that are held while the others are shared out; None where actions are not deltas."""
        column = next((column for column in header.steps if column.name == ACTIONS), None)
        if column is None or self.actions == "keep":
            return None
        if self.actions == "deltas":
            _must_be_floats(column)
            return gripper_of(header, column, self.gripper)
        try:
            arms = arms_of(header, column)
        except SettingsError as error:
            raise SettingsError(f"{error}; say what they are: actions=deltas or keep") from error
        if any(arm.controller.absolute for arm in arms):
            return None
        _must_be_floats(column)
        return [number for arm in arms for number in arm.gripper]


def _smooth(at: Array) -> Array:
    """The same knots, between which a straight line becomes a curve without corners."""
    whole = np.floor(at)
    part = at - whole
    return whole + part * part * (3 - 2 * part)


def _must_be_floats(column: Column) -> None:
    if not column.dtype.startswith("float"):
        raise SettingsError(f"deltas are floats to be shared out; {column.name} are {column.dtype}")


def _shared_out(batch: Batch, warps: list[Array], places: Places, held: list[int]) -> Array:
    """(K, A). Deltas between the edges of the new steps, of deltas that go evenly through each old step."""
    acts = batch.array(ACTIONS)
    pairs = zip(warps, batch.starts[:-1], batch.starts[1:], strict=True)
    pieces = [_between(acts[start:stop].astype(np.float64), warp) for warp, start, stop in pairs]
    new = np.concatenate([*pieces, np.empty((0, acts.shape[1]))])
    new[:, held] = acts[places.before][:, held]
    return new.astype(acts.dtype)


def _between(deltas: Array, edges: Array) -> Array:
    """(M, A). What the deltas (T, A) of an episode's steps add up to between edges (M + 1,) in [0, T]."""
    sums = np.concatenate([np.zeros((1, deltas.shape[1])), np.cumsum(deltas, axis=0)])
    whole = np.minimum(edges.astype(np.int64), max(len(deltas) - 1, 0))
    part = (edges - whole)[:, None]
    return np.diff((1 - part) * sums[whole] + part * sums[np.minimum(whole + 1, len(deltas))], axis=0)
