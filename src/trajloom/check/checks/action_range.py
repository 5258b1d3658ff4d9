"""Actions beyond what the controller takes, and components of them that never change."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trajloom.check.checks import Check
from trajloom.check.rows import Places, Rows
from trajloom.findings import Finding
from trajloom.schema import Header
from trajloom.tables import Array

ROBOSUITE = 1
"""robomimic's number for environments of robosuite in `env_args`."""


class ActionRange(Check):
    """Counts values that robosuite's controllers clip, and follows each component's range."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._limits = limits(header)
        self._there = any(column.name == "actions" for column in header.steps)
        self._places, self._values, self._farthest = Places(), 0, 0.0
        self._low: Array | None = None
        self._high: Array | None = None
        self._steps = 0

    def steps(self, rows: Rows) -> None:
        if not self._there:
            return
        values, at = rows.valid("actions")
        values = values.reshape(len(values), -1)
        if not len(values):
            return
        self._steps += len(values)
        self._low = _fold(np.fmin, self._low, np.fmin.reduce(values))
        self._high = _fold(np.fmax, self._high, np.fmax.reduce(values))
        if self._limits:
            self._beyond(rows, values, at, *self._limits)

    def _beyond(self, rows: Rows, values: Array, at: Array | None, low: float, high: float) -> None:
        beyond = np.isfinite(values) & ((values < low) | (values > high))
        if beyond.any():
            found = np.flatnonzero(beyond.any(axis=1))
            self._places.add(rows, found if at is None else at[found])
            self._values += int(beyond.sum())
            self._farthest = max(self._farthest, float(np.abs(values[beyond].astype(np.float64)).max()))

    def findings(self) -> Iterator[Finding]:
        if self._limits and self._values:
            low, high = self._limits
            said = f"{self._values} values in {self._places.rows} steps of {self._places.episodes} episodes"
            yield Finding(
                severity="warning",
                code="action_range",
                what=f"{said} lie outside [{low:g}, {high:g}], where the controller clips; the largest is "
                f"{self._farthest:g} (--clip-actions clips them)",
                episode=self._places.episode,
                column="actions",
                frame=self._places.frame,
                fixable=True,
            )
        if self._steps > 1 and self._low is not None and self._high is not None:
            constant = np.flatnonzero(self._low == self._high)
            if len(constant):
                said = ", ".join(f"{i} ({self._low[i]:g})" for i in constant)
                what = f"components that are the same in all {self._steps} steps: {said}"
                yield Finding(severity="info", code="constant_action", what=what, column="actions")


def _fold(function: np.ufunc, before: Array | None, now: Array) -> Array:
    return now if before is None else function(before, now)


def limits(header: Header) -> tuple[float, float] | None:
    """(lowest, highest) value that robosuite's controllers take; None where the actions are not normalised."""
    env_args = header.env_args or {}
    if env_args.get("type") != ROBOSUITE or not isinstance(env_args.get("env_kwargs"), Mapping):
        return None
    found = list(_settings(env_args["env_kwargs"].get("controller_configs")))
    if ("control_delta", False) in found or ("input_type", "absolute") in found:
        return None
    low = [float(value) for key, value in found if key == "input_min" and _is_number(value)]
    high = [float(value) for key, value in found if key == "input_max" and _is_number(value)]
    return min(low, default=-1.0), max(high, default=1.0)


def _settings(configs: Any) -> Iterator[tuple[str, Any]]:
    """Settings of all controllers, however deep: one, a list of them, or one for each part of the body."""
    if isinstance(configs, Mapping):
        for key, value in configs.items():
            yield key, value
            yield from _settings(value)
    elif isinstance(configs, list | tuple):
        for one in configs:
            yield from _settings(one)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


CHECK = ActionRange
