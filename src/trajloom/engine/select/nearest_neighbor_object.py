"""The strategy "nearest_neighbor_object": sources whose object lay where it lies now."""

from typing import Any

import numpy as np

from trajloom.engine.select import Candidates, StackedStrategy, chances_among_nearest, pick_among_nearest
from trajloom.errors import SettingsError
from trajloom.poses import Poses, distance


class NearestNeighborObjectStrategy(StackedStrategy):
    """Choose among the sources whose object pose at the segment's start is nearest to the object's pose now."""

    NAME = "nearest_neighbor_object"

    def choose(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        candidates: Candidates,
        *,
        rng: np.random.Generator,
        pos_weight: float = 1.0,
        rot_weight: float = 1.0,
        nn_k: int = 3,
    ) -> int:
        """One of the `nn_k` nearest, all equally likely.

        Args:
            eef_pose: Does not matter.
            object_pose: (4, 4). Pose of the subtask's object now.
            candidates: The N source segments.
            rng: One double is drawn.
            pos_weight, rot_weight: Weights of metres and radians in the distance.
            nn_k: How many of the nearest may be chosen.

        Source:
            Mandlekar et al., MimicGen, CoRL 2023, appendix N.3.
        """
        return pick_among_nearest(_distance(eef_pose, object_pose, candidates, pos_weight, rot_weight), nn_k, rng)

    def chances(
        self,
        eef_pose: Poses,
        object_pose: Poses | None,
        candidates: Candidates,
        pos_weight: float = 1.0,
        rot_weight: float = 1.0,
        nn_k: int = 3,
        **kwargs: Any,
    ) -> np.ndarray:
        return chances_among_nearest(_distance(eef_pose, object_pose, candidates, pos_weight, rot_weight), nn_k)


def _distance(
    eef_pose: Poses, object_pose: Poses | None, candidates: Candidates, pos_weight: float, rot_weight: float
) -> np.ndarray:
    if object_pose is None or candidates.object_at_start is None:
        raise SettingsError("nearest_neighbor_object needs a subtask with an object_ref")
    return distance(candidates.object_at_start, object_pose, pos_weight, rot_weight)
