"""Making packed records: one pass over a dataset, a batch in memory, files that appear when they are whole."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.errors import DamagedFileError, SchemaError
from trajloom.formats import Source
from trajloom.load import pictures, place
from trajloom.load.groups import VERSION, Group
from trajloom.load.place import DRAFT, draft
from trajloom.schema import Column, Header
from trajloom.tables import Array

STALE_SECONDS = 86400.0
"""A draft so old was left by a process that died."""


def pack(folder: Path, of: str, groups: Sequence[Group], opened: Callable[[], Source]) -> None:
    """Make what is missing of a dataset's packed records: all that loading needs, or more groups of columns.

    Args:
        folder: The folder of the dataset in the cache.
        of: What the dataset is called, for people.
        groups: Groups of columns that must be there afterwards.
        opened: Opens the dataset; called only if something is missing.

    Raises:
        SchemaError: Some episodes lack a column whose element type has no NaN.
    """
    if is_packed(folder, groups):
        return
    with place.alone(folder):
        if is_packed(folder, groups):
            return
        _remove_stale(folder)
        source = opened()
        missing = [group for group in groups if not (folder / group.file).exists()]
        lengths = _write_index(folder, source)
        _write_groups(folder, of, source, missing, int(lengths.sum()))
        _write_about(folder, of, source.header, lengths)


def is_packed(folder: Path, groups: Sequence[Group]) -> bool:
    """Whether a dataset's records are there, with these groups of columns."""
    about = place.read_about(folder)
    return about is not None and all((folder / group.file).exists() for group in groups)


# ---- episodes --------------------------------------------------------------------------------------------------

STARTS, NUMBERS, AROUND, SPLITS = "starts.i64", "episode_index.i64", "around.i32", "splits.json"
"""Rows of the episodes' first steps and N; their numbers; how many rows of its episode are before and after each row;
who is in which split."""
AT_A_TIME = 4096
"""Episodes whose rows are written at a time."""


def _write_index(folder: Path, source: Source) -> Array:
    """Write which rows are whose, and who is in which split; returns the episodes' lengths."""
    names = ["episode_index", "length", "splits"]
    episodes = pa.concat_tables([part.episodes().select(names) for part in source.parts()] or [_no_episodes()])
    lengths = episodes.column("length").to_numpy()
    with draft(folder / STARTS) as file:
        file.write(np.concatenate([[0], np.cumsum(lengths)]).astype("<i8").data)
    with draft(folder / NUMBERS) as file:
        file.write(episodes.column("episode_index").to_numpy().astype("<i8").data)
    with draft(folder / AROUND) as file:
        for start in range(0, len(lengths), AT_A_TIME):
            file.write(_around(lengths[start : start + AT_A_TIME]).data)
    with draft(folder / SPLITS) as file:
        file.write(json.dumps(_splits(episodes.column("splits").to_pylist())).encode())
    return lengths


def _around(lengths: Array) -> Array:
    """(N, 2) int32. How many rows of its episode come before each row of some episodes, and how many after it."""
    of_episode = np.repeat(lengths, lengths)
    before = np.arange(len(of_episode)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.stack([before, of_episode - 1 - before], axis=1).astype("<i4")


def _no_episodes() -> pa.Table:
    return Header().episodes_schema.empty_table().select(["episode_index", "length", "splits"])


def _splits(of_episodes: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Split -> positions of its episodes."""
    found: dict[str, list[int]] = {}
    for position, splits in enumerate(of_episodes):
        for split in splits:
            found.setdefault(split, []).append(position)
    return found


def _write_about(folder: Path, of: str, header: Header, lengths: Array) -> None:
    about: dict[str, Any] = {
        "version": VERSION,
        "of": of,
        "built": time.time(),
        "episodes": len(lengths),
        "steps": int(lengths.sum()),
        "header": header.with_(warnings=()).to_json(),
    }
    with draft(folder / place.ABOUT) as file:
        file.write(json.dumps(about).encode())


# ---- rows ------------------------------------------------------------------------------------------------------


def _write_groups(folder: Path, of: str, source: Source, groups: Sequence[Group], rows: int) -> None:
    """Write rows of all groups in one pass."""
    names = [slot.column.name for group in groups for slot in group.slots]
    if not names:
        return
    written = 0
    with ExitStack() as files:
        kinds = [pictures.writing if group.png else _writing for group in groups]
        outs = [files.enter_context(kind(folder, group)) for kind, group in zip(kinds, groups, strict=True)]
        for part in source.parts():
            for batch in part.steps(["episode_index", *names]):
                for group, out in zip(groups, outs, strict=True):
                    out(_rows(batch, group, source.header))
                written += batch.num_rows
        if written != rows:
            raise DamagedFileError(f"{of} has {written} steps; the lengths of its episodes say {rows}")


def _rows(batch: pa.RecordBatch, group: Group, header: Header) -> Array:
    """(T, width). The group's columns of some steps, side by side."""
    columns = [_values(batch, header.column(slot.column.name)).reshape(batch.num_rows, -1) for slot in group.slots]
    # numbers too large for a smaller float become infinite, as everywhere
    with np.errstate(over="ignore"):
        if len(columns) == 1:
            return np.ascontiguousarray(columns[0], dtype=group.dtype)
        out = np.empty((batch.num_rows, group.width), group.dtype)
        for slot, values in zip(group.slots, columns, strict=True):
            out[:, slot.start : slot.stop] = values
    return out


def _values(batch: pa.RecordBatch, column: Column) -> Array:
    """(T, *shape). NaN where an episode lacks the column."""
    values = batch.column(column.name)
    if values.null_count and not column.dtype.startswith("float"):
        at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise SchemaError(
            f"{column.name} is missing in episode {batch.column('episode_index')[at]}, and {column.dtype} has no NaN "
            "to say so; leave it out with `columns`, or choose the episodes that have it with Dataset.select"
        )
    return tables.filled(values, column)


@contextmanager
def _writing(folder: Path, group: Group) -> Iterator[Callable[[Array], object]]:
    """Write a group; takes some rows (T, width) at a time."""
    with draft(folder / group.file) as file:
        yield lambda rows: file.write(rows.data)


# ---- drafts ----------------------------------------------------------------------------------------------------


def _remove_stale(folder: Path) -> None:
    for left in folder.glob(f"{DRAFT}*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - STALE_SECONDS:
                left.unlink()
