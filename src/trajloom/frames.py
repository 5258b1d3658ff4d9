"""The tables of any dataset as lazy Polars frames."""

from collections.abc import Callable, Iterator

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from trajloom.formats import Source
from trajloom.store import StoredDataset
from trajloom.store.reader import INDEX_OF


def scan(source: Source, table: str) -> pl.LazyFrame:
    """A table of a dataset as a lazy frame: files of ours on a disk by Polars itself, all else part after part."""
    empty = _frame(source.header.schema_of(table).empty_table())
    if not isinstance(source, StoredDataset) or not source.folder.local:
        return stream(lambda columns: map(_frame, _rows(source, table, columns)), empty.schema)
    files = source.files(table)
    if not files:
        return empty.lazy()
    frame = pl.scan_parquet(files, schema=empty.schema, glob=False, hive_partitioning=False)
    if not source.hides():
        return frame
    # the file's own rows of `rest` belong to no episode
    number = pl.col(INDEX_OF[table])
    return frame.filter((number < source.header.attempts_end) | number.is_null())


def stream(frames: Callable[[list[str] | None], Iterator[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """A lazy frame of frames that are made when it is collected, one after the other, of the columns asked for."""

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for made in frames(columns):
            frame = made if left is None else made.head(left)
            left = None if left is None else left - frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(batches, schema=schema, is_pure=True)


def _rows(source: Source, table: str, columns: list[str] | None) -> Iterator[pa.RecordBatch | pa.Table]:
    """The rows of a table, part after part, and of `steps` the columns asked for alone."""
    for part in source.parts():
        if table == "steps":
            yield from part.steps(columns)
        elif table == "rest":
            yield from (rows if columns is None else rows.select(columns) for rows in part.rest())
        else:
            rows = getattr(part, table)()
            yield rows if columns is None else rows.select(columns)


def _frame(rows: pa.RecordBatch | pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    return frame
