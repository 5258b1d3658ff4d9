"""The robosuite scene: it is robosuite to the bit, it remembers nothing, and it goes back exactly."""

import importlib
import json
import subprocess
import sys

import numpy as np
import pytest

from trajloom.errors import MissingExtraError, RunError, ShapeError, UnknownNameError
from trajloom.poses import rotation_angle

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

import trajloom.sim
from trajloom.sim import backend
from trajloom.sim.placement import Region, draw
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.task import Scene

pytestmark = pytest.mark.sim


@pytest.fixture(scope="module")
def lift():
    return make_scene("lift")


def test_it_is_a_scene(lift: RobosuiteScene):
    scene: Scene = lift  # the type checker looks at the rest
    assert scene.eefs == ("robot0",)
    assert scene.control_hz == 20


@pytest.fixture(scope="module")
def stack():
    return make_scene("stack")


def some_actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (count, 7))


def states_after(step, scene, actions) -> np.ndarray:
    states = []
    for action in actions:
        step(action)
        states.append(scene.state())
    return np.array(states)


def test_a_scene_keeps_its_own_rate():
    scene = make_scene("lift", control_hz=10)
    scene.reset(np.random.default_rng(0))
    scene.step(np.full(7, 0.3))
    assert scene.state()[0] == pytest.approx(0.1)


def test_an_attempt_after_twenty_others_is_the_attempt_in_a_new_scene(stack):
    def attempt(scene, k):
        scene.reset(np.random.default_rng(k))
        return np.concatenate([np.ravel(states_after(scene.step, scene, some_actions(12, k))), scene.state()])

    for k in range(20):
        attempt(stack, 100 + k)
    np.testing.assert_array_equal(attempt(stack, 7), attempt(make_scene("stack"), 7))


def grasp(scene) -> None:
    """Close the hand on the cube: with contacts, the next step depends on the solver's warm start."""
    scene.reset(np.random.default_rng(1))
    target = scene.eef_pose()["robot0"].copy()
    target[:3, 3] = scene.object_poses()["cube"][:3, 3]
    for command in [-1.0] * 40 + [1.0] * 10:
        scene.step(scene.join_action(scene.target_pose_to_action({"robot0": target}), {"robot0": np.array([command])}))


def test_restore_then_step_is_step(lift):
    grasp(lift)
    assert lift.subtask_term_signals() == {"grasp": True}
    saved, actions = lift.save(), some_actions(10, seed=1) * 0.3
    first, last = states_after(lift.step, lift, actions), lift.observation()
    lift.reset(np.random.default_rng(2))  # another episode, with another cube
    lift.restore(saved)
    np.testing.assert_array_equal(states_after(lift.step, lift, actions), first)
    for name, value in lift.observation().items():
        np.testing.assert_array_equal(value, last[name], err_msg=name)


def test_a_save_is_not_changed_by_what_follows(lift):
    lift.reset(np.random.default_rng(1))
    saved = lift.save()
    before = saved.state.copy(), saved.loop.copy()
    states_after(lift.step, lift, some_actions(3))
    np.testing.assert_array_equal(saved.state, before[0])
    np.testing.assert_array_equal(saved.loop.arms, before[1].arms)
    np.testing.assert_array_equal(saved.loop.grippers, before[1].grippers)


def test_what_is_seen_is_a_function_of_the_stored_state(stack):
    stack.reset(np.random.default_rng(4))
    states_after(stack.step, stack, some_actions(8))
    seen, poses, state = stack.observation(), stack.object_poses(), stack.state()
    stack.step(np.ones(7))
    stack.set_state(state)
    for name, value in stack.observation().items():
        np.testing.assert_array_equal(value, seen[name], err_msg=name)
    for name, pose in stack.object_poses().items():
        np.testing.assert_array_equal(pose, poses[name])


@pytest.mark.parametrize("robot", ["Panda", "IIWA"])
def test_the_target_of_an_action_is_the_goal_of_robosuites_controller(robot):
    scene = make_scene("lift", robot=robot)
    scene.reset(np.random.default_rng(5))
    for action in some_actions(4):
        target = scene.action_to_target_pose(action)["robot0"]
        base = scene.world.site("robot0_right_center")  # on IIWA it turns with the first joint
        scene.env.step(action)
        arm = scene.robot.part_controllers["right"]
        np.testing.assert_allclose(base[:3, 3] + base[:3, :3] @ arm.goal_pos, target[:3, 3], atol=1e-12)
        # robosuite turns in single precision
        np.testing.assert_allclose(base[:3, :3] @ arm.goal_ori, target[:3, :3], atol=1e-6)
        scene.set_state(scene.state())


def test_following_a_pose_reaches_it(lift):
    lift.reset(np.random.default_rng(6))
    goal = lift.eef_pose()["robot0"].copy()
    goal[:3, 3] += [0.05, -0.08, -0.05]
    turn = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1]])
    goal[:3, :3] = turn @ goal[:3, :3]
    for _ in range(40):
        lift.step(lift.join_action(lift.target_pose_to_action({"robot0": goal}), {"robot0": np.array([-1.0])}))
    reached = lift.eef_pose()["robot0"]
    assert np.linalg.norm(reached[:3, 3] - goal[:3, 3]) < 0.005
    assert rotation_angle(reached[:3, :3] @ goal[:3, :3].T) < 0.03


def test_the_gripper_opens_on_minus_one_and_closes_on_one(lift):
    lift.reset(np.random.default_rng(0))
    still = np.zeros(6)

    def opening(command):
        for _ in range(12):
            lift.step(lift.join_action({"robot0": still}, {"robot0": np.array([command])}))
        return float(np.ptp(lift.observation()["robot0_gripper_qpos"]))

    assert opening(-1.0) > 0.07
    assert opening(1.0) < 0.01


def test_physics_that_broke_down_is_no_success_and_says_so(lift, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo leaves a log where it runs
    lift.reset(np.random.default_rng(0))
    lift.data.qvel[:] = 1e12
    outcome = lift.step(np.zeros(7))
    assert not outcome.success
    assert lift.diagnose() == "the simulation diverged"
    lift.reset(np.random.default_rng(0))
    assert lift.diagnose() == "the cube is not lifted"


def test_actions_and_states_of_another_size_are_refused(lift):
    with pytest.raises(ShapeError, match=r"action must have shape \(7,\), got \(8,\)"):
        lift.step(np.zeros(8))
    with pytest.raises(ShapeError, match=r"state must have shape \(32,\), got \(5,\)"):
        lift.set_state(np.zeros(5))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"task": "juggle"}, "no task named 'juggle'; there are: door, lift, pick_place, square, stack, stack_three"),
        ({"variant": "D7"}, "no variant of lift named 'D7'; there are: D0"),
        ({"robot": "R2D2"}, "no robot named 'R2D2'; there are: IIWA, "),
        ({"gripper": "hand"}, "no gripper named 'hand'; there are: "),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_there_are(wanted, words):
    with pytest.raises(UnknownNameError) as caught:
        make_scene(**wanted)
    assert str(caught.value).startswith(words)


def test_env_args_are_json_and_make_the_scene_again(lift):
    args = json.loads(json.dumps(lift.env_args))
    assert (args["env_name"], args["type"], args["env_version"]) == ("Lift", 1, "1.5.2")
    assert make_scene(**args["trajloom"]).env_args == lift.env_args


@pytest.mark.parametrize(("task", "variant"), [("lift", "D0"), ("square", "D1")])
def test_an_episode_plays_back_in_a_plain_robosuite_environment(task, variant):
    scene = make_scene(task, variant)
    scene.reset(np.random.default_rng(8))
    states_after(scene.step, scene, some_actions(5))
    args = scene.env_args
    env = backend.robosuite().make(args["env_name"], **args["env_kwargs"])
    env.reset()
    # what robomimic does with a demonstration's model_file and states
    env.reset_from_xml_string(env.edit_model_xml(scene.model_xml()))
    env.sim.reset()
    env.sim.set_state_from_flattened(scene.state())
    env.sim.forward()
    for body in scene.task.frames.values():
        np.testing.assert_allclose(env.sim.data.get_body_xpos(body), scene.world.position(body), atol=1e-12)


def test_robosuite_loads_without_a_word():
    code = "from trajloom.sim.scene import make_scene; make_scene('lift')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_mujoco_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trajloom\[sim\]'"):
        importlib.reload(trajloom.sim)
    monkeypatch.undo()
    importlib.reload(trajloom.sim)


def test_without_robosuite_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "robosuite", None)
    backend.robosuite.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'trajloom\[sim\]'"):
        make_scene("lift")
    monkeypatch.undo()
    backend.robosuite.cache_clear()


def test_objects_that_do_not_fit_are_refused():
    tight = [Region(name, (0, 0.01), (0, 0.01), 0.8, radius=0.05) for name in ("one", "two")]
    with pytest.raises(RunError, match="found no free place for two"):
        draw(tight, (0.0, 0.0), np.random.default_rng(0))
