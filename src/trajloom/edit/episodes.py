"""Choosing episodes: by number or name, by split, by an expression over the table `episodes`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from trajloom.edit.view import Arranged, PartView, edited
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.formats import Part, Source
from trajloom.schema import Header
from trajloom.store import StoredPart
from trajloom.tables import Array, rows_where

PART = "//part"
"""Column of a listing: the number of the part that an episode is in."""

SPARSE = 8
"""From so many episodes of a stored part for each chosen one, each is looked up in the part's file by itself."""

FACTS = ("episode_index", "name", "length", "splits", "model")

Wanted = str | Iterable[int | str]
"""Episodes as "0-3,7,demo_9", or as numbers and names."""


def listing(source: Source, more: Iterable[str] = ()) -> pl.DataFrame:
    """FACTS, PART and some more columns of the table `episodes`, one row an episode, in order."""
    names = list(dict.fromkeys([*FACTS, *more]))
    frames = [_frame(source.header.episodes_schema.empty_table(), names, 0)]
    frames += [_frame(part.episodes(), names, number) for number, part in enumerate(source.parts())]
    return pl.concat(frames)


def _frame(episodes: pa.Table, names: Sequence[str], number: int) -> pl.DataFrame:
    frame = pl.from_arrow(episodes.select(list(names)))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(pl.lit(number, dtype=pl.Int64).alias(PART))


# ---- which ones ------------------------------------------------------------------------------------------------


def chosen(there: pl.DataFrame, wanted: Wanted) -> pl.Series:
    """Which episodes of a listing are wanted.

    Args:
        there: The listing.
        wanted: Text is a comma list of numbers of the column `episode_index`, of ranges of them that include both
            ends, and of names: "0-3,7,demo_9". A list may hold names with commas in them.

    Raises:
        UnknownNameError: A number or name is not there, or no number of a range is.
        SettingsError: A range runs backwards, or nothing is asked for.
    """
    words = [word.strip() for word in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    words = [word for word in words if word != ""]
    if not words:
        raise SettingsError("no episodes are asked for; give numbers, ranges or names, such as 0-3,7,demo_9")
    found = [_one(there, word) for word in words]
    unknown = [str(word) for word, mask in zip(words, found, strict=True) if not mask.any()]
    if unknown:
        names = there["name"].to_list()
        known = [*ranges(there["episode_index"].to_list()), *names[:20], *(["..."] if len(names) > 20 else [])]
        raise UnknownNameError("episode", ", ".join(unknown), known)
    return pl.Series(np.logical_or.reduce([mask.to_numpy() for mask in found]))


def _one(there: pl.DataFrame, word: int | str) -> pl.Series:
    index = there["episode_index"]
    if not isinstance(word, str):
        return index == int(word)
    bounds = re.fullmatch(r"(\d+)(?:-(\d+))?", word, flags=re.ASCII)
    if bounds is None:
        return there["name"] == word
    first, last = int(bounds[1]), int(bounds[2] or bounds[1])
    if last < first:
        raise SettingsError(f"the range {word} runs backwards; write {last}-{first}")
    return (index >= first) & (index <= last)


def ranges(numbers: Sequence[int]) -> list[str]:
    """Numbers as a few ranges: 0-3, 5, 7-9."""
    if not numbers:
        return []
    cuts = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = [(run[0], run[-1]) for run in np.split(np.asarray(numbers), cuts)]
    shown = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:20]]
    return shown + ["..."] * (len(runs) > 20)


def of_split(there: pl.DataFrame, split: str) -> pl.Series:
    """Which episodes of a listing are in a split; UnknownNameError where none is."""
    mask = there["splits"].list.contains(split)
    if not mask.any():
        raise UnknownNameError("split", split, splits_of(there))
    return mask


def splits_of(there: pl.DataFrame) -> set[str]:
    """The splits that episodes of a listing are in."""
    return set(there["splits"].explode().drop_nulls())


def expression(text: str, header: Header) -> pl.Expr:
    """An SQL expression over the table `episodes`.

    Raises:
        SettingsError: It is none.
        UnknownNameError: It speaks of columns that the table lacks.
    """
    try:
        made = pl.sql_expr(text)
    except pl.exceptions.PolarsError as error:
        raise SettingsError(_misunderstood(text, error, header)) from error
    names = header.episodes_schema.names
    unknown = sorted(set(made.meta.root_names()) - set(names))
    if unknown:
        raise UnknownNameError("column of episodes", ", ".join(unknown), names)
    return made


def fulfilling(there: pl.DataFrame, condition: pl.Expr, text: str, header: Header) -> pl.Series:
    """Which episodes of a listing fulfil a condition; those for which it is null do not.

    Raises:
        SettingsError: It cannot be computed, or is no yes or no.
    """
    number = pl.int_range(pl.len(), dtype=pl.Int64)
    try:
        found = there.with_columns(number.alias(PART)).filter(condition)[PART]
    except pl.exceptions.PolarsError as error:
        raise SettingsError(_misunderstood(text, error, header)) from error
    mask = np.zeros(there.height, dtype=bool)
    mask[found.to_numpy()] = True
    return pl.Series(mask)


def _misunderstood(text: str, error: Exception, header: Header) -> str:
    said, names = str(error).splitlines()[0], ", ".join(header.episodes_schema.names)
    return (
        f'{text!r} is no condition on episodes ({said}); write one such as "success and length > 50" over the columns '
        f"{names} (a name with / in double quotes)"
    )


# ---- keeping them ----------------------------------------------------------------------------------------------


def keep(source: Source, there: pl.DataFrame, mask: pl.Series) -> Source:
    """The episodes of a listing that a mask keeps, as they are.

    They keep their numbers and names. Parts without any of them are not read. Of `attempts` the rows of kept
    episodes stay, since they say what each was made from; those of dropped episodes and of tries that failed
    go, for of a choice of episodes nobody can say how often it succeeded. Splits that only dropped episodes were in
    are gone, and so are models that only they used.
    """
    if mask.all():
        return source
    kept, gone = there.filter(mask), there.filter(~mask)
    header = _without_splits(source.header, splits_of(gone) - splits_of(kept))
    note = () if kept.height else ("no episode is left; the result is an empty dataset",)
    return Arranged(
        (source,), edited(header, *note), tuple(_pieces(source, kept)), frozenset(kept["model"].drop_nulls().unique())
    )


def _pieces(source: Source, kept: pl.DataFrame) -> Iterator[Part]:
    parts = source.parts()
    numbers = sorted(set(kept[PART])) or list(range(len(parts)))[:1]
    for number in numbers:
        rows = kept.filter(pl.col(PART) == number)
        first = parts[0] if number == numbers[0] else None
        yield ChosenPart(parts[number], rows["episode_index"].to_numpy(), int(rows["length"].sum()), first)


def _without_splits(header: Header, gone: set[str]) -> Header:
    """The header without what it says of splits that no episode is in any more."""
    masks = header.layout.get("masks")
    if not gone or not isinstance(masks, dict):
        return header
    left = {key: about for key, about in masks.items() if key not in gone}
    attrs = {path: found for path, found in header.attrs.items() if path.removeprefix("mask/") not in gone}
    return header.with_(layout={**header.layout, "masks": left}, attrs=attrs)


@dataclass(frozen=True)
class ChosenPart(PartView):
    """Some episodes of a part."""

    chosen: Array
    """`episode_index` of each, rising."""
    length: int
    """Their steps."""
    first: Part | None
    """The source's first part, whose rows of `rest` that are the file's own come with this one; None: they do not."""

    @property
    def num_episodes(self) -> int:
        return len(self.chosen)

    @property
    def num_steps(self) -> int:
        return self.length

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        left = self.length
        if not left:
            return
        asked = columns if columns is None else list(dict.fromkeys([*columns, "episode_index"]))
        for batch in self._batches(asked):
            kept = rows_where(batch, self._holds(batch.column("episode_index")))
            left -= kept.num_rows
            if kept.num_rows:
                yield kept if columns is None else kept.select(list(columns))
            if not left:
                return

    def _batches(self, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        """The rows of the part, or of the chosen episodes alone where that is quicker."""
        if isinstance(self.part, StoredPart) and SPARSE * len(self.chosen) <= self.part.num_episodes:
            return (batch for index in self.chosen for batch in self.part.steps_of(int(index), columns))
        return self.part.steps(columns)

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        return table.filter(pa.array(self._holds(table.column("episode_index"))))

    def attempts(self) -> pa.Table:
        table = self.part.attempts()
        return table.filter(pa.array(self._holds(table.column("attempt"))))

    def rest(self) -> Iterator[pa.RecordBatch]:
        if self.first is not None:
            yield from own_rest(self.first)
        for batch in self.part.rest() if len(self.chosen) else ():
            kept = rows_where(batch, self._holds(batch.column("episode_index")))
            if kept.num_rows:
                yield kept

    def _holds(self, numbers: pa.Array | pa.ChunkedArray) -> Array:
        return np.isin(np.asarray(pc.fill_null(numbers, -1)), self.chosen)


def own_rest(part: Part, without: frozenset[str] = frozenset()) -> Iterator[pa.RecordBatch]:
    """The rows of a part's `rest` that belong to the file itself, but for those of some paths."""
    for batch in part.rest():
        own = pc.is_null(batch.column("episode_index")).to_numpy(zero_copy_only=False)
        if without and own.any():
            own = own & ~np.isin(np.array(batch.column("path").to_pylist(), dtype=object), list(without))
        kept = rows_where(batch, own)
        if kept.num_rows:
            yield kept
