"""A batch as a dataset of one part, so that what `edit` does to datasets can be done to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from trajloom.batch import Batch
from trajloom.formats import Part, Source
from trajloom.schema import Header


@dataclass(frozen=True)
class Nothing:
    """A dataset of which only the header is known. Implements `formats.Source`."""

    header: Header
    xml: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> Sequence[Part]:
        return []

    def models(self) -> Mapping[str, str]:
        return self.xml


@dataclass(frozen=True)
class BatchSource:
    """A batch. Implements `formats.Source`."""

    batch: Batch

    @property
    def header(self) -> Header:
        return self.batch.header

    def parts(self) -> Sequence[Part]:
        return [BatchPart(self.batch)]

    def models(self) -> Mapping[str, str]:
        return self.batch.models


@dataclass(frozen=True)
class BatchPart:
    """Its episodes. Implements `formats.Part`."""

    batch: Batch

    @property
    def num_episodes(self) -> int:
        return self.batch.episodes.num_rows

    @property
    def num_steps(self) -> int:
        return self.batch.steps.num_rows

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self.batch.steps if columns is None else self.batch.steps.select(list(columns))
        yield from table.to_batches()

    def episodes(self) -> pa.Table:
        return self.batch.episodes

    def attempts(self) -> pa.Table:
        return self.batch.header.schema_of("attempts").empty_table()

    def rest(self) -> Iterator[pa.RecordBatch]:
        yield from self.batch.rest.to_batches()


def edited(batch: Batch, change: Callable[[Source], Source]) -> Batch:
    """A batch after a change of datasets."""
    made = change(BatchSource(batch))
    return Batch.of(made.parts()[0], made.header, batch.models)


def edited_header(header: Header, change: Callable[[Source], Source]) -> Header:
    """The header of a dataset after a change, of which nothing is read."""
    return change(Nothing(header)).header
