"""SQL over a dataset of any format."""

import re
from collections.abc import Mapping

import polars as pl

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError, ShapeError
from trajloom.query.answer import in_short
from trajloom.query.component import component, component_name
from trajloom.query.initial import initial_poses
from trajloom.query.motion import action_motion, eef_motion
from trajloom.query.searching import tries
from trajloom.schema import Column

TOKEN = re.compile(
    r"""(?P<skipped>'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/)|"""
    r"""(?P<name>"(?:[^"]|"")+"|`[^`]+`|\b[A-Za-z_]\w*)(?:\s*\[(?P<index>\s*\d+\s*(?:,\s*\d+\s*)*)\])?""",
    re.DOTALL,
)
"""Texts and comments; names, quoted or not, with what may be an index of a component behind them."""


def sql(dataset: Dataset, statement: str) -> pl.LazyFrame:
    """What an SQL statement says of a dataset, lazily: nothing is read before `collect`.

    Tables: `steps`, `episodes`, `attempts` and `rest`; and `initial_poses`, `action_motion`, `eef_motion` and `tries`,
    as the functions of those names make them. Names with slashes are quoted. A component of a tensor column is what it
    is in NumPy, counted from 0: `actions[0]`, `"obs/robot0_eef_pos"[2]`, `s."obs/pose"[0, 3]`. Whole tensors are lists.

    Args:
        dataset: Any dataset.
        statement: In Polars' SQL: `SELECT episode_index, max(actions[0]) FROM steps GROUP BY episode_index`.

    Raises:
        SettingsError: It is no statement, or speaks of a table or column that is not there, with those that are.
        ShapeError: A component is not there.
    """
    columns = {column.name for column in (*dataset.header.steps, *dataset.header.episodes)}
    asked: dict[str, tuple[str, tuple[int, ...]]] = {}

    def named(match: re.Match[str]) -> str:
        column = _unquoted(match["name"] or "")
        if match["skipped"] or match["index"] is None or column not in columns:
            return match[0]
        index = tuple(map(int, match["index"].split(",")))
        asked[component_name(column, index)] = column, index
        return f'"{component_name(column, index)}"'

    frames = _frames(dataset, TOKEN.sub(named, statement), asked)
    try:
        found = pl.SQLContext(frames=frames).execute(TOKEN.sub(named, statement), eager=False)
        found.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SettingsError(f"{in_short(error)} in: {statement}; there are: {_known(frames)}") from error
    return found


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name[:1] in ('"', "`") else name


def _frames(
    dataset: Dataset, statement: str, asked: Mapping[str, tuple[str, tuple[int, ...]]]
) -> dict[str, pl.LazyFrame]:
    """The tables, with tensors as arrays and lists, and with the components that are asked for as columns."""
    frames = {}
    for table in ("steps", "episodes", "attempts", "rest"):
        columns = getattr(dataset.header, table) if table in ("steps", "episodes") else ()
        known = {column.name: column for column in columns}
        more = [_component(known[name], index) for name, index in asked.values() if name in known]
        plain = [pl.col(c.name).ext.storage() for c in columns if c.encoding == "tensor"]
        frames[table] = getattr(dataset, table)().with_columns(more).with_columns(plain)
    makers = {"initial_poses": initial_poses, "action_motion": action_motion, "eef_motion": eef_motion, "tries": tries}
    return frames | {name: make(dataset) for name, make in makers.items() if name in statement}


def _component(column: Column, index: tuple[int, ...]) -> pl.Expr:
    try:
        return component(column, *index)
    except ShapeError as error:
        if column.encoding == "image" or not column.shape:
            raise
        first, last = ([0] * len(column.shape), [n - 1 for n in column.shape])
        raise ShapeError(f"{error}; there are {column.name}{first} to {column.name}{last}") from error


def _known(frames: Mapping[str, pl.LazyFrame]) -> str:
    """Tables and their columns, in a line."""
    names = {table: ", ".join(frame.collect_schema().names()) for table, frame in frames.items()}
    return "; ".join(f"{table} ({columns})" for table, columns in names.items())
