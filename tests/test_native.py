"""The compiled loop does what robosuite's `env.step` does, from every state and with every controller that it knows."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import sleep
from typing import Any

import mujoco
import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

from trajloom.errors import MissingExtraError, SchemaError, ShapeError
from trajloom.seeding import rng_for
from trajloom.sim import backend, policies
from trajloom.sim.loop import Kind, Loop, make_loop
from trajloom.sim.native import libmujoco, unknown
from trajloom.sim.scene import RobosuiteScene, Saved, make_scene

pytestmark = pytest.mark.sim

SAME = 1e-9
"""Metres, radians and their rates within which two states are the same."""
NEARLY = 1e-6
PAIRS = (("square", "Panda"), ("stack", "Sawyer"), ("door", "IIWA"), ("lift", "UR5e"))
"""Every task and every robot, each with its own gripper; `benchmarks/bench_physics.py` has all pairs and states."""
SHORT = PAIRS[3]
"""The one with the shortest episodes."""
EVERY = 11
"""Of so many states of an episode one is looked at."""


# ---- real episodes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Episode:
    """What some steps of an expert's episode start from, what was done, and what robosuite made of it."""

    scene: RobosuiteScene
    starts: list[Saved]
    actions: list[np.ndarray]
    robosuites: list[np.ndarray]
    """Time, qpos and qvel after each of these steps."""
    all_actions: np.ndarray


@cache
def episode_of(task: str, robot: str) -> Episode:
    scene = make_scene(task, robot=robot)
    scene.reset(rng_for(5, "native", task))
    start = scene.save()
    actions = policies.run_expert(scene, task, rng_for(5, "native", task)).columns["actions"]
    scene.restore(start)
    starts = [saved for step, saved in enumerate(walk(scene, actions)) if step % EVERY == 0]
    some = list(actions[::EVERY])
    theirs = [after(scene, start, scene.env.step, action) for start, action in zip(starts, some, strict=True)]
    return Episode(scene, starts, some, theirs, actions)


def walk(scene: RobosuiteScene, actions: np.ndarray) -> Iterator[Saved]:
    """What every step starts from."""
    for action in actions:
        yield scene.save()
        scene.step(action)


def after(
    scene: RobosuiteScene, start: Saved, step: Callable[[np.ndarray], object], *actions: np.ndarray
) -> np.ndarray:
    """The state after some steps from a start."""
    scene.restore(start)
    for action in actions:
        step(action)
    return scene.state()


@contextmanager
def run_by(scene: RobosuiteScene, kind: Kind) -> Iterator[Loop]:
    """The scene with another loop."""
    usual, scene.loop = scene.loop, make_loop(scene.env, kind)
    yield scene.loop
    scene.loop = usual


def apart(task: str, robot: str, kind: Kind) -> np.ndarray:
    """(N,). Largest difference to robosuite of each state after a step."""
    episode = episode_of(task, robot)
    with run_by(episode.scene, kind) as loop:
        steps = zip(episode.starts, episode.actions, episode.robosuites, strict=True)
        found = [np.abs(after(episode.scene, start, loop.step, action) - theirs) for start, action, theirs in steps]
    return np.max(found, axis=1)


@pytest.mark.parametrize(("task", "robot"), PAIRS)
def test_an_exact_step_is_robosuites_from_every_state(task, robot):
    assert apart(task, robot, "exact").max() <= SAME


def test_a_fast_step_is_robosuites_from_nearly_every_state():
    found = np.concatenate([apart(task, robot, "fast") for task, robot in PAIRS])
    assert len(found) > 50
    assert np.mean(found <= SAME) >= 0.99
    assert found.max() <= NEARLY


def test_a_whole_episode_replayed_open_loop_ends_as_in_robosuite():
    episode = episode_of(*SHORT)
    scene, start = episode.scene, episode.starts[0]
    ours, done = after(scene, start, scene.loop.step, *episode.all_actions), scene.success()
    theirs = after(scene, start, scene.env.step, *episode.all_actions)
    mujoco.mj_step1(scene.model, scene.data)  # robosuite's step leaves positions one substep behind
    assert done == scene.success()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["exact", "fast"])
@pytest.mark.parametrize("wrist", [0.0, 1e-7, -1e-4, 0.003, 0.03])
def test_a_singular_arm_is_driven_as_in_robosuite(wrist, kind):
    episode = episode_of("lift", "UR5e")
    scene, action = episode.scene, np.array([0.4, -0.3, 0.2, 0.1, 0.3, -0.2, 1.0])
    scene.restore(episode.starts[3])
    joints = scene.data.qpos.copy()
    joints[scene.robot._ref_joint_pos_indexes[4]] = wrist  # radians from where two axes are one
    with run_by(scene, kind) as loop:
        scene.set_state(np.concatenate([[0.0], joints, np.zeros(scene.model.nv)]))
        start = scene.save()
        ours, theirs = (after(scene, start, step, action) for step in (loop.step, scene.env.step))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=SAME)


# ---- every controller ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """An environment of robosuite."""

    robots: tuple[str, ...] = ("Panda",)
    settings: tuple[tuple[str, Any], ...] = ()
    """What differs from robosuite's OSC_POSE, or from the named controller's own settings."""
    controller: str = "OSC_POSE"
    hz: float = 20
    environment: str = "Lift"
    configuration: str | None = None
    gripper: str = "default"


CASES = {
    "OSC_POSITION at 50 Hz": Case(controller="OSC_POSITION", hz=50),
    "OSC_POSE, stiffness and damping in the action": Case(
        ("UR5e",), (("impedance_mode", "variable"),), hz=10, gripper="PandaGripper"
    ),
    "OSC_POSE, stiffness in the action": Case(("IIWA",), (("impedance_mode", "variable_kp"),), gripper="PandaGripper"),
    "OSC_POSE in the world's frame": Case(("IIWA",), (("input_ref_frame", "world"),), gripper="RethinkGripper"),
    "OSC_POSE, position and rotation coupled": Case(("Sawyer",), (("uncouple_pos_ori", False),)),
    "OSC_POSE of absolute poses": Case(settings=(("input_type", "absolute"),)),
    "JOINT_POSITION": Case(("Sawyer",), controller="JOINT_POSITION"),
    "JOINT_POSITION, stiffness and damping in the action": Case(
        ("UR5e",), (("impedance_mode", "variable"),), "JOINT_POSITION", gripper="RethinkGripper"
    ),
    "JOINT_VELOCITY": Case(controller="JOINT_VELOCITY"),
    "two Pandas": Case(("Panda", "Panda"), environment="TwoArmLift", configuration="opposed"),
    "a Baxter": Case(("Baxter",), environment="TwoArmLift", configuration="single-robot"),
}


@dataclass(frozen=True)
class Walk:
    """An environment, and what robosuite made of random actions."""

    env: Any
    starts: list[tuple[np.ndarray, Any]]
    actions: np.ndarray
    robosuites: list[np.ndarray]


def make_env(case: Case) -> Any:
    suite = backend.robosuite()
    configs = [config(robot, case) for robot in case.robots]
    env = suite.make(
        case.environment,
        robots=list(case.robots),
        gripper_types=case.gripper,
        controller_configs=configs,
        control_freq=case.hz,
        has_renderer=False,
        has_offscreen_renderer=False,
        use_camera_obs=False,
        ignore_done=True,
        hard_reset=False,
        seed=0,
        **({"env_configuration": case.configuration} if case.configuration else {}),
    )
    env.reset()
    return env


def config(robot: str, case: Case) -> dict[str, Any]:
    """Of every arm: the named controller's own settings, but for those of the case."""
    suite = backend.robosuite()
    whole = suite.load_composite_controller_config(robot=robot)
    own = suite.load_part_controller_config(default_controller=case.controller)
    for arm, part in whole["body_parts"].items():
        whole["body_parts"][arm] = {**own, **dict(case.settings), "gripper": part["gripper"]}
    return whole


def save(env: Any, loop: Loop) -> tuple[np.ndarray, Any]:
    model, data = env.sim.model._model, env.sim.data._data
    state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return state, loop.save()


def restore(env: Any, loop: Loop, saved: tuple[np.ndarray, Any]) -> None:
    model, data = env.sim.model._model, env.sim.data._data
    mujoco.mj_setState(model, data, saved[0], mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_step1(model, data)
    loop.restore(saved[1])


def state(env: Any) -> np.ndarray:
    return np.concatenate([env.sim.data.qpos, env.sim.data.qvel])


@pytest.fixture(scope="module", params=CASES)
def walked(request) -> Walk:
    env = make_env(CASES[request.param])
    loop = make_loop(env, "fast")
    actions = np.random.default_rng(7).uniform(*(1.1 * limit for limit in env.action_spec), (9, env.action_dim))
    starts, theirs = [], []
    loop.reset()
    for action in actions:
        starts.append(save(env, loop))
        restore(env, loop, starts[-1])  # tells robosuite's controllers too
        env.step(action)
        theirs.append(state(env))
        restore(env, loop, starts[-1])
        loop.step(action)
    return Walk(env, starts, actions, theirs)


@pytest.mark.parametrize("kind", ["exact", "fast"])
def test_a_step_is_robosuites_with_every_controller(walked, kind):
    assert unknown(walked.env) == []
    loop = make_loop(walked.env, kind)
    for start, action, theirs in zip(walked.starts, walked.actions, walked.robosuites, strict=True):
        restore(walked.env, loop, start)
        loop.step(action)
        np.testing.assert_allclose(state(walked.env), theirs, rtol=0, atol=SAME)


def test_restore_then_step_is_step_with_every_controller(walked):
    loop = make_loop(walked.env, "fast")
    restore(walked.env, loop, walked.starts[5])

    def three_steps() -> np.ndarray:
        for action in walked.actions[5:8]:
            loop.step(action)
        return state(walked.env)

    first = three_steps()
    loop.step(-walked.actions[0])
    restore(walked.env, loop, walked.starts[5])
    np.testing.assert_array_equal(three_steps(), first)


# ---- threads, processes, bad input -----------------------------------------------------------------------------


def test_two_scenes_on_two_threads_give_the_bytes_of_one_after_the_other():
    scenes = [episode_of(*pair) for pair in PAIRS[2:]]

    def run(episode: Episode, into: dict[int, bytes]) -> None:
        # the engine's part of a thread: the compiled step alone
        scene = episode.scene
        into[id(episode)] = after(scene, episode.starts[0], scene.loop.step, *episode.all_actions[:60]).tobytes()

    alone: dict[int, bytes] = {}
    together: dict[int, bytes] = {}
    for episode in scenes:
        run(episode, alone)
    threads = [threading.Thread(target=run, args=(episode, together)) for episode in scenes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_other_threads_run_during_a_step():
    scene = make_scene("lift", control_hz=1)
    scene.reset(np.random.default_rng(0))
    ticks, done = [0], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks[0] += 1
            sleep(0.0005)

    ticking = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody gets the GIL who is not given it
    try:
        ticking.start()
        before = ticks[0]
        for _ in range(20):  # where cores are busy, a thread waits longer than the 500 physics steps of one take
            scene.loop.step(np.zeros(7))
        during = ticks[0] - before
    finally:
        sys.setswitchinterval(interval)
        done.set()
        ticking.join()
    assert during >= 3


def test_a_second_process_starts_without_compiling():
    scene = episode_of(*SHORT).scene
    scene.loop.step(np.zeros(7))
    code = """
import numpy as np
from trajloom.sim.native.step import control_step
from trajloom.sim.scene import make_scene
make_scene("lift").loop.step(np.zeros(7))
print(sum(control_step.stats.cache_hits.values()), sum(control_step.stats.cache_misses.values()))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    loaded, compiled = map(int, done.stdout.split())
    assert loaded > 0
    assert compiled == 0


def test_an_action_of_another_length_is_refused():
    loop = episode_of(*SHORT).scene.loop
    with pytest.raises(ShapeError, match=r"action must have shape \(7,\), got \(6,\)"):
        loop.step(np.zeros(6))


@pytest.mark.parametrize(("value", "where"), [(np.nan, 2), (np.inf, 6)])
def test_an_action_that_is_not_finite_is_refused_and_changes_nothing(value, where):
    scene, action = episode_of(*SHORT).scene, np.zeros(7)
    action[where] = value
    before = scene.state()
    with pytest.raises(SchemaError, match=f"action must be finite, got {value} at {where}"):
        scene.loop.step(action)
    np.testing.assert_array_equal(scene.state(), before)


def test_the_library_is_found_where_it_is_loaded_from_if_not_beside_the_bindings(monkeypatch, tmp_path):
    beside = libmujoco._library()
    monkeypatch.setattr(libmujoco.mujoco, "__file__", str(tmp_path / "__init__.py"))
    if libmujoco._MAPPED.exists():
        assert libmujoco._library().samefile(beside)
    monkeypatch.setattr(libmujoco, "_MAPPED", tmp_path / "maps")
    with pytest.raises(MissingExtraError, match="there is no MuJoCo library in"):
        libmujoco._library()
