"""Sources of items that there are already: map-style datasets, iterators, files, functions."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any

from trajloom.errors import SettingsError
from trajloom.ingest.interface import DataIngestionInterface

Transform = Callable[[Any], Mapping[str, Any]]
NameOf = Callable[[Sequence[Any], int], str]
"""(items of a trajectory, its number) -> its name."""


class Adapter(DataIngestionInterface):
    """What the adapters share: a function for items, groups of one size, and names."""

    transform_fn: Transform | None
    group_size: int
    trajectory_name_fn: NameOf | None

    def _take(self, transform_fn: Transform | None, group_size: int, trajectory_name_fn: NameOf | None) -> None:
        if group_size < 1:
            raise SettingsError(f"group_size must be >= 1, got {group_size}")
        self.transform_fn, self.group_size, self.trajectory_name_fn = transform_fn, group_size, trajectory_name_fn

    def transform_item(self, item: Any) -> Mapping[str, Any]:
        return as_item(item) if self.transform_fn is None else self.transform_fn(item)

    def group_items_into_trajectories(self, items: Iterable[Any]) -> Iterator[list[Any]]:
        rest = iter(items)
        while group := list(islice(rest, self.group_size)):
            yield group

    def get_trajectory_filename(self, trajectory_group: Sequence[Any], index: int) -> str:
        if self.trajectory_name_fn is not None:
            return self.trajectory_name_fn(trajectory_group, index)
        return super().get_trajectory_filename(trajectory_group, index)


class PyTorchDatasetAdapter(Adapter):
    """Anything with a length and items by number, such as a `torch.utils.data.Dataset`.

    The items are numbers; workers are sent the dataset once, and read from it.
    """

    def __init__(
        self, dataset: Any, transform_fn: Transform | None = None, group_size: int = 1,
        trajectory_name_fn: NameOf | None = None,
    ):  # fmt: skip
        """A dataset, what makes dicts of its items (None: they are dicts already), and items per trajectory."""
        self.dataset = dataset
        self._take(transform_fn, group_size, trajectory_name_fn)

    def get_data_items(self) -> Sequence[int]:
        return range(len(self.dataset))

    def transform_item(self, item: int) -> Mapping[str, Any]:
        return super().transform_item(self.dataset[item])


class _Sent(Adapter):
    """An adapter whose items go to the workers, so that what they come from need not."""

    _stays: str
    """The attribute that stays here."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != self._stays}


class IteratorAdapter(_Sent):
    """What an iterator gives. It is drawn from as items are needed, so there may be more of them than memory."""

    _stays = "iterator_factory"

    def __init__(
        self, iterator_factory: Callable[[], Iterable[Any]], transform_fn: Transform | None = None,
        group_size: int = 1, max_items: int | None = None, trajectory_name_fn: NameOf | None = None,
    ):  # fmt: skip
        """A function that begins the iteration, and how many items to take of it; the others as elsewhere."""
        if max_items is not None and max_items < 1:
            raise SettingsError(f"max_items must be >= 1, got {max_items}")
        self.iterator_factory, self.max_items = iterator_factory, max_items
        self._take(transform_fn, group_size, trajectory_name_fn)

    def get_data_items(self) -> Iterable[Any]:
        items = self.iterator_factory()
        return items if self.max_items is None else islice(items, self.max_items)


class CallableAdapter(_Sent):
    """What a function returns, a list or an iterator. It is called once."""

    _stays = "data_generator"

    def __init__(
        self, data_generator: Callable[[], Iterable[Any]], transform_fn: Transform | None = None,
        group_size: int = 1, trajectory_name_fn: NameOf | None = None,
    ):  # fmt: skip
        """The function; the others as elsewhere."""
        self.data_generator = data_generator
        self._take(transform_fn, group_size, trajectory_name_fn)

    def get_data_items(self) -> Iterable[Any]:
        return self.data_generator()


class FileListAdapter(_Sent):
    """Files, each loaded by a worker."""

    _stays = "file_paths"

    def __init__(
        self, file_paths: Iterable[Any], transform_fn: Transform, group_size: int = 1,
        trajectory_name_fn: NameOf | None = None,
    ):  # fmt: skip
        """Paths, and what makes a dict of one; the others as elsewhere."""
        self.file_paths = list(file_paths)
        self._take(transform_fn, group_size, trajectory_name_fn)

    def get_data_items(self) -> Sequence[Any]:
        return self.file_paths


def as_item(value: Any) -> Mapping[str, Any]:
    """An item as a dict: fields of dataclasses and named tuples by name, of tuples `data_0`, `data_1`; else `data`."""
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value._asdict()  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, tuple | list) and not all(isinstance(part, int | float) for part in value):
        return {f"data_{number}": part for number, part in enumerate(value)}
    return {"data": value}
