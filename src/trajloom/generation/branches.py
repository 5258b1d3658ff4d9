"""What attempts discarded when they went back, kept as failed episodes of a dataset of its own."""

from collections.abc import Mapping
from typing import Any

from trajloom.generation.recipe import Recipe
from trajloom.rollout import Branch, Rollout
from trajloom.schema import Column, Header
from trajloom.store import PartWriter
from trajloom.tables import episodes_table, steps_batch

WIDTH = 1024
"""Numbers that an attempt has for its branches: that of branch b of attempt k is k * WIDTH + b."""

COLUMNS = tuple(Column(name=f"branch/{name}", dtype="int64") for name in ("attempt", "parts_at", "subtask", "try"))
"""Of `episodes`: the attempt, the first step in which the branch is not its episode, and the try that was given up."""


def header(of: Header) -> Header:
    """The header of the branches of a run's dataset."""
    end = None if of.attempts_end is None else of.attempts_end * WIDTH
    return of.with_(episodes=COLUMNS, tries=False, attempts_end=end)


def write(part: PartWriter, header: Header, recipe: Recipe, rollouts: Mapping[int, Rollout]) -> None:
    """Put the branches of a unit's attempts into a part, the first WIDTH of each."""
    rows = []
    for attempt, rollout in sorted(rollouts.items()):
        model = part.add_model(rollout.model_xml) if rollout.branches else None
        for number, branch in enumerate(rollout.branches[:WIDTH]):
            part.write_steps(steps_batch(header, attempt * WIDTH + number, branch.columns))
            rows.append(_row(recipe, attempt, number, branch, model))
    part.write_episodes(episodes_table(header, rows))


def _row(recipe: Recipe, attempt: int, number: int, branch: Branch, model: str | None) -> dict[str, Any]:
    tried = branch.tried
    return {
        "episode_index": attempt * WIDTH + number,
        "name": f"demo_{attempt}_branch_{number}",
        "length": branch.length,
        "success": False,
        "seed": recipe.seed,
        "task": recipe.task,
        "splits": [],
        "model": model,
        "attrs": "{}",
        "branch/attempt": attempt,
        "branch/parts_at": branch.parts_at,
        "branch/subtask": tried.choice.subtask,
        "branch/try": tried.number,
    }
