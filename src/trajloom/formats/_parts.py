"""How the episodes of a file are shared among parts."""

from collections.abc import Sequence

MAX_PART_EPISODES = 10_000


def part_bounds(weights: Sequence[int], part_bytes: int) -> list[tuple[int, int]]:
    """Ranges of whole episodes of about `part_bytes`; one empty range where there is no episode.

    Args:
        weights: Bytes of each episode.
        part_bytes: Of a part.
    """
    bounds, first, so_far = [], 0, 0
    for i, weight in enumerate(weights):
        if i > first and (so_far + weight > part_bytes or i - first >= MAX_PART_EPISODES):
            bounds.append((first, i))
            first, so_far = i, 0
        so_far += weight
    return [*bounds, (first, len(weights))]
