"""What an ingestion returns: its dataset, as the items that it was made of."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.folder import Folder
from trajloom.formats import Part
from trajloom.ingest import items, statistics
from trajloom.ingest.items import Batch, Item
from trajloom.ingest.taking import LEFT_OUT
from trajloom.ingest.trajectories import Trajectories
from trajloom.ingest.unit import LEFT_OUT_FOLDER
from trajloom.ingest.values import Odd, flat
from trajloom.schema import Header, path_of
from trajloom.seeding import rng_for

SHUFFLE_BYTES = 64 << 20
"""Memory of the items that a shuffle draws from."""
SHUFFLE_MOST = 100_000

Rowwise = Callable[[Iterator[Item]], Iterator[Item]]


@dataclass(frozen=True)
class IngestedDataset:
    """A dataset as its items: steps, or whole trajectories where those were ingested.

    An item is a nested dict as it came: numbers and arrays, texts and what else there was; its `timestamp` is in s.
    Nothing is read before it is used, and some tens of MB are in memory at a time.
    """

    dataset: Dataset
    """Its tables, for Polars, for other formats, for everything else."""
    operations: tuple[Rowwise, ...] = ()
    """What `map` and `filter` do, in order."""
    order: int | None = None
    """The seed of the order that items come in; None is as they were stored."""

    @property
    def header(self) -> Header:
        return self.dataset.header

    @property
    def path(self) -> str | None:
        """Where it lies; None of a part of one."""
        return self.dataset.path

    @property
    def item(self) -> str:
        """What an item is: "step" or "trajectory"."""
        return next((source["item"] for source in self.header.sources if "item" in source), "step")

    # ---- items ---------------------------------------------------------------------------------------------

    def iter_rows(self) -> Iterator[Item]:
        """The items, one by one."""
        parts = list(self.dataset.parts())
        if self.order is not None:
            parts = [parts[at] for at in rng_for(self.order, "parts").permutation(len(parts))]
        stream = self._stored(parts)
        stream = stream if self.order is None else self._mixed(stream, self.order)
        for operation in self.operations:
            stream = operation(stream)
        return stream

    def __iter__(self) -> Iterator[Item]:
        return self.iter_rows()

    def __len__(self) -> int:
        return self.count()

    def _stored(self, parts: Iterable[Part]) -> Iterator[Item]:
        if self.item == "trajectory":
            return items.trajectories(self.dataset, parts)
        return (rows.item(at) for rows in items.rows_of(self.dataset, parts) for at in range(len(rows.episode)))

    def _mixed(self, stream: Iterator[Item], seed: int) -> Iterator[Item]:
        """Items drawn at random from a window of some tens of MB, which moves through the stored ones."""
        rng = rng_for(seed, "items")
        row_bytes = sum(column.nbytes for column in self.header.steps) + 200
        steps = self.dataset.num_steps / max(len(self.dataset), 1) if self.item == "trajectory" else 1
        window = int(max(1, min(SHUFFLE_BYTES // (row_bytes * max(steps, 1)), SHUFFLE_MOST)))
        held: list[Item] = []
        for item in stream:
            # an array of a whole batch would stay in memory for one row of it
            held.append(_owned(item))
            if len(held) > window:
                at = int(rng.integers(len(held)))
                held[at], held[-1] = held[-1], held[at]
                yield held.pop()
        yield from (held[at] for at in rng.permutation(len(held)))

    def iter_batches(self, batch_size: int = 1) -> Iterator[Any]:
        """Items, `batch_size` at a time; the last batch may be smaller.

        Steps come as a nested dict of arrays (B, ...); what is no array of numbers comes as a list of B values, and
        what a step lacks is NaN, or 0 in integers. Trajectories come as a list.
        """
        if batch_size < 1:
            raise SettingsError(f"batch_size must be >= 1, got {batch_size}")
        if self.item == "step" and not self.operations and self.order is None:
            rows = items.rows_of(self.dataset, self.dataset.parts())
            return (piece.batch() for piece in items.rebatched(rows, batch_size))
        return self._collated(batch_size)

    def _collated(self, size: int) -> Iterator[Batch | list[Item]]:
        stream = self.iter_rows()
        while some := list(islice(stream, size)):
            yield some if self.item == "trajectory" else items.stacked(some)

    def take(self, n: int) -> list[Item]:
        """The first items."""
        return list(islice(self.iter_rows(), n))

    def peek(self) -> Item | None:
        """The first item; None where there is none."""
        return next(self.iter_rows(), None)

    def sample(self, n: int, seed: int = 0) -> list[Item]:
        """`n` items drawn at random, each at most once, in the order that they are stored in. Reads all of them."""
        draws = rng_for(seed, "sample")
        keyed = ((draws.random(), number, item) for number, item in enumerate(replace(self, order=None).iter_rows()))
        kept: list[tuple[float, int, Item]] = []
        for key, number, item in keyed:
            if len(kept) < n:
                heapq.heappush(kept, (key, number, _owned(item)))
            elif n and key > kept[0][0]:
                heapq.heapreplace(kept, (key, number, _owned(item)))
        return [item for _, _, item in sorted(kept, key=lambda entry: entry[1])]

    def materialize(self) -> list[Item]:
        """All items, in memory."""
        return list(self.iter_rows())

    def count(self) -> int:
        """How many items there are."""
        if self.operations:
            return sum(1 for _ in self.iter_rows())
        return len(self.dataset) if self.item == "trajectory" else self.dataset.num_steps

    # ---- other datasets of the same items ------------------------------------------------------------------

    def map(self, function: Callable[[Item], Item]) -> "IngestedDataset":
        """What a function makes of each item, when it is asked for."""
        return replace(self, operations=(*self.operations, lambda stream: map(function, stream)))

    def filter(self, condition: Callable[[Item], bool]) -> "IngestedDataset":
        """The items that a condition holds for."""
        return replace(self, operations=(*self.operations, lambda stream: filter(condition, stream)))

    def shuffle(self, seed: int = 0) -> "IngestedDataset":
        """The items in another order: parts at random, and in each window of some tens of MB the items."""
        return replace(self, order=seed)

    def split(self, *fractions: float, shuffle: bool = False, seed: int = 0) -> tuple["IngestedDataset", ...]:
        """Whole trajectories divided among several datasets.

        Args:
            fractions: The share of each, which make 1 together.
            shuffle: Whether trajectories are drawn at random; else they go in order.
            seed: Decides the draws.

        Raises:
            SettingsError: The fractions are no shares of a whole.
        """
        if not fractions or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
            raise SettingsError(f"fractions must be >= 0 and make 1 together, got {fractions}")
        indices = self.dataset.episodes().select("episode_index").collect().to_series().to_numpy()
        if shuffle:
            indices = rng_for(seed, "split").permutation(indices)
        cuts = np.round(np.cumsum((0, *fractions)) * len(indices)).astype(int)
        chosen = [sorted(indices[start:stop].tolist()) for start, stop in pairwise(cuts)]
        return tuple(replace(self, dataset=self._of(some)) for some in chosen)

    def _of(self, episodes: list[int]) -> Dataset:
        return self.dataset.select(episodes) if episodes else self.dataset.select(where="length < 0")

    # ---- questions -----------------------------------------------------------------------------------------

    def load(self, desired_frequency: float | None = None) -> "Trajectories":
        """The trajectories as nested dicts of arrays (T, ...), each read when it is asked for.

        Args:
            desired_frequency: Steps a second to resample to; see `Dataset.resample`. None is as they are.

        Raises:
            SettingsError: After `map` or `filter`, which make other items than the stored ones.
        """
        if self.operations:
            raise SettingsError("load gives what is stored; call it before map and filter, or go through iter_rows")
        dataset = self.dataset if desired_frequency is None else self.dataset.resample(desired_frequency)
        return Trajectories(dataset)

    def schema(self) -> dict[str, str]:
        """Path -> what it is, such as "float32 (7,)" or "text"; after `map`, that of the first item."""
        if not self.operations:
            columns = {path_of(column.name): f"{column.dtype} {column.shape}" for column in self.header.steps}
            first = self.peek()
            return {
                **columns,
                **{p: kind for p, kind in _kinds(first).items() if p not in columns and p != "timestamp"},
            }
        return _kinds(self.peek())

    def get_stats(self) -> dict[str, Any]:
        """How many items, trajectories and steps there are, and for every column mean, std, min and max.

        Those are arrays, one number for each component; of pictures one for each channel. Reads everything once.
        """
        source = next((dict(source) for source in self.header.sources if "items" in source), {})
        return {
            "item": self.item,
            "total_items": self.count(),
            "trajectories": len(self.dataset),
            "steps": self.dataset.num_steps,
            "items_ingested": source.get("items"),
            "left_out": dict(source.get("left_out", {})),
            "columns": statistics.of_columns(self.dataset),
        }

    def left_out(self) -> pl.DataFrame:
        """The items that are not stored: number, trajectory, problem, reason, metadata."""
        if self.path is None:
            raise SettingsError("a part of a dataset does not know what was left out; ask the whole one")
        folder = Folder(self.path)
        names = folder.names(LEFT_OUT_FOLDER)
        frames = [pl.from_arrow(pq.read_table(folder.open(LEFT_OUT_FOLDER, name))) for name in names]
        empty = pl.from_arrow(LEFT_OUT.empty_table())
        return pl.concat([empty, *frames]).sort("item")  # pyright: ignore

    def __repr__(self) -> str:
        changed = f", {len(self.operations)} operations" if self.operations else ""
        return f"IngestedDataset({self.dataset!r}, item={self.item!r}{changed})"


def _owned(item: Item) -> Item:
    """The item with arrays of its own."""
    return items.nested({p: v.copy() if isinstance(v, np.ndarray) else v for p, v in items.leaves(item).items()})


def _kinds(item: Item | None) -> dict[str, str]:
    values = flat(item) if item else {}
    return {path: _kind(value) for path, value in values.items()}


def _kind(value: Any) -> str:
    if isinstance(value, Odd):
        return "text" if isinstance(value.value, str) else "json"
    return f"{value.dtype.name} {value.shape}"
