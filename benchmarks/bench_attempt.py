"""An attempt at Stack D0, all in, on one core: with each of the loops that run control steps.

Claims: at least 7 times as many attempts in an hour as the same engine on robosuite's own step; at most 0.3 s each.
`python benchmarks/bench_attempt.py [task] [attempts in a round]`
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

from measure import in_turns, machine, median, ratio, row
from trajloom import dataset
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.segments import Sources
from trajloom.generation.sources import read_sources
from trajloom.run import expert
from trajloom.seeding import rng_for
from trajloom.sim import tasks
from trajloom.sim.scene import RobosuiteScene, make_scene

LOOPS = ("fast", "exact", "robosuite")


def stacked_sources(task: str, episodes: int = 10) -> Sources:
    """Expert episodes of a task, cut into segments."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sources")
        expert(task, path, episodes=episodes, seed=1)
        return Sources.from_demos(read_sources(dataset.read(path), path), tasks.get(task).spec)


def attempts(scene: RobosuiteScene, sources: Sources, numbers: range) -> int:
    """Make some attempts, as a worker does, without storing them; return how many succeeded."""
    return sum(attempt(scene, sources, scene.spec, Settings(), rng_for(7, "attempt", k)).success for k in numbers)


def main(task: str, count: int) -> None:
    print(machine())
    sources = stacked_sources(task)
    scenes = {loop: make_scene(task, loop=loop) for loop in LOOPS}
    numbers = range(count)
    taken = in_turns({loop: partial(attempts, scene, sources, numbers) for loop, scene in scenes.items()})
    row("task", "loop", "s an attempt", "attempts an hour and core", "of the attempts with robosuite's step")
    row(*["---"] * 5)
    for loop in LOOPS:
        seconds = median(taken[loop]) / count
        row(task, loop, seconds, round(3600 / seconds), ratio(taken, "robosuite", loop))


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("task", nargs="?", default="stack")
    asked.add_argument("count", nargs="?", type=int, default=10, help="attempts in a round")
    options = asked.parse_args()
    main(options.task, options.count)
