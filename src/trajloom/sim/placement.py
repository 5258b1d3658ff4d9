"""Where a reset puts the objects, by robosuite's rules: uniform in a rectangle, turned about z, never overlapping."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import RunError
from trajloom.sim.world import upright

Range = tuple[float, float]
Pose = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Position (3,) in metres in the world, quaternion (4,) w, x, y, z."""

_TRIES = 5000
FULL_TURN: Range = (0.0, 2 * np.pi)
AWAY: Pose = (np.full(3, 10.0), upright(0.0))
"""Where robosuite puts objects that an episode has no use for."""


@dataclass(frozen=True)
class Placement:
    """What a reset drew, apart from the robot's joints."""

    poses: dict[str, Pose]
    """Where each body that can move is put."""
    sizes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Body -> (3,) half sizes in metres of the boxes that it is made of."""


@dataclass(frozen=True)
class Region:
    """Where one object may be put; robosuite's UniformRandomSampler for one object."""

    body: str
    x: Range
    """Metres from the reference point."""
    y: Range
    z: float
    """Height of the body's origin in the world, in metres."""
    radius: float
    """Radius in metres of the circle about the body's origin that no other object's circle may cut."""
    turn: Range = FULL_TURN
    """Angle about the vertical, in radians."""
    inside: bool = False
    """Whether the whole circle must lie in the rectangle, not only its centre."""


def draw(regions: Sequence[Region], origin: Sequence[float], rng: np.random.Generator) -> dict[str, Pose]:
    """Draw a pose for each region in order, rejecting those whose circle cuts an earlier one.

    Args:
        regions: One for each object. The order is part of what a seed means.
        origin: (2,). The point in the world, in metres, that `x` and `y` are relative to.
        rng: Where chance comes from.

    Returns:
        Body -> pose.

    Raises:
        RunError: The objects do not fit: no free place in 5000 tries.
    """
    placed: list[tuple[NDArray[np.float64], float]] = []
    poses = {}
    for region in regions:
        xy = _free_place(region, np.asarray(origin, dtype=np.float64), placed, rng)
        placed.append((xy, region.radius))
        poses[region.body] = (np.array([*xy, region.z]), upright(rng.uniform(*region.turn)))
    return poses


def _free_place(
    region: Region,
    origin: NDArray[np.float64],
    placed: list[tuple[NDArray[np.float64], float]],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    margin = region.radius if region.inside else 0.0
    low = origin + np.array([region.x[0] + margin, region.y[0] + margin])
    high = origin + np.array([region.x[1] - margin, region.y[1] - margin])
    for _ in range(_TRIES):
        xy = rng.uniform(low, high)
        if all(np.linalg.norm(xy - other) > region.radius + radius for other, radius in placed):
            return xy
    raise RunError(f"found no free place for {region.body} in {_TRIES} tries; {len(placed)} objects are there already")
