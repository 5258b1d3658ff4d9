"""Conduct an ingestion: part after part, in this process and, where that takes long, on a cluster."""

import logging
import pickle
import time
import uuid
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import fsspec
import numpy as np

from trajloom.errors import RunError, SettingsError, SourceError, TrajloomWarning
from trajloom.generation.recipe import made_by
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.groups import UNIT_BYTES, Sizes, Stream, Unit, names_itself
from trajloom.ingest.identity import identity
from trajloom.ingest.interface import DataIngestionInterface
from trajloom.ingest.oddities import typed
from trajloom.ingest.place import Place, anywhere
from trajloom.ingest.settle import Task, settle
from trajloom.ingest.taking import computes
from trajloom.ingest.unit import Job, Record, make
from trajloom.ingest.widening import joined
from trajloom.schema import Column, Header

log = logging.getLogger("trajloom.ingest")

PATIENCE = 4.0
"""Seconds of work in this process after which a cluster may be started, which takes about as long."""
WRITERS = 2
"""Threads that compress parts while the next items are made columns."""


def ingest(ingester: DataIngestionInterface, config: IngestionConfig) -> str:
    """Make a dataset of all items of a source; the same call again goes on where the last one stopped.

    Returns:
        The path or URL of the dataset.

    Raises:
        SettingsError: The output holds an ingestion with other settings.
        OutputExistsError: The output holds something else.
        SourceError: The source has no items.
        RunError: Not one item could be stored.
    """
    if names_itself(ingester) and config.trajectory_prefix != "trajectory":
        raise SettingsError(
            f"trajectory_prefix {config.trajectory_prefix!r} would have no effect: the source names its trajectories"
        )
    out = anywhere(config.output_directory)
    place = Place(out, identity(ingester, config))
    if not place.enter():
        records = Conductor(ingester, replace(config, output_directory=out), place).run()
        _check(records, place)
        columns = _columns(records)
        narrow = [c for c in place.commits() if Record.from_json(c.run["ingest"]).columns != columns]
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(settle, [Task(out, commit, columns) for commit in narrow]))
        place.finish(_header(list(place.records().values()), config, place.settings))
    return out


class Conductor:
    """One ingestion under way."""

    def __init__(self, ingester: DataIngestionInterface, config: IngestionConfig, place: Place):
        self.config, self.place = config, place
        self.sizes = Sizes(computes(ingester))
        self.stream = Stream(ingester, config, self.sizes)
        self.job = Job(out=place.path, ingester=ingester, config=replace(config, client=None))
        self.done = place.records()
        """What came of the parts that are there."""
        self.began, self.items_here = time.monotonic(), 0

    def run(self) -> list[Record]:
        """Make every part that is not there; what came of all of them, in order."""
        units = self._missing(self.stream.units())
        if self._here(units):
            self._spread(units)
        return [self.done[number] for number in sorted(self.done)]

    def _missing(self, units: Iterable[Unit]) -> Iterator[Unit]:
        for unit in units:
            if unit.number in self.done:
                self._learn(self.done[unit.number])
            else:
                yield unit

    def _learn(self, record: Record) -> None:
        """Let the first part that has anything say what items are, which columns there are and how large it all is."""
        if self.job.base is None and record.stored:
            self.job = replace(self.job, base=record.schema, what=record.what)
            self.sizes.item_bytes = record.item_bytes

    def _enter(self, number: int, record: Record) -> None:
        self.done[number] = record
        self.items_here += record.items
        self._learn(record)
        log.info("part %d: %d of %d items stored", number, record.stored, record.items)

    def _here(self, units: Iterator[Unit], *, to_the_end: bool = False) -> bool:
        """Make parts in this process, until all are made or a cluster is worth its start; whether it is."""
        writing: deque[tuple[int, Future[Record]]] = deque()
        long = False
        with ThreadPoolExecutor(WRITERS) as pool:
            for unit in units:
                write = make(self.job, unit, self.stream.raw_bytes)
                writing.append((unit.number, pool.submit(write)))
                while len(writing) > (0 if self.job.base is None else WRITERS):
                    self._collect(writing)
                if long := not to_the_end and self._is_long():
                    break
            while writing:
                self._collect(writing)
        return long

    def _collect(self, writing: deque[tuple[int, Future[Record]]]) -> None:
        number, record = writing.popleft()
        self._enter(number, record.result())

    def _is_long(self) -> bool:
        """Whether what is left takes longer than to start a cluster, or there is one."""
        if self.job.base is None or self.config.client is not None:
            return self.job.base is not None
        spent = time.monotonic() - self.began
        if not self.sizes.computes or self.config.workers < 2 or spent < PATIENCE:
            return False
        total = self.stream.total
        return total is None or spent * (total - self.stream.items) / max(self.items_here, 1) > 2 * PATIENCE

    def _spread(self, units: Iterator[Unit]) -> None:
        """Make the other parts on the user's cluster, or on a local one."""
        from trajloom.run.cluster import cores, threads_of
        from trajloom.run.tasks import cluster, run_tasks

        pickled = self._pickled()
        if pickled is None:
            self._here(units, to_the_end=True)
            return
        scratch = anywhere(self.config.scratch or f"{self.place.path.rstrip('/')}.scratch")
        workers = min(self.config.workers, cores())
        with (
            cluster(self.config.client, workers=workers, scratch=scratch) as client,
            _shared(scratch, pickled) as file,
        ):
            most = threads_of(client) + max(1, threads_of(client) // 4)
            if self.config.memory is not None:
                most = max(1, min(most, self.config.memory // UNIT_BYTES))
            for _, (number, record) in run_tasks(client, partial(make_shared, file), units, in_flight=most):
                self._enter(number, record)

    def _pickled(self) -> bytes | None:
        """The job as workers get it, user code included; None where it cannot be sent and need not be."""
        import cloudpickle

        try:
            return cloudpickle.dumps(self.job)
        except Exception as error:  # whatever the user's objects raise
            said = f"{type(self.job.ingester).__name__} cannot be sent to workers ({type(error).__name__}: {error})"
            if self.config.client is not None:
                raise SettingsError(f"{said}; leave client out to work in this process") from error
            warnings.warn(f"{said}; working on in this process alone", TrajloomWarning, stacklevel=2)
            return None


@contextmanager
def _shared(scratch: str, pickled: bytes) -> Iterator[str]:
    """A file that all workers read, as long as the block lasts; and so is its folder, where it is empty then."""
    fs, folder = fsspec.core.url_to_fs(scratch)
    name = f"job-{uuid.uuid4().hex}.pickle"
    fs.makedirs(folder, exist_ok=True)
    fs.pipe_file(f"{folder}/{name}", pickled)
    try:
        yield f"{scratch}/{name}"
    finally:
        fs.rm_file(f"{folder}/{name}")
        if fs.exists(folder) and not fs.ls(folder):
            fs.rmdir(folder)


def make_shared(file: str, unit: Unit) -> tuple[int, Record]:
    """A worker's task: make a part of the job in a file."""
    return unit.number, make(_job(file), unit)()


@lru_cache(maxsize=2)
def _job(file: str) -> Job:
    with fsspec.open(file, "rb") as data:
        return pickle.loads(data.read())  # pyright: ignore  (the user's own code, written by the client a moment ago)


# ---- the end ---------------------------------------------------------------------------------------------------


def _columns(records: list[Record]) -> tuple[Column, ...]:
    """Those of the whole dataset."""
    schema = joined(record.schema for record in records if record.stored)
    # integers that became floats elsewhere, and would not be what they were: they go to rest
    lost = {name for record in records for name in record.large if np.dtype(schema[name].dtype).kind == "f"}
    return tuple(replace(column, nullable=True) if name in lost else column for name, column in schema.items())


def _check(records: list[Record], place: Place) -> None:
    """Nothing at all is no dataset."""
    if sum(record.stored for record in records):
        return
    items, reason = sum(record.items for record in records), next((r.first_reason for r in records), None)
    place.clear()
    if not items:
        raise SourceError("the source has no items")
    raise RunError(f"none of {items} items could be stored, so there is no dataset; {reason}")


def _header(records: list[Record], config: IngestionConfig, settings: Mapping[str, Any]) -> Header:
    left_out: dict[str, int] = {}
    for record in records:
        for problem, count in record.left_out.items():
            left_out[problem] = left_out.get(problem, 0) + count
    counts = {name: sum(getattr(record, name) for record in records) for name in ("items", "stored", "trajectories")}
    what = next(record.what for record in records if record.stored)
    notes = _notes(records, left_out, counts)
    for note in notes:
        warnings.warn(note, TrajloomWarning, stacklevel=4)
    attrs = {name: typed(value) for name, value in config.metadata.items()}
    return Header(
        steps=records[0].columns,
        control_hz=None if any(record.timed for record in records) else config.fps,
        attrs={"": attrs} if attrs else {},
        sources=({"id": settings["source"], "item": what, **counts, "left_out": left_out, "ingest": settings},),
        made_by=made_by(),
        warnings=notes,
    )


def _notes(records: list[Record], left_out: Mapping[str, int], counts: Mapping[str, int]) -> tuple[str, ...]:
    """What the user should know."""
    notes = []
    if left_out:
        said = ", ".join(f"{count} {problem}" for problem, count in left_out.items())
        reason = next(record.first_reason for record in records if record.first_reason)
        notes.append(
            f"{sum(left_out.values())} of {counts['items']} items were left out ({said}), such as {reason}; "
            "they are listed in left_out/*.parquet"
        )
    moved = sum(record.moved for record in records)
    if moved:
        notes.append(f"{moved} timestamps were not after the one before and became 1 ms later than that")
    odd = dict.fromkeys(name for record in records for name in record.odd_columns)
    notes += [f"{name} is in rest in some trajectories, whose values do not fit its column" for name in odd]
    return tuple(notes)
