"""The strategy "random": every source is equally likely."""

from typing import Any

import numpy as np

from trajloom.engine.select import Candidates, StackedStrategy, pick
from trajloom.poses import Poses


class RandomStrategy(StackedStrategy):
    """Choose any source, all equally likely."""

    NAME = "random"

    def choose(
        self, eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, *, rng: np.random.Generator
    ) -> int:
        """An index from 0 to N - 1; the poses do not matter."""
        return pick(len(candidates), rng)

    def chances(
        self, eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, **kwargs: Any
    ) -> np.ndarray | None:
        return np.full(len(candidates), 1.0 / len(candidates))
