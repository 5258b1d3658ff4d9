"""Which sources worked in earlier rounds of attempts, and a choice that learns from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.poses import Poses, distance

CELLS = 5
_NEAREST = 0.1
"""Where the first neighbourhood ends, in metres plus radians; each further one ends at twice as much."""
_PRIOR = 2.0
"""Tries that a source's record in all neighbourhoods counts for in each of them."""
_FAVOUR = 2.0
"""Successes that being the strategy's first choice counts for."""
_DRAWS = 256
"""Draws from which a chance of being chosen is estimated."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Experience:
    """Successes and failures of each source, by subtask and by how far the object lay from where it lay in the source.

    That distance is what a carried segment has to bridge, so sources are compared where they are asked to do alike.
    """

    successes: Mapping[tuple[str, int], Counts]
    """End effector and subtask -> (N, CELLS)."""
    failures: Mapping[tuple[str, int], Counts]

    @classmethod
    def of(cls, tries: Iterable[Mapping[str, Any]], episode_index: NDArray[np.int64]) -> "Experience":
        """Count rows of the ledger's `tries`.

        Args:
            tries: Rows, as dicts; those without a neighbourhood (`cell`) do not count.
            episode_index: (N,). The sources.
        """
        place = {int(episode): i for i, episode in enumerate(episode_index)}
        counts: dict[bool, dict[tuple[str, int], Counts]] = {True: {}, False: {}}
        for row in tries:
            if row["cell"] is None:
                continue
            key = (row["eef"], int(row["subtask"]))
            for which in counts.values():
                which.setdefault(key, np.zeros((len(place), CELLS), np.int64))
            counts[bool(row["success"])][key][place[row["source_episode"]], row["cell"]] += 1
        return cls(counts[True], counts[False])

    def choose(
        self, key: tuple[str, int], cells: NDArray[np.int64], among: NDArray[np.int64], floor: float,
        rng: np.random.Generator, chances: NDArray[np.float64] | None = None,
    ) -> tuple[int, float]:  # fmt: skip
        """A source by Thompson sampling: each in proportion to how likely it is the best of those there are.

        Args:
            key: End effector and subtask.
            cells: (N,). The neighbourhood in which each source would be used.
            among: (M,). Sources that may be chosen.
            floor: Share of the choices in which all are equally likely, so that none is ever given up.
            rng: Chance of this choice alone.
            chances: (M,). Those that the strategy gives them: what it likes best counts as having worked twice more.

        Returns:
            The source, and the chance that it had, estimated from 256 draws.

        Source:
            Thompson, On the likelihood that one unknown probability exceeds another, Biometrika 25 (1933).
        """
        good, bad = self._beta(key, cells, among)
        if chances is not None:
            good = good + _FAVOUR * chances / chances.max()
        draws = rng.beta(good, bad, (_DRAWS + 1, len(among)))
        best = np.argmax(draws, axis=1)
        even = rng.random()
        at = min(int(even / floor * len(among)), len(among) - 1) if even < floor else int(best[0])
        share = float(np.mean(best[1:] == at))
        return int(among[at]), floor / len(among) + (1 - floor) * share

    def _beta(
        self, key: tuple[str, int], cells: NDArray[np.int64], among: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(M,) each. What a source's success rate in its neighbourhood is believed to be, as a Beta distribution."""
        if key not in self.successes:
            return np.ones(len(among)), np.ones(len(among))
        won, lost = self.successes[key], self.failures[key]
        rate = (1 + won.sum(1)) / (2 + won.sum(1) + lost.sum(1))
        return (
            _PRIOR * rate[among] + won[among, cells[among]],
            _PRIOR * (1 - rate[among]) + lost[among, cells[among]],
        )


def neighbourhoods(at_start: Poses | None, object_pose: Poses | None, count: int) -> NDArray[np.int64]:
    """(N,). How far the object lies from where it lay when each source's segment began, in steps of doubling distance.

    Args:
        at_start: (N, 4, 4). The object's pose at each segment's first frame; None where the subtask has no object.
        object_pose: (4, 4). Its pose now.
        count: N.
    """
    if at_start is None or object_pose is None:
        return np.zeros(count, np.int64)
    far = distance(at_start, object_pose) / _NEAREST
    return np.clip(np.ceil(np.log2(np.maximum(far, 1e-9))), 0, CELLS - 1).astype(np.int64)
