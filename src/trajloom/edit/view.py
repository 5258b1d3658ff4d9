"""What the tools share: datasets seen through a function of their parts, or put together from parts; their headers."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trajloom.errors import TrajloomWarning
from trajloom.formats import Part, Source
from trajloom.formats._view import PartView as PartView
from trajloom.formats._view import View as View
from trajloom.formats._view import paths_of as paths_of
from trajloom.schema import Header


@dataclass(frozen=True)
class Arranged:
    """Parts of other datasets, put together anew. Implements `formats.Source`."""

    sources: tuple[Source, ...]
    header: Header
    pieces: tuple[Part, ...]
    wanted: frozenset[str] | None = None
    """Hashes of the models that are still of use; None where all are."""

    @property
    def path(self) -> str | None:
        """Where the first of them lies, as far as it says."""
        return next((path for source in self.sources if (path := getattr(source, "path", None)) is not None), None)

    @property
    def paths(self) -> tuple[str, ...]:
        """Where all of them lie, so that nothing is written over its own input."""
        return tuple(path for source in self.sources for path in paths_of(source))

    def parts(self) -> Sequence[Part]:
        return self.pieces

    def models(self) -> Mapping[str, str]:
        return Models(tuple(source.models() for source in self.sources), self.wanted)


@dataclass(frozen=True)
class Models(Mapping[str, str]):
    """The models of some datasets, each read when it is asked for."""

    found: tuple[Mapping[str, str], ...]
    wanted: frozenset[str] | None

    def __getitem__(self, sha: str) -> str:
        for models in self.found if self.wanted is None or sha in self.wanted else ():
            if sha in models:
                return models[sha]
        raise KeyError(sha)

    def __iter__(self) -> Iterator[str]:
        names = dict.fromkeys(sha for models in self.found for sha in models)
        return (sha for sha in names if self.wanted is None or sha in self.wanted)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def edited(header: Header, *notes: str, **changes: Any) -> Header:
    """The header of a dataset that was changed, with a warning for each note, which is also given as one now.

    A generated dataset becomes final: nothing can be generated into what is made of it.
    """
    for note in notes:
        warnings.warn(note, TrajloomWarning, stacklevel=4)
    generation = changes.pop("generation", header.generation)
    final = None if generation is None else {**generation, "edited": True}
    return header.with_(generation=final, warnings=(*changes.pop("warnings", header.warnings), *notes), **changes)
