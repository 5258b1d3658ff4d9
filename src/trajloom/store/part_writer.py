"""Taking the rows of one part: checked as they come, and there once its commit record is."""

import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import SchemaError
from trajloom.folder import Folder
from trajloom.parquet import ParquetFile
from trajloom.schema import TABLES, Header, check
from trajloom.store.commits import (
    COMMITS,
    MODELS,
    STAGING,
    Commit,
    file_name,
    read_commits,
    remove_part,
)

ALWAYS = ("steps", "episodes")
"""Tables that have a file in every part, if an empty one, so that `steps/*.parquet` can always be opened."""


class PartWriter:
    """Takes the rows of one part. Made by `Writer.part`."""

    def __init__(self, folder: Folder, header: Header, number: int, run: Mapping[str, Any], replaces: tuple[int, ...]):
        self.number = number
        self.run: dict[str, Any] = dict(run)
        """What may differ from run to run; kept in the commit record."""
        self._folder, self._header, self._replaces = folder, header, replaces
        self._files: dict[str, ParquetFile] = {}
        self._models: set[str] = set()
        self._counted: dict[int, int] = {}
        self._lengths: dict[int, int] = {}
        self._attempts: tuple[int, int] | None = None
        self._last_step = (-1, -1)
        self._staging = _staging(folder, number)

    def write_steps(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows of `steps`, by episode and frame; an episode may come in pieces, each after the other."""
        for batch in self._checked("steps", rows):
            self._count_steps(batch)
            self._file("steps").write(batch)

    def write_episodes(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows of `episodes`, by `episode_index`."""
        for batch in self._checked("episodes", rows):
            index, length = (batch.column(name).to_pylist() for name in ("episode_index", "length"))
            _must_rise([*list(self._lengths)[-1:], *index], "episodes: episode_index", self.number)
            self._lengths.update(zip(index, length, strict=True))
            self._file("episodes").write(batch)

    def write_attempts(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows of `attempts`, by `attempt`."""
        for batch in self._checked("attempts", rows):
            numbers = batch.column("attempt").to_pylist()
            before = [self._attempts[1]] if self._attempts else []
            _must_rise([*before, *numbers], "attempts: attempt", self.number)
            self._attempts = (self._attempts[0] if self._attempts else numbers[0], numbers[-1])
            self._file("attempts").write(batch)

    def write_rest(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows of `rest`."""
        for batch in self._checked("rest", rows):
            self._file("rest").write(batch)

    def add_model(self, xml: str) -> str:
        """Keep a model XML, once however often it comes; returns its SHA-256, the value of the episodes' `model`."""
        data = xml.encode()
        sha = hashlib.sha256(data).hexdigest()
        if sha not in self._models:
            (self._staging / f"{sha}.xml").write_bytes(data)
            self._models.add(sha)
        return sha

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            for table in ALWAYS:
                self._file(table)
            for file in self._files.values():
                file.close()
            if error is None:
                self._check_lengths()
                self._publish()
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)

    def _checked(self, table: str, rows: pa.RecordBatch | pa.Table) -> Iterator[pa.RecordBatch]:
        schema = self._header.schema_of(table)
        check(rows, schema, f"{table} of part {self.number}")
        rows = rows.select(schema.names)
        for batch in rows.to_batches() if isinstance(rows, pa.Table) else [rows]:
            if batch.num_rows:
                # a schema of the same types may say less of nulls or more in metadata
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)

    def _file(self, table: str) -> ParquetFile:
        if table not in self._files:
            self._files[table] = ParquetFile(self._staging / f"{table}.draft", self._header.schema_of(table))
        return self._files[table]

    def _count_steps(self, batch: pa.RecordBatch) -> None:
        """Check that rows go on where the last ones ended, and count them."""
        episodes, frames = (batch.column(name).to_numpy() for name in ("episode_index", "frame_index"))
        before = np.concatenate([[self._last_step[0]], episodes[:-1]])
        frame_before = np.concatenate([[self._last_step[1]], frames[:-1]])
        goes_on = (episodes == before) & (frames == frame_before + 1)
        begins = (episodes > before) & (frames == 0)
        wrong = np.flatnonzero(~(goes_on | begins))
        if len(wrong):
            here, there = (
                (int(e[wrong[0]]), int(f[wrong[0]])) for e, f in ((episodes, frames), (before, frame_before))
            )
            raise SchemaError(
                f"steps of part {self.number} must be sorted by episode and frame, each episode from frame 0 without a "
                f"gap; after episode {there[0]}, frame {there[1]} came episode {here[0]}, frame {here[1]}"
            )
        for index, count in zip(*np.unique(episodes, return_counts=True), strict=True):
            self._counted[int(index)] = self._counted.get(int(index), 0) + int(count)
        self._last_step = (int(episodes[-1]), int(frames[-1]))

    def _check_lengths(self) -> None:
        faults = []
        for index in sorted(self._counted.keys() | self._lengths.keys()):
            steps, length = self._counted.get(index, 0), self._lengths.get(index)
            if steps != length:
                said = "but no row in episodes" if length is None else f"length {length}"
                faults.append(f"episode {index}: {steps} steps, {said}")
        if faults:
            raise SchemaError(f"steps and episodes of part {self.number} do not agree; " + "; ".join(faults))

    def _publish(self) -> None:
        """Put the files in their places, the commit record last."""
        commit = self._commit()
        for sha in sorted(self._models):
            if not self._folder.exists(MODELS, f"{sha}.xml"):
                self._folder.publish(self._staging / f"{sha}.xml", MODELS, f"{sha}.xml")
        # whatever lies there is an orphan or about to be replaced
        remove_part(self._folder, self.number)
        for table, file in self._files.items():
            self._folder.publish(file.path, table, file_name(self.number))
        self._folder.put_json(commit.to_json(), COMMITS, file_name(self.number, "json"))

    def _commit(self) -> Commit:
        episodes = (min(self._lengths), max(self._lengths)) if self._lengths else None
        return Commit(
            part=self.number,
            tables={t: _facts(self._files[t]) for t in TABLES if t in self._files},
            episodes=episodes,
            attempts=self._attempts,
            order=_order(self._folder, self._replaces),
            replaces=self._replaces,
            run=self.run,
        )


def _order(folder: Folder, replaces: tuple[int, ...]) -> int | None:
    places = [commit.place for commit in read_commits(folder) if commit.part in replaces] if replaces else []
    return min(places, default=None)


def _facts(file: ParquetFile) -> dict[str, Any]:
    with file.path.open("rb") as data:
        sha = hashlib.file_digest(data, "sha256").hexdigest()
    return {"rows": file.rows, "bytes": file.path.stat().st_size, "sha256": sha}


def _staging(folder: Folder, number: int) -> Path:
    """A folder of its own to make a part's files in: beside their place where a rename can publish them."""
    if not folder.local:
        return Path(tempfile.mkdtemp(prefix="trajloom-"))
    staging = Path(folder.at(f"{STAGING}{number}-{uuid.uuid4().hex}"))
    staging.mkdir(parents=True)
    return staging


def _must_rise(numbers: list[int], what: str, part: int) -> None:
    wrong = [(a, b) for a, b in pairwise(numbers) if b <= a]
    if wrong:
        raise SchemaError(f"{what} of part {part} must rise; after {wrong[0][0]} came {wrong[0][1]}")
