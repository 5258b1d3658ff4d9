"""One episode as a nested dict, as it would lie in HDF5: what a user's augmentation is given."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.batch import Batch
from trajloom.episode import episode_rows
from trajloom.pipeline.values import array_of
from trajloom.schema import LINEAGE, Header, is_own_step, path_of
from trajloom.tables import Array, Rest, nested, rest_rows

LINEAGE_GROUP = "trajloom"
"""Group of an episode in which its lineage lies, as in the files that we export."""
FACTS = ("success", "seed", "task")
"""Columns of `episodes` that are also attributes."""

Key = tuple[int, ...]
"""What chance depends on: the number of an episode, and of each list that it came out of its place in it."""


@dataclass(frozen=True)
class Context:
    """What is true of the dataset that an episode is of."""

    header: Header
    models: Mapping[str, str] = field(default_factory=dict)
    rest: tuple[Rest, ...] = ()
    """Rows of `rest` of the file itself."""


@dataclass(frozen=True)
class Origin:
    """What an episode is beside its arrays."""

    row: Mapping[str, Any]
    """Its row of `episodes`, without data columns."""
    attrs: Mapping[str, Mapping[str, Any]]
    """Path in the episode -> its attributes, typed; "" is the episode itself."""
    context: Context
    rest: tuple[Rest, ...] = ()
    """Rows of `rest` that have no value in Python."""
    decoded: Mapping[str, tuple[Any, Rest]] = field(default_factory=dict)
    """Path -> its value, and the row of `rest` that it came from."""
    timestamps: pa.Array | pa.ChunkedArray | None = None
    """Of its steps, where the control rate does not say them."""


class Trajectory(dict[str, Any]):
    """One episode: groups are dicts, datasets arrays. `attrs` are its attributes, which `copy` keeps.

    A plain dict that a local augmentation returns has the attributes of what it was given.
    """

    def __init__(
        self, values: Mapping[str, Any] | None = None, *, attrs: Mapping[str, Any] | None = None,
        origin: Origin | None = None,
    ):  # fmt: skip
        super().__init__(values or {})
        self.attrs: dict[str, Any] = dict(attrs or {})
        """Name -> plain value; `success`, `seed` and `task` are those of the table `episodes`."""
        self.origin = origin

    @property
    def name(self) -> str | None:
        """What the episode is called ("demo_7"); None where it is new."""
        return None if self.origin is None else self.origin.row["name"]

    @property
    def model(self) -> str | None:
        """The XML of its model; None where it has none."""
        sha = None if self.origin is None else self.origin.row["model"]
        return None if self.origin is None or sha is None else self.origin.context.models.get(sha)

    def copy(self) -> "Trajectory":
        """Another dict with the same values and attributes; groups within are shared, as in any dict's `copy`."""
        return Trajectory(self, attrs=self.attrs, origin=self.origin)


def plain_attrs(row: Mapping[str, Any], typed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes of an episode as plain values; a model XML is not among them."""
    found = {name: _plain(attr) for name, attr in typed.get("", {}).items() if "value" in attr}
    return {**found, **{name: row[name] for name in FACTS if row[name] is not None}}


def _plain(attr: Mapping[str, Any]) -> Any:
    """An attribute's value: one of several numbers is an array."""
    value = attr["value"]
    return (
        np.array(value, attr["dtype"]).reshape(attr["shape"]) if attr.get("shape") and "<" in attr["dtype"] else value
    )


def unpack(batch: Batch, *, writable: bool = True) -> list[Trajectory]:
    """The episodes of a batch, in order.

    Args:
        batch: Some episodes.
        writable: Whether arrays are copies that may be changed in place; else they are views that may not.
    """
    context = Context(batch.header, batch.models)
    columns = {path: _by_episode(batch, name) for name, path in _paths(batch.header).items()}
    rest: dict[int, list[Rest]] = {}
    for row in rest_rows(batch.rest):
        if row.episode_index is not None:
            rest.setdefault(row.episode_index, []).append(row)
    timed = batch.header.control_hz is None and batch.steps.column("timestamp").null_count < batch.steps.num_rows
    made = []
    for at, row in enumerate(episode_rows(batch.episodes, batch.header)):
        found: dict[str, Any] = {path: values[at] for path, values in columns.items() if values[at] is not None}
        if writable:
            found = {path: values.copy() for path, values in found.items()}
        once = {column.name for column in batch.header.episodes}
        found.update({path_of(name): row.pop(name) for name in once & set(row)})
        origin = _origin(row, rest.get(row["episode_index"], ()), context)
        if timed:
            span = batch.steps.column("timestamp").slice(batch.starts[at], row["length"])
            origin = Origin(**{**vars(origin), "timestamps": span})
        found.update({path: value for path, (value, _) in origin.decoded.items()})
        made.append(Trajectory(nested(found), attrs=plain_attrs(row, origin.attrs), origin=origin))
    return made


def _paths(header: Header) -> dict[str, str]:
    """Column of `steps` -> its path in the episode."""
    data = {column.name: path_of(column.name) for column in header.steps}
    return {f"{kind}/{eef}": f"{LINEAGE_GROUP}/{kind}/{eef}" for eef in header.eefs for kind in LINEAGE} | data


def _by_episode(batch: Batch, name: str) -> Sequence[Array | None]:
    """A column's values in each episode; None in those that lack it."""
    values = batch.steps.column(name)
    if is_own_step(name):
        array, there = values.fill_null(-1).to_numpy(), ~values.is_null().to_numpy()
    else:
        array, there = batch.array(name), None if not values.null_count else batch.has(name)
    starts = batch.starts
    spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    if there is None:
        return [array[a:b] for a, b in spans]
    return [array[a:b] if there[a:b].any() else None for a, b in spans]


def _origin(row: Mapping[str, Any], rest: Sequence[Rest], context: Context) -> Origin:
    attrs = json.loads(row["attrs"] or "{}")
    pieces: dict[str, int] = {}
    for piece in rest:
        pieces[piece.path] = pieces.get(piece.path, 0) + 1
    decoded, kept = {}, []
    for piece in rest:
        value = array_of(piece, context.header) if pieces[piece.path] == 1 else None
        if value is None:
            kept.append(piece)
        else:
            decoded[piece.path] = (value, piece)
    return Origin(dict(row), attrs, context, tuple(kept), decoded)
