"""What a loader hands out: a batch that was gathered as a whole, and that collates to itself."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, overload

from trajloom.errors import MissingExtraError


class Item(dict[str, Any]):
    """One item: a nested dict of arrays or tensors."""


class Gathered(Sequence[Item]):
    """A batch as PyTorch's `__getitems__` returns it: a sequence of items, each a view, and the whole batch at once.

    `torch.utils.data.default_collate` gives `whole`, untouched; any other collate function sees a list of items.
    """

    def __init__(self, whole: dict[str, Any], length: int):
        self.whole, self._length = whole, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> list[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | list[Item]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(self._length))]
        if not -self._length <= at < self._length:
            raise IndexError(f"there are {self._length} items; none is number {at}")
        return Item(_at(self.whole, at))

    def __iter__(self) -> Iterator[Item]:
        return (self[i] for i in range(self._length))


def _at(tree: dict[str, Any], at: int) -> dict[str, Any]:
    return {key: _at(value, at) if isinstance(value, dict) else value[at] for key, value in tree.items()}


def collate(items: Sequence[Any], *, collate_fn_map: Any = None) -> Any:
    """A batch of items: one that was gathered as a whole as it is, any other put together as PyTorch does."""
    if isinstance(items, Gathered):
        return items.whole
    from torch.utils.data import default_collate

    return default_collate([dict(item) for item in items])


@cache
def torch() -> Any:
    """PyTorch, told how our batches collate; MissingExtraError where it is not installed."""
    try:
        import torch as library
        from torch.utils.data._utils.collate import default_collate_fn_map
    except ImportError as error:
        raise MissingExtraError("loading tensors", "train", str(error)) from error
    default_collate_fn_map[Item] = collate
    return library
