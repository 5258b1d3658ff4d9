"""Datasets that live in memory: real sources, small enough to write down."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom import tables
from trajloom.formats._columnar import with_nulls
from trajloom.schema import Column, Header


@dataclass(frozen=True)
class MemoryEpisode:
    """One episode: its row of `episodes` and its arrays by column."""

    row: Mapping[str, Any]
    columns: Mapping[str, Any]
    nulls: Mapping[str, Any] = field(default_factory=dict)
    """Nullable column of `columns` -> (T,) bool, the steps that lack it."""

    def batch(self, header: Header) -> pa.RecordBatch:
        """All its steps."""
        batch = tables.steps_batch(header, self.row["episode_index"], self.columns)
        for name, mask in self.nulls.items():
            at = batch.schema.names.index(name)
            batch = batch.set_column(at, batch.schema.field(at), with_nulls(batch.column(at), mask))
        return batch


@dataclass(frozen=True)
class MemoryPart:
    """Some episodes. Implements `formats.Part`."""

    header: Header
    members: Sequence[MemoryEpisode]
    attempt_rows: Sequence[Mapping[str, Any]] = ()
    rest_rows: Sequence[tables.Rest] = ()
    batch_rows: int = 1000

    @property
    def num_episodes(self) -> int:
        return len(self.members)

    @property
    def num_steps(self) -> int:
        return sum(episode.row["length"] for episode in self.members)

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for episode in self.members:
            if not episode.row["length"]:
                continue
            batch = episode.batch(self.header)
            for start in range(0, batch.num_rows, self.batch_rows):
                piece = batch.slice(start, self.batch_rows)
                yield piece if columns is None else piece.select(columns)

    def episodes(self) -> pa.Table:
        return tables.episodes_table(self.header, [episode.row for episode in self.members])

    def attempts(self) -> pa.Table:
        return pa.Table.from_pylist(list(self.attempt_rows), schema=self.header.attempts_schema)

    def rest(self) -> Iterator[pa.RecordBatch]:
        if self.rest_rows:
            yield tables.rest_batch(self.rest_rows)


@dataclass(frozen=True)
class MemorySource:
    """A dataset in memory, some episodes a part. Implements `formats.Source`."""

    header: Header
    members: Sequence[MemoryEpisode]
    episodes_per_part: int = 2
    attempt_rows: Sequence[Mapping[str, Any]] = ()
    rest_rows: Sequence[tables.Rest] = ()
    xml: Mapping[str, str] = field(default_factory=dict)
    batch_rows: int = 1000

    @cached_property
    def _parts(self) -> list[MemoryPart]:
        n = self.episodes_per_part
        cuts = range(0, max(len(self.members), 1), n)
        last = cuts[-1]
        return [
            MemoryPart(
                self.header,
                self.members[start : start + n],
                self._attempts_of(start, last),
                self._rest_of(start),
                self.batch_rows,
            )
            for start in cuts
        ]

    def _attempts_of(self, start: int, last: int) -> list[Mapping[str, Any]]:
        """Attempts from this part's first episode up to the next part's."""
        firsts = [m.row["episode_index"] for m in self.members[start :: self.episodes_per_part][:2]]
        low = firsts[0] if start and firsts else 0
        high = firsts[1] if start != last and len(firsts) > 1 else np.inf
        return [row for row in self.attempt_rows if low <= row["attempt"] < high]

    def _rest_of(self, start: int) -> list[tables.Rest]:
        """Rows of this part's episodes, and in the first part those of no episode that there is."""
        here = {member.row["episode_index"] for member in self.members[start : start + self.episodes_per_part]}
        elsewhere = {member.row["episode_index"] for member in self.members} - here
        wanted = [row for row in self.rest_rows if row.episode_index in here]
        return [row for row in self.rest_rows if row.episode_index not in elsewhere] if start == 0 else wanted

    def parts(self) -> Sequence[MemoryPart]:
        return self._parts

    def models(self) -> Mapping[str, str]:
        return self.xml


HEADER = Header(
    steps=(
        Column(name="actions", dtype="float64", shape=(3,)),
        Column(name="rewards", dtype="float64"),
        Column(name="dones", dtype="int64"),
        Column(name="obs/pose", dtype="float64", shape=(4, 4), unit="m", frame="world", when="before"),
        Column(name="obs/image", dtype="uint8", shape=(4, 5, 3)),
        Column(name="obs/force", dtype="float32", shape=(2,), nullable=True, unit="N"),
    ),
    episodes=(Column(name="initial_state/states", dtype="float64", shape=(6,)),),
    control_hz=20.0,
    env_args={"env_name": "Lift", "type": 1, "env_kwargs": {}},
)


def episode(index: int, length: int, **row: Any) -> MemoryEpisode:
    """An episode that moves 1 cm a step along x at 20 Hz; odd ones have no force."""
    frame = np.arange(length)
    pose = np.tile(np.eye(4), (length, 1, 1))
    pose[:, 0, 3] = 0.01 * frame + index
    columns: dict[str, Any] = {
        "actions": np.stack([frame * 0.1, frame * 0.0 + index, -frame * 0.5], axis=1).astype(np.float64),
        "rewards": (frame == length - 1).astype(np.float64),
        "dones": (frame == length - 1).astype(np.int64),
        "obs/pose": pose,
        "obs/image": ((frame[:, None] * 7 + np.arange(60) + index) % 256).astype(np.uint8).reshape(length, 4, 5, 3),
    }
    if index % 2 == 0:
        columns["obs/force"] = np.stack([frame, frame + 1], axis=1).astype(np.float32)
    own = {"episode_index": index, "name": f"demo_{index}", "length": length, "success": True, "attrs": "{}"}
    return MemoryEpisode({**own, "initial_state/states": np.arange(6.0) + index, **row}, columns)


def source(lengths: Sequence[int] = (3, 1, 4, 2, 5), **settings: Any) -> MemorySource:
    """Episodes of these lengths."""
    return MemorySource(HEADER, [episode(i, n) for i, n in enumerate(lengths)], **settings)


def generated(
    successes: Sequence[int], attempts: int, *, attempts_end: int | None = None, **settings: Any
) -> MemorySource:
    """What generating leaves: attempts 0 to `attempts` - 1, of which some succeeded and have an episode of 4 steps."""
    header = HEADER.with_(
        eefs=("robot0",), generation={"seed": 7, "task": "lift"}, attempts_end=attempts_end, sources=({"id": "a.hdf5"},)
    )
    members = []
    for index in successes:
        plain = episode(index, 4, seed=7, task="lift")
        lineage = {
            "subtask/robot0": np.array([0, 0, 1, 1], dtype=np.int8),
            "source_episode/robot0": np.array([index % 3] * 4, dtype=np.int32),
            "source_frame/robot0": np.arange(4, dtype=np.int32),
        }
        members.append(MemoryEpisode(plain.row, {**plain.columns, **lineage}))
    rows = [_attempt(k, k in successes) for k in range(attempts)]
    return MemorySource(header, members, attempt_rows=rows, **settings)


def with_everything() -> MemorySource:
    """Sparse numbers, a ledger of failed attempts, lineage, a model, and arrays that are no columns."""
    xml = "<mujoco/>"
    rest = [tables.Rest("a", "<f8", (), bytes(8)), tables.Rest("b", "<f8", (), bytes(8), 7)]
    return generated([1, 4, 7, 8, 12], 14, xml={hashlib.sha256(xml.encode()).hexdigest(): xml}, rest_rows=rest)


def _attempt(number: int, success: bool) -> dict[str, Any]:
    choice = {"eef": "robot0", "source_episode": number % 3, "start": 0, "offset": 0}
    return {
        "attempt": number,
        "seed": 7,
        "success": success,
        "failed_subtask": None if success else number % 2,
        "reason": None if success else f"cube was dropped; at step {number}",
        "steps": 4,
        "choices": [{**choice, "subtask": 0, "end": 2}, {**choice, "subtask": 1, "end": 4}],
    }


@dataclass(frozen=True)
class Reheaded:
    """A dataset whose header says something else about the same rows. Implements `formats.Source`."""

    source: Any
    header: Header

    def parts(self) -> Sequence[Any]:
        return self.source.parts()

    def models(self) -> Mapping[str, str]:
        return self.source.models()
