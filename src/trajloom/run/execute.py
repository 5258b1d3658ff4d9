"""Conduct a run: open or create its dataset, drive it to its goal, enter its end into the header."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import fsspec
from distributed import Client

from trajloom import store
from trajloom.engine.segments import SourceDemo
from trajloom.engine.select import MG_SelectionStrategy, find_strategy
from trajloom.errors import OutputExistsError, SettingsError
from trajloom.generation import branches as branching
from trajloom.generation.goal import Goal
from trajloom.generation.recipe import Recipe, differences
from trajloom.generation.unit import probe
from trajloom.generation.worker import PROBE, Job, freeze_sources, hung_marker
from trajloom.run.cluster import check_workers
from trajloom.run.drive import Driver, Ledger, OnProgress
from trajloom.run.tasks import cluster
from trajloom.task import TaskSpec

SIMULATING = ("robosuite", "trajloom.sim.scene", "trajloom.generation.unit")
"""What a worker imports to make attempts."""


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where a run works; nothing of it changes a byte of what comes out."""

    workers: int | None = None
    """Processes of the local cluster; None is as many as give every core one environment."""
    envs_per_worker: int | None = None
    """Environments in each process of the local cluster, a thread each; None is one."""
    scheduler: Client | str | None = None
    """A Dask cluster to use instead: the address of its scheduler, or a client of it."""
    at_once: int | None = None
    """Units made at the same time, at most; None is one for every thread, and a few that wait."""
    scratch: str | None = None
    """Folder or URL shared by client and workers; None is a folder beside the output, as long as the run lasts."""
    hang_after: float = 600.0
    """Seconds after which an attempt counts as hung."""
    preload: Sequence[str] = ()
    """Modules that every worker imports first."""

    def __post_init__(self) -> None:
        if self.envs_per_worker is not None and self.envs_per_worker < 1:
            raise SettingsError(f"envs_per_worker must be >= 1, got {self.envs_per_worker}")
        if self.scheduler is not None and self.envs_per_worker is not None:
            raise SettingsError(
                "envs_per_worker is for the local cluster; on one of your own every thread of a worker has an "
                "environment: start its workers with `dask worker --nthreads N`"
            )


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of a run."""

    path: str
    successes: int
    attempts: int
    new_attempts: int
    """Attempts that this call made; the others were there."""
    simulated_steps: int
    seconds: float
    shortfall: str | None = None
    """Why there are fewer successes than were asked for."""

    @property
    def success_rate(self) -> float:
        return self.successes / self.attempts if self.attempts else 0.0


def execute(
    recipe: Recipe,
    demos: list[SourceDemo],
    out: str,
    goal: Goal,
    workplace: Workplace,
    on_progress: OnProgress | None,
    branches: str | None = None,
) -> Summary:
    """Run a recipe to its goal, on the user's cluster or one of its own; the same again resumes or extends.

    What attempts discard when they go back is kept in the dataset `branches`, if one is named.

    Its end is entered into the header also when it is interrupted.
    """
    out, branches = _anywhere(out), None if branches is None else _anywhere(branches)
    _refuse_what_is_not_ours(out, recipe)
    if branches is not None:
        _refuse_branches(branches, out, recipe)
    threads = workplace.envs_per_worker or 1
    with cluster(workplace.scheduler, workers=workplace.workers, threads=threads, imported=SIMULATING) as client:
        start = time.perf_counter()
        scratch = _anywhere(workplace.scratch or f"{out.rstrip('/')}.scratch").rstrip("/")
        recipe = replace(recipe, versions=check_workers(client, scratch))
        job = Job(
            recipe=recipe,
            out=out,
            scratch=scratch,
            hang_after=workplace.hang_after,
            preload=tuple(workplace.preload),
            branches=branches,
            strategies=_of_the_script(recipe),
        )
        ledger = _open(client, job)
        if demos:
            freeze_sources(demos, job.sources_file)
        job = replace(job, header=store.read_header(out))
        if branches is not None:
            _open_branches(branches, job)
        before = sum(map(len, ledger.outcomes.values()))
        driver = Driver(client, job, goal, ledger, on_progress, workplace.at_once)
        end: int | None = None
        try:
            end = driver.run()
        finally:
            _finish(job, ledger, end)
        seconds = time.perf_counter() - start
    outcomes = ledger.prefix()
    shown = store.read_header(out).attempts_end or end or 0
    return Summary(
        path=out,
        successes=sum(outcomes[:shown]),
        attempts=shown,
        new_attempts=sum(map(len, ledger.outcomes.values())) - before,
        simulated_steps=driver.simulated_steps,
        seconds=seconds,
        shortfall=goal.shortfall(outcomes, shown),
    )


def _of_the_script(recipe: Recipe) -> tuple[type[MG_SelectionStrategy], ...]:
    """The strategies of a recipe that the user's own script defines: workers do not import it."""
    spec = () if recipe.spec is None else TaskSpec.from_json(recipe.spec)
    used = {find_strategy(subtask.selection_strategy) for _, _, subtask in spec}
    return tuple(sorted((one for one in used if one.__module__ == "__main__"), key=lambda one: one.__qualname__))


def _anywhere(path: str) -> str:
    """A path that means the same in every process; a URL is one already."""
    return path if "://" in path else os.path.abspath(path)


def _refuse_what_is_not_ours(out: str, recipe: Recipe, ignoring: str = "versions") -> None:
    """Refuse an output that is something else or another run, before a worker starts and anything is written.

    Which versions the workers have is not known then; once it is, nothing of the recipe is ignored.
    """
    fs, folder = fsspec.core.url_to_fs(out)
    if not store.is_store(out):
        if fs.exists(folder) and (fs.isfile(folder) or fs.ls(folder)):
            raise OutputExistsError(f"{out} is there already and is no dataset of ours; nothing was written")
        return
    old = (store.read_header(out).generation or {}).get("recipe")
    if old is None:
        raise OutputExistsError(f"{out} holds a dataset that was not generated; nothing was written")
    found = differences(old, recipe.to_json(), ignoring)
    if found:
        raise SettingsError(f"{out} holds another run; {'; '.join(found)}")


def _open(client: Client, job: Job) -> Ledger:
    """Create the dataset, or resume it where it holds the same run."""
    if not store.is_store(job.out):
        header = client.submit(probe, job.recipe, pure=False).result()
        store.create(job.out, header)
        return Ledger(unit=job.recipe.unit)
    _refuse_what_is_not_ours(job.out, job.recipe, ignoring="")
    return Ledger.from_commits(job.recipe.unit, store.resume(job.out).commits())


def _refuse_branches(path: str, out: str, recipe: Recipe) -> None:
    """Refuse a dataset of what is discarded that is no such thing, before a worker starts and anything is written."""
    if recipe.engine.get("tries", 1) == 1:
        raise SettingsError("branches are of attempts that go back: tries above 1")
    if path.rstrip("/") == out.rstrip("/") or (
        store.is_store(path) and store.read_header(path).episodes != branching.COLUMNS
    ):
        raise SettingsError(f"{path} does not hold the branches of {out}; give another folder")
    _refuse_what_is_not_ours(path, recipe)


def _open_branches(path: str, job: Job) -> None:
    """Create or resume the dataset of what is discarded; it must hold those of every unit that is there."""
    assert job.header is not None
    if not store.is_store(path):
        store.create(path, branching.header(job.header))
    _refuse_what_is_not_ours(path, job.recipe, ignoring="")
    there = {commit.part for commit in store.resume(path).commits()}
    lacking = sorted({commit.part for commit in store.open_store(job.out).commits} - there)
    if lacking:
        raise SettingsError(
            f"{path} has no branches of the units that are in {job.out} already ({len(lacking)} of them, the first is "
            f"{lacking[0]}); generate into another folder"
        )


def _finish(job: Job, ledger: Ledger, end: int | None) -> None:
    """Enter the run's end into the header, and remove what was only shared with the workers."""
    header = store.read_header(job.out)
    if end is not None and (header.attempts_end or 0) < end:
        header = header.with_(attempts_end=end)
        store.update_header(job.out, header)
    if job.branches is not None and store.is_store(job.branches):
        store.update_header(job.branches, branching.header(header))
    fs, folder = fsspec.core.url_to_fs(job.scratch)
    ours = {PROBE, Path(job.sources_file).name, *(Path(hung_marker(job, k)).name for k in range(end or 0))}
    for name in ours & {Path(name).name for name in fs.ls(folder, detail=False)}:
        fs.rm(f"{folder}/{name}")
    if fs.exists(folder) and not fs.ls(folder):
        fs.rmdir(folder)
