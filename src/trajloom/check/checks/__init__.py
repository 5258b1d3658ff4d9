"""What a dataset is checked for: each module of this package is one kind of check, found by its name.

A check offers `CHECK`, a child of `Check`; it is fed with the dataset part by part, and then says what it found.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

import pyarrow as pa

from trajloom.check.rows import Rows
from trajloom.findings import Finding
from trajloom.schema import Header
from trajloom.tables import Rest


class Check:
    """One kind of check, which overrides what it needs."""

    def __init__(self, header: Header):
        self.header = header
        self.names: Mapping[int, str] = {}
        """`episode_index` -> name, of the part that is being read."""
        self.superfluous: list[int] = []
        """Episodes that can be left out without losing anything."""
        self.untimely: list[int] = []
        """Episodes whose time can be computed again."""

    def begin_part(self, episodes: pa.Table) -> None:
        """Take a part's `episodes`."""

    def steps(self, rows: Rows) -> None:
        """Take some of its steps, in order."""

    def rest(self, row: Rest) -> None:
        """Take a row of its `rest`."""

    def end_part(self, whole: bool = True) -> None:
        """Know that the part is over; where it is not whole, the rest of it could not be read."""

    def findings(self) -> Iterator[Finding]:
        """What was found, once all parts are through."""
        return iter(())


def begin(header: Header) -> list[Check]:
    """Every check, ready for a dataset."""
    return [import_module(f"{__name__}.{name}").CHECK(header) for name in names()]


@cache
def names() -> list[str]:
    """The kinds of check there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
