"""What the page says, from top to bottom. A section that a dataset has nothing for is not there, or says why."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from trajloom import query
from trajloom.dataset import Dataset
from trajloom.query.component import component_name
from trajloom.query.motion import eefs
from trajloom.report import figures, gather
from trajloom.report.figures import Figure
from trajloom.report.gather import Strip
from trajloom.tables import Array

MOST_BARS = 60
MOST_OBJECTS = 8


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    text: str = ""
    """Plain text under the title."""
    figures: Sequence[Figure] = ()
    table: pl.DataFrame | None = None
    strips: Sequence[Strip] = ()
    narrow: bool = False
    """Whether its figures are many and small."""


@dataclass(frozen=True)
class Facts:
    """What several sections need, found once."""

    dataset: Dataset
    info: query.Info
    outcome: query.Outcome
    episodes: pl.DataFrame = field(repr=False)
    """`episode_index`, `name`, `length`, `success`, `task` of all episodes."""


def facts(dataset: Dataset) -> Facts:
    """What a dataset is, and its episodes."""
    columns = ["episode_index", "name", "length", "success", "task"]
    episodes = dataset.episodes().select(columns).collect()
    return Facts(dataset, query.info(dataset), query.success_rate(dataset), episodes)


def sections(found: Facts) -> Iterator[Section]:
    """All sections, each made when it is asked for."""
    makers: tuple[Callable[[Facts], Section | None], ...] = (
        by_source, by_task, by_cause, tries, never, coverage, lengths, ways, strips, actions, motion, columns, remarks,
    )  # fmt: skip
    for make in makers:
        section = make(found)
        if section is not None:
            yield section


def by_source(found: Facts) -> Section | None:
    if not found.info.attempts:
        said = "The data was not generated: it has no attempts, so there are no sources or causes of failure to show."
        return Section("Success by source", said)
    rows = query.successes_by_source(found.dataset, per="source").collect()
    if not rows.height:
        return Section("Success by source", "The attempts do not say which sources they used.")
    text = (
        "How many of the attempts that used a source demonstration succeeded. Lines are 95 % intervals (Wilson); an "
        "attempt may use several sources."
    )
    if rows.height > MOST_BARS:
        rows = rows.sort("attempts", descending=True).head(MOST_BARS).sort("source_episode")
        text += f" The {MOST_BARS} most used are shown."
    names = [f"source {number}" for number in rows["source_episode"]]
    return Section("Success by source", text, [figures.rates(names, rows)])


def by_task(found: Facts) -> Section | None:
    known = found.episodes.filter(pl.col("success").is_not_null())
    if known["task"].n_unique() < 2 or not known.height:
        return None
    rows = (
        known.group_by("task").agg(attempts=pl.len(), successes=pl.col("success").sum()).sort("task", nulls_last=True)
    )
    rows = rows.sort("attempts", descending=True, maintain_order=True).head(MOST_BARS)
    rows = _with_intervals(rows)
    names = ["no task" if task is None else task for task in rows["task"]]
    return Section("Success by task", "Of the episodes that say whether they succeeded.", [figures.rates(names, rows)])


def _with_intervals(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `successes` and `attempts`, with their `rate` and its 95 % interval, `low` to `high`."""
    ends = [query.wilson(s, n) for s, n in rows.select("successes", "attempts").iter_rows()]
    low, high = (pl.Series([end[i] for end in ends], dtype=pl.Float64) for i in (0, 1))
    return rows.with_columns(rate=pl.col("successes") / pl.col("attempts"), low=low, high=high)


def by_cause(found: Facts) -> Section | None:
    if not found.info.attempts:
        return None
    rows = query.failures(found.dataset).collect()
    if not rows.height:
        return Section("Why attempts failed", "No attempt failed.")
    table = rows.head(12).with_columns((100 * pl.col("share")).alias("% of all attempts")).drop("share")
    text = "Causes as the ledger of attempts has them, by the subtask in which the attempt failed."
    return Section("Why attempts failed", text, [figures.causes(rows)], table)


def tries(found: Facts) -> Section | None:
    if not found.dataset.header.tries:
        return None
    rows = query.tries_by_subtask(found.dataset).collect()
    names = [f"{eef}, subtask {subtask}" for eef, subtask in rows.select("eef", "subtask").iter_rows()]
    bars = _with_intervals(rows.select("successes", attempts="tries"))
    text = (
        "Attempts could go back: where a subtask failed, its start was restored and another source tried. The share of "
        "tries from which the attempt went on, with 95 % intervals (Wilson); what a success took; and the share of the "
        "simulated steps that was discarded."
    )
    return Section("What each subtask took", text, [figures.rates(names, bars)], rows)


def never(found: Facts) -> Section | None:
    if not found.dataset.header.tries:
        return None
    rows = query.tries_by_source(found.dataset).collect()
    bad = rows.filter(pl.col("successes") == 0).sort("tries", descending=True, maintain_order=True)
    title = "Sources that never worked"
    if not bad.height:
        return Section(title, "Every source that was tried for a subtask worked for it at least once.")
    text = "Sources that were tried for a subtask and never worked, and the commonest reason."
    text += f" The {MOST_BARS} most tried of {bad.height}." if bad.height > MOST_BARS else ""
    return Section(title, text, table=bad.head(MOST_BARS).drop("successes", "yield"))


def coverage(found: Facts) -> Section | None:
    title = "Where objects stood at first"
    poses = query.initial_poses(found.dataset).collect()
    if not poses.height:
        return Section(title, "No column of object poses is known for this dataset.")
    objects = poses["object"].unique().sort().to_list()
    shown = [figures.standing(name, poses.filter(object=name)) for name in objects[:MOST_OBJECTS]]
    text = "Seen from above, an object a plot, a point an episode."
    if found.outcome.attempts and not poses.filter(~pl.col("success")).height:
        text += " Failures are shown where their steps are kept (--keep-failed); here they are not, or there were none."
    if len(objects) > MOST_OBJECTS:
        text += f" The first {MOST_OBJECTS} of {len(objects)} objects."
    return Section(title, text, shown, narrow=len(shown) > 1)


def lengths(found: Facts) -> Section | None:
    if not found.episodes.height:
        return None
    return Section("How long episodes are", "", [figures.lengths(found.episodes)])


def ways(found: Facts) -> Section | None:
    title, known = "Where the arm goes", eefs(found.dataset.header)
    if not known:
        return Section(title, "No column of end-effector positions is known for this dataset.")
    shown = []
    for name, place in list(known.items())[:2]:
        drawn = gather.paths(found.dataset, place, found.episodes)
        if drawn:
            figure = figures.ways(drawn)
            shown.append(Figure(figure.traces, figure.layout, figure.height, f"{name}, {len(drawn)} episodes"))
    text = "Paths of the end effector; drag to turn, scroll to zoom. Dots are where episodes begin."
    return Section(title, text, shown) if shown else None


def strips(found: Facts) -> Section | None:
    shown = gather.strips(found.dataset)
    text = "Frames evenly over the first episodes, from first to last."
    return Section("What cameras saw", text, strips=shown) if shown else None


def actions(found: Facts) -> Section | None:
    column = next((c for c in found.dataset.header.steps if c.name == "actions"), None)
    if column is None or column.encoding == "image":
        return None
    parts = gather.histograms(found.dataset, column)
    same = [name for name, counts, edges in parts if _constant(counts)]
    drawn = [figures.histogram(*part) for part in parts if part[0] not in same]
    names = [component_name("actions", index) for index in np.ndindex(column.shape)]
    bounds = query.saturation(found.dataset).collect().select(
        pl.Series("component", names), "low", "high", (100 * pl.col("share")).alias("% of steps at a bound")
    )  # fmt: skip
    bounds = bounds.filter(~pl.col("component").is_in(same)).head(gather.MOST_COMPONENTS)
    text = "How often each component of the actions has which value, and how often it stands at its bounds."
    if len(names) > len(parts) > 0:
        text += f" The first {len(parts)} of {len(names)} components."
    if same:
        text += f" Components that never change: {', '.join(same)}."
    return Section("Actions", text, drawn, bounds if bounds.height else None, narrow=True)


def _constant(counts: Array) -> bool:
    return np.count_nonzero(counts) == 1


def motion(found: Facts) -> Section | None:
    rows = query.motion(found.dataset).collect()
    if not rows.height:
        return None
    text = (
        "Over episodes: length of the way and distance from start to end in m, top speed in m/s, and smoothness: as "
        "the log dimensionless jerk (larger is smoother; one reach of least jerk has -5.3), and as the arc length of "
        "the speed's spectrum (nearer to 0 is smoother; that reach has -1.4). Of actions: mean change from step to "
        "step, and their smoothness as velocities."
    )
    return Section("How smoothly it moves", text, table=rows)


def columns(found: Facts) -> Section | None:
    rows = found.info.columns.with_columns(pl.col("shape").list.eval(pl.element().cast(pl.String)).list.join(" x "))
    rows = rows.select("table", "name", "dtype", "shape", "unit", "frame", "nullable")
    return Section("Columns", f"{rows.height} data columns.", table=rows) if rows.height else None


def remarks(found: Facts) -> Section | None:
    said = found.info.warnings
    return Section("What its reader remarked", table=pl.DataFrame({"remark": list(said[:50])})) if said else None
