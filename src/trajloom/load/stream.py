"""Training batches one after another: shuffled over everything, shared among ranks and workers, resumed exactly."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Literal

import numpy as np

from trajloom.errors import SettingsError
from trajloom.load import chance, items
from trajloom.load.dataset import TrajectoryDataset
from trajloom.load.order import Blocks, Order, Shuffled, Straight
from trajloom.tables import Array

Shuffle = Literal["all", "blocks"] | None
"""A random permutation of all items; blocks of neighbours, some mixed at a time, for disks that read single items
slowly; or one after the other."""
Even = Literal["drop", "repeat"] | None
"""How all ranks get as many batches, all of them full: some items are left out, or taken twice. None does neither."""
AHEAD = 1 << 16
"""Items that are looked up at a time: fewer at first, for the first batch to come soon, then as many."""


class TrajectoryStream:
    """Batches of a `TrajectoryDataset`, an iterable that PyTorch takes for an `IterableDataset`.

    The order depends on seed and epoch alone. Batch g of it goes to rank g modulo the number of ranks, and of a rank's
    batches each worker of a `DataLoader` makes every n-th, so that nothing comes twice and any number of workers gives
    the same sequence. Give it to a `DataLoader` with `batch_size=None`, or use `loader`, which knows where it stands.

    >>> stream = TrajectoryStream(dataset, batch_size=256, seed=1)  # doctest: +SKIP
    >>> for batch in stream.loader(num_workers=2): ...  # doctest: +SKIP
    """

    def __init__(
        self, dataset: TrajectoryDataset, batch_size: int = 256, *, shuffle: Shuffle = "all", seed: int = 0,
        even: Even = None, rank: int | None = None, world: int | None = None, block: int = 1024, mixed: int = 64,
    ):  # fmt: skip
        """
        Args:
            dataset: Says what an item is, and whether batches are tensors or arrays.
            batch_size: Items of a batch; the last one may have fewer, unless `even` is set.
            shuffle: "all" is a true permutation of all items and takes no memory; "blocks" reads in runs.
            seed: Decides the order, with the epoch.
            even: Whether all ranks get as many batches, by leaving items out or taking some twice.
            rank: Number of this process among those that train together; None asks `torch.distributed`.
            world: How many train together.
            block: For "blocks": neighbours that stay together on the disk.
            mixed: For "blocks": how many blocks are mixed at a time.
        """
        if shuffle not in ("all", "blocks", None):
            raise SettingsError(f"shuffle must be 'all', 'blocks' or None, got {shuffle!r}")
        if even not in ("drop", "repeat", None):
            raise SettingsError(f"even must be 'drop', 'repeat' or None, got {even!r}")
        if min(batch_size, block, mixed) < 1:
            raise SettingsError(f"batch_size, block and mixed must be at least 1, got {batch_size}, {block}, {mixed}")
        self.dataset, self.batch_size, self.shuffle, self.seed, self.even = dataset, batch_size, shuffle, seed, even
        self.rank, self.world = _place(rank, world)
        self._block, self._mixed = block, mixed
        self.epoch, self._next = 0, 0
        if dataset.arrays == "torch":
            _known_to_torch()

    def __len__(self) -> int:
        """Batches of an epoch, for this rank."""
        return max(0, -(-(self._batches - self.rank) // self.world))

    @property
    def _batches(self) -> int:
        """Batches of an epoch, for all ranks."""
        count, share = len(self.dataset), self.batch_size * self.world
        if self.even == "drop":
            return count // share * self.world
        if self.even == "repeat":
            return -(-count // share) * self.world
        return -(-count // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches of the epoch that are left; afterwards begins the next epoch."""
        worker, workers = _worker()
        mine = range(self._next + worker, len(self), workers)
        for ahead in _growing(mine, max(1, AHEAD // self.batch_size)):
            for number, numbers in zip(ahead, self._items(ahead), strict=True):
                if workers == 1:
                    self._next = number + 1
                yield self.dataset.gather(numbers, epoch=self.epoch)
        self.set_epoch(self.epoch + 1)

    def _items(self, batches: range) -> list[Array]:
        """Numbers of the items of some of this rank's batches."""
        count = len(self.dataset)
        starts = (np.array(batches) * self.world + self.rank) * self.batch_size
        sizes = np.full(len(starts), self.batch_size)
        if self.even != "repeat":
            sizes = np.minimum(sizes, count - starts)
        places = np.concatenate([np.arange(a, a + n) for a, n in zip(starts, sizes, strict=True)])
        return np.split(self._order.of(places % count), np.cumsum(sizes)[:-1])

    @property
    def _order(self) -> Order:
        count = len(self.dataset)
        if self.shuffle == "blocks":
            return Blocks(count, self.seed, self.epoch, self._block, self._mixed)
        if self.shuffle == "all":
            return Shuffled(count, chance.key_of(self.seed, "order", self.epoch))
        return Straight(count)

    # ---- where it stands ---------------------------------------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: another order, and other draws, of the same items."""
        self.epoch, self._next = epoch, 0

    def advance(self) -> None:
        """Count a batch that workers made and the training got."""
        self._next += 1

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: after the last batch that was handed out in this process."""
        return {"epoch": self.epoch, "batch": self._next, "stream": self.identity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another stood; SettingsError where that had another dataset, order, batch size or ranks."""
        if state.get("stream") != self.identity:
            raise SettingsError(
                f"this state is of another stream: {state.get('stream')!r}, and here is {self.identity!r}; dataset, "
                "windows, shuffle, seed, batch_size, even and world must be the same (the number of workers need not)"
            )
        self.epoch, self._next = state["epoch"], state["batch"]

    @property
    def identity(self) -> str:
        """A hash of all that decides the sequence of batches."""
        blocks = (self._block, self._mixed) if self.shuffle == "blocks" else ()
        told = (self.dataset.identity, self.batch_size, self.shuffle, self.seed, self.even, self.world, blocks)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def loader(self, num_workers: int = 0, **settings: Any) -> "StreamLoader":
        """A `DataLoader` over it that knows which batches the training got, and so can be resumed.

        Args:
            num_workers: Processes that make batches.
            settings: More settings of the `DataLoader`: `pin_memory`, `prefetch_factor`, ...
        """
        return StreamLoader(self, num_workers, settings)

    def __repr__(self) -> str:
        of = f"rank {self.rank} of {self.world}, " if self.world > 1 else ""
        return f"TrajectoryStream({self.dataset!r}, {of}{len(self)} batches of {self.batch_size}, epoch {self.epoch})"


class StreamLoader:
    """Batches of a stream, made by workers; its state is that of what was handed out, not of what was prefetched."""

    def __init__(self, stream: TrajectoryStream, num_workers: int, settings: Mapping[str, Any]):
        if settings.get("persistent_workers"):
            raise SettingsError("workers that persist would not hear where a stream is resumed; leave them to end")
        self.stream, self.num_workers = stream, num_workers
        data = items.torch().utils.data
        plain = {"batch_size": None, "num_workers": num_workers, "collate_fn": _as_it_is}
        self._loader = data.DataLoader(stream, **{**plain, **settings})

    def __len__(self) -> int:
        return len(self.stream)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._loader:
            if self.num_workers:
                self.stream.advance()
            yield batch
        if self.num_workers:
            self.stream.set_epoch(self.stream.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """See `TrajectoryStream.set_epoch`."""
        self.stream.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """See `TrajectoryStream.state_dict`."""
        return self.stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `TrajectoryStream.load_state_dict`."""
        self.stream.load_state_dict(state)


def _growing(numbers: range, most: int) -> Iterator[range]:
    """The numbers in pieces, each four times as long as the one before, up to a length."""
    start, size = 0, min(16, most)
    while start < len(numbers):
        yield numbers[start : start + size]
        start, size = start + size, min(4 * size, most)


def _as_it_is(batch: Any) -> Any:
    return batch


def _worker() -> tuple[int, int]:
    """Number of this process among a `DataLoader`'s workers, and how many they are."""
    if sys.modules.get("torch") is None:
        return 0, 1
    info = items.torch().utils.data.get_worker_info()
    return (0, 1) if info is None else (info.id, info.num_workers)


def _place(rank: int | None, world: int | None) -> tuple[int, int]:
    """Rank and world as told, or as `torch.distributed` knows them."""
    if (rank is None) != (world is None):
        raise SettingsError(f"rank and world belong together, got rank={rank}, world={world}")
    if rank is None or world is None:
        if sys.modules.get("torch") is None:
            return 0, 1
        distributed = items.torch().distributed
        on = distributed.is_available() and distributed.is_initialized()
        return (distributed.get_rank(), distributed.get_world_size()) if on else (0, 1)
    if not 0 <= rank < world:
        raise SettingsError(f"rank must be in [0, {world}), got {rank}")
    return rank, world


@cache
def _known_to_torch() -> None:
    """Have PyTorch take a stream for an IterableDataset, which it need not inherit from."""
    items.torch().utils.data.IterableDataset.register(TrajectoryStream)
