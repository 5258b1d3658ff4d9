"""How attempts are made; what belongs to a subtask is in the TaskSpec."""

from dataclasses import asdict, dataclass
from typing import Any

from trajloom.engine.verdict import check_success
from trajloom.engine.waypoints import Compat
from trajloom.errors import SettingsError

_SEARCH = ("tries", "back", "step_budget", "hold", "check", "patience", "adapt", "round", "floor")

_NO_SEARCH = (0, None, 1, None, False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How attempts are made."""

    select_src_per_subtask: bool = False
    """Choose a source at every subtask, instead of once at the first."""
    select_src_per_arm: bool = False
    """Let every arm choose its own source, instead of all following the first arm's choice."""
    transform_first_robot_pose: bool = False
    """Begin every segment, not only the first, with the pose that the source's end effector had reached."""
    interpolate_from_last_target_pose: bool = True
    """Start a bridge at the last target, instead of at the pose that the end effector has reached."""
    success: str = "any"
    """When an episode counts as solved: "any" step (as MimicGen), the "final" step, or "hold-<k>": k steps in a row."""
    compat: Compat = None
    """"mimicgen" repeats two quirks of the original: grippers one step late, and small turns made at once."""
    tries: int = 1
    """How often a subtask may be tried before it counts as failed; 1 never goes back, as MimicGen."""
    back: int = 0
    """How many subtasks before a failed one may be tried again, when all tries of it are used up."""
    step_budget: int | None = None
    """Control steps that an attempt may simulate, discarded tries included; None is no limit."""
    hold: int = 1
    """Steps in a row that a subtask's signal must hold at its end; only asked where `tries` is above 1."""
    check: str | None = None
    """"module:function" of a check of one's own, made where a subtask ends; see `engine.own_check`."""
    patience: int = 5
    """Steps after which a try is given up that lacks a signal which its source had; five times as many, where the arm
    hardly moves and is 3 cm farther from its target than in the source. 0 plays every try out."""
    adapt: bool = False
    """Whether sources are chosen by how often they worked in earlier rounds of attempts, in place of the strategy."""
    round: int = 50
    """Attempts in a round; those of a round learn from the rounds before it alone."""
    floor: float = 0.1
    """Share of adapted choices in which every source is equally likely."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what only search knows is left out of attempts that never go back."""
        values = asdict(self)
        return {name: value for name, value in values.items() if self.tries > 1 or name not in _SEARCH}

    def __post_init__(self) -> None:
        check_success(self.success)
        for name, least in (("tries", 1), ("back", 0), ("step_budget", 1), ("hold", 1), ("patience", 0), ("round", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"{name} must be >= {least}, got {value}")
        if self.tries == 1 and (self.back, self.step_budget, self.hold, self.check, self.adapt) != _NO_SEARCH:
            raise SettingsError("back, step_budget, hold, check and adapt are for attempts that go back: tries above 1")
        if not 0 < self.floor <= 1:
            raise SettingsError(f"floor must be above 0 and at most 1, got {self.floor}")
        if self.compat not in (None, "mimicgen"):
            raise SettingsError(f"compat must be None or 'mimicgen', got {self.compat!r}")
