"""What Dask and the store add to an attempt, and how two workers compare with two plain processes.

Claims: less than 5 % of an attempt; two workers reach at least 0.95 of two independent processes.
"""

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

from measure import machine, median, row
from trajloom import dataset, store
from trajloom.engine.segments import Sources
from trajloom.generation.recipe import Recipe
from trajloom.generation.sources import read_sources
from trajloom.generation.unit import attempt
from trajloom.run import expert, generate
from trajloom.sim import tasks

TASK = "stack"
UNIT = 5


def plain(arguments: tuple[str, str, range]) -> float:
    """Seconds for some attempts in a bare loop: no Dask, nothing written. Start-up is not counted."""
    out, sources, attempts = arguments
    generation = store.read_header(out).generation
    assert generation is not None
    recipe = Recipe(**{**generation["recipe"], "sources": ()})
    spec = tasks.get(TASK).spec
    stacked = Sources.from_demos(read_sources(dataset.read(sources), sources), spec)
    attempt(recipe, 10_000, stacked)
    start = time.perf_counter()
    for number in attempts:
        attempt(recipe, number, stacked)
    return time.perf_counter() - start


def working_seconds(out: str) -> tuple[float, float]:
    """Seconds that workers spent in units, and in the attempts of these units, from the commit records."""
    runs = [commit.run for commit in store.open_store(out).commits]
    return sum(run["seconds"] for run in runs), sum(sum(run["seconds_per_attempt"]) for run in runs)


def span(out: str) -> float:
    """Seconds from the start of the first unit to the end of the last, without start-up."""
    runs = [commit.run for commit in store.open_store(out).commits]
    return max(run["started"] + run["seconds"] for run in runs) - min(run["started"] for run in runs)


def main(attempts: int = 40, rounds: int = 3) -> None:
    print(machine())
    row("round", "s an attempt, plain", "store, of an attempt", "Dask between units", "two workers / two processes")
    row(*["---"] * 5)
    folder = Path(tempfile.mkdtemp())
    sources = str(folder / "sources")
    expert(TASK, sources, episodes=10, seed=1, workers=2)
    shares: list[tuple[float, float, float]] = []
    for turn in range(rounds):
        out = str(folder / f"out-{turn}")
        generate(sources, out, task=TASK, attempts=attempts, seed=turn, workers=2, unit=UNIT)
        # a run of two workers decides which attempts each process makes here: halves
        halves = [range(0, attempts // 2), range(attempts // 2, attempts)]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            alone = pool.map(plain, [(out, sources, half) for half in halves])
        units, inside = working_seconds(out)
        storage, between = units / inside - 1, 2 * span(out) / units - 1
        against = max(alone) / span(out)
        shares.append((storage, between, against))
        row(turn, sum(alone) / attempts, storage, between, against)
    row("median", "", *(median([share[i] for share in shares]) for i in range(3)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
