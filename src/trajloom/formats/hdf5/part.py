"""Reading a range of a file's demonstrations as tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError, SchemaError
from trajloom.formats.hdf5.attrs import Typed, read_attrs, value_of
from trajloom.formats.hdf5.columns import ABSENT, Plan
from trajloom.formats.hdf5.demo import OpenDemo
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.models import digest, is_xml, model_of
from trajloom.formats.hdf5.rest import BATCH_BYTES, Extras, attrs_at, rest_of
from trajloom.schema import Header
from trajloom.tables import Array, Rest, episodes_table, rest_batch, steps_rows

ROOM = "//"
"""Key of an episode's `attrs` that is no path: what else its group needs to come back as it was."""


@dataclass(frozen=True)
class Hdf5Part:
    """A range of whole demonstrations. Implements `formats.Part`; can be sent to another process."""

    path: str
    stamp: tuple[int, int]
    """Size and time of the file when it was scanned."""
    header: Header
    indices: Array
    """`episode_index` of each demonstration."""
    names: tuple[str, ...]
    lengths: Array
    plans: tuple[Plan, ...]
    num_samples: tuple[int | None, ...]
    splits: Mapping[str, Sequence[str]]
    folder: str = "data"
    """Group in which the demonstrations lie; "" is the file's root."""
    seeds: bool = False
    """Whether the demonstrations' attribute `seed` is their seed."""
    tasks: bool = False
    """Whether the demonstrations' attribute `task` is their task."""
    task: str | None = None
    """The task of all of them, where the file says it."""
    outcome: str | None = None
    """Data column of `episodes` that says whether an episode succeeded."""
    rest_paths: Mapping[int, Sequence[str]] = field(default_factory=dict)
    empty_groups: Mapping[int, Sequence[str]] = field(default_factory=dict)
    others: Mapping[int, Sequence[tuple[str, str, bytes]]] = field(default_factory=dict)
    with_attrs: Mapping[int, Sequence[str]] = field(default_factory=dict)
    storage: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    extras: Extras | None = None
    ledger: pa.Table | None = None
    """Rows of `attempts` that belong to this range."""

    @property
    def num_episodes(self) -> int:
        return len(self.names)

    @property
    def num_steps(self) -> int:
        return int(self.lengths.sum())

    def _inside(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def _demo(self, file: Hdf5File, episode: int) -> OpenDemo:
        return OpenDemo(file, self.path, self._inside(self.names[episode]), episode, int(self.lengths[episode]))

    def attempts(self) -> pa.Table:
        return self.header.schema_of("attempts").empty_table() if self.ledger is None else self.ledger

    # ---- steps -------------------------------------------------------------------------------------------------

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        plans = [plan for plan in self.plans if plan.table != "episodes"]
        if columns is not None:
            unknown = [name for name in columns if name not in self.header.steps_schema.names]
            if unknown:
                there = ", ".join(self.header.steps_schema.names)
                raise SchemaError(f"{self.path} has no columns {', '.join(unknown)}; there are: {there}")
            plans = [plan for plan in plans if plan.column.name in columns]
        with Hdf5File(self.path, self.stamp) as file:
            for first, last in self._runs(plans):
                for batch in self._run_batches(file, plans, first, last):
                    yield batch if columns is None else batch.select(list(columns))

    def _runs(self, plans: Sequence[Plan]) -> Iterator[tuple[int, int]]:
        """Ranges of episodes that have the same columns and fit in one batch; a longer episode comes alone."""
        row_bytes = 20 + sum(plan.column.nbytes for plan in plans)
        presence = np.array([plan.where != ABSENT for plan in plans], dtype=bool).reshape(len(plans), len(self.names))
        keys = [presence[:, i].tobytes() for i in range(len(self.names))]
        first, rows = -1, 0
        for i, length in enumerate(self.lengths.tolist()):
            if not length:
                continue
            if first >= 0 and (keys[i] != keys[first] or (rows + length) * row_bytes > BATCH_BYTES):
                yield first, i
                first = -1
            if first < 0:
                first, rows = i, 0
            rows += length
        if first >= 0:
            yield first, len(self.names)

    def _run_batches(self, file: Hdf5File, plans: Sequence[Plan], first: int, last: int) -> Iterator[pa.RecordBatch]:
        plans = [plan for plan in plans if plan.where[first] != ABSENT]
        chosen = np.flatnonzero(self.lengths[first:last]) + first
        most = max(1, BATCH_BYTES // (20 + sum(plan.column.nbytes for plan in plans)))
        if len(chosen) > 1 or self.lengths[chosen].sum() <= most:
            yield self._together(file, plans, chosen)
        else:
            yield from self._in_slices(file, plans, int(chosen[0]), most)

    def _together(self, file: Hdf5File, plans: Sequence[Plan], chosen: Array) -> pa.RecordBatch:
        lengths = self.lengths[chosen]
        ends = np.cumsum(lengths)
        starts, rows = ends - lengths, int(ends[-1])
        buffers = [np.empty((rows, *plan.column.shape), dtype=plan.column.dtype) for plan in plans]
        flat = [buffer.reshape(rows, -1).view(np.uint8) for buffer in buffers]
        for episode, start, end in zip(chosen.tolist(), starts.tolist(), ends.tolist(), strict=True):
            demo = self._demo(file, episode)
            for plan, buffer, raw in zip(plans, buffers, flat, strict=True):
                offset = int(plan.where[episode])
                if offset >= 0:
                    file.read_at(offset, raw[start:end])
                else:
                    demo.read(plan, buffer[start:end])
        frames = np.arange(rows) - np.repeat(starts, lengths)
        return self._batch(plans, buffers, np.repeat(self.indices[chosen], lengths), frames)

    def _in_slices(self, file: Hdf5File, plans: Sequence[Plan], episode: int, most: int) -> Iterator[pa.RecordBatch]:
        demo = self._demo(file, episode)
        reads = [demo.forward(plan) for plan in plans]
        length = demo.length
        for start in range(0, length, most):
            rows = min(most, length - start)
            buffers = [np.empty((rows, *plan.column.shape), dtype=plan.column.dtype) for plan in plans]
            for read, buffer in zip(reads, buffers, strict=True):
                read(start, buffer)
            yield self._batch(plans, buffers, np.full(rows, self.indices[episode]), np.arange(start, start + rows))

    def _batch(self, plans: Sequence[Plan], buffers: Sequence[Array], episodes: Array, frames: Array) -> pa.RecordBatch:
        columns = {plan.column.name: buffer for plan, buffer in zip(plans, buffers, strict=True)}
        actions = columns.get("actions")
        if actions is not None and not is_finite(actions):
            raise DamagedFileError(f"{self.path}: " + self._not_finite())
        return steps_rows(self.header, episodes, frames, columns)

    def _not_finite(self) -> str:
        found = list(self.faults(only_actions=True))
        some = "; ".join(f"{self._inside(name)}/{said}" for name, said in found[:50])
        return f'{some}; the other episodes can be read with on_error="skip"'

    def faults(self, only_actions: bool = False) -> Iterator[tuple[str, str]]:
        """(demonstration, what is wrong with its values): cannot be unpacked, or actions that are not finite."""
        with Hdf5File(self.path, self.stamp) as file:
            for i, name in enumerate(self.names):
                for said in self._demo(file, i).faults(self.plans, self.rest_paths.get(i, ()), only_actions):
                    yield name, said

    # ---- episodes ----------------------------------------------------------------------------------------------

    def episodes(self) -> pa.Table:
        with Hdf5File(self.path, self.stamp) as file:
            return episodes_table(self.header, [self._row(file, i) for i in range(len(self.names))])

    def _row(self, file: Hdf5File, i: int) -> dict[str, Any]:
        demo = self._demo(file, i)
        attrs = self._attrs(demo)
        own = attrs[""]
        xml = model_of(own.get("model_file"), file.folder, f"{file.path}: {demo.where}")
        if xml is not None and is_xml(str(value_of(own["model_file"]))):
            own["model_file"] = {"dtype": own["model_file"]["dtype"], "model": True}
        env_name = (self.header.env_args or {}).get("env_name")
        row = {
            "episode_index": int(self.indices[i]),
            "name": self.names[i],
            "length": demo.length,
            "success": _value(own, "success", bool),
            "seed": _value(own, "seed", int) if self.seeds else None,
            "task": _value(own, "task", str) if self.tasks else env_name if isinstance(env_name, str) else self.task,
            "splits": list(self.splits.get(self.names[i], ())),
            "model": None if xml is None else digest(xml),
            "attrs": json.dumps(attrs, sort_keys=True),
        }
        for plan in self.plans:
            if plan.table == "episodes" and plan.where[i] != ABSENT:
                row[plan.column.name] = values = np.empty(plan.column.shape, dtype=plan.column.dtype)
                demo.read(plan, values)
        found = row.get(self.outcome or "")
        if found is not None and found.dtype == bool and not found.shape:
            row["success"] = bool(found)
        return row

    def _attrs(self, demo: OpenDemo) -> dict[str, dict[str, Any]]:
        i = demo.number
        attrs: dict[str, dict[str, Any]] = {"": read_attrs(demo.group)}
        said = self.num_samples[i]
        if said is not None and said != demo.length:
            # it was wrong in the file: so it stays, as long as the episode stays as it was
            attrs[""]["num_samples"]["length"] = demo.length
        elsewhere = {*self.rest_paths.get(i, ()), *self.empty_groups.get(i, ())}
        for path in self.with_attrs.get(i, ()):
            if path not in elsewhere:
                attrs[path] = attrs_at(demo.file, demo.group, path)
        if i in self.storage:
            attrs[ROOM] = {"storage": self.storage[i]}
        return attrs

    # ---- rest --------------------------------------------------------------------------------------------------

    def rest(self) -> Iterator[pa.RecordBatch]:
        batch: list[Rest] = []
        weight = 0
        for row in self._rest_rows():
            batch.append(row)
            weight += len(row.data or b"") + 200
            if weight > BATCH_BYTES:
                yield rest_batch(batch)
                batch, weight = [], 0
        if batch:
            yield rest_batch(batch)

    def _rest_rows(self) -> Iterator[Rest]:
        with Hdf5File(self.path, self.stamp) as file:
            if self.extras:
                extras = self.extras
                yield from rest_of(file, file.root, extras.datasets, extras.empty_groups, extras.others, None)
            for i, name in enumerate(self.names):
                kept = (self.rest_paths.get(i, ()), self.empty_groups.get(i, ()), self.others.get(i, ()))
                if any(kept):
                    yield from rest_of(file, file.group(self._inside(name)), *kept, int(self.indices[i]))


def is_finite(values: np.ndarray) -> bool:
    """Whether there is no NaN and no infinity."""
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())


def _value(attrs: Mapping[str, Typed], name: str, kind: type) -> Any:
    value = value_of(attrs.get(name))
    return value if type(value) is kind else None
