"""A dataset seen through a function of its parts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

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

    def parts(self) -> Sequence[Part]:
        return [self.change(part) for part in self.source.parts()]

    def models(self) -> Mapping[str, str]:
        return self.source.models()
