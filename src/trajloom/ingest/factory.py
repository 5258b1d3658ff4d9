"""From a source of any kind to a dataset, in one call."""

import functools
import inspect
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from trajloom import dataset as datasets
from trajloom.errors import SettingsError
from trajloom.ingest.adapters import (
    CallableAdapter,
    FileListAdapter,
    IteratorAdapter,
    NameOf,
    PyTorchDatasetAdapter,
    Transform,
)
from trajloom.ingest.conduct import ingest
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.ingested import IngestedDataset
from trajloom.ingest.interface import DataIngestionInterface
from trajloom.ingest.trajectories import references


def create_vla_dataset_from_source(
    data_source: Any,
    output_directory: str | None = None,
    transform_fn: Transform | None = None,
    group_size: int = 1,
    num_workers: int = 4,
    return_vla_dataset: bool = True,
    ray_init_kwargs: Mapping[str, Any] | None = None,
    trajectory_name_fn: NameOf | None = None,
    config: IngestionConfig | None = None,
    **settings: Any,
) -> Any:
    """Make a dataset of what a source gives; the same call again goes on where the last one stopped.

    Args:
        data_source: A `DataIngestionInterface`; a list of paths; anything with a length and items by number, such as a
            PyTorch dataset or a list; anything that can be iterated; a function that returns one of those or yields.
        output_directory: Folder or URL of the dataset; by default a new temporary folder.
        transform_fn: Makes a dict of an item; None where items are dicts already, or `adapters.as_item` makes them.
        group_size: Items of a trajectory.
        num_workers: Processes; see `IngestionConfig`.
        return_vla_dataset: Whether to return the dataset; else a reference to each trajectory.
        ray_init_kwargs: `num_cpus` and `object_store_memory`; see `IngestionConfig`.
        trajectory_name_fn: (items, number) -> name of a trajectory.
        config: All settings, output included; or
        settings: some of `IngestionConfig`.

    Returns:
        An `IngestedDataset`, or a list of `TrajectoryReference`.

    Raises:
        SettingsError: Settings contradict each other, or the output holds an ingestion with others.
        OutputExistsError: The output holds something else.
        UnknownNameError: There is no such setting.
        RunError: Not one item could be stored.
    """
    ingester = adapted(data_source, transform_fn, group_size, trajectory_name_fn)
    if config is None:
        directory = output_directory or tempfile.mkdtemp(prefix="trajloom-")
        given = {"num_workers": num_workers, "ray_init_kwargs": ray_init_kwargs, **settings}
        config = IngestionConfig.of(str(directory), given)
    elif output_directory is not None or num_workers != 4 or ray_init_kwargs is not None or settings:
        raise SettingsError("config has all settings; what is to be other than in it goes into it: dataclasses.replace")
    dataset = IngestedDataset(datasets.read(ingest(ingester, config)))
    return dataset if return_vla_dataset else references(dataset.dataset)


def adapted(
    source: Any, transform_fn: Transform | None = None, group_size: int = 1, trajectory_name_fn: NameOf | None = None
) -> DataIngestionInterface:
    """The source of items that a data source is, by what it can do; SettingsError where it is none."""
    if isinstance(source, DataIngestionInterface):
        _says_itself(source, transform_fn, group_size, trajectory_name_fn)
        return source
    shared = {"transform_fn": transform_fn, "group_size": group_size, "trajectory_name_fn": trajectory_name_fn}
    if isinstance(source, str | bytes | Path | Mapping | type):
        raise SettingsError(f"data_source is {source!r:.80}, which is no source of items; there are: {_KINDS}")
    if isinstance(source, list | tuple):
        if source and all(isinstance(path, str | Path) for path in source):
            return _files(source, **shared)
        return IteratorAdapter(functools.partial(_itself, source), **shared)
    if hasattr(source, "__len__") and hasattr(source, "__getitem__"):
        return PyTorchDatasetAdapter(source, **shared)
    if hasattr(source, "__iter__"):
        return IteratorAdapter(functools.partial(iter, source), **shared)
    if callable(source):
        kind = IteratorAdapter if inspect.isgeneratorfunction(source) else CallableAdapter
        return kind(cast("Callable[[], Iterable[Any]]", source), **shared)
    raise SettingsError(f"data_source is a {type(source).__name__}, which is no source of items; there are: {_KINDS}")


def _itself(items: Sequence[Any]) -> Sequence[Any]:
    return items


_KINDS = (
    "a DataIngestionInterface, a list of paths, anything with a length and items by number, anything that can be "
    "iterated, a function that returns or yields items"
)


def _says_itself(
    source: DataIngestionInterface, transform_fn: Transform | None, group_size: int, name_fn: NameOf | None
) -> None:
    given = {"transform_fn": transform_fn, "group_size": group_size != 1 or None, "trajectory_name_fn": name_fn}
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise SettingsError(f"{', '.join(wrong)}: {type(source).__name__} says that itself")


def _files(paths: Sequence[Any], transform_fn: Transform | None, **shared: Any) -> FileListAdapter:
    if transform_fn is None:
        raise SettingsError("a list of paths needs transform_fn, which loads one; texts that are data go in dicts")
    return FileListAdapter(paths, transform_fn, **shared)


# ---- sources of one kind ---------------------------------------------------------------------------------------


class _Divided(PyTorchDatasetAdapter):
    """A dataset divided into a number of trajectories, whose lengths differ by one at most."""

    trajectories: int

    def group_items_into_trajectories(self, items: Iterable[Any]) -> Iterator[list[Any]]:
        items = list(items)
        cuts = [len(items) * k // self.trajectories for k in range(self.trajectories + 1)]
        return (items[start:stop] for start, stop in pairwise(cuts))


def create_vla_dataset_from_pytorch_dataset(
    dataset: Any, output_directory: str | None = None, transform_fn: Transform | None = None,
    trajectories_per_dataset: int = 1, trajectory_name_fn: NameOf | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Make a dataset of a map-style dataset, cut into as many trajectories as are asked for.

    The others are those of `create_vla_dataset_from_source`.
    """
    if trajectories_per_dataset < 1:
        raise SettingsError(f"trajectories_per_dataset must be >= 1, got {trajectories_per_dataset}")
    adapter = _Divided(dataset, transform_fn, trajectory_name_fn=trajectory_name_fn)
    adapter.trajectories = trajectories_per_dataset
    return create_vla_dataset_from_source(adapter, output_directory, **settings)


def create_vla_dataset_from_file_list(
    file_paths: Iterable[Any], transform_fn: Transform, output_directory: str | None = None,
    files_per_trajectory: int = 100, trajectory_name_fn: NameOf | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Make a dataset of files, each loaded by `transform_fn`."""
    adapter = FileListAdapter(file_paths, transform_fn, files_per_trajectory, trajectory_name_fn)
    return create_vla_dataset_from_source(adapter, output_directory, **settings)


def create_vla_dataset_from_iterator(
    iterator_factory: Callable[[], Iterable[Any]], output_directory: str | None = None,
    transform_fn: Transform | None = None, max_items: int | None = None, items_per_trajectory: int = 100,
    trajectory_name_fn: NameOf | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Make a dataset of what an iterator gives, of any length."""
    adapter = IteratorAdapter(iterator_factory, transform_fn, items_per_trajectory, max_items, trajectory_name_fn)
    return create_vla_dataset_from_source(adapter, output_directory, **settings)


def create_vla_dataset_from_callable(
    data_generator: Callable[[], Iterable[Any]], output_directory: str | None = None,
    transform_fn: Transform | None = None, items_per_trajectory: int = 100,
    trajectory_name_fn: NameOf | None = None, **settings: Any,
) -> Any:  # fmt: skip
    """Make a dataset of what a function returns."""
    adapter = CallableAdapter(data_generator, transform_fn, items_per_trajectory, trajectory_name_fn)
    return create_vla_dataset_from_source(adapter, output_directory, **settings)
