"""How a log becomes rows."""

import math
from dataclasses import dataclass

from trajloom.errors import SettingsError

TIMES = ("log", "publish")


@dataclass(frozen=True)
class ReadOptions:
    """Settings for reading MCAP."""

    clock: str | None = None
    """Topic whose messages are the rows; None takes the one with the most messages, of several the first by name."""
    hz: float | None = None
    """Rows at a fixed rate instead, from the first message of the clock (None: of any topic) to the last."""
    episodes_gap_s: float | None = None
    """Begin a new episode where the clock is silent for longer than this; nothing of before is carried into it."""
    complete: bool = False
    """Leave out the rows before every topic has had a message, so that no value is null."""
    time: str = "log"
    """Whether messages are ordered by `log_time` ("log") or `publish_time` ("publish")."""

    def __post_init__(self) -> None:
        for name in ("hz", "episodes_gap_s"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise SettingsError(f"option {name} of mcap must be a number above 0, got {value!r}")
        if self.time not in TIMES:
            raise SettingsError(f"option time of mcap must be one of {', '.join(TIMES)}, got {self.time!r}")
