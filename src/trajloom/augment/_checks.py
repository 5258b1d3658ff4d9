"""What settings check themselves with: each raises SettingsError that says the value and what was wanted."""

import math
from collections.abc import Iterable

from trajloom.errors import SettingsError


def at_least(low: float, **values: float | None) -> None:
    """That numbers are finite and not below `low`; None is no number to check."""
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value >= low):
            raise SettingsError(f"{name} must be >= {low:g}, got {value}")


def above(low: float, **values: float | None) -> None:
    """That numbers are finite and above `low`; None is no number to check."""
    for name, value in values.items():
        if value is not None and not (math.isfinite(value) and value > low):
            raise SettingsError(f"{name} must be above {low:g}, got {value}")


def share(**values: float) -> None:
    """That numbers lie in [0, 1]."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise SettingsError(f"{name} must be from 0 to 1, got {value}")


def one_of(known: Iterable[str], **values: str) -> None:
    """That words are among those known."""
    for name, value in values.items():
        if value not in (known := tuple(known)):
            raise SettingsError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def rising(**ranges: tuple[float, float] | None) -> None:
    """That ranges do not run backwards; None is no range."""
    for name, found in ranges.items():
        if found is not None and not (len(found) == 2 and found[0] <= found[1]):
            raise SettingsError(f"{name} must be (lowest, highest), got {found}")
