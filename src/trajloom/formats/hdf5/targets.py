"""Where columns go in a file that is being written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from h5py import h5d, h5g

from trajloom.formats.hdf5.create import create, create_array, put_rows
from trajloom.formats.hdf5.storage import is_lossy, lossless
from trajloom.formats.hdf5.values import ElementType, type_named
from trajloom.schema import Column, path_of
from trajloom.tables import Array


@dataclass(frozen=True)
class Target:
    """A column and where it goes."""

    column: Column
    path: str
    """From the demonstration."""
    kind: ElementType
    storage: Mapping[str, Any]


def target_of(
    column: Column, path: str, layout: Mapping[str, Any], packed: Mapping[str, Any], once: bool = False
) -> Target:
    """Where a column goes: a column that the file had lies as it did, a new one as loaders like it best."""
    path = layout.get("renamed", {}).get(path_of(column.name), path)
    # a frame a chunk, at gzip's quickest level: windows of frames are read at random, and level 4 takes twice the time
    image = {"chunks": [*(() if once else (1,)), *column.shape], "filters": [[1, 1, [1]]]}
    default = image if column.encoding == "image" else packed if column.shape or not once else {}
    return Target(column, path, type_named(np.dtype(column.dtype).str), layout.get("columns", {}).get(path, default))


@dataclass
class Demo:
    """A demonstration that is being written."""

    index: int
    group: h5g.GroupID
    length: int
    storage: Mapping[str, Any]
    """Path -> how that dataset lies, where it is not as in the other episodes."""
    rows: int = 0
    open: dict[str, h5d.DatasetID] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    """Subtask -> the source episode that it was made from."""


def write_frames(demo: Demo, target: Target, values: Array) -> None:
    """Write the next frames of a demonstration's array, which is made with the first of them."""
    storage = demo.storage.get(target.path, target.storage)
    if len(values) == demo.length:
        create_array(demo.group, target.path, target.kind, values, storage)
        return
    dataset = demo.open.get(target.path)
    if dataset is None:
        shape = (demo.length, *values.shape[1:])
        storage = lossless(storage) if is_lossy(storage) else storage
        dataset = demo.open[target.path] = create(demo.group, target.path, target.kind, shape, storage)
    put_rows(dataset, target.kind, values, demo.rows)
