"""File formats: each module of this package is one, found by its name.

A format module offers what `Format` lists: a name, suffixes, `sniff`, `read` and `write`. Reading begins with
a scan of the metadata alone, which fixes one schema for the whole dataset.
"""

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol, cast

import pyarrow as pa

from trajloom.errors import LayoutError, UnknownNameError
from trajloom.schema import Header

OnError = Literal["raise", "skip"]
Progress = Callable[[int, int], None]
"""Called with (episodes done, episodes in all)."""


class Part(Protocol):
    """A range of whole episodes; reading it twice gives the same rows."""

    @property
    def num_episodes(self) -> int: ...

    @property
    def num_steps(self) -> int: ...

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows of `steps` by episode and frame, in batches of some MB; `columns` chooses, in the order given."""
        ...

    def episodes(self) -> pa.Table:
        """Rows of `episodes`, in order."""
        ...

    def attempts(self) -> pa.Table:
        """Rows of `attempts`; empty where the data was not generated."""
        ...

    def rest(self) -> Iterator[pa.RecordBatch]:
        """Rows of `rest`; those of the file itself come with the first part."""
        ...


class Source(Protocol):
    """A dataset that can be read, wherever it lies."""

    @property
    def header(self) -> Header: ...

    def parts(self) -> Sequence[Part]:
        """The parts, in the order of their episodes."""
        ...

    def models(self) -> Mapping[str, str]:
        """SHA-256 of a model XML -> the XML, for the episodes' column `model`."""
        ...


class Format(Protocol):
    """What a module of this package offers."""

    NAME: str
    SUFFIXES: tuple[str, ...]

    def sniff(self, path: str) -> bool:
        """Whether the path holds this format, by looking at it."""
        ...

    def read(self, path: str, *, on_error: OnError = "raise") -> Source:
        """Scan the metadata and return the dataset; with "skip", damaged episodes are left out with a warning."""
        ...

    def write(self, source: Source, path: str, *, overwrite: bool = False, progress: Progress | None = None) -> None:
        """Write a dataset, whole or not at all; OutputExistsError where there is something and `overwrite` is off."""
        ...


def names() -> list[str]:
    """The formats there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def get(name: str) -> Format:
    """The format of this name."""
    if name not in names():
        raise UnknownNameError("format", name, names())
    return cast(Format, import_module(f"{__name__}.{name}"))


def of_suffix(path: str) -> Format | None:
    """The format that a path's suffix asks for, or None."""
    suffix = Path(path).suffix.lower()
    return next((get(name) for name in names() if suffix in get(name).SUFFIXES), None)


def find(path: str) -> Format:
    """The format that a path holds, found by looking; LayoutError where it is none."""
    for name in names():
        if get(name).sniff(path):
            return get(name)
    raise LayoutError(f"{path} is none of the formats that we read: {', '.join(names())}, or a dataset of ours")
