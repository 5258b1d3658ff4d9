"""Time things side by side: rounds take turns, so that a noisy machine is noisy for all, and medians are compared."""

import gc
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Seconds = list[float]


def in_turns(
    contestants: Mapping[str, Callable[[], object]], rounds: int = 5, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Seconds]:
    """Seconds of every round of every contestant; they take turns, the first round warms up and is not counted.

    `clock=time.process_time` counts the work of this process alone, for contestants that start no other.
    """
    taken: dict[str, Seconds] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            gc.collect()
            start = clock()
            run()
            if turn:
                taken[name].append(clock() - start)
    return taken


def ratio(taken: Mapping[str, Seconds], of: str, to: str) -> float:
    """Median of the rounds' own ratios: what one round shares, its noise included, cancels."""
    return statistics.median(a / b for a, b in zip(taken[of], taken[to], strict=True))


def median(seconds: Seconds) -> float:
    return statistics.median(seconds)


def anonymous_mb(process: int | str = "self") -> float:
    """Memory of a process that is not a file's, in MB (Linux); 0 once it is gone."""
    try:
        with open(f"/proc/{process}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return 0.0


def rises(run: Callable[[], object], processes: Sequence[int | str] = ("self",)) -> tuple[float, list[float]]:
    """Seconds that something takes, and how far it lifts the anonymous memory of each process at most, in MB."""
    before, highest, done = [anonymous_mb(p) for p in processes], [0.0] * len(processes), threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            highest[:] = [max(most, anonymous_mb(p)) for most, p in zip(highest, processes, strict=True)]

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    run()
    took = time.perf_counter() - start
    done.set()
    watcher.join()
    return took, [most - first for most, first in zip(highest, before, strict=True)]


def speed_or_memory(speed: Callable[[Path], None], memory: Callable[[Path, float], None], size: float) -> None:
    """What a script is for: `speed(folder)`, or with `--memory [SIZE]` `memory(folder, SIZE)`; the folder goes again.

    Args:
        speed, memory: What to measure; each prints its table.
        size: Where none is given.
    """
    warnings.simplefilter("ignore")
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        if "--memory" in sys.argv:
            given = sys.argv[sys.argv.index("--memory") + 1 :]
            memory(Path(folder), float(given[0]) if given else size)
        else:
            speed(Path(folder))


def machine() -> str:
    """Cores, Python and platform, for the table's caption."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {platform.machine()}, Python {platform.python_version()}"


def row(*cells: object) -> None:
    """Print a line of a Markdown table."""
    print("| " + " | ".join(f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells) + " |", flush=True)
