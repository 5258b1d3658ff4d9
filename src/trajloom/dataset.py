"""A dataset of any format, opened lazily: its tables as Polars frames, its episodes as arrays."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from trajloom import formats, store
from trajloom.edit import actions as converting
from trajloom.edit import resize as resizing
from trajloom.edit.converted import To
from trajloom.edit.drop import drop_columns
from trajloom.edit.episodes import Wanted, ranges
from trajloom.edit.merge import merge as merged
from trajloom.edit.resample import resample
from trajloom.edit.resample_rules import Method, Rule
from trajloom.edit.select import select
from trajloom.edit.slice import slice_steps
from trajloom.edit.split import split
from trajloom.edit.view import paths_of
from trajloom.episode import Episode as Episode
from trajloom.episode import episode_rows as episode_rows
from trajloom.episode import episodes_of, find
from trajloom.errors import LayoutError, LossError, SettingsError, UnknownNameError
from trajloom.folder import Folder, same_place
from trajloom.formats import Loss, OnError, Part, Progress, Source
from trajloom.frames import scan
from trajloom.schema import Header
from trajloom.store import NATIVE as NATIVE


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
        return scan(self.source, "steps")

    def episodes(self) -> pl.LazyFrame:
        """One row an episode."""
        return scan(self.source, "episodes")

    def attempts(self) -> pl.LazyFrame:
        """One row a try at an episode, also failed ones; no rows where the data was not generated."""
        return scan(self.source, "attempts")

    def rest(self) -> pl.LazyFrame:
        """One row an array that is no regular column; see `schema.REST`."""
        return scan(self.source, "rest")

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
            yield from episodes_of(part, self.header, columns)

    def episode(self, episode_index: int, columns: Sequence[str] | None = None) -> dict[str, Any]:
        """One episode, as it would lie in HDF5: `["obs"]["robot0_eef_pos"]` is an array (T, 3).

        Args:
            episode_index: Its number in the column `episode_index`; generated datasets leave out those that failed.
            columns: Columns of `steps` to read; None reads all.

        Raises:
            UnknownNameError: There is no such episode.
        """
        for part in self.parts():
            found = find(part, episode_index, self.header, columns)
            if found is not None:
                return found.nested()
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
        self, hz: float, *, method: Method = "linear", columns: Mapping[str, Rule] | None = None,
        from_hz: float | None = None,
    ) -> "Dataset":  # fmt: skip
        """The dataset at another rate, by its timestamps; see `edit.resample` for what becomes of each column.

        Args:
            hz: Steps a second.
            method: "linear" (and SLERP for rotations), or "nearest" to interpolate nothing.
            columns: Rules of single columns: "linear", "slerp", "nearest" or "previous".
            from_hz: The rate that it had, where it does not say.
        """
        return Dataset(resample(self.source, hz, method=method, columns=columns, from_hz=from_hz))

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

    def actions(self, to: To = "absolute") -> "Dataset":
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
