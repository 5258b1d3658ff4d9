"""A dataset seen through a function of its parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from trajloom.formats import Part, Source
from trajloom.schema import Header


@dataclass(frozen=True)
class View:
    """Another dataset's parts, each changed by a function. Implements `formats.Source`."""

    source: Source
    header: Header
    """Of the result."""
    change: Callable[[Part], Part]
    """Part of the source -> part of the result."""

    @property
    def path(self) -> str | None:
        """Where the source lies, so that nothing is written over its own input."""
        return getattr(self.source, "path", None)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where all that it is made from lies."""
        return paths_of(self.source)

    def parts(self) -> Sequence[Part]:
        return [self.change(part) for part in self.source.parts()]

    def models(self) -> Mapping[str, str]:
        return self.source.models()


@dataclass(frozen=True)
class PartView:
    """A part as it is; its children say what of it they change. Implements `formats.Part`."""

    part: Part

    @property
    def num_episodes(self) -> int:
        return self.part.num_episodes

    @property
    def num_steps(self) -> int:
        return self.part.num_steps

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return self.part.steps(columns)

    def episodes(self) -> pa.Table:
        return self.part.episodes()

    def attempts(self) -> pa.Table:
        return self.part.attempts()

    def rest(self) -> Iterator[pa.RecordBatch]:
        return self.part.rest()


def paths_of(source: Source) -> tuple[str, ...]:
    """Where a dataset, or all that it is made from, lies; none where it does not say."""
    path = getattr(source, "path", None)
    return getattr(source, "paths", () if path is None else (str(path),))
