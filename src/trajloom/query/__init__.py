"""Questions that people ask of a dataset: how often it succeeded and why not, what is in it, how its numbers lie.

What returns tables returns lazy frames, but for `statistics` and `columns`, which are made at once.
"""

from trajloom.query.answer import Shape, collected, save, stream
from trajloom.query.by_episode import per_episode
from trajloom.query.component import component
from trajloom.query.describe import Info, columns, info
from trajloom.query.initial import coverage, initial_poses, initial_ranges
from trajloom.query.moments import Moments
from trajloom.query.motion import action_motion, eef_motion, log_dimensionless_jerk, motion, saturation
from trajloom.query.outcome import Outcome, failures, lengths, success_rate, successes_by_source, wilson
from trajloom.query.quantiles import Sketch
from trajloom.query.repeats import duplicates, near_duplicates
from trajloom.query.searching import tries, tries_by_source, tries_by_subtask
from trajloom.query.spectral import spectral_arc_length
from trajloom.query.statement import sql
from trajloom.query.summary import statistics

__all__ = [
    "Info",
    "Moments",
    "Outcome",
    "Shape",
    "Sketch",
    "action_motion",
    "collected",
    "columns",
    "component",
    "coverage",
    "duplicates",
    "eef_motion",
    "failures",
    "info",
    "initial_poses",
    "initial_ranges",
    "lengths",
    "log_dimensionless_jerk",
    "motion",
    "near_duplicates",
    "per_episode",
    "saturation",
    "save",
    "spectral_arc_length",
    "sql",
    "statistics",
    "stream",
    "success_rate",
    "successes_by_source",
    "tries",
    "tries_by_source",
    "tries_by_subtask",
    "wilson",
]
