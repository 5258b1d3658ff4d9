"""Frames from and to the same place of every episode."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from trajloom.edit.columns import known
from trajloom.edit.episodes import keep, listing
from trajloom.edit.rest import Cutter
from trajloom.edit.view import Arranged, PartView, edited
from trajloom.errors import SettingsError
from trajloom.formats import Part, Source
from trajloom.schema import STEPS, Header, path_of
from trajloom.tables import Array, rest_batch, rest_rows

FIRST_FRAME = "initial_state/"
"""Folder of the per-episode arrays that describe an episode's first frame."""


def slice_steps(
    source: Source, start: float | None = None, stop: float | None = None, *, seconds: bool = False
) -> Source:
    """The frames [start, stop) of every episode, as `frames[start:stop]` would choose them.

    Frames and times count from 0 again, and `length` says how many frames there are now. Arrays in `rest` with a row
    for each frame are cut too. Where the beginning is cut, `initial_state/...` does not describe the first frame any
    more and is left out. An episode of which no frame is left is dropped. A warning of the header says so. `success`,
    `rewards` and `dones` stay what they were: they speak of the whole episode; so does `attempts`.

    Args:
        source: The dataset.
        start: The first frame; negative ones count from the end. None is the episode's first.
        stop: The frame after the last; negative ones count from the end. None is the episode's end.
        seconds: Whether both are seconds: the frames whose times lie in [start, stop), at the rate of control.

    Raises:
        SettingsError: A bound is no whole frame, or the rate is unknown where seconds are asked for.
    """
    first = Bound(0, True) if start is None else _bound(start, seconds, source.header)
    last = Bound(0, False) if stop is None else _bound(stop, seconds, source.header)
    there = listing(source)
    there = there.with_columns(start=first.frames(there["length"]), stop=last.frames(there["length"]))
    left = there["stop"] > there["start"]
    notes = [] if left.all() else [_dropped(there.filter(~left))]
    source = keep(source, there, left)
    there = there.filter(left)
    header, more = _header(source.header, cuts_start=bool((there["start"] > 0).any()))
    pieces = tuple(_pieces(source, there, header := edited(header, *notes, *more)))
    return Arranged((source,), header, pieces)


@dataclass(frozen=True)
class Bound:
    """A place in every episode."""

    offset: int
    from_start: bool
    """Whether the offset counts from the first frame, or from the frame after the last."""

    def frames(self, length: pl.Series) -> pl.Series:
        """The frame of each episode, within it."""
        frame = self.offset if self.from_start else length + self.offset
        return pl.Series(np.clip(np.broadcast_to(frame, length.shape), 0, length.to_numpy()), dtype=pl.Int64)


def _bound(bound: float, seconds: bool, header: Header) -> Bound:
    if not math.isfinite(bound):
        raise SettingsError(f"a bound of a slice must be finite, got {bound:g}")
    if not seconds:
        if int(bound) != bound:
            raise SettingsError(f"frames are whole numbers, got {bound:g}; say seconds to cut by time")
        return Bound(int(bound), bound >= 0)
    if header.control_hz is None:
        raise SettingsError("the dataset does not say its control rate, so it can be cut by frames only")
    # 0.3 s at 10 Hz is frame 3, whatever the product's last bit says
    return Bound(math.ceil(round(bound * header.control_hz, 6)), bound >= 0)


def _pieces(source: Source, there: pl.DataFrame, header: Header) -> Iterator[Part]:
    """The parts, each with the spans of its episodes, which come in the same order."""
    done = 0
    for part in source.parts():
        rows = there.slice(done, part.num_episodes)
        done += part.num_episodes
        index, start, stop = (rows[name].to_numpy() for name in ("episode_index", "start", "stop"))
        yield SlicedPart(part, header, index, start, stop)


def _dropped(gone: pl.DataFrame) -> str:
    names = gone["name"].to_list()
    few = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"{len(names)} episodes have no frame in the slice and are dropped: {few}"


def _header(header: Header, cuts_start: bool) -> tuple[Header, list[str]]:
    gone = [column.name for column in header.episodes if path_of(column.name).startswith(FIRST_FRAME)]
    if not cuts_start or not gone:
        return header, []
    note = f"{', '.join(gone)} described the first frame of whole episodes, which is cut off; left out"
    return header.with_(episodes=tuple(c for c in header.episodes if c.name not in gone)), [note]


@dataclass(frozen=True)
class SlicedPart(PartView):
    """A part of which some frames of each episode are left."""

    header: Header
    indices: Array
    """`episode_index` of each episode, rising."""
    starts: Array
    """The first frame of each that is left."""
    stops: Array
    """The frame of each after the last that is left."""

    @property
    def num_steps(self) -> int:
        return int((self.stops - self.starts).sum())

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        schema = self.header.steps_schema
        wanted = schema.names if columns is None else known(columns, schema)
        origin = np.full(len(self.indices), np.nan)
        for batch in self.part.steps(list(dict.fromkeys([*wanted, *STEPS.names]))):
            for piece in self._pieces(batch):
                yield self._counted_anew(piece, origin).select(wanted)

    def _pieces(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows that are left: each run of neighbours, without a copy."""
        place, frame = self._places(batch), batch.column("frame_index").to_numpy()
        inside = np.flatnonzero((frame >= self.starts[place]) & (frame < self.stops[place]))
        for run in np.split(inside, np.flatnonzero(np.diff(inside) != 1) + 1):
            if len(run):
                yield batch.slice(int(run[0]), len(run))

    def _places(self, batch: pa.RecordBatch) -> Array:
        return np.searchsorted(self.indices, batch.column("episode_index").to_numpy())

    def _counted_anew(self, batch: pa.RecordBatch, origin: Array) -> pa.RecordBatch:
        """Rows whose frames and times count from the slice's first frame.

        Args:
            batch: The rows.
            origin: (E,). When each episode's first frame that is left was; filled in as these come by.
        """
        place, frame = self._places(batch), batch.column("frame_index").to_numpy()
        new = (frame - self.starts[place]).astype(np.int32)
        time = batch.column("timestamp").to_numpy(zero_copy_only=False)
        origin[place[new == 0]] = time[new == 0]
        since = time - origin[place]
        if (hz := self.header.control_hz) is not None:  # so that the rows equal those of an episode that begins there
            since = np.where(time == frame / hz, new / hz, since)
        arrays = {"frame_index": pa.array(new), "timestamp": pa.array(since, from_pandas=True)}
        columns = [arrays.get(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def episodes(self) -> pa.Table:
        schema = self.header.episodes_schema
        table = self.part.episodes().select(schema.names)
        length = pa.array(self.stops - self.starts, pa.int64())
        return table.set_column(schema.names.index("length"), schema.field("length"), length)

    def rest(self) -> Iterator[pa.RecordBatch]:
        cutter = Cutter(self._spans())
        for batch in self.part.rest():
            rows = [row for old in rest_rows(batch) for row in cutter.cut(old)]
            if rows:
                yield rest_batch(rows)

    def _spans(self) -> dict[int, tuple[int, int, int]]:
        lengths = self.part.episodes().column("length").to_pylist()
        spans = zip(lengths, self.starts.tolist(), self.stops.tolist(), strict=True)
        return dict(zip(self.indices.tolist(), spans, strict=True))
