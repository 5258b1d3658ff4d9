"""HDF5 files by the names that DataAug Platform gave its functions."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from trajloom.dataset import Dataset
from trajloom.errors import SchemaError, SettingsError
from trajloom.formats.hdf5.dialect import ROBOMIMIC
from trajloom.formats.hdf5.source import read_source
from trajloom.pipeline.inputs import PART_BYTES, anywhere
from trajloom.pipeline.result import Place, Result
from trajloom.pipeline.trajectory import Trajectory
from trajloom.pipeline.values import is_list_of_records


def hdf5_to_dataset(first: Any, second: Any = None, group: str = "data") -> Result:
    """The demonstrations of an HDF5 file as a lazy result: `collect`, `map`, `filter`, `count`, `take`, `write`.

    They come in the order of their numbers (`demo_2` before `demo_10`), with their names and attributes.

    Args:
        first, second: A Dask client and the file's path, in either order; the client may be None or left out.
        group: The group that the demonstrations lie in.

    Raises:
        SettingsError: Neither is a path.
    """
    paths = [one for one in (first, second) if isinstance(one, str | os.PathLike) and not _is_scheduler(one)]
    if len(paths) != 1:
        given = ", ".join(type(one).__name__ for one in (first, second))
        raise SettingsError(f"hdf5_to_dataset wants a Dask client and a path, in either order; got {given}")
    client = second if paths[0] is first else first
    dialect = replace(ROBOMIMIC, folder=group.strip("/"))
    source = read_source(anywhere(paths[0]), "raise", PART_BYTES, dialect)
    return Result(Dataset(source), (), Place(client), 0)


hdf5_to_rdd = hdf5_to_dataset
"""The name that it has in DataAug Platform."""


def _is_scheduler(value: Any) -> bool:
    return isinstance(value, str) and value.split("://")[0] in ("tcp", "tls", "ucx", "ws", "wss", "inproc")


def write_trajectories_to_hdf5(
    trajectories: Iterable[Mapping[str, Any]], path: str | os.PathLike[str], ignore_keys: Collection[str] = (),
    collate_keys: Collection[str] | None = None, *, overwrite: bool = False,
) -> None:  # fmt: skip
    """Write episodes as a robomimic file: `data/demo_<i>`, with counts, environment, models and attributes they carry.

    Args:
        trajectories: Nested dicts of arrays, as `collect` gives them or your own.
        path: The file.
        ignore_keys: Top-level keys to leave out.
        collate_keys: Top-level keys whose lists of dicts (an item a step) become arrays with a row an item; None is all
            that there are.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SchemaError: A value is nothing that HDF5 holds, a list of dicts is under another key than `collate_keys`, or
            two episodes differ in what a column is.
        OutputExistsError: There is a file, and `overwrite` is off.
    """
    given = [_chosen(one, number, ignore_keys, collate_keys) for number, one in enumerate(trajectories)]
    Result(given, (), Place(workers=1), 0).write(path, to="hdf5", overwrite=overwrite)


def _chosen(
    trajectory: Mapping[str, Any], number: int, ignored: Collection[str], collated: Collection[str] | None
) -> Mapping[str, Any]:
    kept = {key: value for key, value in trajectory.items() if key not in ignored}
    for key, value in kept.items():
        if collated is not None and key not in collated and is_list_of_records(value):
            raise SchemaError(
                f"episode {number}: {key} is a list of dicts; name it in collate_keys to write it as arrays, or in "
                "ignore_keys to leave it out"
            )
    if isinstance(trajectory, Trajectory):
        return Trajectory(kept, attrs=trajectory.attrs, origin=trajectory.origin)
    return kept
