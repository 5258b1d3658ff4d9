"""A dataset without what can be set right safely."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from trajloom import formats
from trajloom.check.checks.action_range import limits
from trajloom.check.examination import Examination
from trajloom.edit.view import PartView
from trajloom.formats import Source
from trajloom.schema import Column, Header
from trajloom.tables import rows_where, to_arrow, to_numpy

SKIPPED = "skipped "
"""How a reader's warning begins of an episode that it left out."""


def counted_anew(source: Source) -> Source:
    """The dataset as its own format repairs it; itself, where that format has nothing to repair."""
    name = source.header.layout.get("format")
    repair = getattr(formats.get(name), "repaired", None) if isinstance(name, str) and name in formats.names() else None
    return source if repair is None else repair(source)


@dataclass(frozen=True)
class Repair:
    """What is done to each part."""

    drop: frozenset[int] = frozenset()
    """Episodes that are left out."""
    retime: frozenset[int] = frozenset()
    """Episodes whose time is computed from `control_hz`."""
    clip: tuple[float, float] | None = None
    """Lowest and highest value of an action."""


@dataclass(frozen=True)
class RepairedSource:
    """A dataset with a repair made as it is read. Implements `formats.Source`."""

    source: Source
    header: Header
    repair: Repair
    unreadable: frozenset[int]
    """Numbers of the parts that are left out."""

    @property
    def path(self) -> str | None:
        """Where the source lies, so that nothing is written over its own input."""
        return getattr(self.source, "path", None)

    def parts(self) -> Sequence["RepairedPart"]:
        kept = [part for number, part in enumerate(self.source.parts()) if number not in self.unreadable]
        return [RepairedPart(part, self.header, self.repair) for part in kept]

    def models(self) -> Mapping[str, str]:
        return self.source.models()


@dataclass(frozen=True)
class RepairedPart(PartView):
    """A part with a repair made as it is read."""

    header: Header
    repair: Repair

    @property
    def num_episodes(self) -> int:
        return self._kept[0]

    @property
    def num_steps(self) -> int:
        return self._kept[1]

    @cached_property
    def _kept(self) -> tuple[int, int]:
        if not self.repair.drop:
            return self.part.num_episodes, self.part.num_steps
        lengths = self.episodes().column("length").to_pylist()
        return len(lengths), sum(lengths)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = list(self.header.steps_schema.names if columns is None else columns)
        for batch in self.part.steps(list(dict.fromkeys([*wanted, "episode_index", "frame_index"]))):
            kept = self._without(batch)
            if kept.num_rows:
                yield self._clipped(self._retimed(kept)).select(wanted)

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        return table.filter(pa.array(self._stays(table.column("episode_index")))) if self.repair.drop else table

    def rest(self) -> Iterator[pa.RecordBatch]:
        for batch in self.part.rest():
            yield self._without(batch)

    def _stays(self, index: pa.Array | pa.ChunkedArray) -> np.ndarray:
        # the file's own rows of `rest` have no episode, and stay
        return ~np.isin(index.fill_null(-1).to_numpy(), sorted(self.repair.drop))

    def _without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return rows_where(batch, self._stays(batch.column("episode_index"))) if self.repair.drop else batch

    def _retimed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self.repair.retime or "timestamp" not in batch.schema.names or not self.header.control_hz:
            return batch
        wrong = np.isin(batch.column("episode_index").to_numpy(), sorted(self.repair.retime))
        if not wrong.any():
            return batch
        time = batch.column("timestamp").to_numpy(zero_copy_only=False)
        anew = batch.column("frame_index").to_numpy() / self.header.control_hz
        return _with_column(batch, "timestamp", pa.array(np.where(wrong, anew, time), from_pandas=True))

    def _clipped(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.repair.clip is None or "actions" not in batch.schema.names:
            return batch
        column, values = self._actions, batch.column("actions")
        if values.null_count == len(values):
            return batch
        there = values.is_valid()
        clipped = to_arrow(np.clip(to_numpy(values.drop_null(), column), *self.repair.clip), column)
        if values.null_count:
            places = np.cumsum(there.to_numpy(zero_copy_only=False)) - 1
            clipped = clipped.take(pa.array(places, mask=~there.to_numpy(zero_copy_only=False)))
        return _with_column(batch, "actions", clipped)

    @cached_property
    def _actions(self) -> Column:
        return self.header.column("actions")


def _with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    at = batch.schema.get_field_index(name)
    return batch.set_column(at, batch.schema.field(at), values)


def repaired(source: Source, found: Examination, *, clip_actions: bool, retime: bool) -> tuple[Source, list[str]]:
    """A dataset without what can be set right, and what was done beside counting anew, in words.

    Args:
        source: The dataset, read without its damaged episodes.
        found: What is wrong with it.
        clip_actions: Whether to clip actions where robosuite's controllers do.
        retime: Whether to compute the time of episodes anew whose time does not rise.
    """
    header = source.header
    clip = limits(header) if clip_actions and any(f.code == "action_range" for f in found.findings) else None
    again = found.untimely if retime and header.control_hz else frozenset()
    done = [f"left out: {said.removeprefix(SKIPPED)}" for said in header.warnings if said.startswith(SKIPPED)]
    done += [f"left out: part {number}, which cannot be read" for number in sorted(found.unreadable)]
    if found.superfluous:
        done.append(f"left out: {len(found.superfluous)} episodes that equal others in everything")
    if clip:
        done.append(f"clipped: actions, to [{clip[0]:g}, {clip[1]:g}]")
    if again:
        done.append(f"computed anew: the time of {len(again)} episodes, from {header.control_hz:g} Hz")
    kept = header.with_(warnings=tuple(said for said in header.warnings if not said.startswith(SKIPPED)))
    return counted_anew(RepairedSource(source, kept, Repair(found.superfluous, again, clip), found.unreadable)), done
