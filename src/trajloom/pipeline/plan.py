"""What a pipeline will do, before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trajloom.errors import SchemaError
from trajloom.pipeline.steps import Step, header_after
from trajloom.schema import Header


@dataclass(frozen=True)
class Stage:
    """Steps that are taken together: each part is read once, taken through all of them, and written once."""

    kind: Literal["parts", "global", "dataset"]
    steps: tuple[Step, ...]

    def units(self, parts: int) -> int:
        """How many independent tasks it is, of a dataset of so many parts."""
        return {"parts": parts, "global": self.steps[0].augmentation.times, "dataset": 1}[self.kind]

    def parts(self, parts: int) -> int | None:
        """How many parts there are after it; None where it is not known."""
        if self.kind == "dataset":
            return None
        kept = parts if self.steps[0].augmentation.keep_original else 0
        return parts if self.kind == "parts" else kept + self.units(parts)

    def describe(self) -> str:
        """Its steps, in a line."""
        names = " -> ".join(f"{step.name} ({step.kind})" for step in self.steps) or "copied"
        if self.kind == "parts":
            return ("learns from all episodes first: " if self.steps and self.steps[0].fits else "") + names
        what = self.steps[0].augmentation
        kept = "what it was given stays" if what.keep_original else "what it was given goes"
        at_once = f", {what.num_workers} at once" if what.num_workers and self.kind == "global" else ""
        made = f"{what.times} calls on all episodes{at_once}" if self.kind == "global" else f"{what.times} new episodes"
        return f"{names}: {made}; {kept}"


def stages_of(steps: Sequence[Step]) -> tuple[Stage, ...]:
    """Steps by stage: a global one is alone, and one that learns begins another."""
    stages: list[Stage] = []
    for step in steps:
        kind = step.kind if step.kind in ("global", "dataset") else "parts"
        if kind == "parts" and stages and stages[-1].kind == "parts" and not step.fits:
            stages[-1] = Stage("parts", (*stages[-1].steps, step))
        else:
            stages.append(Stage(kind, (step,)))  # pyright: ignore[reportArgumentType]
    return tuple(stages)


@dataclass(frozen=True)
class Plan:
    """What a pipeline will do with a dataset. Printed, it is a line a stage."""

    source: str
    """What the input is."""
    parts: int
    header: Header | None
    """Of the input; None where it is known only once it is read."""
    stages: tuple[Stage, ...]

    def output(self) -> Header | None:
        """The columns of the result; None where users' functions decide them.

        Raises:
            SchemaError: A batch augmentation cannot work on the columns that there are.
        """
        header = self.header
        for stage in self.stages:
            if header is None or stage.kind != "parts":
                return None
            header = header_after(header, stage.steps)
        return header

    def __str__(self) -> str:
        lines = [f"input    {self.source}"]
        parts: int | None = self.parts
        for number, stage in enumerate(self.stages, 1):
            units = "as many units as parts" if parts is None else _count(stage.units(parts), "unit")
            parts = None if parts is None and stage.kind != "global" else stage.parts(parts or 0)
            after = "parts as it makes them" if parts is None else _count(parts, "part")
            lines.append(f"stage {number}  {stage.describe()}; {units} -> {after}")
        return "\n".join([*lines, f"output   {self._columns()}"])

    def _columns(self) -> str:
        try:
            header = self.output()
        except SchemaError as error:
            return f"none: {error}"
        if header is None:
            return "columns as the augmentations leave them"
        return ", ".join(f"{c.name} {c.dtype}{list(c.shape) or ''}" for c in header.steps)


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
