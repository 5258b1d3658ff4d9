"""Writing a dataset part by part."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace as changed
from typing import Any

from trajloom.errors import OutputExistsError, SettingsError
from trajloom.folder import Folder
from trajloom.schema import Header
from trajloom.store.commits import (
    COMMITS,
    HEADER,
    MODELS,
    Commit,
    file_name,
    read_commits,
    remove_orphans,
    remove_part,
)
from trajloom.store.part_writer import PartWriter
from trajloom.store.reader import is_dataset, read_header


class Writer:
    """Writes parts into a dataset; it can be sent to other processes, which write other parts at the same time.

    Made by `create` and `resume`.
    """

    def __init__(self, path: str, header: Header):
        self.folder, self.header = Folder(os.fspath(path)), header

    @property
    def path(self) -> str:
        return self.folder.url

    def commits(self) -> list[Commit]:
        """The parts that are there."""
        return read_commits(self.folder)

    def committed(self) -> set[int]:
        """Numbers of the parts that are there."""
        return {commit.part for commit in self.commits()}

    @contextmanager
    def part(
        self,
        number: int,
        *,
        replace: bool = False,
        run: Mapping[str, Any] | None = None,
        replaces: tuple[int, ...] = (),
    ) -> Iterator[PartWriter]:
        """Write one part: it is there once the block ends, and nothing of it where the block raises.

        Args:
            number: Its place among the parts.
            replace: Whether the part may be there already; it stays until the new one is complete.
            run: What may differ from run to run, kept in the commit record; `PartWriter.run` may add to it.
            replaces: Parts whose rows the new one holds: they count no more once it is there.

        Raises:
            OutputExistsError: The part is there and `replace` is off.
            SchemaError: Rows do not match the header, or do not match each other.
        """
        if not replace and self.folder.exists(COMMITS, file_name(number, "json")):
            raise OutputExistsError(f"{self.path} has part {number} already; write another, or replace it")
        part = PartWriter(self.folder, self.header, number, run or {}, replaces)
        with part:
            yield part

    def remove(self, number: int) -> None:
        """Delete a part."""
        remove_part(self.folder, number)

    def forget_replaced(self, number: int) -> None:
        """Let the record of a part name the parts that it replaced no more, once they are gone."""
        commit = next(commit for commit in self.commits() if commit.part == number)
        self.folder.put_json(changed(commit, replaces=()).to_json(), COMMITS, file_name(number, "json"))

    def update_header(self, header: Header) -> None:
        """Replace the header; the columns must stay what they are."""
        update_header(self.path, header)
        self.header = header


# ---- datasets to write into ------------------------------------------------------------------------------------


def create(path: str, header: Header, *, overwrite: bool = False) -> Writer:
    """Begin an empty dataset, to be filled part by part.

    Raises:
        OutputExistsError: There is something else than an empty folder, and `overwrite` is off; or it is no dataset
            of ours, which is never overwritten.
    """
    writer = Writer(path, header)
    make_room(writer.folder, overwrite)
    update_header(path, header)
    return writer


def resume(path: str) -> Writer:
    """Go on writing into a dataset: its parts are kept, and what a killed writer left behind is deleted.

    Raises:
        LayoutError: There is no dataset.
        SettingsError: The dataset was compacted or edited, which made it final.
    """
    header = read_header(path)
    for change in ("compacted", "edited"):
        if (header.generation or {}).get(change):
            raise SettingsError(f"{path} was {change}, which made it final; generate into another folder")
    clean_orphans(path)
    return Writer(path, header)


def keep_models(path: str, models: Mapping[str, str], wanted: Collection[str] | None = None) -> None:
    """Write model XMLs into a dataset, and delete those that are not wanted any more.

    Args:
        path: The dataset.
        models: SHA-256 -> XML; those that are there already are not written again.
        wanted: SHA-256 of the models to keep; None keeps all.
    """
    folder = Folder(os.fspath(path))
    there = {name.removesuffix(".xml") for name in folder.names(MODELS)}
    for sha in models:
        if sha not in there and (wanted is None or sha in wanted):
            folder.put(models[sha].encode(), MODELS, f"{sha}.xml")
    for sha in there - set(there if wanted is None else wanted):
        folder.remove(MODELS, f"{sha}.xml")


def clean_orphans(path: str) -> list[str]:
    """Delete files that no commit record names; returns what was deleted. Nobody else may be writing."""
    folder = Folder(os.fspath(path))
    return remove_orphans(folder, (commit.part for commit in read_commits(folder)))


def update_header(path: str, header: Header) -> None:
    """Replace the header; a reader sees the old one or the new one."""
    Folder(os.fspath(path)).put_json(header.to_json(), HEADER)


def make_room(folder: Folder, overwrite: bool) -> None:
    """Delete the dataset in a folder, where that was asked for, or raise OutputExistsError."""
    check_room(folder, overwrite)
    # first the header: what is left of it is a dataset no more
    folder.remove(HEADER)
    for name in folder.names():
        folder.remove_all(name)


def check_room(folder: Folder, overwrite: bool) -> None:
    """Raise OutputExistsError unless a folder is free, or holds a dataset that may be overwritten."""
    if folder.fs.isfile(folder.root):
        raise OutputExistsError(f"{folder.url} is a file; a dataset is a folder")
    found = folder.names()
    if found and not is_dataset(folder):
        raise OutputExistsError(f"{folder.url} holds something else than a dataset of ours: {', '.join(found[:5])}")
    if found and not overwrite:
        raise OutputExistsError(f"{folder.url} is there already; choose another place or overwrite it")
