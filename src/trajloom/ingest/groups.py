"""The items of each trajectory, and the trajectories of each part, as they are needed."""

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trajloom.ingest.adapters import Adapter
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.interface import DataIngestionInterface, overrides
from trajloom.ingest.values import nbytes
from trajloom.seeding import rng_for

UNIT_BYTES = 16 << 20
"""Bytes of the items of a part, as they come or as they are stored."""
UNIT_ITEMS = 10_000
FIRST_ITEMS = 16
"""Items of the first parts where something is computed of each; after every four, parts hold twice as many."""

Numbered = tuple[int, Any]
"""Number of an item in its source, and the item."""


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
    """Of the items of the first part, as they came."""
    ungrouped: list[int] = field(default_factory=list)

    def units(self) -> Iterator[Unit]:
        """The parts, in order."""
        pending: list[Group] = []
        number = 0
        for group in self.groups():
            pending.append(group)
            full = sum(len(g.items) for g in pending) >= self.sizes.items_of(number)
            if full and len(pending) % self.config.batch_size == 0:
                yield self._unit(number, pending)
                pending, number = [], number + 1
        if pending or self.ungrouped:
            yield self._unit(number, pending)

    def _unit(self, number: int, groups: Sequence[Group]) -> Unit:
        if number == 0:
            self.raw_bytes = sum(nbytes(item) for group in groups for item in group.items)
        return Unit(number, groups, self.ungrouped)

    def groups(self) -> Iterator[Group]:
        """The trajectories, in order, with different names."""
        names: set[str] = set()
        named = names_itself(self.ingester)
        for index, numbered in enumerate(self._split()):
            items = [item for _, item in numbered]
            self.items += len(items)
            if named:
                name = _unique(str(self.ingester.get_trajectory_filename(items, index)), names)
            else:
                name = f"{self.config.trajectory_prefix}_{index:06d}"
            yield Group(index, name, items, [number for number, _ in numbered])

    def _split(self) -> Iterator[Sequence[Numbered]]:
        most = self.config.max_items_per_trajectory
        for numbered in self._grouped():
            size = most or len(numbered)
            yield from (numbered[start : start + size] for start in range(0, len(numbered), size))

    def _grouped(self) -> Iterator[Sequence[Numbered]]:
        numbered = self._numbered()
        if isinstance(self.ingester, Adapter) and "group_items_into_trajectories" not in _own(self.ingester):
            while group := list(itertools.islice(numbered, self.ingester.group_size)):
                yield group
        elif not overrides(self.ingester, "group_items_into_trajectories"):
            yield from ([pair] for pair in numbered)
        else:
            yield from self._grouped_by_hand(list(numbered))

    def _grouped_by_hand(self, numbered: Sequence[Numbered]) -> Iterator[Sequence[Numbered]]:
        """As the ingester groups them, which is told items alone: their numbers are found again by identity."""
        where: dict[int, deque[int]] = defaultdict(deque)
        for number, item in numbered:
            where[id(item)].append(number)
        for group in self.ingester.group_items_into_trajectories([item for _, item in numbered]):
            items = list(group)
            if items:
                yield [(_number(where, item), item) for item in items]
        self.ungrouped = sorted(number for left in where.values() for number in left)

    def _numbered(self) -> Iterator[Numbered]:
        items = self.ingester.get_data_items()
        most = self.config.max_items
        if hasattr(items, "__len__") and hasattr(items, "__getitem__"):
            count = len(items)  # pyright: ignore
            self.total = count if most is None else min(count, most)
        if self.config.shuffle_items:
            return iter(_shuffled(items, self.total, self.config))
        return itertools.islice(enumerate(items), most)


def _own(adapter: Adapter) -> Iterable[str]:
    """What a subclass of an adapter defines itself."""
    return {name for kind in type(adapter).__mro__ if kind.__module__ != Adapter.__module__ for name in vars(kind)}


def names_itself(ingester: DataIngestionInterface) -> bool:
    """Whether a source gives its trajectories names of its own."""
    if isinstance(ingester, Adapter) and "get_trajectory_filename" not in _own(ingester):
        return ingester.trajectory_name_fn is not None
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


def _shuffled(items: Any, total: int | None, config: IngestionConfig) -> Iterator[Numbered]:
    rng = rng_for(config.seed, "shuffle items")
    if total is not None:
        for number in rng.permutation(len(items))[:total].tolist():
            yield number, items[number]
        return
    held: list[Numbered] = []
    for pair in itertools.islice(enumerate(items), config.max_items):
        held.append(pair)
        if len(held) > config.shuffle_buffer:
            at = int(rng.integers(len(held)))
            held[at], held[-1] = held[-1], held[at]
            yield held.pop()
    for at in rng.permutation(len(held)).tolist():
        yield held[at]
