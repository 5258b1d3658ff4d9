"""The strategy "nearest_neighbor_object": sources whose object lay where it lies now."""

import numpy as np

from trajloom.engine.select import Candidates, NearestStrategy
from trajloom.poses import Poses, distance


class NearestNeighborObjectStrategy(NearestStrategy):
    """Choose among the sources whose object pose at the segment's start is nearest to the object's pose now."""

    NAME = "nearest_neighbor_object"

    def distance(
        self, eef_pose: Poses, object_pose: Poses, candidates: Candidates, pos_weight: float, rot_weight: float
    ) -> np.ndarray:
        assert candidates.object_at_start is not None
        return distance(candidates.object_at_start, object_pose, pos_weight, rot_weight)
