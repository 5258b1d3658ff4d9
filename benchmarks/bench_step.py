"""What a control step costs, alone and with its observations; what a reset costs, and going back.

Claims: a control step costs at most 1.2 times its 25 bare `mj_step`; robosuite's `env.step` costs at least 8 times as
much as ours with the same low-dimensional observations; a reset takes at most 5 ms; save and restore together take
less than a step.

States are 40 along an episode of the scripted expert, since contacts cost time, or the first 40 of small random moves
(`--episode random`); at each of them contestants take turns, with the episode's action, and what brings them there is
not timed. A ratio is the median of the states' own. Bare steps are timed on the model as robosuite configures it, and
with sensors and the marks of bounding volumes off, as the compiled loop sets its own.
`python benchmarks/bench_step.py [--tasks lift stack] [--rounds 5] [--episode random]`
"""

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from unittest.mock import patch

import mujoco
import numpy as np

from measure import Seconds, in_turns, machine, median, ratio, row
from trajloom.seeding import rng_for
from trajloom.sim import backend, policies, tasks
from trajloom.sim.loop import Kind
from trajloom.sim.scene import RobosuiteScene, Saved, make_scene

TASKS = ("lift", "stack", "square", "door")
STATES = 40
KINDS: tuple[Kind, ...] = ("fast", "exact", "robosuite")

Do = Callable[[np.ndarray], object]


@dataclass(frozen=True)
class Walk:
    """One scene, and the states along an episode that it is stepped from."""

    scene: RobosuiteScene
    starts: list[Saved]
    actions: np.ndarray
    """(STATES, D)."""

    def timed(self, do: Do, i: int) -> float:
        """Seconds of doing something at one of the states."""
        self.scene.restore(self.starts[i])
        begin = time.perf_counter()
        do(self.actions[i])
        return time.perf_counter() - begin


def scene_of(task: str, kind: Kind) -> RobosuiteScene:
    """A scene; for robosuite's step with robosuite's own model, where objects that the task has no use for fall too."""
    if kind == "robosuite":
        with patch.object(type(tasks.get(task)), "unused", ()):
            return make_scene(task, loop=kind)
    return make_scene(task, loop=kind)


def walk(scene: RobosuiteScene, task: str, actions: np.ndarray) -> Walk:
    """Replay an episode and keep some of its states."""
    kept = set(np.linspace(0, len(actions) - 1, STATES).astype(int))
    scene.reset(rng_for(0, "bench", task))
    starts = []
    for i, action in enumerate(actions):
        if i in kept:
            starts.append(scene.save())
        scene.step(action)
    return Walk(scene, starts, actions[sorted(kept)])


def expert(task: str) -> np.ndarray:
    """(T, D). The actions of the scripted expert in the episode that `walk` starts."""
    episode = policies.run_expert(make_scene(task), task, rng_for(0, "bench", task))
    assert episode.success, episode.reason
    return np.asarray(episode.columns["actions"])


def random(task: str) -> np.ndarray:
    """(STATES, 7). Small moves from where the arm starts, touching nothing."""
    return rng_for(0, "bench", task).uniform(-0.2, 0.2, (STATES, 7))


def recorded(scene: RobosuiteScene) -> Do:
    """What a recorded step costs while an episode runs: a reading of everything observed, and the step."""

    def do(action: np.ndarray) -> None:
        scene.reading(action)
        scene.step(action)

    return do


def making_columns(one: Walk) -> float:
    """Seconds a step at the end of an episode: observations, poses, targets and signals are made of its readings."""
    readings = [one.scene.reading(action) for action in one.actions]
    begin = time.perf_counter()
    one.scene.columns_of(readings)
    return (time.perf_counter() - begin) / len(readings)


def recorded_by_robosuite(scene: RobosuiteScene) -> Do:
    """robosuite's state, and its step, which returns the observations."""

    def do(action: np.ndarray) -> None:
        scene.env.sim.get_state().flatten()
        scene.env.step(action)

    return do


def bare(scene: RobosuiteScene) -> Do:
    """The physics of one control step and nothing else."""
    substeps = int(scene.env.control_timestep / scene.env.model_timestep)
    return lambda action: mujoco.mj_step(scene.model, scene.data, substeps)


def steps(walks: Mapping[str, Walk], rounds: int) -> dict[str, Seconds]:
    """Seconds a step of every contestant, a value for each state and round; at each state they take turns."""
    fast, exact, theirs = (walks[kind] for kind in KINDS)
    contestants: dict[str, tuple[Walk, Do]] = {
        "bare": (theirs, bare(theirs.scene)),
        "bare, lean": (fast, bare(fast.scene)),
        "fast": (fast, fast.scene.loop.step),
        "exact": (exact, exact.scene.loop.step),
        "fast, recorded": (fast, recorded(fast.scene)),
        "exact, recorded": (exact, recorded(exact.scene)),
        "robosuite, recorded": (theirs, recorded_by_robosuite(theirs.scene)),
        "save and restore": (fast, lambda action: fast.scene.restore(fast.scene.save())),
    }
    taken: dict[str, Seconds] = {name: [] for name in contestants}
    gc.disable()
    for turn in range(rounds + 1):  # the first warms up
        gc.collect()
        columns = making_columns(fast)
        for i in range(STATES):
            for name, (one, do) in contestants.items():
                seconds = one.timed(do, i) + (columns if name in ("fast, recorded", "exact, recorded") else 0.0)
                if turn:
                    taken[name].append(seconds)
    gc.enable()
    return taken


def resets(task: str, scene: RobosuiteScene, rounds: int) -> dict[str, Seconds]:
    """Seconds a reset: ours, and robosuite's own without and with compiling the model."""
    soft = backend.make_env(tasks.get(task), "Panda", None, 20)
    hard = backend.make_env(tasks.get(task), "Panda", None, 20)
    hard.hard_reset = True
    rng = rng_for(0, "bench", task)
    return in_turns({"ours": lambda: scene.reset(rng), "soft": soft.reset, "hard": hard.reset}, rounds)


def milliseconds(taken: Mapping[str, Seconds], *names: str) -> list[float]:
    return [1000 * median(taken[name]) for name in names]


def ratios(taken: Mapping[str, Seconds], *pairs: tuple[str, str]) -> list[float]:
    return [ratio(taken, of, to) for of, to in pairs]


def table(title: str, *cells: str) -> None:
    print(f"\n{title}\n")
    row(*cells)
    row(*["---"] * len(cells))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--tasks", nargs="+", default=TASKS)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--episode", choices=("expert", "random"), default="expert")
    options = asked.parse_args()
    print(machine())
    taken = {}
    for task in options.tasks:
        actions = (expert if options.episode == "expert" else random)(task)
        walks = {kind: walk(scene_of(task, kind), task, actions) for kind in KINDS}
        taken[task] = steps(walks, options.rounds), resets(task, walks["fast"].scene, options.rounds)

    table(
        "A control step alone, in ms; bare: 25 `mj_step` on robosuite's model; lean: on ours, without sensors",
        *("task", "bare", "bare, lean", "fast", "exact", "fast / bare", "fast / lean", "exact / bare", "exact / lean"),
    )
    for task, (step, _) in taken.items():
        pairs = [(kind, base) for kind in ("fast", "exact") for base in ("bare", "bare, lean")]
        row(task, *milliseconds(step, "bare", "bare, lean", "fast", "exact"), *ratios(step, *pairs))

    table(
        "A recorded step, in ms: step, success, state and observations, and of ours also poses, targets and signals",
        *("task", "fast", "exact", "robosuite", "robosuite / fast", "robosuite / exact"),
    )
    for task, (step, _) in taken.items():
        ours, exact, theirs = (f"{kind}, recorded" for kind in KINDS)
        row(task, *milliseconds(step, ours, exact, theirs), *ratios(step, (theirs, ours), (theirs, exact)))

    table(
        "A reset, and going back, in ms",
        *("task", "reset", "robosuite's soft", "robosuite's hard", "save and restore", "save and restore / fast step"),
    )
    for task, (step, reset) in taken.items():
        back = "save and restore"
        row(
            task, *milliseconds(reset, "ours", "soft", "hard"), *milliseconds(step, back), *ratios(step, (back, "fast"))
        )


if __name__ == "__main__":
    main()
