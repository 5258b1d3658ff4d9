"""How streams with times of their own become rows."""

import math
from dataclasses import dataclass

from trajloom.errors import SettingsError


@dataclass(frozen=True)
class ReadOptions:
    """Settings for reading RoboDM."""

    clock: str | None = None
    """Feature whose times are the rows; None takes `action` or `actions`, else the feature with the most values."""
    hz: float | None = None
    """Rows at a fixed rate instead, from the clock's first time to its last."""
    complete: bool = False
    """Leave out the rows before every feature has had a value, so that no value is null."""
    without_pickled: bool = False
    """Leave out features whose values are pickled, with a warning, where a file is refused for them otherwise."""

    def __post_init__(self) -> None:
        if self.hz is not None and not (self.hz > 0 and math.isfinite(self.hz)):
            raise SettingsError(f"option hz of robodm must be a number above 0, got {self.hz!r}")
