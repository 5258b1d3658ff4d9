"""What the engine's arithmetic costs, as a share of an attempt on Stack D0, at 10, 100 and 1,000 sources.

Claims: segments, selection and waypoints take less than 1 % of an attempt at 10 sources and less than 5 % at 1,000.
Those are drawn, chosen and carried when a subtask begins. Beside them stands all of `engine.attempt` but what scene and
recorder do: also noise, and all that the engine does at every step. Sources beyond the first ten, which the scripted
expert shows, are those ten as if seen from elsewhere: all poses of a demonstration moved alike, by a few centimetres,
and turned about the vertical.
"""

import time
from dataclasses import replace

import numpy as np

from measure import machine, median, row
from profile_attempt import an_attempt, sources_of
from stopwatch import stopwatch
from trajloom.engine import generate as engine
from trajloom.engine.attempt import Attempt
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.poses import Poses, make, rotation_from_axis_angle
from trajloom.rollout import Recorder
from trajloom.sim.scene import RobosuiteScene, make_scene

ATTEMPTS = 30
COUNTS = (10, 100, 1000)
PLANNING, STEPPING, ACTIONS = "segments, selection, waypoints", "the rest of the engine", "actions towards targets"


def moved(demo: SourceDemo, number: int, by: Poses) -> SourceDemo:
    """A demonstration with every pose moved by (4, 4)."""
    info = demo.info
    objects = {name: by @ np.asarray(poses) for name, poses in (info.object_poses or {}).items()}
    eef, target = by @ np.asarray(info.eef_pose), by @ np.asarray(info.target_pose)
    there = replace(info, eef_pose=eef, target_pose=target, object_poses=objects)
    return SourceDemo(number, f"demo_{number}", there)


def many(demos: list[SourceDemo], count: int) -> list[SourceDemo]:
    """As many demonstrations as asked for, the first ones as they are."""
    rng, found = np.random.default_rng(0), list(demos)
    while len(found) < count:
        turn = rotation_from_axis_angle(np.array([0.0, 0.0, rng.uniform(-0.5, 0.5)]))
        by = make(np.array([*rng.uniform(-0.05, 0.05, 2), 0.0]), turn)
        found.append(moved(demos[len(found) % len(demos)], len(found), by))
    return found


def shares(scene: RobosuiteScene, sources: Sources, number: int) -> tuple[float, ...]:
    """Shares of one attempt: planning; all of the engine; that and poses made actions by the scene; its seconds."""
    kind = type(scene)
    theirs = [(kind, name, "scene") for name in ("reset", "eef_pose", "object_poses", "join_action", "model_xml")]
    theirs += [
        (kind, "target_pose_to_action", ACTIONS),
        (Recorder, "step", "recorder"),
        (Recorder, "columns", "recorder"),
    ]
    ours = [(Attempt, "begin_next", PLANNING), (Sources, "draw_boundaries", PLANNING)]
    with stopwatch(*theirs, *ours, (engine, "attempt", STEPPING)) as watch:
        start = time.perf_counter()
        an_attempt(scene, sources, number)
        whole = time.perf_counter() - start
    parts = np.cumsum([watch.seconds[what] for what in (PLANNING, STEPPING, ACTIONS)])
    return (*(parts / whole), whole)


def main() -> None:
    scene = make_scene("stack")
    demos = sources_of(scene, 10)
    stacked = {count: Sources.from_demos(many(demos, count), scene.spec) for count in COUNTS}
    taken: dict[int, list[tuple[float, ...]]] = {count: [] for count in COUNTS}
    for number in range(ATTEMPTS + 1):
        for count, sources in stacked.items():
            found = shares(scene, sources, number)
            if number:
                taken[count].append(found)
    print(f"{machine()}; stack D0, medians of {ATTEMPTS} attempts in turns")
    row("sources", f"{PLANNING}, %", "bar, %", "all of the engine, %", "and poses to actions, %", "s an attempt")
    row(*["---"] * 6)
    for count, found in taken.items():
        planning, engines, actions, whole = (median([one[i] for one in found]) for i in range(4))
        row(count, 100 * planning, {10: 1, 1000: 5}.get(count, ""), 100 * engines, 100 * actions, whole)


if __name__ == "__main__":
    main()
