"""Where two headers differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

from trajloom.check.difference import Chosen, Difference
from trajloom.schema import Column, Header

SHOWN = 4
"""Values of one field that are shown."""
_MISSING = object()


def header_differences(first: Header, second: Header) -> Iterator[Difference]:
    """Environment, rate, end effectors, settings and attributes.

    What the format needs to write itself again (`layout`), where the data came from (`sources`, `made_by`) and what
    the reader said (`warnings`) is no part of the data and is not compared.
    """
    for name in ("control_hz", "env_args", "eefs", "generation", "attempts_end"):
        yield from _field(name, getattr(first, name), getattr(second, name))
    for path in sorted({*first.attrs, *second.attrs}):
        yield from _field(f"attrs of {path}", first.attrs.get(path), second.attrs.get(path))


def column_differences(first: Header, second: Header, chosen: Chosen) -> Iterator[Difference]:
    """Columns that one lacks, and columns that are not of one type, shape, nullability, unit or meaning."""
    tables: tuple[Literal["steps", "episodes"], ...] = ("steps", "episodes")
    for table in tables:
        ours, theirs = ({c.name: c for c in getattr(header, table) if chosen(c.name)} for header in (first, second))
        for name in sorted({*ours, *theirs}):
            said = _column(ours.get(name), theirs.get(name))
            if said:
                yield Difference(table=table, name=name, what=said)


def shared(first: Sequence[Column], second: Sequence[Column]) -> dict[str, tuple[Column, Column]]:
    """Columns whose values can be compared: those of one name and shape."""
    theirs = {column.name: column for column in second}
    return {c.name: (c, theirs[c.name]) for c in first if c.name in theirs and theirs[c.name].shape == c.shape}


def _column(first: Column | None, second: Column | None) -> str:
    if first is None or second is None:
        return f"only in the {'second' if first is None else 'first'}"
    faults = [
        f"{field.name} is {_short(getattr(first, field.name))} in the first, {_short(getattr(second, field.name))} "
        "in the second"
        for field in fields(Column)
        if getattr(first, field.name) != getattr(second, field.name)
    ]
    return "; ".join(faults)


def _field(name: str, first: Any, second: Any) -> Iterator[Difference]:
    ours, theirs = dict(leaves(first)), dict(leaves(second))
    wrong = [key for key in sorted({*ours, *theirs}) if not _same(ours.get(key, _MISSING), theirs.get(key, _MISSING))]
    if wrong:
        said = "; ".join(unlike(key, ours.get(key, _MISSING), theirs.get(key, _MISSING)) for key in wrong[:SHOWN])
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        yield Difference(table="header", name=name, what=said + more, rows=len(wrong))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Plain values in nested ones, by path."""
    if isinstance(value, Mapping):
        for key in value:
            yield from leaves(value[key], f"{path}/{key}" if path else str(key))
    elif value is not None or path:
        # lists and tuples are one thing: JSON knows lists alone
        yield path, list(value) if isinstance(value, tuple) else value


def _same(first: Any, second: Any) -> bool:
    # True is no 1 here, and NaN is NaN
    return first is second or repr(first) == repr(second)


def unlike(key: str, first: Any, second: Any) -> str:
    """A value that differs, in words."""
    said = f"{_short(first)} in the first, {_short(second)} in the second"
    return f"{key}: {said}" if key else said


def _short(value: Any) -> str:
    text = "absent" if value is _MISSING else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
