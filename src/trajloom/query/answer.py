"""What a question found, as a file or a stream that other programs read: CSV, a line of JSON a row, Parquet."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Literal

import polars as pl

from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.formats._place import appearing_file

Shape = Literal["csv", "json", "parquet"]


def save(dataset: Dataset, found: pl.LazyFrame, path: str, shape: Shape, *, overwrite: bool = False) -> None:
    """Write what was found, whole or not at all, some rows at a time.

    Args:
        dataset: What was asked; the answer may not lie where it does.
        found: Rows. In CSV tensors are spread (`actions[0]`, ...), other nested values are JSON; bytes are base64 in
            CSV and JSON.
        path: A file or URL.
        shape: csv, json (a line a row) or parquet.
        overwrite: Whether a file that is there may go.

    Raises:
        OutputExistsError: There is something, and `overwrite` is off.
        SettingsError: The path is that of the dataset, or lies within it.
    """
    with appearing_file(dataset.source, path, overwrite) as draft, draft.open("wb") as file:
        stream(found, file, shape)


def collected(found: pl.LazyFrame) -> pl.DataFrame:
    """The rows; SettingsError where they cannot be computed."""
    with _said():
        return found.collect()


def stream(found: pl.LazyFrame, file: IO[bytes], shape: Shape) -> None:
    """Write rows to an open file, some at a time; SettingsError where they cannot be computed."""
    with _said():
        if shape == "csv":
            _plain(_flat(found)).sink_csv(file)
        elif shape == "json":
            _plain(found).sink_ndjson(file)
        else:
            found.sink_parquet(file)


@contextmanager
def _said() -> Iterator[None]:
    """Errors of Polars, which are about the question, as one of ours."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise SettingsError(f"this cannot be computed: {in_short(error)}") from error


def in_short(error: Exception) -> str:
    """The first line of what Polars says, without its own list of columns."""
    return (str(error).strip().split("\n")[0] or type(error).__name__).split("; valid columns")[0]


def _plain(found: pl.LazyFrame) -> pl.LazyFrame:
    """With bytes as text."""
    return found.with_columns(pl.col(pl.Binary).bin.encode("base64"))


def _flat(found: pl.LazyFrame) -> pl.LazyFrame:
    """Without lists: `actions` becomes `actions[0]`, `actions[1]`, ...; other nested values become JSON."""
    columns: list[pl.Expr] = []
    for name, dtype in found.collect_schema().items():
        if isinstance(dtype, pl.Array) and not dtype.inner.is_nested():
            columns += [pl.col(name).arr.get(i).alias(f"{name}[{i}]") for i in range(dtype.size)]
        elif dtype.is_nested():
            columns.append(pl.col(name).map_batches(_as_json, return_dtype=pl.String, is_elementwise=True))
        else:
            columns.append(pl.col(name))
    return found.select(columns)


def _as_json(values: pl.Series) -> pl.Series:
    words = [None if value is None else json.dumps(value, default=str) for value in values.to_list()]
    return pl.Series(values.name, words, dtype=pl.String)
