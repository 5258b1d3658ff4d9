"""Carrying out a plan: stage after stage, from parts to parts, in a folder that client and workers share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from trajloom import store
from trajloom.augmentation import Site
from trajloom.dataset import Dataset
from trajloom.edit.merge import merge
from trajloom.edit.view import edited, paths_of
from trajloom.formats import Part, Progress, Source
from trajloom.pipeline.crew import Crew, is_small
from trajloom.pipeline.finish import finish, parts_of
from trajloom.pipeline.plan import Stage, stages_of
from trajloom.pipeline.steps import Step
from trajloom.pipeline.units import Call, Done, Unit, forget_input, run_call, run_unit
from trajloom.schema import Header
from trajloom.store import StoredDataset


class Execution:
    """One run of a pipeline."""

    def __init__(self, crew: Crew, scratch: str, progress: Progress | None = None):
        """Prepare it.

        Args:
            crew: Who does the tasks.
            scratch: Folder or URL for the datasets between stages.
            progress: Called with (episodes done, episodes in all), for each stage of parts anew.
        """
        self.crew, self.scratch, self.progress = crew, scratch, progress
        self._folders = 0

    def run(self, source: Source, steps: Sequence[Step]) -> Source:
        """What a source becomes. A dataset between two stages goes once the later has read it."""
        for stage in stages_of(steps):
            before, source = source, self._stage(source, stage)
            if self.is_ours(before) and before.path not in paths_of(source):
                before.folder.remove_all()
        return source

    def is_ours(self, source: Source) -> TypeGuard[StoredDataset]:
        """Whether a dataset is one that this run made."""
        return isinstance(source, StoredDataset) and source.path.startswith(f"{self.scratch}/")

    def _stage(self, source: Source, stage: Stage) -> Source:
        match stage.kind:
            case "parts":
                return self.parts(source, tuple(self._fitted(source, step) for step in stage.steps))
            case "global":
                return self._global(source, stage.steps[0])
            case "dataset":
                return self._dataset(source, stage.steps[0])

    def _fitted(self, source: Source, step: Step) -> Step:
        if not step.fits:
            return step
        return replace(step, augmentation=step.augmentation.fit(Dataset(source), step.rng("fit")))

    def folder(self) -> str:
        """A new folder in scratch."""
        self._folders += 1
        return f"{self.scratch}/stage-{self._folders}"

    # ---- parts -------------------------------------------------------------------------------------------------

    def parts(self, source: Source, steps: tuple[Step, ...]) -> StoredDataset:
        """Each part of a source through some steps, as a part of a new dataset."""
        parts = source.parts()
        if not self.crew.is_here(len(parts)) and not all(map(is_small, parts)):
            source = self._in_scratch(source)
            parts = source.parts()
        out = self.folder()
        store.keep_models(out, source.models())
        units = [Unit(number, part, source.header, steps, out) for number, part in enumerate(parts)]
        total, given = sum(part.num_episodes for part in parts), 0
        done: list[Done] = []
        for one in self.crew.run(run_unit, units):
            done.append(one)
            given += parts[one.number].num_episodes
            if self.progress:
                self.progress(given, total)
        return finish(self.crew, out, _in_order(done), _recorded(source.header, steps))

    def _in_scratch(self, source: Source) -> StoredDataset:
        """A dataset that lies only in this process, where workers can read it."""
        out = self.folder()
        store.write(source, out)
        return store.open_store(out)

    # ---- all episodes at once ----------------------------------------------------------------------------------

    def _frozen(self, source: Source, kept: bool) -> StoredDataset:
        """The input of a global step as it will stay; with `kept`, where more parts may be added."""
        if isinstance(source, StoredDataset) and (self.is_ours(source) or not kept):
            return source
        return self.parts(source, ())

    def _global(self, source: Source, step: Step) -> StoredDataset:
        augmentation = step.augmentation
        frozen = self._frozen(source, augmentation.keep_original)
        parts = tuple(frozen.parts())
        kept = parts_of(frozen) if augmentation.keep_original else []
        out = frozen.path if kept else self.folder()
        if not kept:
            store.keep_models(out, frozen.models())
        first = max((one.number for one in kept), default=-1) + 1
        calls = [Call(first + n, n, step, frozen.path, parts, frozen.header, out) for n in range(augmentation.times)]
        try:
            done = list(self.crew.run(run_call, calls, in_flight=augmentation.num_workers))
        finally:
            self.crew.everywhere(forget_input)
        return finish(self.crew, out, _in_order(done), _recorded(frozen.header, (step,)), kept)

    def _dataset(self, source: Source, step: Step) -> Source:
        frozen = self._frozen(source, kept=False)
        seed = int(step.rng("run").integers(2**31))
        site = Site(out=self.folder(), scratch=f"{self.scratch}/run", client=self.crew.client(), seed=seed)
        step.augmentation.apply(Dataset(frozen), site)  # pyright: ignore[reportAttributeAccessIssue]
        made = store.open_store(site.out)
        return merge([_Unnamed(frozen), _Unnamed(made)]) if step.augmentation.keep_original else made


@dataclass(frozen=True)
class _Unnamed:
    """A dataset of this run, whose place is of no interest: it would stand in notes on the result."""

    source: StoredDataset

    @property
    def header(self) -> Header:
        return self.source.header

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.source.path,)

    def parts(self) -> Sequence[Part]:
        return self.source.parts()

    def models(self) -> Mapping[str, str]:
        return self.source.models()


def _in_order(done: Sequence[Done]) -> list[Done]:
    return sorted(done, key=lambda one: one.number)


def _recorded(header: Header, steps: Sequence[Step]) -> Header:
    """The header with an account of the steps that its data went through."""
    if not steps:
        return header
    account = [{"step": step.number, "augmentation": step.name, "seed": step.seed} for step in steps]
    generation = dict(header.generation or {})
    return edited(header, generation={**generation, "augmented": [*generation.get("augmented", []), *account]})
