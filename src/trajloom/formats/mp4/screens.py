"""What one video shows: a camera, or several side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from trajloom.formats.mp4.cameras import Camera
from trajloom.tables import Array


@dataclass(frozen=True)
class Screen:
    """Cameras in rows of equal cells, from the top left."""

    name: str
    """Of the folder of its videos."""
    cameras: Sequence[Camera]

    @property
    def across(self) -> int:
        """Cells in a row."""
        return math.ceil(math.sqrt(len(self.cameras)))

    @property
    def cell(self) -> tuple[int, int]:
        """Height and width of a cell: those of the largest camera."""
        return max(c.height for c in self.cameras), max(c.width for c in self.cameras)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.cell
        return height * math.ceil(len(self.cameras) / self.across), width * self.across

    def has_picture(self, columns: Mapping[str, pa.Array]) -> bool:
        """Whether any camera has one at any of these steps."""
        values = [columns[camera.column.name] for camera in self.cameras]
        return any(found.null_count < len(found) for found in values)

    def pictures(self, columns: Mapping[str, pa.Array]) -> Array:
        """Pictures (n, *size, 3), uint8 RGB, of n steps."""
        first, *others = self.cameras
        if not others:
            return first.pictures(columns[first.column.name])
        steps = len(columns[first.column.name])
        whole = np.zeros((steps, *self.size, 3), np.uint8)
        for i, camera in enumerate(self.cameras):
            top, left = (n * size for n, size in zip(divmod(i, self.across), self.cell, strict=True))
            shown = camera.pictures(columns[camera.column.name])
            whole[:, top : top + camera.height, left : left + camera.width] = shown
        return whole


def screens_of(cameras: Sequence[Camera], grid: bool) -> list[Screen]:
    """One screen a camera, or one of all."""
    return [Screen("grid", cameras)] if grid else [Screen(camera.name, [camera]) for camera in cameras]
