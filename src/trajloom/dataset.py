"""A dataset of any format, opened lazily: its tables as Polars frames, its episodes as arrays."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from trajloom import formats, store, tables
from trajloom.edit import actions as converting
from trajloom.edit import resample as resampling
from trajloom.edit import resize as resizing
from trajloom.edit.drop import drop_columns
from trajloom.edit.episodes import Wanted, ranges
from trajloom.edit.merge import merge as merged
from trajloom.edit.select import select
from trajloom.edit.slice import slice_steps
from trajloom.edit.split import split
from trajloom.edit.view import paths_of
from trajloom.errors import LayoutError, LossError, SettingsError, UnknownNameError
from trajloom.folder import Folder, same_place
from trajloom.formats import Loss, OnError, Part, Progress, Source
from trajloom.schema import EPISODES, Header
from trajloom.store import StoredDataset, StoredPart
from trajloom.store.reader import INDEX_OF

NATIVE = "trajloom"
"""The name of our own format, beside those of `formats`."""


def read(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", format: str | None = None, **options: Any
) -> "Dataset":
    """Open a dataset: one of ours, or of any format that we read, by path or fsspec URL.

    Args:
        path: What it is is found by looking at it, not by its name.
        on_error: What to do with damaged episodes of other formats: "raise", or "skip" them with a warning.
        format: Name of the format, where looking is not to decide.
        options: Settings of the format's `ReadOptions`.

    Raises:
        LayoutError: There is nothing, or nothing that we read.
        DamagedFileError: The layout is one that we read, but its content is cut short or missing.
        UnknownNameError: There is no such format, or it has no such option.
    """
    path = os.fspath(path)
    if format == NATIVE or (format is None and store.is_store(path)):
        return Dataset(store.open_store(path))
    folder = Folder(path)
    if not folder.fs.exists(folder.root):
        raise LayoutError(f"there is nothing at {path}")
    name = format or formats.find(path).NAME
    return Dataset(formats.read(name, path, on_error, options))


def merge(datasets: Iterable["Dataset | str | os.PathLike[str]"]) -> "Dataset":
    """Put datasets, or what lies at paths, one after the other as one dataset, whatever their formats.

    How columns, episode numbers, names, attempts and the rest come together, `edit.merge.merge` says.

    Raises:
        SchemaError: Two datasets have different columns under one name.
        SettingsError: They have different control rates, or there is no dataset.
    """
    if isinstance(datasets, str | os.PathLike):
        raise SettingsError(f"merge takes several datasets, such as [{os.fspath(datasets)!r}, 'more.hdf5']")
    return Dataset(merged([d.source if isinstance(d, Dataset) else read(d).source for d in datasets]))


@dataclass(frozen=True)
class Episode:
    """One episode in memory."""

    row: Mapping[str, Any]
    """Its row of `episodes`: our own columns as Python values, its data columns as arrays."""
    columns: Mapping[str, Any]
    """Data and lineage columns of its steps, (T, ...) each; those that it lacks are left out."""

    @property
    def index(self) -> int:
        return self.row["episode_index"]

    def nested(self) -> dict[str, Any]:
        """Everything as it would lie in HDF5: `obs/x` is `["obs"]["x"]`."""
        arrays = {name: values for name, values in self.row.items() if name not in EPISODES.names}
        return tables.nest({**self.columns, **arrays})


class Dataset:
    """A dataset that is read as it is used: making one reads its metadata alone.

    Columns that are tensors come to Polars as extension types over fixed-size arrays, and as lists where some
    episodes lack them: `pl.col("actions").ext.storage()` gives the values of either, `query.component("actions", 0)`
    one number of each. Images are bytes.
    """

    def __init__(self, source: Source):
        self.source = source

    @property
    def header(self) -> Header:
        """Columns with their types, shapes, units and frames; environment; where the data came from."""
        return self.source.header

    @property
    def path(self) -> str | None:
        """Where it lies; None where it does not say."""
        return getattr(self.source, "path", None)

    def parts(self) -> Sequence[Part]:
        """Its parts: ranges of whole episodes that can be read one by one, in any process."""
        return self.source.parts()

    def models(self) -> Mapping[str, str]:
        """SHA-256 -> model XML, for the episodes' column `model`."""
        return self.source.models()

    def steps(self) -> pl.LazyFrame:
        """One row a control step."""
        return _scan(self.source, "steps")

    def episodes(self) -> pl.LazyFrame:
        """One row an episode."""
        return _scan(self.source, "episodes")

    def attempts(self) -> pl.LazyFrame:
        """One row a try at an episode, also failed ones; no rows where the data was not generated."""
        return _scan(self.source, "attempts")

    def rest(self) -> pl.LazyFrame:
        """One row an array that is no regular column; see `schema.REST`."""
        return _scan(self.source, "rest")

    def __len__(self) -> int:
        """How many episodes there are."""
        return sum(part.num_episodes for part in self.parts())

    @property
    def num_steps(self) -> int:
        return sum(part.num_steps for part in self.parts())

    def iter_episodes(self, columns: Sequence[str] | None = None) -> Iterator[Episode]:
        """The episodes in order, one in memory at a time.

        Args:
            columns: Columns of `steps` to read; None reads all.
        """
        for part in self.parts():
            yield from _episodes_of(part, self.header, columns)

    def episode(self, episode_index: int, columns: Sequence[str] | None = None) -> dict[str, Any]:
        """One episode, as it would lie in HDF5: `["obs"]["robot0_eef_pos"]` is an array (T, 3).

        Args:
            episode_index: Its number in the column `episode_index`; generated datasets leave out those that failed.
            columns: Columns of `steps` to read; None reads all.

        Raises:
            UnknownNameError: There is no such episode.
        """
        for part in self.parts():
            row = _find(part, episode_index, self.header)
            if row is not None:
                batches = _steps_of(part, episode_index, columns)
                return Episode(row, _columns(batches, self.header, columns)).nested()
        known = self.episodes().select("episode_index").collect()["episode_index"]
        raise UnknownNameError("episode", episode_index, ranges(known.to_list()))

    def select(
        self, episodes: Wanted | None = None, *, split: str | None = None, where: str | None = None,
        columns: str | Iterable[str] | None = None,
    ) -> "Dataset":  # fmt: skip
        """Some of its episodes and columns.

        Args:
            episodes: Numbers and ranges of `episode_index`, and names: "0-3,7,demo_9", or a list of numbers and names.
            split: A split (robomimic's filter key) that they are in.
            where: An SQL expression over the table `episodes`: "success and length > 50". Where it is null, it does
                not hold.
            columns: Columns to keep, by name or shell pattern: "actions", "obs/*". Our own columns always stay.

        Raises:
            UnknownNameError: An episode, split, column or column of `where` is not there.
            SettingsError: `where` is no condition.
        """
        return Dataset(select(self.source, episodes=episodes, split=split, where=where, columns=columns))

    def rename(self, names: Mapping[str, str]) -> "Dataset":
        """Other names for columns, or groups of them: {"obs/old": "obs/new", "obs/a/": "obs/b/"}.

        Raises:
            UnknownNameError: There is no such column or group.
            SettingsError: A new name is taken, or is none.
        """
        return Dataset(select(self.source, rename=names))

    def drop_columns(self, patterns: str | Iterable[str]) -> "Dataset":
        """It without the columns of some names or patterns ("next_obs/*"); UnknownNameError where one fits nothing."""
        return Dataset(drop_columns(self.source, patterns))

    def split(
        self, *, ratio: float = 0.9, seed: int = 0, keys: tuple[str, str] | None = None, within: str | None = None
    ) -> "Dataset":
        """Put every episode in one of two splits (robomimic's filter keys), decided by seed and names alone.

        Args:
            ratio: Share of the first split.
            seed: Decides the draws.
            keys: Names of the two; by default "train" and "valid", with `within` before them: "better_train".
            within: Divide the episodes of this split alone.

        Raises:
            SettingsError: The ratio is not between 0 and 1.
            UnknownNameError: No episode is in the split `within`.
        """
        return Dataset(split(self.source, ratio=ratio, seed=seed, keys=keys, within=within))

    def slice(self, start: float | None = None, stop: float | None = None, *, seconds: bool = False) -> "Dataset":
        """The frames [start, stop) of every episode, as `frames[start:stop]` would choose them.

        Args:
            start: The first frame; negative ones count from the end. None is the episode's first.
            stop: The frame after the last; negative ones count from the end. None is the episode's end.
            seconds: Whether both are seconds, which need the control rate.

        Raises:
            SettingsError: A bound is no whole frame, or the rate is unknown where seconds are asked for.
        """
        return Dataset(slice_steps(self.source, start, stop, seconds=seconds))

    def write(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, to: str | None = None, strict: bool = False,
        progress: Progress | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Write it, whole or not at all.

        Args:
            path: A file or folder whose suffix says the format; without a suffix, a folder or URL for one of ours.
            overwrite: Whether what is there may go, once the new one is complete.
            to: Name of the format, where the suffix does not say it: "trajloom" is ours.
            strict: Whether to refuse a format that cannot hold everything, also where the rest is kept aside in the
                output; see `losses`.
            progress: Called with (episodes done, episodes in all).
            options: Settings of the format's `WriteOptions`.

        Raises:
            UnknownNameError: No format has that name or suffix, or it has no such option.
            LossError: `strict`, and the format cannot hold everything.
            OutputExistsError: There is something, and `overwrite` is off.
            SettingsError: The output is the input, or the format can only be read.
        """
        path = os.fspath(path)
        name = to or format_of(path)
        for origin in paths_of(self.source):
            if same_place(origin, path):
                raise SettingsError(f"the output {path} is the input, or lies within it; choose another place")
        if strict and (lost := self.losses(name, **options)):
            raise LossError(f"{name} cannot hold everything: " + "; ".join(loss.what for loss in lost))
        if name == NATIVE:
            _no_options(name, options)
            store.write(self.source, path, overwrite=overwrite, progress=progress)
        else:
            formats.write(name, self.source, path, overwrite=overwrite, progress=progress, options=options)

    def resample(
        self, hz: float, *, method: resampling.Method = "linear", columns: Mapping[str, resampling.Rule] | None = None,
        from_hz: float | None = None,
    ) -> "Dataset":  # fmt: skip
        """The dataset at another rate, by its timestamps; see `edit.resample` for what becomes of each column.

        Args:
            hz: Steps a second.
            method: "linear" (and SLERP for rotations), or "nearest" to interpolate nothing.
            columns: Rules of single columns: "linear", "slerp", "nearest" or "previous".
            from_hz: The rate that it had, where it does not say.
        """
        return Dataset(resampling.resample(self.source, hz, method=method, columns=columns, from_hz=from_hz))

    def resize(
        self, height: int, width: int, *, columns: Sequence[str] | None = None, method: resizing.Method = "area"
    ) -> "Dataset":
        """The dataset with images of another size; depth and masks take the nearest pixel. See `edit.resize`.

        Args:
            height, width: In pixels.
            columns: Columns to resize; None takes all that are known for images.
            method: "area", "bilinear" or "nearest", for colour images.
        """
        return Dataset(resizing.resize(self.source, height, width, columns=columns, method=method))

    def actions(self, to: converting.To = "absolute") -> "Dataset":
        """The dataset with robosuite's OSC actions as target poses, or as changes of the pose; see `edit.actions`.

        Args:
            to: "absolute" or "delta".
        """
        return Dataset(converting.actions(self.source, to))

    def losses(self, to: str, **options: Any) -> list[Loss]:
        """What of it a format, named as in `write`, has no place for; nothing where the format holds it all."""
        return [] if to == NATIVE else formats.losses(to, self.source, options)

    def __repr__(self) -> str:
        rate = f", {self.header.control_hz:g} Hz" if self.header.control_hz else ""
        where = "in memory" if self.path is None else repr(self.path)
        return f"Dataset({where}, {len(self)} episodes, {self.num_steps} steps, {len(self.header.steps)} columns{rate})"


def format_of(path: str) -> str:
    """Name of the format that `write` takes for a path: its suffix says it, none is ours; UnknownNameError."""
    found = formats.of_suffix(path.rstrip("/"))
    if found is not None:
        return found.NAME
    suffix = "" if path.endswith("/") else PurePosixPath(path).suffix
    if suffix:
        raise UnknownNameError("format with the suffix", suffix, [NATIVE, *formats.names("write")])
    return NATIVE


def _no_options(name: str, options: Mapping[str, Any]) -> None:
    if options:
        raise UnknownNameError(f"option for writing {name}", next(iter(options)), [])


# ---- tables as lazy frames -------------------------------------------------------------------------------------


def _scan(source: Source, table: str) -> pl.LazyFrame:
    empty = _frame(source.header.schema_of(table).empty_table())
    if not isinstance(source, StoredDataset) or not source.folder.local:
        return _stream(source, table, empty.schema)
    files = source.files(table)
    if not files:
        return empty.lazy()
    frame = pl.scan_parquet(files, schema=empty.schema, glob=False, hive_partitioning=False)
    return frame.filter(pl.col(INDEX_OF[table]) < source.header.attempts_end) if source.hides() else frame


def _stream(source: Source, table: str, schema: pl.Schema) -> pl.LazyFrame:
    """A lazy frame that reads part after part, and of `steps` the columns asked for alone."""

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        left = n_rows
        for rows in _rows(source, table, columns):
            frame = _frame(rows)
            frame = frame if left is None else frame.head(left)
            left = None if left is None else left - frame.height
            yield frame if predicate is None else frame.filter(predicate)
            if left == 0:
                return

    return register_io_source(batches, schema=schema, is_pure=True)


def _rows(source: Source, table: str, columns: list[str] | None) -> Iterator[pa.RecordBatch | pa.Table]:
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


# ---- episodes as arrays ----------------------------------------------------------------------------------------


def _episodes_of(part: Part, header: Header, columns: Sequence[str] | None) -> Iterator[Episode]:
    """Cut the stream of a part's steps where the episodes end."""
    batches = part.steps(_with_index(columns))
    rest: pa.RecordBatch | None = None
    for row in episode_rows(part.episodes(), header):
        pieces, missing = [], row["length"]
        while missing:
            batch = rest if rest is not None and rest.num_rows else next(batches)
            pieces.append(batch.slice(0, missing))
            rest = batch.slice(pieces[-1].num_rows)
            missing -= pieces[-1].num_rows
        yield Episode(row, _columns(pieces, header, columns))


def _with_index(columns: Sequence[str] | None) -> list[str] | None:
    """`episode_index` too, so that rows can be told apart however few columns are asked for."""
    return None if columns is None else list(dict.fromkeys(["episode_index", *columns]))


def _columns(batches: Sequence[pa.RecordBatch], header: Header, columns: Sequence[str] | None) -> dict[str, Any]:
    if not batches:
        schema = header.steps_schema
        batches = [pa.record_batch([pa.nulls(0, field.type) for field in schema], names=schema.names)]
        batches = [batches[0] if columns is None else batches[0].select(columns)]
    return tables.columns_of(pa.Table.from_batches(batches).combine_chunks(), header)


def episode_rows(table: pa.Table, header: Header) -> Iterator[dict[str, Any]]:
    """Rows of `episodes` as `tables.episodes_table` takes them: Python values, and arrays of the data columns.

    A data column that an episode lacks is left out of its row.
    """
    for number, row in enumerate(table.select(EPISODES.names).to_pylist()):
        for column in header.episodes:
            value = table.column(column.name).slice(number, 1)
            if not value.null_count:
                row[column.name] = tables.to_numpy(value, column)[0]
        yield row


def _find(part: Part, episode_index: int, header: Header) -> dict[str, Any] | None:
    """The episode's row, where the part has it."""
    if isinstance(part, StoredPart) and not part.may_hold(episode_index):
        return None
    episodes = part.episodes()
    at = np.flatnonzero(episodes.column("episode_index").to_numpy() == episode_index)
    return next(episode_rows(episodes.slice(at[0], 1), header)) if len(at) else None


def _steps_of(part: Part, episode_index: int, columns: Sequence[str] | None) -> list[pa.RecordBatch]:
    if isinstance(part, StoredPart):
        return list(part.steps_of(episode_index, columns))
    pieces = []
    for batch in part.steps(_with_index(columns)):
        at = np.flatnonzero(batch.column("episode_index").to_numpy() == episode_index)
        if len(at):
            pieces.append(batch.slice(at[0], len(at)))
        elif pieces:
            break
    return pieces
