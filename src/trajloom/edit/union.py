"""One header for several datasets."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, Literal

from trajloom.edit.view import edited
from trajloom.errors import SchemaError, SettingsError
from trajloom.schema import Column, Header

Table = Literal["steps", "episodes"]
ABOUT = ("unit", "frame", "when", "rotation")
"""What is known of a column beyond its element type and shape."""

ESSENTIAL = ("actions", "states")
"""Columns without which an episode of a file counts as damaged, unless the file is laid out as ours and says so."""


def union(headers: Sequence[Header], names: Sequence[str], empty: Collection[str] = ()) -> Header:
    """The header of several datasets in one; `sources` is left to the caller.

    Columns are those of all, nullable where a dataset lacks them. What a dataset does not say of a column (unit, frame,
    rotation, ...) is taken from those that do.

    Args:
        headers: Of the datasets.
        names: What the datasets are called, for errors and warnings, no two alike.
        empty: Those without an episode, which lack nothing.

    Raises:
        SchemaError: Two datasets have different columns under one name.
        SettingsError: They have different control rates.
    """
    notes: list[str] = []
    hz = _control_hz(headers, names, notes)
    steps, episodes = _columns(headers, names, empty)
    env_args = next((header.env_args for header in headers if header.env_args is not None), None)
    notes += _differing("env_args", [header.env_args for header in headers], names)
    lacking = any(column.nullable and column.name in ESSENTIAL for column in steps)
    attrs, layout = _attrs(headers), {} if lacking else _layout([header.layout for header in headers])
    return edited(
        headers[0],
        *notes,
        steps=steps,
        episodes=episodes,
        eefs=tuple(dict.fromkeys(eef for header in headers for eef in header.eefs)),
        control_hz=hz,
        env_args=env_args,
        attrs=attrs,
        layout=layout,
        generation=None if any(h.generation is None for h in headers) else common([h.generation for h in headers]),
        tries=any(header.tries for header in headers),
        attempts_end=None,
        made_by=common([header.made_by for header in headers]),
        warnings=tuple(dict.fromkeys(warning for header in headers for warning in header.warnings)),
    )


def _control_hz(headers: Sequence[Header], names: Sequence[str], notes: list[str]) -> float | None:
    said = {name: h.control_hz for name, h in zip(names, headers, strict=True) if h.control_hz is not None}
    if len(set(said.values())) > 1:
        rates = ", ".join(f"{name} at {hz:g} Hz" for name, hz in said.items())
        raise SettingsError(f"datasets of different rates cannot be merged ({rates}); resample them to one rate first")
    if said and len(said) < len(headers):
        silent = ", ".join(name for name in names if name not in said)
        notes.append(f"{silent} does not say its control rate, so neither does the merged dataset; times are kept")
        return None
    return next(iter(said.values()), None)


def _differing(what: str, values: Sequence[Any], names: Sequence[str]) -> list[str]:
    first = next((value for value in values if value is not None), None)
    others = [name for name, value in zip(names, values, strict=True) if value != first]
    return [f"{what} of {', '.join(others)} is another than the one kept"] if others else []


def common(mappings: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The entries on which all agree."""
    found = [mapping or {} for mapping in mappings]
    return {key: value for key, value in found[0].items() if all(key in m and m[key] == value for m in found)}


# ---- columns ---------------------------------------------------------------------------------------------------


def _columns(
    headers: Sequence[Header], names: Sequence[str], empty: Collection[str]
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    found: dict[str, list[tuple[str, Table, Column]]] = {}
    for name, header in zip(names, headers, strict=True):
        for column in header.steps:
            found.setdefault(column.name, []).append((name, "steps", column))
        for column in header.episodes:
            found.setdefault(column.name, []).append((name, "episodes", column))
    wrong = [fault for members in found.values() for fault in _faults(members)]
    if wrong:
        raise SchemaError(f"the datasets do not fit together; {'; '.join(wrong)}")
    united: dict[Table, list[Column]] = {"steps": [], "episodes": []}
    for members in found.values():
        column = reduce(_filled, (column for _, _, column in members))
        lacking = set(names) - set(empty) - {name for name, _, _ in members}
        nullable = bool(lacking) or any(column.nullable for _, _, column in members)
        united[members[0][1]].append(replace(column, nullable=nullable))
    return tuple(united["steps"]), tuple(united["episodes"])


def _faults(members: Sequence[tuple[str, Table, Column]]) -> list[str]:
    faults = []
    first, table, column = members[0]
    for name, its_table, other in members[1:]:
        if (column.dtype, column.shape, table) != (other.dtype, other.shape, its_table):
            kinds = f"{_kind(column, table)} in {first}, {_kind(other, its_table)} in {name}"
            faults.append(f"{column.name}: {kinds}")
    for about in ABOUT:
        said = {value: name for name, _, c in reversed(members) if (value := getattr(c, about)) is not None}
        if len(said) > 1:
            faults.append(f"{column.name}: {about} " + ", ".join(f"{v} in {said[v]}" for v in reversed(said)))
    return faults


def _kind(column: Column, table: Table) -> str:
    return f"{column.dtype} {column.shape}" + (" an episode" if table == "episodes" else "")


def _filled(column: Column, other: Column) -> Column:
    return replace(column, **{name: getattr(column, name) or getattr(other, name) for name in ABOUT})


# ---- what the formats need -------------------------------------------------------------------------------------


def _attrs(headers: Sequence[Header]) -> dict[str, Any]:
    """Attributes of the groups around the episodes, each as the first dataset that has it has it."""
    united: dict[str, dict[str, Any]] = {}
    for header in headers:
        for path, attrs in header.attrs.items():
            united[path] = {**attrs, **united.get(path, {})}
    return united


def _layout(layouts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How the source's format laid the data out, where all came from files of one kind; nothing otherwise."""
    first = layouts[0]
    if all(layout == first for layout in layouts) and "episodes" not in first:
        return dict(first)
    said = [(layout.get("format"), layout.get("kind"), layout.get("renamed")) for layout in layouts]
    if first.get("format") != "hdf5" or any(s != said[0] for s in said) or any(lay.get("exported") for lay in layouts):
        return {}
    masks = {key: {"dtype": m["dtype"]} for layout in reversed(layouts) for key, m in layout.get("masks", {}).items()}
    columns = {path: about for layout in reversed(layouts) for path, about in layout.get("columns", {}).items()}
    same = {key: first[key] for key in ("format", "kind", "renamed") if key in first}
    return {**same, "columns": columns, "masks": masks, "exported": False}
