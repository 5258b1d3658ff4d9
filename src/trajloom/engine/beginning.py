"""Where a subtask begins in an attempt that may go back: which sources are worth a try, and which of them is chosen."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.experience import Experience, neighbourhoods
from trajloom.engine.plan import chances, select
from trajloom.engine.segments import Sources
from trajloom.poses import Poses, distance
from trajloom.task import Subtask

UNLIKE = 1 / 3
"""How far a source's end must be from every bad one, of how far the farthest is: sources that end alike fail alike.

Of the ten expert sources of Square two hold the nut from the other side: what no insertion followed from one of them,
none followed from the other.
"""


@dataclass(frozen=True)
class Beginning:
    """A subtask of one arm, and the scene as it begins."""

    sources: Sources
    inds: NDArray[np.int64]
    """(N, 2). First frame and one past the last frame of the subtask in every source."""
    eef: str
    number: int
    subtask: Subtask
    eef_pose: Poses
    object_pose: Poses | None

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """(N,). How far the object lies from where it lay in each source: see `experience.neighbourhoods`."""
        at_start = self.sources.candidates(self.eef, self.subtask.object_ref, self.inds).object_at_start
        return neighbourhoods(at_start, self.object_pose, len(self.sources))

    def worth_a_try(self, tried: Collection[int], bad_ends: Collection[int]) -> NDArray[np.int64]:
        """(M,). The sources not tried yet that end unlike those after whose end nothing worked; all, if all were tried.

        Args:
            tried: Sources.
            bad_ends: Sources.
        """
        among = np.array([i for i in range(len(self.sources)) if i not in tried], dtype=np.int64)
        if not len(among):
            return np.arange(len(self.sources))
        if not bad_ends:
            return among
        ends = self.sources.ends_at(self.eef, self.subtask.object_ref, self.inds)
        away = np.min([distance(ends[among], ends[bad]) for bad in sorted(bad_ends)], axis=0)
        return among[away >= UNLIKE * away.max()]

    def choose(
        self, among: NDArray[np.int64], rng: np.random.Generator, experience: Experience | None, floor: float
    ) -> tuple[int, float | None]:
        """A source of those given (M,): by experience where there is any, else by the subtask's strategy.

        Returns:
            The source; the chance that it had, None where the strategy does not say.
        """
        here = (self.sources, self.inds, self.eef, self.subtask, self.eef_pose, self.object_pose)
        likely = chances(*here, among)
        if experience is not None:
            return experience.choose((self.eef, self.number), self.cells, among, floor, rng, likely)
        demo = select(*here, rng, among)
        return demo, None if likely is None else float(likely[among == demo][0])
