"""Another rate: a dataset's steps at so many a second, whatever rate or jitter they came with."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from trajloom.edit.resample_rules import RULES, Method, Rule, is_absolute, rules_of
from trajloom.edit.resampled import Resampling
from trajloom.edit.view import View
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.formats import Source
from trajloom.schema import Header, path_of


def resample(
    source: Source,
    hz: float,
    *,
    method: Method = "linear",
    columns: Mapping[str, Rule] | None = None,
    from_hz: float | None = None,
) -> Source:
    """A dataset at another rate, by its timestamps, which need not be regular.

    Every episode begins at its first instant and has a step every 1 / `hz` seconds up to its last: no value is made up
    beyond what was recorded, and a last step off the new grid goes, with its reward and `done`. A step that falls on
    one that there is, within a thousandth of a frame, is that one to the bit; so the same rate again changes nothing.

    By default floats are interpolated linearly and rotations evenly the short way round (SLERP; `edit.rotations` says
    which columns those are); a boolean keeps its last value at or before the instant; whole numbers, images, depth and
    lineage are those of the nearest step. Vectors that mix kinds (`states`, `obs/object`) are numbers like others,
    the quaternions in them too: "nearest" keeps them true.

    Actions are treated as their columns are and **never rescaled**: a delta action still says how far to go in a step
    of the old rate, and played back at the new rate goes too far or not far enough (`edit.actions` makes them
    absolute first). Absolute actions of robosuite's OSC are those of the last step at or before, as their controller
    holds a target until the next. `next_obs/...` remain a step of the old rate ahead.

    Args:
        source: The dataset.
        hz: Steps a second, above 0.
        method: "nearest" interpolates nothing.
        columns: Rules of single columns, by name. "linear" needs floats, and "slerp" a column whose rotations
            `edit.rotations` knows; images are always the nearest.
        from_hz: The rate that the steps had, for a dataset that says neither rate nor timestamps.

    Raises:
        SettingsError: A rate is not above 0 or not known, or a rule does not fit its column.
        UnknownNameError: There is no such column or rule.
        SchemaError: As it is read: timestamps do not rise, or a rotation is none; names episode and frame or column.
    """
    _check(source, hz, method, from_hz)
    rules = rules_of(source.header, method, columns or {})
    header = source.header
    resampled = Resampling(header, _resampled(header, hz, rules), hz, header.control_hz or from_hz, rules)
    return View(source, resampled.header, resampled)


def _check(source: Source, hz: float, method: str, from_hz: float | None) -> None:
    for name, rate in (("hz", hz), ("from_hz", from_hz)):
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise SettingsError(f"{name} must be above 0, got {rate}")
    if method not in ("linear", "nearest"):
        raise UnknownNameError("method of resampling", method, ("linear", "nearest"))
    known = source.header.control_hz
    if known and from_hz:
        raise SettingsError(f"the dataset says its rate itself ({known:g} Hz), so from_hz={from_hz:g} is not asked for")
    if not known and not from_hz and not _has_timestamps(source):
        raise SettingsError("the dataset says neither timestamps nor a rate; say the rate that it has: from_hz")


def _has_timestamps(source: Source) -> bool:
    """Whether the first rows have, where there are any."""
    for part in source.parts():
        for batch in part.steps(["timestamp"]):
            if batch.num_rows:
                return not batch.column("timestamp").null_count
    return True


def _resampled(header: Header, hz: float, rules: Mapping[str, Rule]) -> Header:
    """The header of the result; the same one where the rate is the same."""
    if header.control_hz == hz:
        return header
    warnings = (*header.warnings, *_said(header, hz, rules))
    return header.with_(control_hz=hz, env_args=with_rate(header.env_args, hz), warnings=warnings)


def with_rate(env_args: Mapping[str, Any] | None, hz: float) -> Mapping[str, Any] | None:
    """`env_args` at another rate: robosuite's `control_freq` is what readers of HDF5 go by."""
    kwargs = (env_args or {}).get("env_kwargs")
    if env_args is None or not isinstance(kwargs, Mapping):
        return env_args
    if "control_freq" not in kwargs and env_args.get("type") != 1:
        return env_args
    return {**env_args, "env_kwargs": {**kwargs, "control_freq": int(hz) if hz == int(hz) else hz}}


def _said(header: Header, hz: float, rules: Mapping[str, Rule]) -> Iterator[str]:
    before = f"from {header.control_hz:g} Hz" if header.control_hz else "by its timestamps"
    by_rule = {rule: [name for name, its in rules.items() if its == rule] for rule in RULES if rule != "linear"}
    used = "".join(f"{rule}: {', '.join(names)}; " for rule, names in by_rule.items() if names)
    yield f"resampled {before} to {hz:g} Hz ({used}linear: all other columns)"
    if "actions" in rules and not is_absolute(header):
        yield "actions were not rescaled: a delta action still says how far to go in a step of the old rate"
    if any(path_of(name).startswith("next_obs/") for name in rules):
        yield "next_obs/... are still a step of the old rate ahead"
    yield "arrays in `rest` with a row for every old step were left out of episodes whose steps changed"
