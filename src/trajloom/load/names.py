"""Which columns are loaded, and what they are called in an item."""

from collections.abc import Iterable, Sequence
from typing import Literal

from trajloom.edit.columns import fits
from trajloom.errors import UnknownNameError
from trajloom.schema import Column, Header, path_of

Layout = Literal["source", "robomimic"]
"""Under which names an item has its columns: those of the source's own files, or robomimic's."""


def chosen(header: Header, patterns: str | Iterable[str] | None) -> list[Column]:
    """The columns of steps whose names, ours or the source's, fit a pattern; None takes all.

    They come in the order of the patterns.

    Raises:
        UnknownNameError: A pattern fits nothing.
    """
    if patterns is None:
        return list(header.steps)
    found: dict[str, Column] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        fit = [c for c in header.steps if fits(path_of(c.name), [pattern]) or fits(source_name(header, c), [pattern])]
        if not fit:
            raise UnknownNameError("column", pattern, [column.name for column in header.steps])
        found |= {column.name: column for column in fit}
    return list(found.values())


def source_name(header: Header, column: Column) -> str:
    """What the files that a column came from call it: `observations/joint_pos`, `observation.state`."""
    layout = header.layout
    theirs = layout.get("names" if layout.get("format") == "lerobot" else "renamed") or {}
    path = path_of(column.name)
    return theirs.get(column.name, theirs.get(path, path))


def item_keys(header: Header, columns: Sequence[Column], layout: Layout) -> dict[str, tuple[str, ...]]:
    """Column -> the keys that lead to it in an item."""
    name = source_name if layout == "source" else lambda _, column: path_of(column.name)
    return {column.name: tuple(name(header, column).split("/")) for column in columns}


def is_observation(column: Column, group: str = "obs") -> bool:
    """Whether a column is an observation (`next_obs` is a group of its own)."""
    return column.name.startswith(f"{group}/")
