"""What we write down of the columns of a file that we export, so that reading it needs no guess."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trajloom.errors import DamagedFileError
from trajloom.schema import Column
from trajloom.tables import Array

MAX_ROW_BYTES = 64 << 20

Table = Literal["steps", "episodes", "lineage"]


@dataclass(frozen=True)
class Known:
    """What lies at one path of the episodes."""

    table: Table
    column: Column
    written: bool
    """Whether any episode has it."""


@dataclass(frozen=True)
class Told:
    """What was written down."""

    columns: Mapping[str, Known] = field(default_factory=dict)
    """By path in an episode."""
    rest: frozenset[str] = frozenset()
    """Paths of what is no regular column."""
    lengths: Array | None = None
    """(E,) Steps of each episode."""

    def to_json(self) -> dict[str, Any]:
        columns = {
            path: [known.table, known.column.to_json(), known.written] for path, known in sorted(self.columns.items())
        }
        return {"columns": columns, "rest": sorted(self.rest)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], lengths: Array | None, where: str) -> "Told":
        """The inverse; DamagedFileError where it is no such thing."""
        try:
            columns = {path: _known(*about) for path, about in values.get("columns", {}).items()}
            return cls(columns, frozenset(map(str, values.get("rest", ()))), lengths)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise DamagedFileError(f"{where}: what it says of its columns cannot be read ({error})") from error


def _known(table: Any, column: Any, written: Any) -> Known:
    if table not in ("steps", "episodes", "lineage"):
        raise ValueError(f"no table {table!r}")
    found = Column.from_json(column)
    found.name.encode()  # raises where it is no UTF-8
    if found.nbytes > MAX_ROW_BYTES:
        raise ValueError(f"{found.name} would take {found.nbytes:,} bytes a row")
    return Known(table, found, bool(written))
