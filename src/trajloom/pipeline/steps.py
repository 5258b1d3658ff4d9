"""Augmentations one after the other on the episodes of a part, wherever that happens."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trajloom.augmentation import Augmentation, Kind, RngOf, kind_of
from trajloom.batch import Batch
from trajloom.errors import SchemaError, SettingsError
from trajloom.pipeline.packing import pack
from trajloom.pipeline.trajectory import Key, Trajectory, unpack
from trajloom.schema import Column, Header
from trajloom.seeding import rng_for, seeded_globals

PLACE = Column(name="trajloom/place", dtype="int64")
"""A column of `episodes` that says, while a batch augmentation is at work, which episode a row was."""


@dataclass(frozen=True)
class Step:
    """One augmentation of a pipeline."""

    number: int
    augmentation: Augmentation
    seed: int

    @property
    def kind(self) -> Kind:
        return kind_of(self.augmentation)

    @property
    def name(self) -> str:
        """What its class, or the function that it is made of, is called."""
        return getattr(self.augmentation, "name", None) or type(self.augmentation).__name__

    @property
    def fits(self) -> bool:
        """Whether it learns from all episodes first."""
        return type(self.augmentation).fit is not Augmentation.fit

    def rng(self, *key: int | str) -> np.random.Generator:
        """Its stream for one piece of work."""
        return rng_for(self.seed, "augment", self.number, *key)


@dataclass(frozen=True)
class Episodes:
    """Episodes between two steps, as columns or as nested dicts, whichever the last step left."""

    keys: tuple[Key, ...]
    """What each one's chance depends on."""
    names: tuple[str, ...]
    """Each one's name, or that of the episode it was made of."""
    header: Header
    """Of what they were made from."""
    batch: Batch | None
    trajectories: tuple[Trajectory, ...] | None
    file_rest: pa.Table
    """Rows of `rest` of the file itself."""
    models: Mapping[str, str]
    relabelled: bool = False
    """Whether a batch augmentation gave them numbers of its own."""

    @classmethod
    def of(cls, batch: Batch) -> "Episodes":
        """The episodes of a part."""
        keys = tuple((number,) for number in batch.episode_index.tolist())
        names = tuple(batch.episodes.column("name").to_pylist())
        own = batch.rest.filter(pc.is_null(batch.rest.column("episode_index")))
        return cls(keys, names, batch.header, batch, None, own, batch.models)

    @property
    def multiplied(self) -> bool:
        """Whether one is made of another that is there too, so that numbers and names are not their own."""
        return any(len(key) > 1 for key in self.keys)

    @property
    def numbered(self) -> bool:
        """Whether they can keep their numbers: none is multiplied, and they are in order."""
        return not self.multiplied and all(a < b for a, b in pairwise(self.keys))

    @property
    def numbers(self) -> Sequence[int]:
        """Their numbers; where they cannot keep them, their places."""
        return [key[0] for key in self.keys] if self.numbered else range(len(self.keys))

    def as_trajectories(self) -> tuple[Trajectory, ...]:
        """As nested dicts whose arrays may be changed."""
        if self.trajectories is not None:
            return self.trajectories
        assert self.batch is not None
        return tuple(unpack(self.batch))

    def as_batch(self) -> Batch:
        """As columns."""
        if self.batch is not None:
            return self.batch
        assert self.trajectories is not None
        batch, _ = pack(
            self.trajectories, self.header, numbers=self.numbers, names=self.names, models=self.models,
            rest=self.file_rest,
        )  # fmt: skip
        return batch


def run_steps(batch: Batch, steps: Sequence[Step]) -> Episodes:
    """The episodes of a part after some local and batch steps."""
    episodes = Episodes.of(batch)
    for step in steps:
        episodes = _local(episodes, step) if step.kind == "local" else _batch(episodes, step)
    return episodes


# ---- local -----------------------------------------------------------------------------------------------------


def _local(episodes: Episodes, step: Step) -> Episodes:
    keys, names, made = [], [], []
    for key, name, trajectory in zip(episodes.keys, episodes.names, episodes.as_trajectories(), strict=True):
        with seeded_globals(step.rng(*key)):
            result = step.augmentation.apply(trajectory)  # pyright: ignore[reportAttributeAccessIssue]
        several = isinstance(result, list | tuple)
        for place, one in enumerate(result if several else [] if result is None else [result]):
            keys.append((*key, place) if several else key)
            names.append(name)
            made.append(_inheriting(one, trajectory, f"{step.name}.apply on {name}"))
    return replace(episodes, keys=tuple(keys), names=tuple(names), batch=None, trajectories=tuple(made))


def _inheriting(result: Any, given: Trajectory, what: str) -> Trajectory:
    """What a function made, with the attributes of what it was given where it has none of its own."""
    if isinstance(result, Trajectory):
        return result
    if not isinstance(result, Mapping):
        raise SettingsError(f"{what} returned {type(result).__name__}; expected a dict, a list of dicts, or None")
    return Trajectory(result, attrs=given.attrs, origin=given.origin)


# ---- batch -----------------------------------------------------------------------------------------------------


def _batch(episodes: Episodes, step: Step) -> Episodes:
    batch, keys = episodes.as_batch(), episodes.keys
    if not keys:
        empty = _empty(step.augmentation.header(batch.header), batch)
        return replace(episodes, header=empty.header, batch=empty, trajectories=None)
    rng_of = _streams(step, keys)
    with seeded_globals(step.rng("batch", *keys[0])):
        made = step.augmentation.apply(_placed(batch), rng_of)  # pyright: ignore[reportAttributeAccessIssue]
    made, places = _unplaced(made, step)
    if not episodes.numbered:
        return _counted(episodes, made, places)
    # it knows the numbers that its episodes came with, so those that it gives them are good in the whole dataset
    numbers = made.episode_index.tolist()
    changed = [keys[place][0] for place in places] != numbers
    return replace(
        episodes,
        keys=tuple((number,) for number in numbers),
        names=tuple(made.episodes.column("name").to_pylist()),
        relabelled=episodes.relabelled or changed,
        header=made.header,
        batch=made,
        trajectories=None,
    )


def _counted(episodes: Episodes, made: Batch, places: Sequence[int]) -> Episodes:
    """What became of episodes that had no numbers of their own."""
    times, met = Counter(places), Counter[int]()
    keys: list[Key] = []
    for place in places:
        several = times[place] > 1
        keys.append((*episodes.keys[place], met[place]) if several else episodes.keys[place])
        met[place] += 1
    names = tuple(episodes.names[place] for place in places)
    made = renumbered(made, range(len(keys)))
    return replace(episodes, keys=tuple(keys), names=names, header=made.header, batch=made, trajectories=None)


def _empty(header: Header, batch: Batch) -> Batch:
    """No episodes, and what is of the file itself."""
    return replace(
        batch, header=header, steps=header.steps_schema.empty_table(), episodes=header.episodes_schema.empty_table()
    )


def _streams(step: Step, keys: Sequence[Key]) -> RngOf:
    return lambda position: step.rng(*keys[position])


def _placed(batch: Batch) -> Batch:
    """The batch with a column that says which episode each is."""
    header = batch.header.with_(episodes=(*batch.header.episodes, PLACE))
    places = pa.array(np.arange(batch.episodes.num_rows))
    episodes = batch.episodes.append_column(pa.field(PLACE.name, pa.int64(), nullable=False), places)
    return replace(batch, header=header, episodes=episodes)


def _unplaced(batch: Any, step: Step) -> tuple[Batch, list[int]]:
    """What a batch augmentation made, without that column, and what stood there."""
    if not isinstance(batch, Batch):
        raise SettingsError(f"{step.name}.apply returned {type(batch).__name__}; expected a Batch")
    if PLACE.name not in batch.episodes.column_names:
        raise SchemaError(f"{step.name}.apply made episodes of its own; take those that are there, with take_episodes")
    places = batch.episodes.column(PLACE.name).to_pylist()
    kept = tuple(column for column in batch.header.episodes if column.name != PLACE.name)
    return batch.under(batch.header.with_(episodes=kept)), places


def renumbered(batch: Batch, numbers: Sequence[int], names: Sequence[str] | None = None) -> Batch:
    """The batch with other numbers, and other names, of its episodes."""
    made = batch.take_episodes(np.arange(len(numbers)), np.array(numbers, dtype=np.int64))
    if names is None:
        return made
    at = made.episodes.column_names.index("name")
    episodes = made.episodes.set_column(at, made.episodes.schema.field(at), pa.array(names, pa.string()))
    return replace(made, episodes=episodes)


def header_after(header: Header, steps: Sequence[Step]) -> Header | None:
    """What is known of the columns after some steps before any runs; None once a user's function may change them.

    Raises:
        SchemaError: A batch augmentation cannot work on the columns that there are.
    """
    for step in steps:
        if step.kind != "batch":
            return None
        header = step.augmentation.header(header)
    return header
