"""What a worker process does, in one thread or several: run the attempts of a unit and write them as a part.

It imports no Dask and no Polars: a worker starts the sooner.
"""

import io
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import fsspec
import numpy as np

from trajloom import store
from trajloom.engine.experience import Experience
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.engine.select import MG_SelectionStrategy
from trajloom.errors import RunError
from trajloom.generation import branches, unit
from trajloom.generation.recipe import RETRIED, Recipe, versions
from trajloom.rollout import Rollout
from trajloom.schema import Header
from trajloom.task import DatagenInfo, TaskSpec

PROBE = "probe.txt"


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a worker needs to make any unit of a run."""

    recipe: Recipe
    out: str
    """The dataset, as a path or URL that every worker can write."""
    scratch: str
    """A folder or URL that client and workers share."""
    hang_after: float
    """Seconds after which an attempt counts as hung."""
    preload: tuple[str, ...] = ()
    """Modules to import before any attempt."""
    header: Header | None = None
    branches: str | None = None
    """Another dataset, for what attempts discard; None keeps none of it."""
    strategies: tuple[type[MG_SelectionStrategy], ...] = ()
    """Selection strategies that the user's script defines, which workers do not run."""

    @property
    def sources_file(self) -> str:
        return f"{self.scratch}/sources-{self.recipe.id[:16]}.npz"


@dataclass(frozen=True, kw_only=True)
class Report:
    """How the attempts of a unit ended."""

    unit: int
    outcomes: list[bool]
    steps: list[int]
    notes: tuple[str, ...] = ()
    """What the client is to warn the user of, once."""


# ---- sources, frozen once by the client, read once by each process ----------------------------------------------


def freeze_sources(demos: list[SourceDemo], path: str) -> None:
    """Write what generation needs of the sources to a file that every worker reads."""
    arrays: dict[str, Any] = {}
    for i, demo in enumerate(demos):
        arrays[f"{i}|index"], arrays[f"{i}|name"] = np.int64(demo.episode_index), np.str_(demo.name)
        arrays.update({f"{i}|{name}": values for name, values in demo.info.to_columns().items()})
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    with fsspec.open(path, "wb") as file:
        file.write(buffer.getvalue())  # pyright: ignore


def thaw_sources(path: str) -> list[SourceDemo]:
    """The inverse of `freeze_sources`."""
    with fsspec.open(path, "rb") as file:
        arrays = np.load(io.BytesIO(file.read()), allow_pickle=False)  # pyright: ignore
    by_demo: dict[int, dict[str, np.ndarray]] = {}
    for key in arrays.files:
        number, name = key.split("|", 1)
        by_demo.setdefault(int(number), {})[name] = arrays[key]
    return [
        SourceDemo(episode_index=int(demo["index"]), name=str(demo["name"]), info=DatagenInfo.from_columns(demo))
        for _, demo in sorted(by_demo.items())
    ]


_sources: dict[str, Sources] = {}
_sources_lock = threading.Lock()


def sources_of(job: Job) -> Sources | None:
    """The stacked segments of the run's sources, made once in this process; its threads share them and only read."""
    recipe = job.recipe
    if recipe.kind == "expert":
        return None
    with _sources_lock:
        if recipe.id not in _sources:
            assert recipe.spec is not None
            _sources.clear()
            demos = thaw_sources(job.sources_file)
            _sources[recipe.id] = Sources.from_demos(demos, TaskSpec.from_json(recipe.spec))
        return _sources[recipe.id]


@lru_cache(maxsize=2)
def _experience(out: str, recipe_id: str, units: int, episodes: tuple[int, ...]) -> Experience:
    """What the first units of a run learned of its sources, hidden attempts included."""
    header = store.read_header(out).with_(attempts_end=None)
    earlier = [part for part in store.StoredDataset(out, header).parts() if part.commit.part < units]
    tries = [one for part in earlier for row in part.table("attempts", ["tries"]).to_pylist() for one in row["tries"]]
    return Experience.of(tries, np.array(episodes, np.int64))


def experience_of(job: Job, number: int, sources: Sources | None) -> Experience | None:
    """What an attempt may know of its sources; None in the first round, and where attempts learn from none."""
    units = len(job.recipe.learns_from(number))
    if not units or sources is None:
        return None
    return _experience(job.out, job.recipe.id, units, tuple(sources.episode_index.tolist()))


# ---- tasks -----------------------------------------------------------------------------------------------------


def check_worker(scratch: str) -> dict[str, str]:
    """Prove that this process reads what the client wrote, and say which versions it has."""
    try:
        with fsspec.open(f"{scratch}/{PROBE}", "rt") as file:
            file.read()  # pyright: ignore
    except Exception as error:
        raise RunError(
            f"worker {socket.gethostname()} cannot read {scratch}/{PROBE} ({type(error).__name__}: {error}); "
            "give a scratch folder or URL that the client and every worker share, with --scratch"
        ) from None
    return versions()


def run_attempt(job: Job, number: int) -> tuple[Rollout, float]:
    """One attempt, alone, and the seconds that it took."""
    for module in job.preload:
        import_module(module)
    for strategy in job.strategies:
        strategy.make_known()
    sources, _ = sources_of(job), unit.scene_for(job.recipe)  # made once, and not on the attempt's time
    experience = experience_of(job, number, sources)
    start = time.perf_counter()
    with watched(job, number):
        rollout = unit.attempt(job.recipe, number, sources, experience, job.branches is not None)
    return rollout, time.perf_counter() - start


def run_unit(job: Job, number: int, given: Mapping[int, Rollout] | None = None, replace: bool = False) -> Report:
    """Make a unit and commit it as part `number`.

    Args:
        job: The run.
        number: The unit, and the part.
        given: Attempts that were already made, one by one, because the unit's worker was lost.
        replace: Whether the part is there already and is to be made again.
    """
    started, begin = time.time(), time.perf_counter()
    rollouts, seconds = dict(given or {}), []
    for attempt in job.recipe.attempts_of(number):
        took = 0.0
        if attempt not in rollouts:
            rollouts[attempt], took = run_attempt(job, attempt)
        seconds.append(took)
    fail_if_set_up_is_wrong(rollouts)
    report = Report(
        unit=number,
        outcomes=[rollouts[k].success for k in job.recipe.attempts_of(number)],
        steps=[rollouts[k].length for k in job.recipe.attempts_of(number)],
        notes=() if given else unit.notes_on(job.recipe),
    )
    assert job.header is not None
    run = {
        "worker": os.getpid(),
        "thread": threading.get_native_id(),
        "host": socket.gethostname(),
        "started": started,
        "seconds_per_attempt": [round(s, 4) for s in seconds],
        "seconds": round(time.perf_counter() - begin, 4),
        "outcomes": report.outcomes,
        "steps": report.steps,
        "retry": [k for k, rollout in rollouts.items() if rollout.reason in RETRIED],
    }
    if job.branches is not None:
        # first, so that a unit that is there has its branches; those of a unit that was not committed are replaced
        with store.Writer(job.branches, branches.header(job.header)).part(number, replace=True) as part:
            branches.write(part, branches.header(job.header), job.recipe, rollouts)
    with store.Writer(job.out, job.header).part(number, replace=replace, run=run) as part:
        unit.write_unit(part, job.header, job.recipe, rollouts)
    return report


def fail_if_set_up_is_wrong(rollouts: Mapping[int, Rollout]) -> None:
    """Raise RunError where every attempt of a unit failed with the same error: that is no chance."""
    reasons = {rollout.reason for rollout in rollouts.values()}
    if len(rollouts) > 1 and len(reasons) == 1 and str(*reasons).startswith("raised "):
        raise RunError(f"attempts {min(rollouts)} to {max(rollouts)} all failed in the same way: {reasons.pop()}")


# ---- an attempt that hangs -------------------------------------------------------------------------------------


def hung_marker(job: Job, number: int) -> str:
    """The file that says that an attempt hung."""
    return f"{job.scratch}/hung-{number}.txt"


@contextmanager
def watched(job: Job, number: int) -> Iterator[None]:
    """End this process when an attempt takes longer than it may: nothing else stops a loop in compiled code.

    It takes the attempts of the process's other threads with it; the client has those made again.
    """
    done = threading.Event()

    def watch() -> None:
        if not done.wait(job.hang_after):
            with fsspec.open(hung_marker(job, number), "wt") as file:
                file.write(f"attempt {number} ran for more than {job.hang_after} s\n")  # pyright: ignore
            os._exit(70)

    thread = threading.Thread(target=watch, name=f"watch-{number}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
