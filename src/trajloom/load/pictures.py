"""Images packed as PNG: one after the other in a file, with where each ends; unpacked by whoever makes a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats.lerobot import png
from trajloom.load.groups import Group
from trajloom.load.mapped import mapped
from trajloom.load.place import draft
from trajloom.reopened import Reopened
from trajloom.tables import Array

ENDS = ".ends"
"""Suffix of the file that says where each image ends: int64, bytes."""


@contextmanager
def writing(folder: Path, group: Group) -> Iterator[Callable[[Array], object]]:
    """Write a column of images; takes some rows (T, width) at a time, and packs them on all cores."""
    shape, end = _frame(group), 0
    # the images appear last: who finds them finds where they end
    with draft(folder / group.file) as images, draft(_ends(folder / group.file)) as ends, png.workers() as pool:

        def write(rows: Array) -> None:
            nonlocal end
            found = png.encode_all(rows.reshape(len(rows), *shape), pool)
            images.writelines(found)
            places = end + np.cumsum([len(image) for image in found])
            ends.write(places.astype("<i8").data)
            end = int(places[-1]) if found else end

        yield write


@dataclass(frozen=True)
class Pictures(Reopened):
    """A column of images, opened when it is first used; it goes to other processes as its path."""

    path: Path
    group: Group

    @cached_property
    def _ends(self) -> Array:
        return mapped(_ends(self.path), "<i8")

    @cached_property
    def _bytes(self) -> Array:
        return mapped(self.path, "u1")

    def at(self, rows: Array) -> Array:
        """(*rows.shape, width). Some rows; one that is asked for more than once is unpacked once."""
        distinct, where = np.unique(rows.reshape(-1), return_inverse=True)
        return self._unpacked(distinct)[where].reshape(*rows.shape, self.group.width)

    def _unpacked(self, rows: Array) -> Array:
        """(U, H, W, C). The images of some rows."""
        ends = self._ends.take(rows)
        starts = np.where(rows > 0, self._ends.take(rows - 1, mode="clip"), 0)
        images = [self._bytes[start:end].data for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        try:
            return png.decode_all(images, _frame(self.group))
        except DamagedFileError as error:
            raise DamagedFileError(
                f"{self.path}: {error}; `trajloom cache clear` has {self.group.slots[0].column.name} packed anew"
            ) from error


def _frame(group: Group) -> tuple[int, int, int]:
    """(H, W, C) of a group's images."""
    height, width, *channels = group.slots[0].column.shape
    return height, width, *(channels or (1,))  # pyright: ignore[reportReturnType]


def _ends(path: Path) -> Path:
    return path.with_suffix(ENDS)
