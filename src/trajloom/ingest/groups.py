"""The items of each trajectory, and the trajectories of each part, as they are needed."""

import itertools
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trajloom.ingest.adapters import Adapter
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.interface import DataIngestionInterface, overrides
from trajloom.ingest.owned import owned
from trajloom.ingest.values import nbytes
from trajloom.seeding import rng_for

UNIT_BYTES = 16 << 20
"""Bytes of the items of a part, as they come or as they are stored."""
UNIT_ITEMS = 10_000
FIRST_ITEMS = 16
"""Items of the first parts where something is computed of each; after every four, parts hold twice as many."""

Grouped = tuple[Sequence[Any], Sequence[int]]
"""The items of a trajectory, and their numbers in the source."""


@dataclass(frozen=True)
class Group:
    """The items of one trajectory."""

    index: int
    name: str
    items: Sequence[Any]
    numbers: Sequence[int]
    """Which items of the source they are."""


@dataclass(frozen=True)
class Unit:
    """The trajectories of one part."""

    number: int
    groups: Sequence[Group]
    ungrouped: Sequence[int] = ()
    """Numbers of items that the ingester put into no trajectory."""


@dataclass
class Sizes:
    """How many items a part takes: a function of the items alone, so that parts are the same however it is run."""

    computes: bool
    """Whether something is computed of each item, which may take long."""
    item_bytes: int | None = None
    """Of one item, once the first part is made."""

    def items_of(self, unit: int) -> int:
        if unit == 0 or self.item_bytes is None:
            return FIRST_ITEMS
        most = max(1, min(UNIT_ITEMS, UNIT_BYTES // max(self.item_bytes, 1)))
        return min(most, FIRST_ITEMS << min(unit // 4, 20)) if self.computes else most


@dataclass
class Stream:
    """Draws items from a source and groups them; it can be gone through once."""

    ingester: DataIngestionInterface
    config: IngestionConfig
    sizes: Sizes
    items: int = 0
    """How many were drawn."""
    total: int | None = None
    """How many there are, where the source says it."""
    raw_bytes: int = 0
    """Of the items of a part, as they came, as long as their size is not known."""
    ungrouped: list[int] = field(default_factory=list)

    def units(self) -> Iterator[Unit]:
        """The parts, in order."""
        pending: list[Group] = []
        number = items = 0
        for group in self.groups():
            pending.append(group)
            items += len(group.items)
            if items >= self.sizes.items_of(number) and len(pending) % self.config.batch_size == 0:
                yield self._unit(number, pending)
                pending, number, items = [], number + 1, 0
        if pending or self.ungrouped:
            yield self._unit(number, pending)

    def _unit(self, number: int, groups: Sequence[Group]) -> Unit:
        if self.sizes.item_bytes is None:
            self.raw_bytes = sum(nbytes(item) for group in groups for item in group.items)
        return Unit(number, groups, self.ungrouped)

    def groups(self) -> Iterator[Group]:
        """The trajectories, in order, with different names."""
        names: set[str] = set()
        named = names_itself(self.ingester)
        for index, (items, numbers) in enumerate(self._split()):
            self.items += len(items)
            if named:
                name = _unique(str(self.ingester.get_trajectory_filename(items, index)), names)
            else:
                name = f"{self.config.trajectory_prefix}_{index:06d}"
            yield Group(index, name, items, numbers)

    def _split(self) -> Iterator[Grouped]:
        most = self.config.max_items_per_trajectory
        for items, numbers in self._grouped():
            size = most or len(items)
            for start in range(0, len(items), size):
                yield items[start : start + size], numbers[start : start + size]

    def _grouped(self) -> Iterator[Grouped]:
        if not groups_itself(self.ingester):
            size = self.ingester.group_size if isinstance(self.ingester, Adapter) else 1
            return self._in_groups_of(size)
        items, numbers = self._ordered()
        items = list(items)
        return self._grouped_by_hand(items, list(itertools.islice(numbers, len(items))))

    def _in_groups_of(self, size: int) -> Iterator[Grouped]:
        items, numbers = self._ordered()
        while group := list(itertools.islice(items, size)):
            yield group, list(itertools.islice(numbers, len(group)))

    def _grouped_by_hand(self, items: Sequence[Any], numbers: Sequence[int]) -> Iterator[Grouped]:
        """As the ingester groups them, which is told items alone: their numbers are found again by identity."""
        where: dict[int, deque[int]] = defaultdict(deque)
        for number, item in zip(numbers, items, strict=True):
            where[id(item)].append(number)
        for group in self.ingester.group_items_into_trajectories(items):
            some = list(group)
            if some:
                yield some, [_number(where, item) for item in some]
        self.ungrouped = sorted(number for left in where.values() for number in left)

    def _ordered(self) -> tuple[Iterator[Any], Iterator[int]]:
        """The items, and their numbers beside them."""
        items = self.ingester.get_data_items()
        most = self.config.max_items
        if hasattr(items, "__len__") and hasattr(items, "__getitem__"):
            count = len(items)  # pyright: ignore
            self.total = count if most is None else min(count, most)
        # elements of a list stay what they are; anything else may hand out the same buffer again
        keep = _as_it_is if isinstance(items, list | tuple | range) else owned
        if not self.config.shuffle_items:
            return map(keep, itertools.islice(items, most)), itertools.count()
        pairs, again = itertools.tee(_shuffled(items, self.total, self.config, keep))
        return (item for _, item in pairs), (number for number, _ in again)


def groups_itself(ingester: DataIngestionInterface) -> bool:
    """Whether a source has a way of its own to group items."""
    own = type(ingester).group_items_into_trajectories
    return own not in (
        Adapter.group_items_into_trajectories,
        DataIngestionInterface.group_items_into_trajectories,
    )


def names_itself(ingester: DataIngestionInterface) -> bool:
    """Whether a source gives its trajectories names of its own."""
    if type(ingester).get_trajectory_filename is Adapter.get_trajectory_filename:
        return ingester.trajectory_name_fn is not None  # pyright: ignore
    return overrides(ingester, "get_trajectory_filename")


def _unique(name: str, names: set[str]) -> str:
    """The name, or the first of `name_2`, `name_3`, ... that is not taken."""
    tried = (name if n == 1 else f"{name}_{n}" for n in itertools.count(1))
    free = next(n for n in tried if n not in names)
    names.add(free)
    return free


def _number(where: dict[int, deque[int]], item: Any) -> int:
    """The number of an item; -1 of one that the ingester made up while it grouped, or gave twice."""
    return where[id(item)].popleft() if where.get(id(item)) else -1


def _as_it_is(item: Any) -> Any:
    return item


def _shuffled(
    items: Any, total: int | None, config: IngestionConfig, keep: Callable[[Any], Any]
) -> Iterator[tuple[int, Any]]:
    rng = rng_for(config.seed, "shuffle items")
    if total is not None:
        for number in rng.permutation(len(items))[:total].tolist():
            yield number, keep(items[number])
        return
    held: list[tuple[int, Any]] = []
    for number, item in itertools.islice(enumerate(items), config.max_items):
        held.append((number, keep(item)))
        if len(held) > config.shuffle_buffer:
            at = int(rng.integers(len(held)))
            held[at], held[-1] = held[-1], held[at]
            yield held.pop()
    for at in rng.permutation(len(held)).tolist():
        yield held[at]
