"""The strategy "nearest_neighbor_robot_distance": sources that, once carried, begin where the arm is now."""

import numpy as np

from trajloom.engine.select import Candidates, NearestStrategy
from trajloom.poses import Poses, carry, distance


class NearestNeighborRobotDistanceStrategy(NearestStrategy):
    """Choose among the sources whose carried segment begins nearest to the end effector's pose now."""

    NAME = "nearest_neighbor_robot_distance"

    def distance(
        self, eef_pose: Poses, object_pose: Poses, candidates: Candidates, pos_weight: float, rot_weight: float
    ) -> np.ndarray:
        assert candidates.object_at_start is not None
        begins = carry(candidates.eef_at_start, candidates.object_at_start, object_pose)
        return distance(begins, eef_pose, pos_weight, rot_weight)
