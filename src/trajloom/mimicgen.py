"""MimicGen's own names over our engine, files included: what its documents show, runs with only the import changed.

>>> from trajloom.mimicgen import DataGenerator, MG_TaskSpec  # doctest: +SKIP
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trajloom import dataset
from trajloom.engine import mimicgen as names
from trajloom.engine.mimicgen import (
    DatagenInfo,
    MG_EnvInterface,
    MG_SelectionStrategy,
    MG_TaskSpec,
    SceneInterface,
    Waypoint,
    WaypointSequence,
    WaypointTrajectory,
    make_interface,
    make_selection_strategy,
    transform_source_data_segment_using_object_pose,
)
from trajloom.engine.segments import SourceDemo
from trajloom.engine.settings import Compat
from trajloom.errors import SourceError
from trajloom.generation.sources import read_sources
from trajloom.task import TaskSpec


class DataGenerator(names.DataGenerator):
    """Makes new trajectories from the source demonstrations of a file, one a call of `generate`."""

    def __init__(
        self,
        task_spec: MG_TaskSpec | TaskSpec,
        dataset_path: str | Path | Sequence[SourceDemo],
        demo_keys: Sequence[str] | None = None,
        *,
        compat: Compat = None,
    ):
        """Read and cut the sources.

        Args:
            task_spec: The task of one arm.
            dataset_path: Demonstrations with `datagen_info`, in any format, or the demonstrations themselves.
            demo_keys: Names of the demonstrations to use; all of them where left out.
            compat: "mimicgen" repeats the original's quirks.

        Raises:
            SourceError: A demonstration cannot serve, or one of `demo_keys` is not there.
        """
        super().__init__(task_spec, dataset_path, demo_keys, load=_load, compat=compat)


def _load(path: str | Path, demo_keys: Sequence[str] | None) -> list[SourceDemo]:
    return read_sources(dataset.read(path), str(path))


def get_env_metadata_from_dataset(dataset_path: str | Path) -> Mapping[str, Any]:
    """The description of the environment that a file carries (`env_args`): env_name, type, env_kwargs, ...

    Raises:
        SourceError: The file has none.
    """
    env_args = dataset.read(dataset_path).header.env_args
    if env_args is None:
        raise SourceError(f"{dataset_path} does not say which environment it is from: it has no env_args")
    return env_args


__all__ = [
    "DataGenerator",
    "DatagenInfo",
    "MG_EnvInterface",
    "MG_SelectionStrategy",
    "MG_TaskSpec",
    "SceneInterface",
    "Waypoint",
    "WaypointSequence",
    "WaypointTrajectory",
    "get_env_metadata_from_dataset",
    "make_interface",
    "make_selection_strategy",
    "transform_source_data_segment_using_object_pose",
]
