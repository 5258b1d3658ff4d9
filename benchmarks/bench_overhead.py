"""What Dask and the store add to an attempt, and how two workers, or two threads of one, compare with two processes.

Claims: less than 5 % of an attempt; two workers reach at least 0.95 of two independent plain processes, one worker with
two threads at least 0.9. All are started before the first round, take turns, and make the same attempts.
`python benchmarks/bench_overhead.py [attempts] [rounds]`
"""

import multiprocessing
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from measure import machine, median, row
from trajloom import dataset, store
from trajloom.engine.segments import Sources
from trajloom.generation.recipe import Recipe
from trajloom.generation.sources import read_sources
from trajloom.generation.unit import attempt
from trajloom.run import expert, generate
from trajloom.run.cluster import connect
from trajloom.sim import tasks

TASK = "stack"
UNIT = 5


@cache
def stacked(path: str) -> Sources:
    """The sources, read once in a process."""
    return Sources.from_demos(read_sources(dataset.read(path), path), tasks.get(TASK).spec)


def plain(arguments: tuple[str, str, range]) -> float:
    """Seconds for some attempts in a bare loop: no Dask, nothing written. Start-up is not counted."""
    out, path, attempts = arguments
    generation = store.read_header(out).generation
    assert generation is not None
    recipe, sources = Recipe(**{**generation["recipe"], "sources": ()}), stacked(path)
    attempt(recipe, attempts.stop, sources)
    start = time.perf_counter()
    for number in attempts:
        attempt(recipe, number, sources)
    return time.perf_counter() - start


def steady(out: str) -> list[tuple[float, float, int]]:
    """Per thread, from its first unit to its last: seconds gone by, seconds inside attempts, attempts.

    The last unit itself is not counted: no next one follows it.
    """
    by_thread: dict[tuple[int, int], list[dict]] = {}
    for commit in store.open_store(out).commits:
        by_thread.setdefault((commit.run["worker"], commit.run["thread"]), []).append(dict(commit.run))
    rows = []
    for runs in by_thread.values():
        runs.sort(key=lambda run: run["started"])
        counted = [run["seconds_per_attempt"] for run in runs[:-1]]
        rows.append((runs[-1]["started"] - runs[0]["started"], sum(map(sum, counted)), sum(map(len, counted))))
    return rows


def attempts_per_second(threads: list[tuple[float, float, int]]) -> float:
    """What all threads of a run make together."""
    return sum(count / gone_by for gone_by, _, count in threads if count)


def main(attempts: int = 60, rounds: int = 5) -> None:
    print(machine())
    names = ("Dask and store, of an attempt", "two workers / two processes", "one worker, two threads / two processes")
    row("round", "s an attempt, plain", *names)
    row(*["---"] * 5)
    found: list[tuple[float, ...]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        places = {name: stack.enter_context(connect(*kind, None)) for name, kind in {"w": (2, 1), "t": (1, 2)}.items()}
        pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(2))
        sources = str(folder / "sources")
        expert(TASK, sources, episodes=10, seed=1, scheduler=_address(places["w"]))
        halves = [range(attempts // 2), range(attempts // 2, attempts)]
        for turn in range(rounds + 1):
            outs = {name: str(folder / f"{name}{turn}") for name in places}
            for name, client in places.items():
                made = {"task": TASK, "attempts": attempts, "seed": turn, "unit": UNIT}
                generate(sources, outs[name], **made, scheduler=_address(client))
            alone = pool.map(plain, [(outs["w"], sources, half) for half in halves], chunksize=1)
            if not turn:  # the first round makes the environments
                continue
            workers, threads = steady(outs["w"]), steady(outs["t"])
            plain_rate = sum(len(half) / seconds for half, seconds in zip(halves, alone, strict=True))
            added = sum(gone_by for gone_by, _, _ in workers) / sum(inside for _, inside, _ in workers) - 1
            rates = [attempts_per_second(some) / plain_rate for some in (workers, threads)]
            found.append((sum(alone) / attempts, added, *rates))
            row(turn, *found[-1])
    row("median", *(median([values[i] for values in found]) for i in range(4)))


def _address(client) -> str:
    return client.scheduler.address


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
