"""Which starts are kept, by rejection and by search: numbers, and a picture of where an object stood.

Used by `bench_search.py`; an SVG needs no library and can be looked at in a Markdown page.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import trajloom as tl
from trajloom import query

NEIGHBOURS = 15
_TURN_M = 0.1
"""What a radian of turning counts for, in metres."""
_SIDE, _GAP, _TOP = 260, 24, 46
_COLOURS = {True: "#2b6cb0", False: "#dd6b20"}


@dataclass(frozen=True)
class Starts:
    """The same attempts by both ways."""

    name: str
    position: NDArray[np.float64]
    """(N, 2). Where the task's first object stood, in m."""
    features: NDArray[np.float64]
    """(N, F). Where all objects stood and how they were turned, in m."""
    rejection: NDArray[np.bool_]
    """(N,). Whether rejection kept the attempt."""
    search: NDArray[np.bool_]

    @property
    def hardness(self) -> NDArray[np.float64]:
        """(N,). Share of its nearest starts that rejection lost."""
        far = np.linalg.norm(self.features[:, None] - self.features[None], axis=-1)
        return (~self.rejection)[np.argsort(far, axis=1)[:, :NEIGHBOURS]].mean(axis=1)


def starts(name: str, plain: tl.Dataset, searched: tl.Dataset) -> Starts:
    """The starts of a run that kept its failures, and how two runs of the same seed went from there."""
    poses = query.initial_poses(plain).collect().sort("object", "episode_index")
    each = poses.partition_by("object", maintain_order=True)
    numbers = each[0]["episode_index"].to_numpy()
    turned = [_TURN_M * f(one["yaw"].fill_null(0.0).to_numpy()) for one in each for f in (np.cos, np.sin)]
    places = [one[axis].to_numpy() for one in each for axis in "xy"]
    won = [_won(data, numbers) for data in (plain, searched)]
    return Starts(name, np.stack(places[:2], axis=1), np.stack([*places, *turned], axis=1), *won)


def _won(data: tl.Dataset, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    rows = data.attempts().select("attempt", "success").collect()
    by_number = dict(rows.iter_rows())
    return np.array([bool(by_number[number]) for number in numbers.tolist()])


def row_of(found: Starts) -> tuple[str, ...]:
    """What the table says of a task."""
    hardest = found.hardness >= np.quantile(found.hardness, 0.75)
    share = [100 * float(np.mean(hardest[kept])) for kept in (found.rejection, found.search)]
    rescued, lost = found.search & ~found.rejection, found.rejection & ~found.search
    return (
        found.name,
        f"{int((~found.rejection).sum())}",
        f"{int(rescued.sum())}",
        f"{int(lost.sum())}",
        f"{100 * float(hardest.mean()):.1f} %",
        f"{share[0]:.1f} %",
        f"{share[1]:.1f} %",
    )


def draw(found: Starts, path: Path) -> None:
    """Two panels: where the first object stood, kept or lost by rejection, and by search."""
    panels = [("rejection", found.rejection), ("search", found.search)]
    width, height = 2 * _SIDE + 3 * _GAP, _SIDE + _TOP + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for i, (title, kept) in enumerate(panels):
        left = _GAP + i * (_SIDE + _GAP)
        parts.append(f'<text x="{left}" y="18" font-weight="bold">{found.name}, {title}</text>')
        parts.append(f'<text x="{left}" y="36">kept {int(kept.sum())} of {len(kept)} starts</text>')
        parts.append(f'<rect x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#999"/>')
        parts += _points(found.position, kept, left)
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _points(position: NDArray[np.float64], kept: NDArray[np.bool_], left: int) -> list[str]:
    low, high = position.min(axis=0), position.max(axis=0)
    at = 8 + (position - low) / np.maximum(high - low, 1e-6) * (_SIDE - 16)
    # the lost ones last, so that none is hidden
    order = np.argsort(~kept, kind="stable")
    return [
        f'<circle cx="{left + x:.1f}" cy="{_TOP + y:.1f}" r="{3 if good else 4.5}" fill="{_COLOURS[good]}" '
        f'fill-opacity="{0.6 if good else 1}"/>'
        for (x, y), good in zip(at[order].tolist(), kept[order].tolist(), strict=True)
    ]


__all__ = ["Starts", "draw", "row_of", "starts"]
