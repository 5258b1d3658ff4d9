"""SQL over a dataset of any format."""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError, ShapeError
from trajloom.query.component import component, component_name
from trajloom.schema import Column

TOKEN = re.compile(
    r"""(?P<skipped>'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/)|"""
    r"""(?P<name>"(?:[^"]|"")+"|`[^`]+`|\b[A-Za-z_]\w*)(?:\s*\[(?P<index>\s*\d+\s*(?:,\s*\d+\s*)*)\])?""",
    re.DOTALL,
)
"""Texts and comments; names, quoted or not, with what may be an index of a component behind them."""


def sql(dataset: Dataset, statement: str) -> pl.LazyFrame:
    """What an SQL statement says of a dataset, lazily: nothing is read before `collect`.

    Tables: `steps`, `episodes`, `attempts` and `rest`. Names with slashes are quoted. A component of a tensor column is
    what it is in NumPy, counted from 0: `actions[0]`, `"obs/robot0_eef_pos"[2]`, `s."obs/pose"[0, 3]`. Whole tensors
    are lists.

    Args:
        dataset: Any dataset.
        statement: In Polars' SQL: `SELECT episode_index, max(actions[0]) FROM steps GROUP BY episode_index`.

    Raises:
        SettingsError: It is no statement, or speaks of a table or column that is not there, with those that are.
        ShapeError: A component is not there.
    """
    columns = {column.name: column for column in (*dataset.header.steps, *dataset.header.episodes)}
    asked: dict[str, tuple[str, tuple[int, ...]]] = {}

    def named(match: re.Match[str]) -> str:
        column = _unquoted(match["name"] or "")
        if match["skipped"] or match["index"] is None or column not in columns:
            return match[0]
        index = tuple(map(int, match["index"].split(",")))
        asked[component_name(column, index)] = column, index
        return f'"{component_name(column, index)}"'

    rewritten = TOKEN.sub(named, statement)
    frames = {table: frame for table, frame in _frames(dataset, asked)}
    try:
        found = pl.SQLContext(frames=frames).execute(rewritten, eager=False)
        found.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.SQLInterfaceError) as error:
        raise SettingsError(f"{_first_line(error)} in: {statement}; there are: {_known(dataset)}") from error
    return found


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[:1] in ('"', "`") else name


def _frames(dataset: Dataset, asked: Mapping[str, tuple[str, tuple[int, ...]]]) -> Iterator[tuple[str, pl.LazyFrame]]:
    """The tables, with tensors as lists and arrays, and with the components that are asked for as columns."""
    tables = {"steps": dataset.header.steps, "episodes": dataset.header.episodes}
    for table in ("steps", "episodes", "attempts", "rest"):
        frame: pl.LazyFrame = getattr(dataset, table)()
        known = {column.name: column for column in tables.get(table, ())}
        more = [_component(known[name], index) for name, index in asked.values() if name in known]
        plain = [pl.col(c.name).ext.storage() for c in known.values() if c.encoding == "tensor"]
        yield table, frame.with_columns(more).with_columns(plain)


def _component(column: Column, index: tuple[int, ...]) -> pl.Expr:
    """A component; a single index of a tensor of several dimensions, too, is refused, as NumPy would give a row."""
    try:
        return component(column, *index)
    except ShapeError as error:
        ends = ", ".join(str(n - 1) for n in column.shape)
        raise ShapeError(
            f"{error}; its components are {column.name}[{', '.join('0' for _ in column.shape)}] to "
            f"{column.name}[{ends}]"
            if column.shape and column.encoding != "image"
            else str(error)
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0]
    return text.split("; valid columns")[0]


def _known(dataset: Dataset) -> str:
    """Tables and their columns, in a line."""
    schemas = {table: dataset.header.schema_of(table).names for table in ("steps", "episodes", "attempts", "rest")}
    return "; ".join(f"{table} ({', '.join(names)})" for table, names in schemas.items())


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame without lists, for CSV: `actions` becomes `actions[0]`, `actions[1]`, ...; other nested values JSON."""
    columns: list[pl.Series] = []
    for series in frame:
        if isinstance(series.dtype, pl.Array):
            width = int(np.prod(series.dtype.shape))
            values = series.reshape((len(series), width)) if len(series.dtype.shape) > 1 else series
            columns += [values.arr.get(i).alias(f"{series.name}[{i}]") for i in range(width)]
        elif series.dtype.is_nested():
            columns.append(pl.Series(series.name, [_json(value) for value in series.to_list()], dtype=pl.String))
        else:
            columns.append(series)
    return pl.DataFrame(columns)


def _json(value: object) -> str | None:
    import json

    return None if value is None else json.dumps(value, default=str)
