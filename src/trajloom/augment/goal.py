"""Goals from hindsight: what was reached later is what was wanted."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from trajloom.augment import _checks, _draws
from trajloom.augment._columns import chosen
from trajloom.augmentation import Augmentation, RngOf, batch_aug
from trajloom.batch import Batch
from trajloom.errors import SettingsError
from trajloom.schema import Column, Header, path_of, stored_name
from trajloom.tables import Array


@dataclass(frozen=True, kw_only=True)
class Goal(Augmentation):
    """Add to every step the observation of a later step of its episode, as `goal/...` columns.

    All columns of a step take their goal from one later step. Rewards stay as they are.

    Source:
        Andrychowicz et al., Hindsight Experience Replay, NeurIPS 2017 (arXiv:1707.01495): "final" and "future".
    """

    columns: tuple[str, ...] = ("obs/*",)
    """Names or patterns of columns that goals are taken from; `obs/x` gives `goal/x`, `y` gives `goal/y`."""
    strategy: Literal["final", "future", "offset"] = "final"
    """The episode's last step; any step after this one, with the same chance; or the one `offset` steps later. The last
    step's goal is itself."""
    offset: int | None = None
    """Of "offset": how many steps later; no later than the episode's last."""
    group: str = "goal"
    """Where the columns go."""
    steps_to_go: bool = False
    """Whether `goal/steps_to_go` is added: how many steps later the goal was reached."""

    def __post_init__(self) -> None:
        _checks.one_of(("final", "future", "offset"), strategy=self.strategy)
        _checks.at_least(1, offset=self.offset)
        if (self.offset is None) == (self.strategy == "offset"):
            raise SettingsError(f"offset is for the strategy 'offset', and needed there; got {self.strategy!r}")
        if not self.group.strip("/"):
            raise SettingsError("group must be a name, such as goal")

    def header(self, header: Header) -> Header:
        new = list(self._columns(header).values())
        if self.steps_to_go:
            new.append(self._steps_to_go)
        names = [column.name for column in new]
        taken = sorted({n for n in names if names.count(n) > 1} | {c.name for c in header.steps if c.name in names})
        if taken:
            raise SettingsError(f"these columns would be there twice: {', '.join(taken)}; choose another group")
        return header.with_(steps=(*header.steps, *new))

    @batch_aug
    def apply(self, batch: Batch, rng_of: RngOf) -> Batch:
        header, later = self.header(batch.header), self._later(batch, rng_of)
        steps = batch.steps
        for name, column in self._columns(batch.header).items():
            values = steps.column(name).combine_chunks() if steps.column(name).num_chunks != 1 else steps.column(name)
            field = pa.field(column.name, column.arrow_type, nullable=column.nullable)
            steps = steps.append_column(field, values.take(pa.array(later)))
        new = replace(batch, header=header, steps=steps)
        if not self.steps_to_go:
            return new
        gone = (later - np.arange(len(later))).astype(np.int32)
        return new.with_arrays({self._steps_to_go.name: gone})

    def _later(self, batch: Batch, rng_of: RngOf) -> Array:
        """(N,). Row of each step's goal."""
        here, last = np.arange(batch.steps.num_rows), batch.starts[1:][batch.position] - 1
        match self.strategy:
            case "final":
                return last
            case "offset":
                return np.minimum(here + (self.offset or 0), last)
            case "future":
                drawn = _draws.per_step(batch, _draws.streams(batch, rng_of), lambda rng, length: rng.random(length))
                return np.minimum(here + 1 + (drawn * (last - here)).astype(np.int64), last)

    def _columns(self, header: Header) -> dict[str, Column]:
        """Column that goals are taken from -> the column that they go to."""
        found = chosen(header, self.columns, lambda column: True, "anything")
        return {column.name: replace(column, name=self._name(column)) for column in found}

    def _name(self, column: Column) -> str:
        return stored_name(f"{self.group.strip('/')}/{path_of(column.name).removeprefix('obs/')}")

    @property
    def _steps_to_go(self) -> Column:
        return Column(name=stored_name(f"{self.group.strip('/')}/steps_to_go"), dtype="int32")
