"""What a pipeline can be given: a path, a dataset, or episodes as nested dicts."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from trajloom import formats, store
from trajloom.dataset import Dataset, read
from trajloom.edit.view import paths_of
from trajloom.errors import SettingsError
from trajloom.formats import Source, hdf5
from trajloom.pipeline.crew import Crew
from trajloom.pipeline.finish import finish
from trajloom.pipeline.packing import pack
from trajloom.pipeline.trajectory import Context, Trajectory
from trajloom.pipeline.units import Done, written
from trajloom.schema import Header
from trajloom.store import StoredDataset
from trajloom.tables import rest_batch

Data = str | os.PathLike[str] | Dataset | Sequence[Mapping[str, Any]]

PART_BYTES = 24 << 20
"""Uncompressed size of the parts that an HDF5 file is read in: several for each core of one machine."""


SMALL = 32 << 20
"""Uncompressed size of data that one process works on in about the time that a cluster takes to start."""


def anywhere(path: str | os.PathLike[str]) -> str:
    """A path that means the same in every process; a URL is one already."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)


def checked(data: Any) -> Data:
    """What a pipeline was given; SettingsError where it can be none of what it takes."""
    if isinstance(data, str | os.PathLike | Dataset):
        return data
    if isinstance(data, Mapping) or not isinstance(data, Sequence):
        data = [data] if isinstance(data, Mapping) else list(data) if hasattr(data, "__iter__") else data
    if isinstance(data, Sequence) and all(isinstance(one, Mapping) for one in data):
        return data
    raise SettingsError(
        f"a pipeline takes a path, a Dataset, a list of episodes as nested dicts, or the result of another pipeline; "
        f"got {type(data).__name__}"
    )


def paths_in(data: Data) -> tuple[str, ...]:
    """Where data lies, as far as it says."""
    if isinstance(data, Dataset):
        return paths_of(data.source)
    return (anywhere(data),) if isinstance(data, str | os.PathLike) else ()


def is_large_file(data: Data) -> bool:
    """Whether it is certain before a look into it that workers will be wanted: one file of more than SMALL."""
    paths = paths_in(data)
    return len(paths) == 1 and os.path.isfile(paths[0]) and os.path.getsize(paths[0]) > 2 * SMALL


def opened(data: Data) -> Source | None:
    """Data as a dataset; None where it is a list of episodes."""
    if isinstance(data, Dataset):
        return data.source
    if not isinstance(data, str | os.PathLike):
        return None
    path = anywhere(data)
    if not store.is_store(path) and os.path.exists(path) and formats.find(path).NAME == hdf5.NAME:
        return hdf5.read(path, part_bytes=PART_BYTES)
    return read(path).source


def described(data: Data, source: Source | None) -> str:
    """Data in a few words."""
    if source is None:
        assert isinstance(data, Sequence)
        return f"{len(data)} episodes in memory"
    parts = source.parts()
    where = str(getattr(source, "path", None) or "a dataset in memory")
    episodes, steps = sum(part.num_episodes for part in parts), sum(part.num_steps for part in parts)
    return f"{where}: {episodes} episodes, {steps} steps, {len(parts)} part{'s' if len(parts) != 1 else ''}"


def size_of(source: Source) -> int:
    """Bytes of the steps of a dataset, uncompressed."""
    return sum(part.num_steps for part in source.parts()) * sum(column.nbytes for column in source.header.steps)


def freeze(data: Any, crew: Crew, out: str) -> StoredDataset:
    """Episodes in memory, written as a dataset: numbered from 0, with the names and attributes that they have.

    Raises:
        SchemaError: A value is no array, or two episodes differ in what a column is.
    """
    context = context_of(data)
    prior = context.header.with_(attempts_end=None)
    store.keep_models(out, context.models)
    names = names_of(data)
    done: list[Done] = []
    for number, (first, last) in enumerate(_pieces(data)):
        own = pa.Table.from_batches([rest_batch(context.rest if number == 0 else ())])
        batch, outputs = pack(data[first:last], prior, numbers=range(first, last), names=names[first:last], rest=own)
        done.append(written(out, number, batch, outputs, numbered=True))
    return finish(crew, out, done, prior)


def context_of(data: Sequence[Any]) -> Context:
    """What is true of the dataset that the first of some episodes was of; nothing where they were of none."""
    found = (one.origin.context for one in data if isinstance(one, Trajectory) and one.origin is not None)
    return next(found, Context(Header()))


def names_of(data: Sequence[Any]) -> list[str]:
    """What episodes are called: their own names, where each has one that no other has, else `demo_<i>`."""
    names = [one.name if isinstance(one, Trajectory) else None for one in data]
    if None in names or len(set(names)) < len(names):
        return [f"demo_{number}" for number in range(len(data))]
    return [str(name) for name in names]


def _pieces(data: Sequence[Any]) -> list[tuple[int, int]]:
    """Ranges of whole episodes of about PART_BYTES; one empty range where there is no episode."""
    bounds, first, so_far = [], 0, 0
    for at, one in enumerate(data):
        weight = nbytes_of(one)
        if at > first and so_far + weight > PART_BYTES:
            bounds.append((first, at))
            first, so_far = at, 0
        so_far += weight
    return [*bounds, (first, len(data))]


def nbytes_of(tree: Any) -> int:
    """Bytes of the arrays in dicts and lists."""
    if isinstance(tree, Mapping):
        return sum(map(nbytes_of, tree.values()))
    if isinstance(tree, list | tuple):
        return sum(map(nbytes_of, tree))
    return int(getattr(tree, "nbytes", 8))
