"""The compiled loop against robosuite's `env.step`: the same next state from every state of real episodes.

Claim: with warm start and goals equal, one control step differs from robosuite's by at most 1e-9 in qpos and qvel,
always in exact mode, and in 99 % of states (1e-6 in all) in fast mode; whole episodes, replayed open loop, agree in
success. For comparison the mode "nudged": exact, but from velocities that are 1e-15 off. Where that is far from
robosuite's, contacts hang on the last bit of the state (a linkage or pads pressed together), and robosuite on another
machine would differ as much.

`python benchmarks/bench_physics.py [--tasks lift stack] [--robots Panda] [--episodes 2] [--modes fast exact nudged]`
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import mujoco
import numpy as np
from numpy.typing import NDArray

from measure import machine, row
from trajloom.seeding import rng_for
from trajloom.sim import model_xml, policies
from trajloom.sim.loop import Kind, make_loop
from trajloom.sim.scene import RobosuiteScene, Saved, make_scene

TASKS = ("lift", "stack", "square", "door")
ROBOTS = ("Panda", "Sawyer", "IIWA", "UR5e")
MODES: dict[str, Kind] = {"fast": "fast", "exact": "exact", "nudged": "exact"}
"""Mode -> the loop that runs it."""
SAME = 1e-9
"""Metres, radians and their rates within which two states are the same."""
NUDGE, NUDGES = 1e-15, 4
"""Standard deviation of what "nudged" adds to velocities, in m/s and rad/s: about their last bit; and how often."""
HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
"""Ten demonstrations of Lift by people, with a Panda: states without warm starts."""

Vector = NDArray[np.float64]
Do = Callable[[Vector], object]


@dataclass(frozen=True)
class Episode:
    """Everything that each step depends on, and the action."""

    starts: list[Saved]
    """(T,)."""
    actions: Vector
    """(T, A)."""


@dataclass(frozen=True)
class Comparison:
    """What the steps of some episodes came to, one row a state."""

    qpos: Vector
    """(N,). Largest difference to robosuite's next qpos, in m or rad (quaternions: in their own numbers)."""
    qvel: Vector
    """(N,). The same of qvel, in m/s or rad/s."""
    contacts: NDArray[np.int64]
    """(N,). Contacts before the step."""
    condition: Vector
    """(N,). Condition number of J M^-1 J^T before the step."""
    where: list[str]
    """(N,). Episode and step."""

    @property
    def larger(self) -> Vector:
        """(N,). The larger of the differences of a state."""
        return np.maximum(self.qpos, self.qvel)

    def worst(self) -> str:
        """Where the largest difference is, and what could explain it."""
        at = int(np.argmax(self.larger))
        if self.larger[at] == 0:
            return "none"
        return f"{self.where[at]}, {self.contacts[at]} contacts, cond {self.condition[at]:.1e}"


@dataclass(frozen=True)
class Replay:
    """How an episode ended, replayed open loop from its start by ours and by robosuite."""

    agree: bool
    apart: float
    """Largest difference of qpos at the end."""


def expert_episode(scene: RobosuiteScene, task: str, number: int) -> Episode:
    """An episode of the scripted expert, done well or badly."""
    key = ("physics", task, number)
    scene.reset(rng_for(5, *key))
    start = scene.save()
    actions = policies.run_expert(scene, task, rng_for(5, *key)).columns["actions"]
    scene.restore(start)
    return Episode(_starts(scene, actions), actions)


def _starts(scene: RobosuiteScene, actions: Vector) -> list[Saved]:
    starts = []
    for action in actions:
        starts.append(scene.save())
        scene.step(action)
    return starts


def human_episodes(scene: RobosuiteScene) -> Iterator[Episode]:
    """Demonstrations by people, each with its own cube; goals and gripper are what their actions make of them."""
    with h5py.File(HUMAN) as file:
        demos: Any = file["data"]  # h5py has no types that know what is in a file
        for name in sorted(demos, key=lambda name: int(name.split("_")[1])):
            demo = demos[name]
            model, _ = model_xml.load(demo.attrs["model_file"])
            yield _recorded(scene, model.geom("cube_g0").size, demo["states"][:], demo["actions"][:])


def _recorded(scene: RobosuiteScene, half: Vector, states: Vector, actions: Vector) -> Episode:
    scene.reset(rng_for(0))
    saved = scene.save()
    scene.restore(replace(saved, placement=replace(saved.placement, sizes={"cube_main": half})))
    scene.set_state(states[0])
    starts = []
    for state, action in zip(states, actions, strict=True):
        memory = scene.loop.save()
        scene.set_state(state)
        scene.loop.restore(memory)
        starts.append(scene.save())
        scene.loop.step(action)
    return Episode(starts, actions)


def nudged(scene: RobosuiteScene, episode: Episode, number: int = 0) -> Episode:
    """The same from velocities that are a little off."""
    starts, rng = [], rng_for(0, "nudge", number)
    for start in episode.starts:
        scene.restore(start)
        scene.data.qvel += NUDGE * rng.standard_normal(scene.model.nv)
        starts.append(scene.save())
    return Episode(starts, episode.actions)


def compare(scene: RobosuiteScene, episodes: list[Episode], theirs: list[Vector]) -> Comparison:
    """One step of the scene's loop from every state, against robosuite's next states (T, 1 + nq + nv) of each."""
    found, nq = [], scene.model.nq
    for number, (episode, wanted) in enumerate(zip(episodes, theirs, strict=True)):
        for step, (start, action) in enumerate(zip(episode.starts, episode.actions, strict=True)):
            scene.restore(start)
            contacts, condition = scene.data.ncon, arm_condition(scene)
            scene.loop.step(action)
            apart = np.abs(scene.state() - wanted[step])[1:]
            found.append((apart[:nq].max(), apart[nq:].max(), contacts, condition, f"episode {number} step {step}"))
    qpos, qvel, contacts, condition, where = zip(*found, strict=True)
    return Comparison(np.array(qpos), np.array(qvel), np.array(contacts), np.array(condition), list(where))


def largest(comparisons: list[Comparison]) -> Comparison:
    """Of several comparisons of the same states, the largest differences."""
    qpos = np.max([one.qpos for one in comparisons], axis=0)
    return replace(comparisons[0], qpos=qpos, qvel=np.max([one.qvel for one in comparisons], axis=0))


def robosuites(scene: RobosuiteScene, episode: Episode) -> Vector:
    """(T, 1 + nq + nv). The states that robosuite's step makes of every state of an episode."""
    after = []
    for start, action in zip(episode.starts, episode.actions, strict=True):
        scene.restore(start)
        scene.env.step(action)
        after.append(scene.state())
    return np.array(after)


def arm_condition(scene: RobosuiteScene) -> float:
    """Condition number of J M^-1 J^T, whose inverse the controller needs; infinite where the arm is singular."""
    model, data = scene.model, scene.data
    joints = np.array(scene.robot.part_controllers["right"].qvel_index)
    jacobian, mass = np.zeros((6, model.nv)), np.zeros((model.nv, model.nv))
    mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], scene.world.id("site", scene.world.eef_site))
    mujoco.mj_fullM(model, mass, data.qM)
    arm = jacobian[:, joints]
    return float(np.linalg.cond(arm @ np.linalg.solve(mass[np.ix_(joints, joints)], arm.T)))


def replayed(scene: RobosuiteScene, episode: Episode, step: Do) -> tuple[bool, Vector]:
    """Whether the task is done at the end of a whole episode, and the last qpos."""
    scene.restore(episode.starts[0])
    for action in episode.actions:
        step(action)
    # robosuite's step leaves positions one substep behind
    mujoco.mj_step1(scene.model, scene.data)
    return scene.success(), scene.data.qpos.copy()


def replays(scene: RobosuiteScene, episodes: list[Episode], ends: list[tuple[bool, Vector]]) -> list[Replay]:
    """Every episode by the scene's loop, against how it ended in robosuite."""
    found = []
    for episode, (done, qpos) in zip(episodes, ends, strict=True):
        ours_done, ours = replayed(scene, episode, scene.loop.step)
        found.append(Replay(done == ours_done, float(np.abs(ours - qpos).max())))
    return found


def measure(name: str, scene: RobosuiteScene, episodes: list[Episode], modes: list[str]) -> dict[str, Comparison]:
    """A row of the table for every mode."""
    theirs = [robosuites(scene, episode) for episode in episodes]
    ends = [replayed(scene, episode, scene.env.step) for episode in episodes]
    found = {}
    for mode in modes:
        scene.loop = make_loop(scene.env, MODES[mode])
        tried = [episodes]
        if mode == "nudged":
            tried = [[nudged(scene, episode, k) for episode in episodes] for k in range(NUDGES)]
        found[mode] = largest([compare(scene, some, theirs) for some in tried])
        whole = replays(scene, tried[0], ends)
        agreed = f"{sum(replay.agree for replay in whole)} of {len(whole)} ({sum(done for done, _ in ends)} done)"
        print_row(name, mode, found[mode], agreed, max(replay.apart for replay in whole))
    return found


def print_row(name: str, mode: str, found: Comparison, *replays: object) -> None:
    """One line of the table."""
    top = (f"{found.qpos.max():.1e}", f"{found.qvel.max():.1e}")
    row(name, mode, len(found.larger), share(found.larger), *top, *replays, found.worst())


def share(larger: Vector) -> str:
    """How many states are the same, in percent."""
    return f"{100 * np.mean(larger <= SAME):.2f} %"


def summarise(found: dict[str, list[Vector]]) -> None:
    """Over all rows: every mode, and fast mode where robosuite agrees with itself when nudged."""
    larger = {mode: np.concatenate(values) for mode, values in found.items()}
    if {"fast", "nudged"} <= larger.keys():
        larger["fast, where nudged is the same"] = larger["fast"][larger["nudged"] <= SAME]
    print()
    row("all, by mode", "states", "<= 1e-9", "largest")
    row(*["---"] * 4)
    for mode, values in larger.items():
        row(mode, len(values), share(values), f"{values.max():.1e}")


def scenes(tasks: list[str], robots: list[str], count: int) -> Iterator[tuple[str, RobosuiteScene, list[Episode]]]:
    """Name, scene and episodes of every pair, and of the people's demonstrations."""
    for robot in robots:
        for task in tasks:
            scene = make_scene(task, robot=robot)
            yield f"{task}, {robot}", scene, [expert_episode(scene, task, k) for k in range(count)]
    if "lift" in tasks and "Panda" in robots:
        scene = make_scene("lift")
        yield "lift, Panda, people's", scene, list(human_episodes(scene))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=TASKS)
    parser.add_argument("--robots", nargs="*", default=list(ROBOTS), choices=ROBOTS)
    parser.add_argument("--modes", nargs="*", default=list(MODES), choices=MODES)
    parser.add_argument("--episodes", type=int, default=2, help="of the expert, for each task and robot")
    options = parser.parse_args()
    print(machine())
    row("task, robot", "mode", "states", "<= 1e-9", "max qpos", "max qvel", "replays agree", "end apart", "largest at")
    row(*["---"] * 9)
    found: dict[str, list[Vector]] = {mode: [] for mode in options.modes}
    for name, scene, episodes in scenes(options.tasks, options.robots, options.episodes):
        for mode, comparison in measure(name, scene, episodes, options.modes).items():
            found[mode].append(comparison.larger)
    summarise(found)


if __name__ == "__main__":
    main()
