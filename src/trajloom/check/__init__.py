"""Checks of whole datasets of any format: how two differ, and what is wrong with one."""

from trajloom.check.comparison import diff, matched_by
from trajloom.check.diagnosis import Diagnosis, Fixed, doctor
from trajloom.check.difference import Difference
from trajloom.findings import Finding

__all__ = ["Diagnosis", "Difference", "Finding", "Fixed", "diff", "doctor", "matched_by"]
