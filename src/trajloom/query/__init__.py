"""Questions that people ask of a dataset: how often it succeeded and why not, what is in it, how its numbers lie.

What returns tables returns lazy frames, but for `statistics` and `columns`, which are made at once.
"""

from trajloom.query.component import component
from trajloom.query.describe import Info, columns, info
from trajloom.query.moments import Moments, statistics
from trajloom.query.outcome import Outcome, failures, lengths, success_rate, successes_by_source, wilson
from trajloom.query.searching import tries, tries_by_source, tries_by_subtask

__all__ = [
    "Info",
    "Moments",
    "Outcome",
    "columns",
    "component",
    "failures",
    "info",
    "lengths",
    "statistics",
    "success_rate",
    "successes_by_source",
    "tries",
    "tries_by_source",
    "tries_by_subtask",
    "wilson",
]
