"""A control step of our scene against robosuite's own `env.step`, one process, the same actions; and seconds a reset.

Claim: generating costs no more a step than robosuite's own step with the same low-dimensional observations.
"""

from functools import partial

import numpy as np

from measure import in_turns, machine, median, ratio, row
from trajloom.seeding import rng_for
from trajloom.sim.scene import RobosuiteScene, make_scene

STEPS = 50
TASKS = ("lift", "stack", "square")


def ours(scene: RobosuiteScene, actions: np.ndarray) -> None:
    """What a recorded step costs: observation, state and step."""
    for action in actions:
        scene.observation()
        scene.state()
        scene.step(action)


def robosuites(scene: RobosuiteScene, actions: np.ndarray) -> None:
    """The same, by robosuite; its step returns the observations."""
    for action in actions:
        scene.env.sim.get_state().flatten()
        scene.env.step(action)


def main() -> None:
    print(machine())
    row("task", "ms a step", "ms a robosuite env.step", "env.step / ours", "ms a reset", "ms robosuite's soft reset")
    row(*["---"] * 6)
    for task in TASKS:
        scene, theirs = make_scene(task), make_scene(task)
        theirs.env.reset()
        rng = rng_for(0, "bench", task)
        scene.reset(rng)
        actions = rng.uniform(-0.2, 0.2, (STEPS, scene.action_dim))

        taken = in_turns(
            {
                "ours": partial(ours, scene, actions),
                "robosuite": partial(robosuites, theirs, actions),
                "reset": partial(scene.reset, rng),
                "soft reset": theirs.env.reset,
            }
        )
        a_step = {name: 1000 * median(taken[name]) / STEPS for name in ("ours", "robosuite")}
        resets = [1000 * median(taken[name]) for name in ("reset", "soft reset")]
        row(task, a_step["ours"], a_step["robosuite"], ratio(taken, "robosuite", "ours"), *resets)


if __name__ == "__main__":
    main()
