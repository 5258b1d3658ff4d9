"""Rewriting a dataset of small parts into one of large parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import pyarrow as pa

from trajloom.errors import SettingsError
from trajloom.formats import Part, Progress
from trajloom.schema import Header
from trajloom.store.commits import read_commits
from trajloom.store.copy import copy_part, write
from trajloom.store.reader import StoredDataset, StoredPart, open_store
from trajloom.store.writer import Writer, clean_orphans, update_header

PART_BYTES = 128 << 20
"""Size on disk that `compact` aims at."""


@dataclass(frozen=True)
class _Joined:
    """Several parts as one."""

    parts: tuple[StoredPart, ...]

    @property
    def num_episodes(self) -> int:
        return sum(part.num_episodes for part in self.parts)

    @property
    def num_steps(self) -> int:
        return sum(part.num_steps for part in self.parts)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for part in self.parts:
            yield from part.steps(columns)

    def episodes(self) -> pa.Table:
        return pa.concat_tables([part.episodes() for part in self.parts])

    def attempts(self) -> pa.Table:
        return pa.concat_tables([part.attempts() for part in self.parts])

    def rest(self) -> Iterator[pa.RecordBatch]:
        for part in self.parts:
            yield from part.rest()


@dataclass(frozen=True)
class _Compacted:
    """A stored dataset in larger parts."""

    stored: StoredDataset
    header: Header
    groups: tuple[_Joined, ...]

    @property
    def path(self) -> str:
        return self.stored.path

    def parts(self) -> Sequence[Part]:
        return self.groups

    def models(self) -> Mapping[str, str]:
        return self.stored.models()


def compact(
    path: str, out: str | None = None, *, target_bytes: int = PART_BYTES, overwrite: bool = False,
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Rewrite small parts into parts of about `target_bytes`: the same rows in the same order.

    A generated dataset becomes final: attempts beyond the last one asked for are dropped, and nothing more can be
    generated into it. In place, each new part takes the place of its old ones the moment it is committed, so that
    a process killed half way leaves all rows there, once each; compacting again finishes it.

    Args:
        path: A dataset of ours.
        out: Where to write; None rewrites it in place.
        target_bytes: Size on disk to aim at; larger parts stay as they are.
        overwrite: Whether a dataset at `out` may go.
        progress: Called with (episodes done, episodes in all).

    Raises:
        SettingsError: The dataset is still being generated: the header does not say where its attempts end.
    """
    stored = open_store(path)
    header = _final(stored)
    groups = _groups(stored, target_bytes)
    if out is not None:
        write(
            _Compacted(stored, header, tuple(_Joined(tuple(group)) for group in groups)),
            out,
            overwrite=overwrite,
            progress=progress,
        )
        return
    update_header(path, header)
    writer, done = Writer(path, stored.header), 0
    clean_orphans(path)
    total = sum(part.num_episodes for part in stored.parts())
    for group in groups:
        if len(group) > 1 or _hidden(group[0]):
            _replace(writer, group)
        done += _Joined(tuple(group)).num_episodes if progress else 0
        if progress:
            progress(done, total)
    _drop_hidden(stored)


def _final(stored: StoredDataset) -> Header:
    header = stored.header
    if header.generation is None or header.generation.get("edited"):
        return header
    if header.attempts_end is None:
        raise SettingsError(f"{stored.path} is still being generated; generate the rest before you compact it")
    return header.with_(generation={**header.generation, "compacted": True})


def _groups(stored: StoredDataset, target_bytes: int) -> Sequence[Sequence[StoredPart]]:
    """Neighbouring parts that together stay below the target."""
    groups: list[list[StoredPart]] = []
    size = 0
    for part in stored.parts():
        if groups and size + part.commit.nbytes <= target_bytes:
            groups[-1].append(part)
            size += part.commit.nbytes
        else:
            groups.append([part])
            size = part.commit.nbytes
    return groups


def _hidden(part: StoredPart) -> bool:
    end = part.header.attempts_end
    return end is not None and part.commit.last >= end


def _replace(writer: Writer, group: Sequence[StoredPart]) -> None:
    old = tuple(part.commit.part for part in group)
    # every number that has ever been replaced lies below the one that replaced it
    number = max(writer.committed()) + 1
    runs = [run for part in group for run in part.commit.run.get("parts", [part.commit.run]) if run]
    with writer.part(number, replaces=old, run={"parts": runs} if runs else {}) as new:
        copy_part(_Joined(tuple(group)), new, Lock())
    for part in old:
        writer.remove(part)
    writer.forget_replaced(number)


def _drop_hidden(stored: StoredDataset) -> None:
    """Delete the parts that have nothing to show."""
    shown = {commit.part for commit in open_store(stored.path).commits}
    for commit in read_commits(stored.folder):
        if commit.part not in shown:
            Writer(stored.path, stored.header).remove(commit.part)
