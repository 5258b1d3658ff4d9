"""Start-up and memory of a worker, up to its first control step, against bare robosuite: fresh processes, in turns.

Claim: with the compiled loop in its cache, at most 1.3 times `import robosuite`, one `make` of the same environment and
its `reset`. A worker also imports Dask, Arrow and the engine, and makes its first step. Memory is that of a worker with
one environment, and what each further one on a thread of its own adds.
`python benchmarks/bench_startup.py [rounds]`
"""

import os
import subprocess
import sys
from functools import partial

from measure import in_turns, machine, median, ratio, row
from trajloom.run.cluster import LOCAL

BARE = """
import robosuite
env = robosuite.make(
    "Stack", robots="Panda", has_renderer=False, has_offscreen_renderer=False, use_camera_obs=False
)
env.reset()
"""
SCENE = """
import numpy as np
from trajloom.seeding import rng_for
from trajloom.sim.scene import make_scene
scene = make_scene("stack")
scene.reset(rng_for(0))
scene.step(np.zeros(scene.action_dim))
"""
WORKER = """
import distributed.nanny, distributed.worker
from trajloom.generation import worker
from trajloom.generation.recipe import Recipe
from trajloom.generation.unit import probe
probe(Recipe(kind="expert", task="stack"))
"""
"""What a worker process of Dask imports, and the first that it is asked to do: a scene, a reset, a step."""

MEMORY = """
from measure import anonymous_mb
from trajloom.sim.scene import make_scene
first = anonymous_mb()
more = [make_scene("stack") for _ in range(3)]
print(first, (anonymous_mb() - first) / 3)
"""


def fresh(code: str, environment: dict[str, str]) -> str:
    """Run some code in a new Python; returns what it prints."""
    words, variables = [sys.executable, "-c", code], {**os.environ, **environment}
    return subprocess.run(words, env=variables, check=True, capture_output=True, text=True).stdout


def main(rounds: int = 7) -> None:
    print(machine())
    workers = {name: str(value) for name, value in LOCAL["distributed.nanny.pre-spawn-environ"].items()}
    contestants = {
        "robosuite, bare": partial(fresh, BARE, {}),
        "our scene": partial(fresh, SCENE, {}),
        "a worker": partial(fresh, WORKER, workers),
    }
    taken = in_turns(contestants, rounds)
    row("start-up", "s", "of bare robosuite's")
    row(*["---"] * 3)
    for name in contestants:
        row(name, median(taken[name]), ratio(taken, name, "robosuite, bare"))
    first, further = map(float, fresh(WORKER + MEMORY, {**workers, "PYTHONPATH": os.pathsep.join(sys.path)}).split())
    print(f"\nMemory: {first:.0f} MB for a worker with one environment, {further:.0f} MB for each further one.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
