"""The trajectories of a dataset, each opened when it is asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from trajloom import dataset as datasets
from trajloom.dataset import Dataset
from trajloom.ingest import items


@dataclass(frozen=True)
class TrajectoryReference:
    """One trajectory of a dataset."""

    path: str
    """The dataset."""
    episode_index: int
    name: str

    def read(self) -> dict[str, Any]:
        """Its arrays, as a nested dict."""
        return datasets.read(self.path).episode(self.episode_index)

    def __str__(self) -> str:
        return f"{self.path}#{self.name}"


def references(dataset: Dataset) -> list[TrajectoryReference]:
    """A reference to every trajectory of a dataset on disk or at a URL."""
    rows = dataset.episodes().select("episode_index", "name").collect().rows()
    return [TrajectoryReference(str(dataset.path), index, name) for index, name in rows]


class Trajectories(Sequence[dict[str, Any]]):
    """The trajectories of a dataset, each read when it is asked for."""

    def __init__(self, dataset: Dataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return items.trajectories(self.dataset, self.dataset.parts())

    def __getitem__(self, number: int) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One by its place, from 0; negative ones count from the end."""
        left = number + len(self) if number < 0 else number
        if not 0 <= left < len(self):
            raise IndexError(f"no trajectory {number}; there are {len(self)}")
        for part in self.dataset.parts():
            if left < part.num_episodes:
                return next(islice(items.trajectories(self.dataset, [part]), left, None))
            left -= part.num_episodes
        raise AssertionError("the parts have fewer episodes than the dataset")
