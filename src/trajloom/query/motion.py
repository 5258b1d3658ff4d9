"""How the arm moves: paths of end effectors, how smooth they are, and actions that stand at their bounds."""

import re
from collections.abc import Iterator, Mapping
from functools import reduce

import numpy as np
import polars as pl

from trajloom.check.checks.action_range import limits
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.query.by_episode import lazily, per_episode
from trajloom.query.component import component
from trajloom.query.spectral import spectral_arc_length
from trajloom.query.summary import statistics
from trajloom.schema import Column, Header, path_of
from trajloom.tables import to_numpy

EEF = re.compile(r"obs/(?:(?P<arm>.+?)_)?eef_pos|(?:obs/)?datagen_info/eef_pose(?:/(?P<key>.+))?")
"""Columns that hold where an end effector is: robosuite's and Isaac Lab's observations, MimicGen's poses."""
Place = tuple[Column, tuple[tuple[int, ...], ...]]
"""A column, and where in a row its x, y and z stand."""


def eefs(header: Header) -> dict[str, Place]:
    """End effectors whose positions the steps hold: name -> where. Observations come before MimicGen's poses."""
    found: dict[str, dict[str, Place]] = {"obs": {}, "datagen_info": {}}
    for column in header.steps:
        match = EEF.fullmatch(path_of(column.name))
        if match and column.shape in ((3,), (4, 4)):
            kind = "obs" if column.shape == (3,) else "datagen_info"
            index = ((0,), (1,), (2,)) if kind == "obs" else ((0, 3), (1, 3), (2, 3))
            found[kind][match["arm"] or match["key"] or "eef"] = (column, index)
    return found["obs"] or found["datagen_info"]


def eef_of(header: Header, name: str | None) -> dict[str, Place]:
    """The end effectors, or the one of a name; UnknownNameError."""
    known = eefs(header)
    if name is not None and name not in known:
        raise UnknownNameError("end effector", name, known)
    return known if name is None else {name: known[name]}


def log_dimensionless_jerk(*position: pl.Expr, order: int = 3) -> pl.Expr:
    """How smooth a movement is, as an expression over the steps of one episode: larger is smoother.

    `-ln(T^3 / v^2 * sum(|d^3 x / dt^3|^2) dt)` with the movement's time T and top speed v: scale, duration and control
    rate cancel. A reach of least jerk has -ln(204.8), which is -5.32; stops and tremor lower it. Null where nothing
    moves, and of fewer than 4 positions.

    Args:
        position: Its coordinates, at even times.
        order: 3 for positions; 2 where the numbers are velocities already, as actions that are changes of a pose.

    Source:
        Balasubramanian, Melendez-Calderon, Roby-Brami, Burdet, On the analysis of movement smoothness, Journal of
        NeuroEngineering and Rehabilitation 12:112 (2015); Hogan and Sternad, Journal of Motor Behavior 41 (2009).
    """
    speeds = [x.diff() if order == 3 else x for x in position]
    jerk, speed = _squares([v.diff().diff() for v in speeds]), _squares(speeds)
    times = speed.count().cast(pl.Float64)
    value = -(times**3 * jerk.sum() / speed.max()).log()
    return pl.when((speed.max() > 0) & (jerk.count() > 0)).then(value)


def _squares(values: list[pl.Expr]) -> pl.Expr:
    return reduce(pl.Expr.add, [value**2 for value in values])


def eef_motion(dataset: Dataset, eef: str | None = None) -> pl.LazyFrame:
    """How end effectors moved in each episode.

    Columns: `episode_index`, `eef`; `path_m`, the length of its way; `reach_m`, how far its end is from its start;
    `top_speed` in m/s; `smoothness`, see `log_dimensionless_jerk`, which a single shaky step lowers; and
    `spectral_smoothness`, see `spectral_arc_length`, which counts how many movements it is made of. Speed and spectrum
    are null where the control rate is unknown.

    Args:
        dataset: With columns of positions (`obs/robot0_eef_pos`) or poses (`datagen_info/eef_pose`).
        eef: Which end effector; None takes all.

    Raises:
        UnknownNameError: There is no such end effector, or none at all.
    """
    known = eef_of(dataset.header, eef)
    if not known:
        raise UnknownNameError(
            "column of end-effector positions", "obs/*_eef_pos", [c.name for c in dataset.header.steps]
        )
    hz = dataset.header.control_hz
    frames = []
    for name, (column, index) in known.items():
        xyz = [component(column, *i) for i in index]
        speed = _squares([x.diff() for x in xyz]).sqrt()
        values = {
            "path_m": speed.sum(),
            "reach_m": _squares([x.last() - x.first() for x in xyz]).sqrt(),
            "top_speed": speed.max() * hz if hz else pl.lit(None, pl.Float64),
            "smoothness": log_dimensionless_jerk(*xyz),
            "spectral_smoothness": spectral_arc_length(speed, hz) if hz else pl.lit(None, pl.Float64),
        }
        found = per_episode(dataset, [column.name], **values)
        frames.append(found.select("episode_index", pl.lit(name).alias("eef"), *values))
    return pl.concat(frames)


def action_motion(dataset: Dataset, column: str = "actions") -> pl.LazyFrame:
    """How jerky the actions of each episode are.

    Columns: `episode_index`; `mean_change`, the root mean square of a component's change from step to step;
    `smoothness`, see `log_dimensionless_jerk`, and `spectral_smoothness`, see `spectral_arc_length`, with actions as
    velocities.

    Args:
        dataset: Any dataset.
        column: Of actions.

    Raises:
        SchemaError: There is no such column.
    """
    actions = dataset.header.column(column)
    parts = [component(actions, *index) for index in np.ndindex(actions.shape)]
    change = (_squares([x.diff() for x in parts]) / len(parts)).mean().sqrt()
    hz, speed = dataset.header.control_hz, _squares(parts).sqrt()
    values = {
        "mean_change": change,
        "smoothness": log_dimensionless_jerk(*parts, order=2),
        "spectral_smoothness": spectral_arc_length(speed, hz) if hz else pl.lit(None, pl.Float64),
    }
    return per_episode(dataset, [column], **values)


MOTION = {
    "of": pl.String, "measure": pl.String, "episodes": pl.UInt32, "mean": pl.Float64, "min": pl.Float64,
    "median": pl.Float64, "max": pl.Float64,
}  # fmt: skip


def motion(dataset: Dataset) -> pl.LazyFrame:
    """What `eef_motion` and `action_motion` find, over all episodes; no rows where a dataset has neither column.

    Columns: `of`, an end effector or `actions`; `measure`; `episodes` that have it; `mean`, `min`, `median`, `max`.
    """
    frames = [pl.LazyFrame(schema=MOTION)]
    if eefs(dataset.header):
        frames.append(_over_episodes(eef_motion(dataset).rename({"eef": "of"})))
    if any(column.name == "actions" for column in dataset.header.steps):
        frames.append(_over_episodes(action_motion(dataset).with_columns(of=pl.lit("actions"))))
    return pl.concat(frames)


def _over_episodes(found: pl.LazyFrame) -> pl.LazyFrame:
    measured = found.unpivot(index=["episode_index", "of"], variable_name="measure", value_name="value")
    value = pl.col("value")
    summary = measured.drop_nulls("value").group_by("of", "measure", maintain_order=True).agg(
        episodes=pl.len(), mean=value.mean(), min=value.min(), median=value.median(), max=value.max()
    )  # fmt: skip
    return summary.select(*MOTION)


SATURATION = {
    "index": pl.List(pl.Int64), "low": pl.Float64, "high": pl.Float64, "steps": pl.Int64, "at_low": pl.Int64,
    "at_high": pl.Int64, "share": pl.Float64,
}  # fmt: skip


def saturation(
    dataset: Dataset, column: str = "actions", *, low: float | None = None, high: float | None = None
) -> pl.LazyFrame:
    """How often each component of the actions stands at its bound.

    Columns: `index`; the bounds `low` and `high`; `steps`; how many of them are `at_low` and `at_high`, or beyond; and
    the `share` of both.

    Args:
        dataset: Any dataset.
        column: Of actions.
        low: Lower bound; by default that of robosuite's controller, else the lowest number that the component has.
        high: Upper bound, likewise.

    Raises:
        SchemaError: There is no such column.
        SettingsError: `low` is not below `high`.
    """
    actions = dataset.header.column(column)
    if low is not None and high is not None and low >= high:
        raise SettingsError(f"low must be below high, got {low:g} and {high:g}")

    def frames() -> Iterator[pl.DataFrame]:
        yield _saturation(dataset, actions, _bounds(dataset, actions, {"min": low, "max": high}))

    return lazily(frames, pl.Schema(SATURATION))


def _bounds(dataset: Dataset, actions: Column, told: Mapping[str, float | None]) -> list[np.ndarray]:
    known = limits(dataset.header) if actions.name == "actions" else None
    given = {end: value if value is not None or known is None else known[end == "max"] for end, value in told.items()}
    if None not in given.values():
        return [np.full(actions.size, value, dtype=np.float64) for value in given.values()]
    found = statistics(dataset, [actions.name])
    return [
        np.resize(found[end].to_numpy(), actions.size) if value is None else np.full(actions.size, value)
        for end, value in given.items()
    ]


def _saturation(dataset: Dataset, actions: Column, bounds: list[np.ndarray]) -> pl.DataFrame:
    low, high = bounds
    # float32 rounds a bound of 0.1 by 1e-9
    slack = 1e-6 * np.maximum(np.abs(low), np.abs(high))
    steps, counts = 0, np.zeros((2, actions.size), np.int64)
    for part in dataset.parts():
        for batch in part.steps([actions.name]):
            values = to_numpy(batch.column(actions.name).drop_null(), actions).reshape(-1, actions.size)
            steps += len(values)
            counts += [(values <= low + slack).sum(axis=0), (values >= high - slack).sum(axis=0)]
    # a component that never changes stands at no bound
    counts[:, low >= high] = 0
    shape = {
        "index": [list(i) for i in np.ndindex(actions.shape)], "low": low, "high": high,
        "steps": np.full(actions.size, steps), "at_low": counts[0], "at_high": counts[1],
        "share": counts.sum(axis=0) / max(steps, 1),
    }  # fmt: skip
    return pl.DataFrame(shape, schema=SATURATION)
