"""What identifies a run: all that its bytes depend on, and nothing else."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from trajloom.errors import SettingsError

if TYPE_CHECKING:
    from trajloom.sim.loop import Kind

RETRIED = ("crashed", "hung")
"""Reasons that are no function of the seed: these attempts are tried again at the next resume."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that the bytes of a run depend on: not how many are asked for, nor who works on it."""

    kind: Literal["mimicgen", "expert"]
    task: str
    variant: str = "D0"
    robot: str = "Panda"
    gripper: str | None = None
    """None is the robot's usual gripper."""
    control_hz: float = 20.0
    loop: "Kind" = "fast"
    """How control steps are computed."""
    seed: int = 0
    keep_failed: bool = False
    """Whether the steps of failed attempts are kept too; their rows in `attempts` always are."""
    unit: int = 5
    """Attempts in a unit, and so in a part."""
    spec: Mapping[str, Any] | None = None
    """The subtasks, as `TaskSpec.to_json` gives them."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """`trajloom.engine.generate.Settings`, as a dict."""
    sources: tuple[Mapping[str, Any], ...] = ()
    """`{"id", "sha256", "episodes"}` of what the run generates from."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions whose change may change a bit."""

    def __post_init__(self) -> None:
        if self.unit < 1:
            raise SettingsError(f"unit must be >= 1 attempt, got {self.unit}")
        if self.adapts and self.round % self.unit:
            raise SettingsError(f"a round of {self.round} attempts must be whole units of {self.unit}; change one")
        if self.control_hz <= 0:
            raise SettingsError(f"control_hz must be > 0, got {self.control_hz}")

    def to_json(self) -> dict[str, Any]:
        """As JSON values, as they are kept in the dataset's header."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def id(self) -> str:
        """SHA-256 of the recipe."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    @property
    def adapts(self) -> bool:
        """Whether attempts learn from those of earlier rounds."""
        return bool(self.engine.get("adapt", False))

    @property
    def round(self) -> int:
        """Attempts in a round."""
        return int(self.engine.get("round", self.unit))

    def learns_from(self, attempt: int) -> range:
        """The units of all rounds before an attempt's own; none where attempts learn from none."""
        return range(attempt // self.round * self.round // self.unit if self.adapts else 0)

    def attempts_of(self, unit: int) -> range:
        """The attempts of a unit."""
        return range(unit * self.unit, (unit + 1) * self.unit)


def versions() -> dict[str, str]:
    """Versions of what decides the bits of a run."""
    found = {}
    for name in ("trajloom", "robosuite", "mujoco", "numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def made_by() -> dict[str, str]:
    """What made a dataset: versions and platform, nothing that differs between two runs on one machine."""
    more = {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}
    return {**versions(), **more, "pyarrow": pa.__version__}


def differences(old: Mapping[str, Any], new: Mapping[str, Any], ignoring: str = "") -> list[str]:
    """Where two recipes differ, in words, apart from one key."""

    def said(recipe: Mapping[str, Any], key: str) -> str:
        return repr(recipe[key]) if key in recipe else "not said"

    keys = sorted((set(old) | set(new)) - {ignoring})
    differ = [key for key in keys if (key in old) != (key in new) or old.get(key) != new.get(key)]
    return [f"{key}: {said(old, key)} there, {said(new, key)} asked for" for key in differ]
