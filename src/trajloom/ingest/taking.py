"""The items of a part, transformed and checked: those that can be stored, and why the others cannot."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import TrajloomError
from trajloom.ingest.adapters import Adapter, PyTorchDatasetAdapter, as_item
from trajloom.ingest.groups import Group
from trajloom.ingest.interface import DataIngestionInterface, overrides
from trajloom.ingest.owned import owned
from trajloom.seeding import rng_for, seeded_globals

LEFT_OUT = pa.schema(
    [
        pa.field("item", pa.int64(), nullable=False),
        pa.field("trajectory", pa.string()),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
    ]
)
"""One row an item that is not stored: its number in the source, the trajectory that it was for, the problem ("failed":
transform_item raised; "invalid", "empty"; "misfit": not like its trajectory; "ungrouped"), the reason in words, and the
item's metadata as JSON."""


@dataclass(frozen=True)
class LeftOut:
    """An item that is not stored."""

    item: int
    problem: str
    reason: str
    trajectory: str | None = None
    metadata: str = "{}"


@dataclass
class Taken:
    """The items of one trajectory that can be stored, and the others."""

    group: Group
    items: list[Mapping[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def leave(self, number: int, problem: str, reason: str, metadata: Mapping[str, Any] | None = None) -> None:
        """List an item as left out."""
        about = json.dumps(dict(metadata or {}), default=str)
        self.left_out.append(LeftOut(number, problem, reason, self.group.name, about))


def computes(ingester: DataIngestionInterface) -> bool:
    """Whether code of the user's runs for each item; else items are taken as they come."""
    if not isinstance(ingester, Adapter) or isinstance(ingester, PyTorchDatasetAdapter):
        return True
    own = ("validate_transformed_data", "get_item_metadata")
    plain = type(ingester).transform_item is Adapter.transform_item and ingester.transform_fn is None
    return not plain or any(overrides(ingester, method) for method in own)


def gives_its_own(ingester: DataIngestionInterface) -> bool:
    """Whether no two of the dicts that it makes of items can share a buffer which is filled anew."""
    if not isinstance(ingester, Adapter) or ingester.transform_fn is not None:
        return False
    if type(ingester).transform_item is PyTorchDatasetAdapter.transform_item:
        return isinstance(ingester.dataset, list | tuple)  # pyright: ignore[reportAttributeAccessIssue]
    return type(ingester).transform_item is Adapter.transform_item


def take(ingester: DataIngestionInterface, group: Group, seed: int) -> Taken:
    """Transform and check the items of a trajectory, within `own_chance`."""
    if not computes(ingester):
        return _as_they_are(group)
    taken = Taken(group)
    _reseed(seed, group.index)
    for number, item in zip(group.numbers, group.items, strict=True):
        _take(ingester, number, item, taken)
    return taken


@contextmanager
def own_chance(ingester: DataIngestionInterface) -> Iterator[None]:
    """Put the global generators back after the user's code ran, which `take` seeds for each trajectory."""
    with seeded_globals(rng_for(0, "items")) if computes(ingester) else nullcontext():
        yield


def _reseed(seed: int, trajectory: int) -> None:
    number = int(rng_for(seed, "trajectory", trajectory).integers(2**32))
    random.seed(number)
    np.random.seed(number)  # noqa: NPY002  what the user's code draws from


def _as_they_are(group: Group) -> Taken:
    items = group.items if set(map(type, group.items)) == {dict} else [as_item(item) for item in group.items]
    if all(items):
        return Taken(group, list(items), list(group.numbers))
    taken = Taken(group)
    for number, item in zip(group.numbers, items, strict=True):
        if item:
            taken.items.append(item)
            taken.numbers.append(number)
        else:
            taken.leave(number, "empty", "the item is an empty dict")
    return taken


def _take(ingester: DataIngestionInterface, number: int, item: Any, taken: Taken) -> None:
    about: Mapping[str, Any] = {}
    try:
        about = dict(ingester.get_item_metadata(item)) if overrides(ingester, "get_item_metadata") else {}
        data = ingester.transform_item(item)
        data = data if gives_its_own(ingester) else owned(data)
        fault = _fault(ingester, data)
    except Exception as error:  # whatever the user's code raises concerns this item alone
        fault, data = ("failed", _said(error)), {}
    if fault is not None:
        taken.leave(number, *fault, about)
        return
    if about:
        data = {**data, "metadata": {**about, **(data.get("metadata") or {})}}
    taken.items.append(data)
    taken.numbers.append(number)


def _fault(ingester: DataIngestionInterface, data: Any) -> tuple[str, str] | None:
    if data is None or (isinstance(data, Mapping) and not data):
        return "empty", "transform_item returned nothing"
    if not isinstance(data, Mapping):
        return "failed", f"transform_item returned {type(data).__name__} and no dict"
    if not ingester.validate_transformed_data(data):
        return "invalid", "validate_transformed_data said no"
    return None


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, TrajloomError) else f"{type(error).__name__}: {error}"


def left_out_table(rows: Sequence[LeftOut]) -> pa.Table:
    """Rows of LEFT_OUT, in the order of their items."""
    rows = sorted(rows, key=lambda row: row.item)
    return pa.table([[getattr(row, name) for row in rows] for name in LEFT_OUT.names], schema=LEFT_OUT)
