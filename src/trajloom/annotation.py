"""Give demonstrations their `datagen_info`, so that they can be sources: `trajloom annotate`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from trajloom import dataset as datasets
from trajloom.edit.view import PartView
from trajloom.errors import SourceError
from trajloom.formats import Part, Progress, Source
from trajloom.schema import Column, Header
from trajloom.tables import Array, columns_of, to_arrow

if TYPE_CHECKING:
    from trajloom.sim.annotate import Annotation

NEEDED = ("states", "actions")


def annotate(
    source: str | Path,
    out: str | Path,
    *,
    task: str,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Replay the stored states of demonstrations and write them again with `datagen_info/...`.

    Poses, signals and targets are found on each episode's own model, in bare MuJoCo, without stepping. Everything else
    of the source is kept as it is; a `datagen_info` that was there is replaced.

    Args:
        source: Demonstrations with `states`, `actions` and their model XML, in any format.
        out: File or folder to write; its suffix says the format.
        task: Name of the task, such as "lift".
        overwrite: Whether an output that is there may be replaced.
        progress: Called with (episodes done, episodes in all).

    Returns:
        Notes: how a value was judged where the model lacks what would show it, and what was odd, a line each.

    Raises:
        SourceError: The demonstrations lack states, actions or a model for the task.
    """
    dataset = datasets.read(str(source))
    missing = [name for name in NEEDED if name not in {column.name for column in dataset.header.steps}]
    if missing:
        found = ", ".join(column.name for column in dataset.header.steps)
        raise SourceError(
            f"{source} has no {' and no '.join(missing)}, so its states cannot be replayed; there are: {found}"
        )
    annotated = Annotated(dataset.source, task)
    datasets.Dataset(annotated).write(str(out), overwrite=overwrite, progress=progress)
    return [f"{_few(names)}: {note}" for note, names in annotated.notes.items()]


def replayed(states: Array, actions: Array, xml: str, task: str, env_args: Mapping[str, Any] | None) -> "Annotation":
    """The `datagen_info` of one demonstration, by replaying its stored states on its own model.

    Args:
        states: (T, 1 + nq + nv).
        actions: (T, A + G).
        xml: Its model, "" where it has none; the task's own environment stands in for one that does not load.
        task: Name of the task.
        env_args: robomimic's description of the environment that it was recorded in.

    Raises:
        SourceError: No model fits the states, or the task's objects are not in it.
    """
    from trajloom.sim import tasks
    from trajloom.sim.annotate import annotate_episode

    kwargs = (env_args or {}).get("env_kwargs", env_args or {})

    def stand_in() -> str:
        from trajloom.sim.scene import make_scene

        robots = kwargs.get("robots", "Panda")
        return make_scene(task=task, robot=robots if isinstance(robots, str) else robots[0]).model_xml()

    return annotate_episode(
        states,
        actions,
        xml,
        tasks.get(task),
        version=env_args.get("env_version") if env_args else None,
        controller=kwargs.get("controller_configs"),
        stand_in=stand_in,
    )


def _few(names: Sequence[str]) -> str:
    """Some names in a few words."""
    return ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]} ({len(names)} episodes)"


class Annotated(Source):
    """A dataset with `datagen_info` columns added as it is read."""

    def __init__(self, source: Source, task: str):
        from trajloom.sim import tasks

        tasks.get(task)
        self._source, self._task = source, task
        self._models = source.models()
        self.notes: dict[str, list[str]] = {}
        self._header = self._with_datagen_info(source.header)

    @property
    def header(self) -> Header:
        return self._header

    def parts(self) -> Sequence[Part]:
        return [AnnotatedPart(part, self) for part in self._source.parts()]

    def models(self) -> Mapping[str, str]:
        return self._models

    def _with_datagen_info(self, header: Header) -> Header:
        """The header with the new columns, as the first episode has them."""
        kept = tuple(column for column in header.steps if not column.name.startswith("datagen_info/"))
        first = next((part for part in self._source.parts() if part.num_episodes), None)
        if first is None:
            raise SourceError("there is no episode to annotate")
        self._header = header
        found = next(iter(self.datagen_infos(first).values()))
        self.notes.clear()
        new = tuple(
            Column(name=name, dtype=str(values.dtype), shape=values.shape[1:], when="before", **_kind(name))
            for name, values in found.items()
        )
        return header.with_(steps=kept + new)

    def datagen_infos(self, part: Part) -> dict[int, dict[str, Array]]:
        """Episode -> the new columns, for the episodes of a part."""
        rows = {row["episode_index"]: row for row in part.episodes().to_pylist()}
        steps = pa.Table.from_batches(part.steps(["episode_index", *NEEDED]))
        index = steps.column("episode_index").to_numpy()
        arrays = columns_of(steps, self._source.header)
        return {
            number: self._datagen_info(row, {name: arrays[name][index == number] for name in NEEDED})
            for number, row in rows.items()
        }

    def _datagen_info(self, row: Mapping[str, Any], columns: Mapping[str, Array]) -> dict[str, Array]:
        xml = self._models.get(row["model"] or "", "")
        try:
            annotation = replayed(columns["states"], columns["actions"], xml, self._task, self._source.header.env_args)
        except SourceError as error:
            raise SourceError(f"{row['name']}: {error}") from error
        for note in annotation.notes:
            self.notes.setdefault(note, []).append(row["name"])
        return annotation.info.to_columns()


@dataclass(frozen=True)
class AnnotatedPart(PartView):
    """A part of the source with the new columns."""

    owner: Annotated

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        header = self.owner.header
        wanted = header.steps_schema.names if columns is None else list(columns)
        if not any(map(_is_new, wanted)):
            yield from self.part.steps(wanted)
            return
        new = self.owner.datagen_infos(self.part)
        kept = [name for name in wanted if not _is_new(name)]
        for batch in self.part.steps([*dict.fromkeys(["episode_index", "frame_index", *kept])]):
            yield _with_new(batch, new, header).select(wanted)


def _is_new(name: str) -> bool:
    return name.startswith("datagen_info/")


def _kind(name: str) -> dict[str, Any]:
    """Unit and frame of a column of `datagen_info`."""
    pose = "pose" in name
    return {"unit": "m", "frame": "world"} if pose else {}


def _with_new(batch: pa.RecordBatch, new: Mapping[int, Mapping[str, Array]], header: Header) -> pa.RecordBatch:
    """Some rows of `steps` with the new columns of their episodes."""
    episode, frame = batch.column("episode_index").to_numpy(), batch.column("frame_index").to_numpy()
    cuts = [0, *(np.flatnonzero(np.diff(episode)) + 1), len(episode)]
    runs = [(new[int(episode[a])], frame[a:b]) for a, b in pairwise(cuts) if b > a]
    for column in header.steps:
        if _is_new(column.name):
            values = np.concatenate([columns[column.name][frames] for columns, frames in runs])
            batch = batch.append_column(column.name, to_arrow(values, column))
    return batch
