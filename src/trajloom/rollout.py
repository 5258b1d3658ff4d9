"""Record what happens in a scene, step by step, and say how it ended: the one product of engine and experts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.task import Array, Readable, Scene, Step, datagen_info


@dataclass(frozen=True)
class Choice:
    """Which source one subtask was made from."""

    eef: str
    subtask: int
    source_episode: int
    """`episode_index` of the source demonstration."""
    start: int
    """First source frame of the segment, after the random offset of the subtask before."""
    end: int
    """One past the last source frame, after this subtask's random offset."""
    offset: int
    """The random offset of this subtask's end, in steps."""


@dataclass
class Try:
    """One try at one subtask, within an attempt that may go back and try again."""

    choice: Choice
    number: int
    """How many tries at this subtask the attempt had made before."""
    propensity: float | None
    """Chance that this source had of being chosen, among those not tried yet; None where its strategy does not say."""
    success: bool = True
    """Whether the attempt went on from it, or solved the task with it."""
    cell: int | None = None
    """How far its object lay from where it lay in the source: see `engine.experience.neighbourhoods`."""
    steps: int = 0
    """Control steps from its beginning until another try began, or the end."""
    reason: str | None = None
    """Why it was given up."""


@dataclass
class Branch:
    """A way that an attempt went and came back from: its steps from the reset to where it was given up."""

    columns: dict[str, Array]
    """As a Rollout's."""
    tried: Try
    """The try that was given up with it."""
    parts_at: int
    """The first step in which it is not the attempt's episode."""

    @property
    def length(self) -> int:
        return len(self.columns.get("actions", ()))


@dataclass
class Rollout:
    """One try at an episode, successful or not."""

    success: bool
    columns: dict[str, Array]
    """Column name -> (T, ...). Every value is from before the step's action, except `rewards` and `dones`."""
    failed_subtask: int | None = None
    """The first subtask that did not reach its end; None where the episode succeeded."""
    reason: str | None = None
    """Why it failed, in words that a user can act on."""
    choices: list[Choice] = field(default_factory=list)
    model_xml: str = ""
    initial_state: NDArray[np.float64] | None = None
    tries: list[Try] = field(default_factory=list)
    """Every try at a subtask, where the attempt could go back."""
    branches: list[Branch] = field(default_factory=list)
    """What was discarded, in the order in which it was, where that is kept."""

    @property
    def length(self) -> int:
        return len(self.columns.get("actions", ()))

    @property
    def simulated_steps(self) -> int:
        """Control steps that it cost, those of discarded tries included."""
        return sum(one.steps for one in self.tries) if self.tries else self.length


class Recorder:
    """Steps a scene and keeps, for every step, what robomimic and MimicGen would keep."""

    def __init__(self, scene: Scene):
        self.scene = scene
        self.rows: list[dict[str, Any]] = []
        """What each step adds to what the scene shows: its lineage, and what came of it."""
        self.succeeded_at: list[bool] = []
        self._readable = scene if isinstance(scene, Readable) else _Asked(scene)
        self._readings: list[Any] = []

    def step(self, action: NDArray[np.float64], lineage: Mapping[str, int] | None = None) -> Step:
        """Record the scene, apply the action, and keep what came of it.

        Args:
            action: (D,). The whole action, noise included.
            lineage: Further columns of this step: `subtask/<eef>`, `source_episode/<eef>`, `source_frame/<eef>`.
        """
        self._readings.append(self._readable.reading(action))
        outcome = self.scene.step(action)
        self.rows.append({**(lineage or {}), "rewards": float(outcome.reward), "dones": int(outcome.done)})
        self.succeeded_at.append(bool(outcome.success))
        return outcome

    def rewind(self, steps: int) -> None:
        """Forget every step from number `steps` on; the scene is the caller's to restore."""
        del self.rows[steps:], self.succeeded_at[steps:], self._readings[steps:]

    def columns(self) -> dict[str, Array]:
        """Column -> (T, ...)."""
        return {**self._readable.columns_of(self._readings), **_stacked(self.rows)} if self.rows else {}


class _Asked:
    """A scene that is asked for everything at every step."""

    def __init__(self, scene: Scene):
        self.scene = scene

    def reading(self, action: NDArray[np.float64]) -> dict[str, Array]:
        seen = {f"obs/{name}": value for name, value in self.scene.observation().items()}
        info = datagen_info(self.scene, action).to_columns()
        return {"actions": np.array(action, dtype=np.float64), "states": self.scene.state(), **seen, **info}

    def columns_of(self, readings: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        return _stacked(readings)


_DTYPES = {"subtask": np.int8, "source_episode": np.int32, "source_frame": np.int32}


def _stacked(rows: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """The columns of at least one row."""
    return {name: np.asarray([row[name] for row in rows], _DTYPES.get(name.split("/")[0])) for name in rows[0]}
