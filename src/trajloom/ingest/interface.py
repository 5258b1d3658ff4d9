"""What a source of items must offer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class DataIngestionInterface(ABC):
    """Your own source of data: where its items come from, and what becomes of each.

    Workers are sent the object as it is, constructor arguments included, so it must be one that cloudpickle takes.
    """

    @abstractmethod
    def get_data_items(self) -> Iterable[Any]:
        """The items: paths, indices, records; a list or an iterator, which is drawn from as items are needed.

        Arrays that an iterator gives are copied before the next item is drawn, in dicts, lists, tuples and dataclasses:
        it may fill the same ones again and again. Objects of another kind are not copied, and must be new ones.
        """

    @abstractmethod
    def transform_item(self, item: Any) -> Mapping[str, Any]:
        """One item as a dict of arrays, numbers and texts, nested or not; called on the workers.

        An empty dict leaves the item out. One that raises is left out too, with what was raised.
        """

    def group_items_into_trajectories(self, items: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """The items of each trajectory, in order; by default one item a trajectory.

        A subclass that overrides it is given all items in a list.
        """
        return [[item] for item in items]

    def get_trajectory_filename(self, trajectory_group: Sequence[Any], index: int) -> str:
        """The name of a trajectory, from its items before they are transformed and its number in the dataset."""
        return f"trajectory_{index:06d}"

    def validate_transformed_data(self, data: Mapping[str, Any]) -> bool:
        """Whether a transformed item may be stored; those that may not are counted and listed."""
        return True

    def get_item_metadata(self, item: Any) -> Mapping[str, Any]:
        """More about an item, kept under `metadata/`, also where the item itself is left out."""
        return {}


def overrides(ingester: DataIngestionInterface, method: str) -> bool:
    """Whether a source has a method of its own."""
    return getattr(type(ingester), method) is not getattr(DataIngestionInterface, method)
