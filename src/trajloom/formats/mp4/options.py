"""How cameras become videos."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trajloom.errors import SettingsError
from trajloom.formats._video import CODECS, QUALITIES


@dataclass(frozen=True)
class WriteOptions:
    """Settings for writing MP4."""

    grid: bool = False
    """One video an episode with its cameras side by side, instead of one a camera."""
    fps: float | None = None
    """Frames a second; None takes the dataset's own rate."""
    columns: str | Sequence[str] | None = None
    """Columns to show, as a list or separated by commas; None takes all cameras."""
    codec: str = "h264"
    """h264, which everything plays, or hevc, which is smaller."""
    quality: int = 23
    """Constant rate factor: 0 is best, 51 smallest."""
    labels: bool = False
    """Write each camera's name into its picture."""

    def __post_init__(self) -> None:
        if self.fps is not None and not (0 < self.fps < 10_000 and math.isfinite(self.fps)):
            raise SettingsError(f"option fps of mp4 must be above 0 and below 10,000, got {self.fps}")
        if self.codec not in CODECS:
            raise SettingsError(f"option codec of mp4 must be one of {', '.join(CODECS)}, got {self.codec!r}")
        if self.quality not in QUALITIES:
            raise SettingsError(f"option quality of mp4 must be 0 to {QUALITIES.stop - 1}, got {self.quality}")
