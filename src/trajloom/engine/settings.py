"""How attempts are made; what belongs to a subtask is in the TaskSpec."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

from trajloom.errors import SettingsError

Compat = Literal["mimicgen"] | None

_NEED_TRIES = ("back", "step_budget", "hold", "check", "adapt")

_SEARCH = ("tries", *_NEED_TRIES, "patience", "foresee", "round", "floor")


class AtLeast(NamedTuple):
    """The bound of a setting that is a count."""

    least: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How attempts are made.

    `trajloom.generate` has them as arguments of the same names, and `trajloom generate` as options, which it makes
    from what stands here: type, bound, default and words.
    """

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
    tries: Annotated[int, AtLeast(1)] = 1
    """How often a subtask may be tried, each time from another source, before it counts as failed; 1 never goes back,
    as MimicGen. What follows is for attempts that do."""
    back: Annotated[int, AtLeast(0)] = 0
    """How many subtasks before a failed one may be tried again, when all tries of it are used up."""
    step_budget: Annotated[int | None, AtLeast(1)] = None
    """Control steps that an attempt may simulate, discarded tries included; without, there is no limit."""
    hold: Annotated[int, AtLeast(1)] = 1
    """Steps in a row that a subtask's signal must hold at its end."""
    check: str | None = None
    """"module:function" of a check of one's own, made where a subtask ends; see `engine.own_check`."""
    patience: Annotated[int, AtLeast(0)] = 5
    """Steps after which a try is given up that lacks a signal which its source had; or whose arm stands still for four
    times as long, 3 cm farther from its target than in the source (or less long, where it is farther). 0 plays every
    try out."""
    foresee: bool = True
    """Pass over sources whose way the arm cannot follow, because it would end short of it or rest on the limit of a
    joint; where that holds for all of them, there is one try. Only where the scene foresees that, as robosuite's do."""
    adapt: bool = False
    """Choose sources by how often they worked in earlier rounds of attempts, in place of the strategy."""
    round: Annotated[int, AtLeast(1)] = 50
    """Attempts in a round, which is whole units; those of a round learn from the rounds before it alone."""
    floor: float = 0.1
    """Share of adapted choices in which every source is equally likely."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values; what only search knows is left out of attempts that never go back."""
        values = asdict(self)
        return {name: value for name, value in values.items() if self.tries > 1 or name not in _SEARCH}

    def __post_init__(self) -> None:
        from trajloom.engine.verdict import check_success  # the command line, which shows the words, needs no NumPy

        check_success(self.success)
        for name, least in bounds().items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(f"{name} must be >= {least}, got {value}")
        if self.tries == 1 and any(getattr(self, name) != getattr(Settings, name) for name in _NEED_TRIES):
            raise SettingsError("back, step_budget, hold, check and adapt are for attempts that go back: tries above 1")
        if not 0 < self.floor <= 1:
            raise SettingsError(f"floor must be above 0 and at most 1, got {self.floor}")
        if self.compat not in (None, "mimicgen"):
            raise SettingsError(f"compat must be None or 'mimicgen', got {self.compat!r}")


def bounds() -> dict[str, int]:
    """Setting -> its smallest value, of those that have one."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: note.least for name, hint in hints.items() for note in get_args(hint) if isinstance(note, AtLeast)}
