"""What a check of a dataset finds. It lies this low so that formats can say what they find in their own files."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
"""An error makes data wrong or unusable; a warning is odd and may mislead; information is neither."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""The worst first."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found, however often it is there: its count and the first place stand for all."""

    severity: Severity
    code: str
    """What kind of thing, in a word for programs: "not_finite", "wrong_total"."""
    what: str
    """A sentence for people, without the place: "12 values are NaN, in 2 episodes"."""
    episode: str | None = None
    """Name of the first episode, where it is about episodes."""
    column: str | None = None
    """Column of `steps` or `episodes`, where it is about one."""
    frame: int | None = None
    """First frame in that episode, where it is about steps."""
    fixable: bool = False
    """Whether `trajloom doctor --fix` can set it right without making anything up."""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, got {self.severity!r}")

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)
