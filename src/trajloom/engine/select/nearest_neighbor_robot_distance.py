"""The strategy "nearest_neighbor_robot_distance": sources that, once carried, begin where the arm is now."""

from typing import Any

import numpy as np

from trajloom.engine.select import Candidates, StackedStrategy, chances_among_nearest, pick_among_nearest
from trajloom.errors import SettingsError
from trajloom.poses import Poses, carry, distance


class NearestNeighborRobotDistanceStrategy(StackedStrategy):
    """Choose among the sources whose carried segment begins nearest to the end effector's pose now."""

    NAME = "nearest_neighbor_robot_distance"

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
            eef_pose: (4, 4). End-effector pose now.
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
        raise SettingsError("nearest_neighbor_robot_distance needs a subtask with an object_ref")
    begins = carry(candidates.eef_at_start, candidates.object_at_start, object_pose)
    return distance(begins, eef_pose, pos_weight, rot_weight)
