"""What Dask and the store add to an attempt, and how two workers compare with two plain processes.

Claims: less than 5 % of an attempt; two workers reach at least 0.95 of two independent processes. Start-up (imports,
the environment) is left out on both sides.
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


def steady(out: str) -> list[tuple[float, float, int]]:
    """Per worker, from its second unit to its last: seconds gone by, seconds inside attempts, attempts.

    The first unit makes the environment, once in the life of a worker; the last has no next one to be followed by.
    """
    by_worker: dict[int, list[dict]] = {}
    for commit in store.open_store(out).commits:
        by_worker.setdefault(commit.run["worker"], []).append(dict(commit.run))
    rows = []
    for runs in by_worker.values():
        runs.sort(key=lambda run: run["started"])
        counted = [run["seconds_per_attempt"] for run in runs[1:-1]]
        gone_by = runs[-1]["started"] - runs[1]["started"]
        rows.append((gone_by, sum(map(sum, counted)), sum(map(len, counted))))
    return rows


def main(attempts: int = 80, rounds: int = 3) -> None:
    print(machine())
    row("round", "s an attempt, plain", "Dask and store, of an attempt", "two workers / two processes")
    row(*["---"] * 4)
    folder = Path(tempfile.mkdtemp())
    sources = str(folder / "sources")
    expert(TASK, sources, episodes=10, seed=1, workers=2)
    shares: list[tuple[float, float]] = []
    for turn in range(rounds):
        out = str(folder / f"out-{turn}")
        generate(sources, out, task=TASK, attempts=attempts, seed=turn, workers=2, unit=UNIT)
        halves = [range(UNIT, attempts // 2), range(attempts // 2, attempts - UNIT)]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            alone = pool.map(plain, [(out, sources, half) for half in halves])
        workers = steady(out)
        added = sum(gone_by for gone_by, _, _ in workers) / sum(inside for _, inside, _ in workers) - 1
        rate = sum(count / gone_by for gone_by, _, count in workers)
        plain_rate = sum(len(half) / seconds for half, seconds in zip(halves, alone, strict=True))
        shares.append((added, rate / plain_rate))
        row(turn, sum(alone) / sum(map(len, halves)), *shares[-1])
    row("median", "", *(median([share[i] for share in shares]) for i in range(2)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
