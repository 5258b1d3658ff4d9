"""Where the time of an attempt goes, in percent, as a Markdown table: `python benchmarks/profile_attempt.py stack`.

Each part is timed by a wrapper of its own (half a microsecond a call), not by a profiler, which would slow down Python
but not physics. How a control step divides into physics and control is measured after each attempt: bare `mj_step`s
from some of its states, with the model as the loop left it.
"""

import sys
import time

import mujoco
import numpy as np

from measure import machine, median, row
from stopwatch import stopwatch
from trajloom.engine import generate as engine
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.rollout import Recorder, Rollout
from trajloom.seeding import rng_for
from trajloom.sim.policies import run_expert
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import DatagenInfo

ATTEMPTS = 20

PARTS = (
    ("step", "physics and control"),
    ("success", "success"),
    ("reset", "reset"),
    ("model_xml", "the episode's XML"),
    ("reading", "reading state and observation"),
    ("observation", "reading state and observation"),
    ("state", "reading state and observation"),
    ("columns_of", "columns at the end: observations"),
    ("eef_pose", "poses and signals"),
    ("object_poses", "poses and signals"),
    ("subtask_term_signals", "poses and signals"),
    ("action_to_target_pose", "target poses of actions"),
    ("gripper_action", "target poses of actions"),
    ("target_pose_to_action", "actions towards targets"),
    ("join_action", "actions towards targets"),
    ("diagnose", "success"),
)
"""Method of a scene -> what its time is spent on."""


def sources_of(scene: RobosuiteScene, count: int, seed: int = 11) -> list[SourceDemo]:
    """Demonstrations of the scripted expert that solved the task."""
    demos: list[SourceDemo] = []
    for number in range(10 * count):
        made = run_expert(scene, str(scene.env_args["trajloom"]["task"]), rng_for(seed, "expert", number))
        if made.success:
            demos.append(SourceDemo(number, f"demo_{number}", DatagenInfo.from_columns(made.columns)))
        if len(demos) == count:
            break
    return demos


def an_attempt(scene: RobosuiteScene, sources: Sources, number: int) -> Rollout:
    """Attempt `number`, with the task's own settings."""
    settings = engine.Settings(select_src_per_subtask=scene.task.select_src_per_subtask)
    return engine.attempt(scene, sources, scene.spec, settings, rng_for(5, "attempt", number))


def watched(scene: RobosuiteScene) -> list[tuple[object, str, str]]:
    """What to time in an attempt."""
    parts = [(type(scene), name, what) for name, what in PARTS if hasattr(type(scene), name)]
    return [
        *parts,
        (Recorder, "step", "recorder"),
        (Recorder, "columns", "columns at the end: the rest"),
        (engine, "attempt", "engine"),
    ]


def bare_step_seconds(scene: RobosuiteScene, states: np.ndarray) -> float:
    """Mean seconds of the physics steps of one control step, without any control."""
    substeps, taken = int(scene.env.control_timestep / scene.env.model_timestep), []
    for state in states:
        scene.set_state(state)
        start = time.perf_counter()
        for _ in range(substeps):
            mujoco.mj_step(scene.model, scene.data)
        taken.append(time.perf_counter() - start)
    return float(np.mean(taken))


def main(task: str = "stack") -> None:
    scene = make_scene(task)
    sources = Sources.from_demos(sources_of(scene, 10), scene.spec)
    an_attempt(scene, sources, ATTEMPTS)
    alone, steps, share, physics = [], 0, [], 0.0
    for number in range(ATTEMPTS):
        start = time.perf_counter()
        an_attempt(scene, sources, number)
        alone.append(time.perf_counter() - start)
        with stopwatch(*watched(scene)) as watch:
            made = an_attempt(scene, sources, number)
        steps += made.length
        physics += made.length * bare_step_seconds(scene, made.columns["states"][::5])
        share.append(dict(watch.seconds))
    seconds = {what: sum(one.get(what, 0.0) for one in share) for one in share for what in one}
    whole = sum(seconds.values())
    control = seconds.pop("physics and control") - physics
    seconds = {"physics (bare mj_step)": physics, "control": control, **seconds}
    print(f"{machine()}; {task} D0, {ATTEMPTS} attempts of {steps / ATTEMPTS:.0f} steps, 10 sources")
    print(f"{median(alone):.3f} s an attempt unwatched, {whole / ATTEMPTS:.3f} s watched\n")
    row("what", "% of an attempt", "microseconds a control step")
    row("---", "---", "---")
    for what, taken in sorted(seconds.items(), key=lambda item: -item[1]):
        row(what, 100 * taken / whole, 1e6 * taken / steps)


if __name__ == "__main__":
    main(*sys.argv[1:])
