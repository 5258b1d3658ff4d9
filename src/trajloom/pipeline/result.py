"""A lazy result: what a pipeline makes of its data, once it is asked for."""

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from trajloom import store
from trajloom.augmentation import Augmentation, local_aug
from trajloom.batch import Batch
from trajloom.dataset import NATIVE, Dataset, format_of
from trajloom.errors import OutputExistsError, SettingsError
from trajloom.folder import Folder, same_place
from trajloom.formats import Part, Progress, Source
from trajloom.pipeline.crew import Crew
from trajloom.pipeline.execution import Execution
from trajloom.pipeline.inputs import (
    SMALL,
    Data,
    anywhere,
    described,
    freeze,
    is_large_file,
    nbytes_of,
    opened,
    paths_in,
    size_of,
)
from trajloom.pipeline.plan import Plan, stages_of
from trajloom.pipeline.steps import Step
from trajloom.pipeline.trajectory import Context, Trajectory, unpack
from trajloom.store.copy import swap
from trajloom.tables import rest_rows


@dataclass(frozen=True)
class Place:
    """Where a pipeline works; nothing of it changes a byte of what comes out."""

    client: Any = None
    """A Dask client, the address of a scheduler, or None for a local cluster."""
    workers: int | None = None
    """Processes of the local cluster; None is one for every core, 1 is this process alone."""
    scratch: str | None = None
    """Folder or URL that client and workers share; None is one beside the output, or a temporary one."""


class Result:
    """What a pipeline makes of its data. Nothing runs until it is collected, written or read as a dataset.

    Each of these runs it again, with the same result, unless `dataset()` was called, which keeps what it made.
    """

    def __init__(self, data: Data, steps: Sequence[Step], place: Place, seed: int):
        """Made by `Pipeline.run`."""
        self.data, self.steps, self.place, self.seed = data, tuple(steps), place, seed
        self._source: Source | None = None
        self._kept: Dataset | None = None

    @property
    def plan(self) -> Plan:
        """What will be done, stage by stage; print it. Of a path, the metadata is read."""
        source = self._opened()
        stages = stages_of(self.steps)
        if source is None:
            return Plan(described(self.data, None), 1, None, stages)
        return Plan(described(self.data, source), len(source.parts()), source.header, stages)

    def _opened(self) -> Source | None:
        """The input as a dataset; None where it is a list."""
        if self._source is None:
            self._source = opened(self.data)
        return self._source

    # ---- what runs it ------------------------------------------------------------------------------------------

    def collect(self) -> list[Trajectory]:
        """All episodes in memory, as nested dicts whose `copy` keeps their attributes."""
        with self._run(None) as source:
            return _collected(source)

    def write(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, to: str | None = None,
        progress: Progress | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Write it in any format, whole or not at all; see `Dataset.write`.

        Args:
            path: A file or folder whose suffix says the format; without a suffix, a folder or URL for one of ours.
            overwrite: Whether what is there may go, once the new one is complete.
            to: Name of the format, where the suffix does not say it: "trajloom" is ours.
            progress: Called with (episodes done, episodes in all), by each stage and by the writing anew.
            options: Settings of the format's `WriteOptions`.

        Raises:
            OutputExistsError: There is something, and `overwrite` is off; nothing runs.
            SettingsError: The output is the input, or the format can only be read.
        """
        path = os.fspath(path)
        name = to or format_of(path)
        self._check_output(path, name, overwrite)
        with self._run(path, progress) as source:
            if name == NATIVE and not options and self._is_made(source) and Folder(path).local:
                _move(source, path, overwrite)
            else:
                Dataset(source).write(path, overwrite=overwrite, to=name, progress=progress, **options)

    def dataset(self) -> Dataset:
        """It as a dataset, made once and kept in `scratch` or a temporary folder until this process ends."""
        if self._kept is None:
            source = self._opened()
            if source is not None and not self.steps:
                self._kept = Dataset(source)
            else:
                folder = self._scratch(None)
                atexit.register(_remove, folder)
                self._kept = Dataset(self._execute(folder, None))
        return self._kept

    def parts(self) -> Sequence[Part]:
        """The parts of `dataset()`."""
        return self.dataset().parts()

    # ---- as users of Spark's RDDs expect -----------------------------------------------------------------------

    def map(self, function: Callable[[Trajectory], Any]) -> "Result":
        """Each episode through a function, as a local augmentation."""
        return self._and(_Mapped(function))

    def filter(self, condition: Callable[[Trajectory], Any]) -> "Result":
        """The episodes for which a condition holds."""
        return self._and(_Filtered(condition))

    def count(self) -> int:
        """How many episodes there are; what is not known without running is run."""
        if not self.steps:
            source = self._opened()
            return len(self.data) if source is None else len(Dataset(source))  # pyright: ignore[reportArgumentType]
        with self._run(None) as source:
            return len(Dataset(source))

    def take(self, n: int) -> list[Trajectory]:
        """The first `n` episodes; of data that no step changes, only the parts that hold them are read."""
        if self.steps or self._opened() is None:
            return self.collect()[:n]
        found: list[Trajectory] = []
        dataset = self.dataset()
        for part in dataset.parts() if n > 0 else ():
            found += unpack(Batch.of(part, dataset.header, dataset.models()))
            if len(found) >= n:
                break
        return found[:n]

    def _and(self, augmentation: Augmentation) -> "Result":
        return self.with_steps([augmentation], self.place, self.seed)

    def with_steps(self, augmentations: Sequence[Augmentation], place: Place, seed: int) -> "Result":
        """Further augmentations on this result."""
        first = len(self.steps)
        more = [Step(first + n, one, seed) for n, one in enumerate(augmentations)]
        return Result(self.data, (*self.steps, *more), place, seed)

    # ---- running -----------------------------------------------------------------------------------------------

    @contextmanager
    def _run(self, out: str | None, progress: Progress | None = None) -> Iterator[Source]:
        folder = self._scratch(out)
        try:
            yield self._kept.source if self._kept is not None else self._execute(folder, progress)
        finally:
            _remove(folder)

    def _execute(self, folder: str, progress: Progress | None) -> Source:
        with Crew(self.place.client, self.place.workers, folder) as crew:
            if is_large_file(self.data):
                crew.start()
            self.plan.output()
            source = self._opened()
            crew.small = self._is_small(source)
            execution = Execution(crew, folder, progress)
            source = source or freeze(self.data, crew, execution.folder())
            return execution.run(source, self.steps)

    def _is_small(self, source: Source | None) -> bool:
        """Whether this process alone is quicker than a cluster, as far as the size of the data says."""
        calls = any(step.kind == "global" and (step.augmentation.num_workers or 1) > 1 for step in self.steps)
        return not calls and (nbytes_of(self.data) if source is None else size_of(source)) <= SMALL

    def _is_made(self, source: Source) -> bool:
        """Whether a dataset is one that this run made and nobody else knows."""
        return isinstance(source, store.StoredDataset) and self._kept is None and source is not self._source

    def _scratch(self, out: str | None) -> str:
        """A folder of its own for one run."""
        name = f"trajloom-{uuid.uuid4().hex}"
        if self.place.scratch is not None:
            return f"{anywhere(self.place.scratch).rstrip('/')}/{name}"
        if out is not None and Folder(out).local:
            where = os.path.dirname(os.path.abspath(Folder(out).root))
            return f"{where}/.{name}"
        return f"{tempfile.gettempdir()}/{name}"

    def _check_output(self, path: str, name: str, overwrite: bool) -> None:
        folder = Folder(path)
        for origin in paths_in(self.data):
            if same_place(origin, path):
                raise SettingsError(f"the output {path} is the input, or lies within it; choose another place")
        if name == NATIVE:
            store.check_room(folder, overwrite)
        elif folder.exists() and not overwrite and (folder.fs.isfile(folder.root) or folder.names()):
            raise OutputExistsError(f"{path} is there already; choose another place or overwrite it")


def _collected(source: Source) -> list[Trajectory]:
    """All episodes, with the models that they name and what is of the file itself."""
    found: list[Trajectory] = []
    batches = (Batch.of(part, source.header) for part in source.parts())
    first: Batch | None = None
    for batch in batches:
        first = first or batch
        found += unpack(batch)
    stored = source.models()
    wanted = {t.origin.row["model"] for t in found if t.origin is not None} - {None}
    own = tuple(row for row in rest_rows(first.rest) if row.episode_index is None) if first else ()
    context = Context(source.header, {sha: stored[sha] for sha in sorted(wanted) if sha in stored}, own)
    for trajectory in found:
        if trajectory.origin is not None:
            trajectory.origin = replace(trajectory.origin, context=context)
    return found


def _move(source: Source, path: str, overwrite: bool) -> None:
    """Put a dataset of ours in its place; it is copied where a rename cannot do it."""
    assert isinstance(source, store.StoredDataset)
    folder = Folder(path)
    store.check_room(folder, overwrite)
    try:
        swap(source.folder, folder)
    except OSError:
        store.write(source, path, overwrite=overwrite)


def _remove(folder: str) -> None:
    if "://" in folder:
        Folder(folder).remove_all()
    else:
        shutil.rmtree(folder, ignore_errors=True)


class _Mapped(Augmentation):
    def __init__(self, function: Callable[[Trajectory], Any]):
        self.function, self.name = function, f"map {getattr(function, '__name__', 'function')}"

    @local_aug
    def apply(self, traj: Trajectory) -> Any:
        return self.function(traj)


class _Filtered(Augmentation):
    def __init__(self, condition: Callable[[Trajectory], Any]):
        self.condition, self.name = condition, f"filter {getattr(condition, '__name__', 'function')}"

    @local_aug
    def apply(self, traj: Trajectory) -> Trajectory | None:
        return traj if self.condition(traj) else None
