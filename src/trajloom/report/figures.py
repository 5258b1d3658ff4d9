"""Figures as plotly.js takes them. Colours beginning with @ are the page's, in its light or dark scheme.

Text out of data goes through `plain`, as Plotly takes some of HTML in labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from trajloom.tables import Array

SERIES = [f"@series{i}" for i in range(8)]
OUTCOMES = ((True, "success", "@success"), (False, "failure", "@failure"), (None, "not known", "@unknown"))
"""Value of `success`, its name, its colour."""
MOST_LETTERS = 60


@dataclass(frozen=True)
class Figure:
    """A plot."""

    traces: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 300
    caption: str = ""
    """Said above it; plain text."""


def plain(text: object) -> str:
    """Text that Plotly shows as it is, cut where it is long."""
    words = str(text)
    words = words if len(words) <= MOST_LETTERS else words[: MOST_LETTERS - 1] + "…"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def numbers(values: Any, digits: int = 5) -> list[float | None]:
    """Numbers of few digits, as JSON can say them."""
    found = np.asarray(values, dtype=np.float64).reshape(-1)
    return [float(f"{x:.{digits}g}") if np.isfinite(x) else None for x in found.tolist()]


def rates(names: Sequence[str], rows: pl.DataFrame) -> Figure:
    """Success rates with their 95 % intervals, a bar each.

    Args:
        names: Of the bars.
        rows: `rate`, `low`, `high`, `successes`, `attempts`.
    """
    rate = rows["rate"].to_numpy()
    said = [f"{s} of {n}" for s, n in rows.select("successes", "attempts").iter_rows()]
    bar = {
        "type": "bar", "x": [plain(name) for name in names], "y": numbers(100 * rate), "marker": {"color": "@success"},
        "error_y": {
            "type": "data", "symmetric": False, "color": "@muted", "thickness": 1.2, "width": 3,
            "array": numbers(100 * (rows["high"].to_numpy() - rate)),
            "arrayminus": numbers(100 * (rate - rows["low"].to_numpy())),
        },
        "customdata": said, "hovertemplate": "%{x}<br>%{y:.1f} % (%{customdata})<extra></extra>",
    }  # fmt: skip
    bar["width"] = 0.7 if len(names) > 8 else 0.06 * len(names) + 0.1
    layout = {"yaxis": {"title": {"text": "success, %"}, "range": [0, 105]}, "xaxis": {"type": "category"}}
    return Figure([bar], layout)


def causes(rows: pl.DataFrame) -> Figure:
    """Failures by cause, stacked by the subtask in which they happened.

    Args:
        rows: `reason`, `failed_subtask`, `attempts`; the commonest first.
    """
    reasons = list(dict.fromkeys(rows["reason"].fill_null("no reason is recorded").to_list()))[:12][::-1]
    rows = rows.with_columns(pl.col("reason").fill_null("no reason is recorded"))
    traces = []
    for number, subtask in enumerate(rows["failed_subtask"].unique().sort().to_list()):
        of = rows.filter(pl.col("failed_subtask").eq_missing(subtask)).group_by("reason").agg(pl.col("attempts").sum())
        counts = dict(of.iter_rows())
        traces.append({
            "type": "bar", "orientation": "h", "name": _subtask(subtask),
            "y": [plain(reason) for reason in reasons], "x": [counts.get(reason, 0) for reason in reasons],
            "marker": {"color": SERIES[number % len(SERIES)]},
            "hovertemplate": "%{y}<br>%{x} attempts<extra>" + _subtask(subtask) + "</extra>",
        })  # fmt: skip
    layout = {
        "barmode": "stack",
        "xaxis": {"title": {"text": "failed attempts"}},
        "yaxis": {"automargin": True},
        "legend": True,
    }
    return Figure(traces, layout, height=110 + 34 * len(reasons))


def _subtask(number: int | None) -> str:
    return "at the end" if number is None else f"subtask {number}"


def standing(name: str, rows: pl.DataFrame, most: int = 4000) -> Figure:
    """Where an object stood when episodes began, seen from above.

    Args:
        name: Of the object.
        rows: `x`, `y`, `success`.
        most: Points to draw; of more, every so-many-th is drawn.
    """
    traces = []
    for value, said, colour in OUTCOMES:
        some = rows.filter(pl.col("success").eq_missing(pl.lit(value, pl.Boolean)))
        some = some.gather_every(-(-rows.height // most)) if rows.height > most else some
        if some.height:
            traces.append({
                "type": "scatter", "mode": "markers", "name": said, "x": numbers(some["x"]), "y": numbers(some["y"]),
                "marker": {"color": colour, "size": 5, "opacity": 0.65, "symbol": "x" if value is False else "circle"},
                "hovertemplate": "x %{x:.3f} m, y %{y:.3f} m<extra>" + said + "</extra>",
            })  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "x, m"}}, "yaxis": {"title": {"text": "y, m"}, "scaleanchor": "x", "scaleratio": 1},
        "legend": len(traces) > 1,
    }  # fmt: skip
    return Figure(traces, layout, height=340, caption=name)


def lengths(rows: pl.DataFrame) -> Figure:
    """How long episodes are.

    Args:
        rows: `length`, `success`.
    """
    all_of = rows["length"].to_numpy()
    low, high = (int(all_of.min()), int(all_of.max())) if len(all_of) else (0, 1)
    width = max(1, -(-(high - low + 1) // 60))
    edges = np.arange(low, high + width + 1, width)
    traces = []
    for value, said, colour in OUTCOMES:
        some = rows.filter(pl.col("success").eq_missing(pl.lit(value, pl.Boolean)))["length"].to_numpy()
        if len(some):
            traces.append(_bars(np.histogram(some, edges)[0], edges, said, colour))
    layout = {
        "barmode": "stack", "bargap": 0.04, "xaxis": {"title": {"text": "steps"}},
        "yaxis": {"title": {"text": "episodes"}}, "legend": len(traces) > 1,
    }  # fmt: skip
    return Figure(traces, layout)


def histogram(name: str, counts: Array, edges: Array) -> Figure:
    """How often numbers lie where."""
    bars = _bars(counts, edges, "", "@series0")
    layout = {
        "bargap": 0.02,
        "margin": {"l": 34, "r": 8, "t": 4, "b": 26},
        "yaxis": {"nticks": 4},
        "xaxis": {"nticks": 5},
    }
    return Figure([bars], layout, height=150, caption=name)


def _bars(counts: Array, edges: Array, name: str, colour: str) -> dict[str, Any]:
    middle = (edges[:-1] + edges[1:]) / 2
    return {
        "type": "bar", "x": numbers(middle), "y": numbers(counts), "name": name, "marker": {"color": colour},
        "width": 0.94 * float(edges[1] - edges[0]),
        "hovertemplate": "%{x}: %{y}<extra>" + name + "</extra>",
    }  # fmt: skip


def ways(paths: Sequence[tuple[str, bool | None, Array]]) -> Figure:
    """Paths of end effectors in space.

    Args:
        paths: (name of the episode, its success, positions (T, 3) in m) each.
    """
    traces, shown = [], set()
    for name, success, xyz in paths:
        said, colour = next((said, colour) for value, said, colour in OUTCOMES if value is success)
        colour = "@series0" if success is None else colour
        traces.append({
            "type": "scatter3d", "mode": "lines", "name": said, "legendgroup": said, "showlegend": said not in shown,
            "x": numbers(xyz[:, 0], 4), "y": numbers(xyz[:, 1], 4), "z": numbers(xyz[:, 2], 4),
            "line": {"color": colour, "width": 3}, "opacity": 0.75, "text": plain(name),
            "hovertemplate": "%{text}<br>%{x:.3f}, %{y:.3f}, %{z:.3f} m<extra></extra>",
        })  # fmt: skip
        shown.add(said)
    first = np.array([xyz[0] for _, _, xyz in paths])
    traces.append({
        "type": "scatter3d", "mode": "markers", "name": "start", "x": numbers(first[:, 0], 4),
        "y": numbers(first[:, 1], 4), "z": numbers(first[:, 2], 4), "marker": {"color": "@text", "size": 3},
        "hoverinfo": "skip",
    })  # fmt: skip
    axes = {f"{axis}axis": {"title": {"text": f"{axis}, m"}, "nticks": 6} for axis in "xyz"}
    scene = {**axes, "aspectmode": "data", "camera": {"eye": {"x": 1.5, "y": 1.3, "z": 0.7}}}
    return Figure(traces, {"scene": scene, "legend": True}, height=520)
