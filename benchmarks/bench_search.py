"""Going back against starting again: the same sources and seeds, rejection (MimicGen) beside search.

Prints a line a task: success and simulated steps per success of both with their 95 % intervals; then Square D0 with
`adapt`, what search itself costs, and which starts are kept (`--plots DIR` draws them).
`python benchmarks/bench_search.py [task-variant ...] [--factor 0.1] [--folder DIR]`
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import search_coverage
import trajloom as tl
from bench_success import sources_for
from measure import machine, row
from stopwatch import stopwatch
from trajloom import query
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.search import Search
from trajloom.engine.segments import Sources
from trajloom.generation.sources import read_sources
from trajloom.run import generate
from trajloom.seeding import rng_for
from trajloom.sim.scene import RobosuiteScene, make_scene

RUNS = ("stack-D1", "stack_three-D0", "stack_three-D1", "square-D0", "square-D1", "square-D2", "pick_place-D0")
ATTEMPTS, SEED = 200, 211
TRIES, BACK, BUDGET = 4, 1, 3.0
"""Tries at a subtask, subtasks to go back, and steps that an attempt may cost, in lengths of a source episode."""
HARD = ("the hard quarter", "of rejection's episodes", "of search's")
BACKWARDS = ("_failure", "_out_of_reach", "_budget_is_used_up", "_remember", "_restore")


def made(folder: Path, name: str, attempts: int, sources: Path | None = None, **options: Any) -> tl.Dataset:
    """The dataset of so many attempts."""
    task, variant = name.split("-")
    own = [] if sources is None else [sources.stem]
    out = folder / "-".join([name, *own, *(f"{key}{value}" for key, value in options.items())])
    sources = sources or sources_for(task, variant, folder)
    generate(sources, out, task=task, variant=variant, attempts=attempts, seed=SEED, **options)
    return tl.read(out)


def going_back(folder: Path, name: str) -> dict[str, Any]:
    """The settings of search for a task."""
    task, variant = name.split("-")
    lengths = tl.read(sources_for(task, variant, folder)).episodes().select("length").collect()["length"]
    return {"tries": TRIES, "back": BACK, "step_budget": round(BUDGET * float(np.mean(lengths.to_numpy())))}


def per_success(data: tl.Dataset, rng: np.random.Generator) -> tuple[float, float, float]:
    """Simulated steps per success, and the ends of its 95 % interval (bootstrap over attempts)."""
    rows = data.attempts().select("success", "steps").collect()
    success, steps = rows["success"].to_numpy(), rows["steps"].to_numpy()
    drawn = rng.integers(0, len(rows), (2000, len(rows)))
    ratios = steps[drawn].sum(1) / np.maximum(success[drawn].sum(1), 1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return steps.sum() / max(success.sum(), 1), float(low), float(high)


def words(data: tl.Dataset) -> tuple[str, str]:
    rate, (cost, low, high) = query.success_rate(data), per_success(data, np.random.default_rng(0))
    success = f"{rate.successes} of {rate.attempts} ({100 * rate.low:.0f} to {100 * rate.high:.0f} %)"
    return success, f"{cost:.0f} ({low:.0f} to {high:.0f})"


def compare(folder: Path, names: list[str], attempts: int) -> None:
    row("task", "rejection: success", "steps per success", "search: success", "steps per success", "failures", "steps")
    row(*["---"] * 7)
    for name in names:
        plain = made(folder, name, attempts, keep_failed=True)
        searched = made(folder, name, attempts, **going_back(folder, name))
        failed = [1 - query.success_rate(data).rate for data in (plain, searched)]
        costs = [per_success(data, np.random.default_rng(0))[0] for data in (plain, searched)]
        times = (failed[1] / failed[0] if failed[0] else float("nan"), costs[1] / costs[0])
        row(name, *words(plain), *words(searched), f"{times[0]:.2f}x", f"{times[1]:.2f}x")


def coverage(folder: Path, names: list[str], attempts: int, plots: Path | None) -> None:
    print("\nStarts: those that rejection lost, and the quarter in whose neighbourhood it lost the most.\n")
    row("task", "lost by rejection", "of these kept by search", "lost by search alone", *HARD)
    row(*["---"] * 7)
    for name in names:
        plain = made(folder, name, attempts, keep_failed=True)
        found = search_coverage.starts(name, plain, made(folder, name, attempts, **going_back(folder, name)))
        row(*search_coverage.row_of(found))
        if plots is not None:
            search_coverage.draw(found, plots / f"search-{name}.svg")


def mistracked(folder: Path) -> Path:
    """The sources of Square, with every second nut recorded 2 cm from where it lay: a camera that was knocked."""
    path = folder / "square-mistracked.hdf5"
    if not path.exists():
        tl.read(sources_for("square", "D0", folder)).write(path)
        with h5py.File(path, "r+") as file:
            demos: Any = file["data"]
            for name in sorted(demos)[::2]:
                poses: Any = file[f"data/{name}/datagen_info/object_poses/square_nut"]
                poses[:, 0, 3] += 0.02
    return path


def adapting(folder: Path, attempts: int) -> None:
    print("\nSquare D0, sources chosen by what worked in earlier rounds of 50:\n")
    row("sources", "choice of sources", "success", "steps per success", "against the strategy alone")
    row(*["---"] * 5)
    search = going_back(folder, "square-D0")
    for words_of, path in (("ten good ones", None), ("five of ten mistracked by 2 cm", mistracked(folder))):
        plain = made(folder, "square-D0", attempts, path, keep_failed=True)
        strategy = made(folder, "square-D0", attempts, path, **search)
        adapted = made(folder, "square-D0", attempts, path, **search, adapt=True)
        cost = [per_success(data, np.random.default_rng(0))[0] for data in (plain, strategy, adapted)]
        row(words_of, "by rejection", *words(plain), f"{cost[0] / cost[1]:.2f}x")
        row(words_of, "the strategy's", *words(strategy), "1")
        row(words_of, "adapted", *words(adapted), f"{cost[2] / cost[1]:.2f}x")


def overhead(folder: Path, attempts: int) -> None:
    """What search costs beside simulating: looking ahead and at each try, memories, restores."""
    scene = make_scene("square")
    path = sources_for("square", "D0", folder)
    sources = Sources.from_demos(read_sources(tl.read(path), str(path)), scene.spec)
    settings = Settings(**going_back(folder, "square-D0"))
    wraps = [(Search, name, "search") for name in BACKWARDS] + [(RobosuiteScene, "step", "simulating")]
    with stopwatch(*wraps) as watch:
        start = time.perf_counter()
        for number in range(attempts):
            attempt(scene, sources, scene.spec, settings, rng_for(SEED, "attempt", number))
        whole = time.perf_counter() - start
    share = 100 * watch.seconds["search"] / watch.seconds["simulating"]
    said = f"search takes {share:.1f} % of the time of simulated steps (bar: 3 %)"
    print(f"\n{said}, over {attempts} attempts, {whole:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--factor", type=float, default=1.0, help="part of the attempts to make")
    parser.add_argument("--folder", type=Path, default=None, help="where to keep what is made")
    parser.add_argument("--plots", type=Path, default=None, help="folder for pictures of which starts were kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    attempts = max(5, round(ATTEMPTS * options.factor / 5) * 5)
    print(f"{machine()}; {attempts} attempts each, {TRIES} tries a subtask, back {BACK}, {BUDGET:g} lengths at most\n")
    compare(folder, options.runs, attempts)
    coverage(folder, options.runs, attempts, options.plots)
    overhead(folder, max(5, attempts // 10))
    adapting(folder, attempts)


if __name__ == "__main__":
    main()
