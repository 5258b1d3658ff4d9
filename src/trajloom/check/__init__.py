"""Checks of whole datasets of any format: how two differ, and what is wrong with one."""

from trajloom.check.comparison import diff, matched_by
from trajloom.check.difference import Difference

__all__ = ["Difference", "diff", "matched_by"]
