"""What a worker does: read a part, take the steps on it, write a part. It returns no data, only what was seen of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pyarrow as pa

from trajloom import store
from trajloom.batch import Batch
from trajloom.errors import SettingsError
from trajloom.formats import Part
from trajloom.pipeline.layout import Outputs
from trajloom.pipeline.packing import pack
from trajloom.pipeline.steps import Episodes, Step, renumbered, run_steps
from trajloom.pipeline.trajectory import Trajectory, unpack
from trajloom.schema import Header
from trajloom.seeding import seeded_globals
from trajloom.store import StoredDataset, StoredPart


@dataclass(frozen=True)
class Done:
    """What came of a part."""

    number: int
    header: Header
    """Of the part as it was written."""
    outputs: Outputs | None
    """What was seen of its episodes; None where no user's function could change the columns."""
    episodes: int
    steps: int
    numbered: bool
    """Whether its episodes have numbers and names that are good in the whole dataset."""
    last: int
    """The highest `episode_index`; -1 where there is none."""
    models: frozenset[str]
    """SHA-256 of the models that its episodes name."""
    attempts: int = 0
    """Rows of `attempts` that were left out, because numbers of episodes changed."""


def written(out: str, number: int, batch: Batch, outputs: Outputs | None, *, numbered: bool) -> Done:
    """Write a batch as a part, and say what it is."""
    _write(out, number, batch)
    return _done(number, batch, outputs, numbered)


def _write(out: str, number: int, batch: Batch, attempts: pa.Table | None = None) -> None:
    with store.Writer(out, batch.header).part(number, replace=True) as part:
        part.write_steps(batch.steps)
        part.write_episodes(batch.episodes)
        part.write_rest(batch.rest)
        if attempts is not None:
            part.write_attempts(attempts)


def _done(number: int, batch: Batch, outputs: Outputs | None, numbered: bool, attempts: int = 0) -> Done:
    return Done(
        number=number,
        header=batch.header,
        outputs=outputs,
        episodes=batch.episodes.num_rows,
        steps=batch.steps.num_rows,
        numbered=numbered,
        last=int(batch.episode_index.max(initial=-1)),
        models=frozenset(batch.episodes.column("model").drop_null().to_pylist()),
        attempts=attempts,
    )


# ---- a part through some steps ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """One part to be made of another."""

    number: int
    part: Part
    header: Header
    steps: tuple[Step, ...]
    out: str
    """Folder that the part goes into; the models are there already."""

    def __repr__(self) -> str:
        return f"part {self.number}: {self.part.num_episodes} episodes"


def run_unit(unit: Unit) -> Done:
    """Read a part, take the steps on its episodes, write what comes out."""
    models = StoredDataset(unit.out, unit.header).models()
    batch = Batch.of(unit.part, unit.header, models)
    attempts = unit.part.attempts()
    episodes = run_steps(batch, unit.steps)
    del batch
    made, outputs = _columns(episodes, unit.steps)
    kept = episodes.numbered and not episodes.relabelled
    _write(unit.out, unit.number, made, attempts if kept else None)
    lost = 0 if kept else attempts.num_rows
    return _done(unit.number, made, outputs, numbered=episodes.numbered, attempts=lost)


def _columns(episodes: Episodes, steps: tuple[Step, ...]) -> tuple[Batch, Outputs | None]:
    """The episodes as columns, and what was seen of them where a user's function was among the steps."""
    if all(step.kind == "batch" for step in steps):
        return episodes.as_batch(), None
    trajectories = episodes.trajectories
    if trajectories is None:
        batch = episodes.as_batch()
        trajectories = unpack(batch, writable=False)
        _, outputs = pack(trajectories, batch.header, numbers=episodes.numbers, names=episodes.names)
        return batch, outputs
    return pack(
        trajectories, episodes.header, numbers=episodes.numbers, names=episodes.names, rest=episodes.file_rest
    )  # fmt: skip


# ---- a call of a global augmentation ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call of a global augmentation on all episodes of a dataset, which becomes a part."""

    number: int
    """The part."""
    call: int
    step: Step
    source: str
    """The dataset."""
    parts: tuple[StoredPart, ...]
    """Those of the dataset that were there before the calls."""
    header: Header
    out: str

    def __repr__(self) -> str:
        return f"call {self.call} of {self.step.name}"


_reading = Lock()
_frozen: dict[str, list[Trajectory]] = {}
"""The input of the global step that this process works on: read once, however many calls it makes."""


def run_call(call: Call) -> Done:
    """Give all episodes to a global augmentation and write what it makes of them."""
    given = [_fresh(trajectory) for trajectory in _input(call)]
    with seeded_globals(call.step.rng("call", call.call)):
        result = call.step.augmentation.apply(given)  # pyright: ignore[reportAttributeAccessIssue]
    made = [] if result is None else list(result) if isinstance(result, list | tuple) else [result]
    what = f"{call.step.name}, call {call.call}"
    for one in made:
        if not isinstance(one, Mapping):
            raise SettingsError(f"{what} returned {type(one).__name__}; expected a list of dicts, one, or None")
    names = [f"{what}, episode {number}" for number in range(len(made))]
    batch, outputs = pack(made, call.header, numbers=range(len(made)), names=names)
    return written(call.out, call.number, batch, outputs, numbered=False)


def forget_input() -> None:
    """Let go of the input of the last global step."""
    with _reading:
        _frozen.clear()


def _input(call: Call) -> list[Trajectory]:
    with _reading:  # the threads of a process share it
        if call.source not in _frozen:
            _frozen.clear()
            models = StoredDataset(call.source, call.header).models()
            parts = (Batch.of(part, call.header, models) for part in call.parts)
            _frozen[call.source] = [trajectory for batch in parts for trajectory in unpack(batch, writable=False)]
        return _frozen[call.source]


def _fresh(trajectory: Trajectory) -> Trajectory:
    """The same arrays in dicts of their own, so that no call sees what another did to them."""
    return Trajectory(_copied(trajectory), attrs=trajectory.attrs, origin=trajectory.origin)


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()}


# ---- a part under the final header and numbers -----------------------------------------------------------------


@dataclass(frozen=True)
class Tidy:
    """A part to be written again."""

    part: StoredPart
    header: Header
    """The final one."""
    first: int | None
    """Number that its first episode is to have; the others follow, and all are named after their numbers. None where
    they keep theirs."""

    def __repr__(self) -> str:
        return f"part {self.part.commit.part}"


def run_tidy(tidy: Tidy) -> None:
    """Write a part again under another header, with other numbers of its episodes."""
    batch = Batch.of(tidy.part, tidy.part.header)
    numbers, names = batch.episode_index.tolist(), batch.episodes.column("name").to_pylist()
    attempts = tidy.part.attempts() if tidy.first is None else None
    if tidy.first is not None:
        numbers = list(range(tidy.first, tidy.first + len(numbers)))
        names = [f"demo_{number}" for number in numbers]
    header = tidy.part.header
    if (tidy.header.steps, tidy.header.episodes) != (header.steps, header.episodes):
        own = Episodes.of(batch).file_rest
        given = unpack(batch, writable=False)
        batch, _ = pack(given, header, numbers=numbers, names=names, header=tidy.header, rest=own)
    elif tidy.first is not None:
        batch = renumbered(batch, numbers, names)
    _write(tidy.part.folder.url, tidy.part.commit.part, batch, attempts)
