"""robosuite's own step as a loop: any robot and controller, nothing left of earlier episodes, exact saves."""

import json
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from trajloom.errors import SettingsError, ShapeError, TrajloomWarning, UnknownNameError

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

import mujoco

from trajloom.rollout import Recorder
from trajloom.sim import backend, loop, native, repairs, tasks
from trajloom.sim.loop import RobosuiteLoop, make_loop
from trajloom.sim.scene import make_scene

pytestmark = pytest.mark.sim

LIFT = tasks.get("lift")
INTERPOLATED = {"type": "OSC_POSE", "interpolation": "linear"}
VARIABLE = {"type": "JOINT_POSITION", "impedance_mode": "variable"}

FOREIGN: dict[str, tuple[str, dict[str, Any]]] = {
    "Baxter": ("TwoArmLift", {"robots": "Baxter"}),
    "moving base": ("Lift", {"robots": "PandaOmron"}),
    "two robots": ("TwoArmLift", {"robots": ["Kinova3", "Sawyer"], "gripper_types": ["default", "WipingGripper"]}),
}
"""Environments that Trajloom has no task for."""

CONTROLLERS: dict[str, str | Mapping[str, Any]] = {
    "IK_POSE": "IK_POSE",
    "JOINT_TORQUE": "JOINT_TORQUE",
    "JOINT_VELOCITY": "JOINT_VELOCITY",
    "interpolated": INTERPOLATED,
    "variable": VARIABLE,
}


@cache
def environment(name: str) -> Any:
    """An environment that has been reset once; the same for every test that asks."""
    if name in FOREIGN:
        task, kwargs = FOREIGN[name]
        seen = dict.fromkeys(("has_renderer", "has_offscreen_renderer", "use_camera_obs"), False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return backend.robosuite().make(task, **kwargs, **seen, hard_reset=False, horizon=3, seed=0)
    return backend.make_env(LIFT, "Panda", None, 20, controller=with_defaults(CONTROLLERS[name]))


def with_defaults(controller: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """A controller's settings on top of robosuite's own."""
    if isinstance(controller, str):
        return controller
    return {**backend.robosuite().load_part_controller_config(default_controller=controller["type"]), **controller}


def state_of(env: Any) -> np.ndarray:
    model, data = env.sim.model._model, env.sim.data._data
    state = np.empty(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return state


def put(env: Any, state: np.ndarray) -> None:
    """What a scene does before it restores or resets a loop."""
    model, data = env.sim.model._model, env.sim.data._data
    mujoco.mj_resetData(model, data)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    mujoco.mj_step1(model, data)


def states_after(step: Any, env: Any, actions: np.ndarray) -> np.ndarray:
    states = []
    for action in actions:
        step(action)
        states.append(state_of(env))
    return np.array(states)


def some_actions(env: Any, count: int, seed: int = 0) -> np.ndarray:
    low, high = env.action_spec
    return np.random.default_rng(seed).uniform(low, high, (count, env.action_dim))


@pytest.mark.parametrize("name", [*CONTROLLERS, *FOREIGN])
def test_restore_then_step_is_step(name):
    env = environment(name)
    one, actions = RobosuiteLoop(env), some_actions(env, 9)
    states_after(one.step, env, actions[:3])
    saved, start = one.save(), state_of(env)
    first = states_after(one.step, env, actions[3:6])
    put(env, start)
    one.restore(saved)
    np.testing.assert_array_equal(states_after(one.step, env, actions[3:6]), first)
    # a save can be gone back to more than once, also from another episode
    one.reset()
    put(env, start)
    one.restore(saved)
    np.testing.assert_array_equal(states_after(one.step, env, actions[3:6]), first)


@pytest.mark.parametrize("name", [*CONTROLLERS, *FOREIGN])
def test_after_a_reset_it_steps_as_robosuite_does_after_its_own(name):
    env = environment(name)
    env.reset()
    for robot in env.robots:
        for part in robot.part_controllers.values():
            part.new_update = True  # robosuite's first substep would see the fingers where its model has them
    one, actions, start = RobosuiteLoop(env), some_actions(env, 6, seed=1), state_of(env)
    theirs = states_after(env.step, env, actions[:2].copy())  # a moving base writes into its action
    states_after(one.step, env, actions[2:])
    put(env, start)
    one.reset()
    np.testing.assert_array_equal(state_of(env), start)
    np.testing.assert_array_equal(states_after(one.step, env, actions[:2]), theirs)


def test_positions_and_contacts_belong_to_the_new_state():
    env = environment("JOINT_TORQUE")
    one, model, data = RobosuiteLoop(env), env.sim.model._model, env.sim.data._data
    one.step(some_actions(env, 1)[0])
    seen, contacts = data.xpos.copy(), data.ncon
    mujoco.mj_forward(model, data)
    np.testing.assert_array_equal(data.xpos, seen)
    assert data.ncon == contacts


def test_a_horizon_ends_no_episode():
    env = environment("Baxter")
    assert env.horizon == 3
    assert not env.ignore_done
    states_after(RobosuiteLoop(env).step, env, some_actions(env, 5))


def test_an_action_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"action must have shape \(7,\), got \(6,\)"):
        RobosuiteLoop(environment("IK_POSE")).step(np.zeros(6))


def test_what_the_compiled_loop_does_not_know_runs_by_robosuite_and_is_said_once():
    loop._say.cache_clear()
    with pytest.warns(TrajloomWarning, match=r"does not know .*IK_POSE.* It knows OSC_POSE.* several times slower"):
        assert isinstance(make_loop(environment("IK_POSE"), "fast"), RobosuiteLoop)
    assert isinstance(make_loop(environment("IK_POSE"), "exact"), RobosuiteLoop)  # a second warning would be an error


def test_a_scene_whose_controller_is_unknown_gives_what_robosuite_gives():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        scene = make_scene("lift", controller="IK_POSE")
    scene.reset(np.random.default_rng(3))
    start, actions = scene.save(), some_actions(scene.env, 3) * 0.3
    first = states_after(scene.step, scene.env, actions)
    scene.reset(np.random.default_rng(4))
    scene.restore(start)
    np.testing.assert_array_equal(states_after(scene.env.step, scene.env, actions), first)
    assert scene.env_args["trajloom"]["controller"] == "IK_POSE"


def test_robosuites_own_step_can_be_asked_for_without_a_word():
    assert isinstance(make_loop(environment("interpolated"), "robosuite"), RobosuiteLoop)


@pytest.mark.parametrize("kind", ["fast", "exact"])
def test_what_the_compiled_loop_knows_runs_compiled(kind):
    made = make_loop(environment("JOINT_VELOCITY"), kind)
    assert isinstance(made, native.NativeLoop)
    assert made.exact == (kind == "exact")


def test_an_unknown_loop_is_refused():
    with pytest.raises(UnknownNameError, match="no loop named 'slow'; there are: exact, fast, robosuite"):
        make_loop(environment("IK_POSE"), "slow")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("compensate", [True, False])
def test_joint_velocity_holds_an_arm_against_gravity_where_it_shall(compensate):
    settings = with_defaults({"type": "JOINT_VELOCITY", "use_torque_compensation": compensate, "kp": 0.0})
    env = backend.make_env(LIFT, "Panda", None, 20, controller=settings)
    arm, still = env.robots[0].part_controllers["right"], np.zeros(8)
    assert bool(arm.torque_compensation) == compensate
    np.testing.assert_array_equal(arm.torque_compensation, env.sim.data.qfrc_bias[arm.qvel_index])
    env.step(still)
    assert type(arm.torques) is np.ndarray
    speed = float(np.abs(env.sim.data.qvel[arm.qvel_index]).max())
    assert speed < 0.01 if compensate else speed > 0.1


def test_joint_velocity_reaches_the_velocity_asked_for():
    env = environment("JOINT_VELOCITY")
    one, action = RobosuiteLoop(env), np.zeros(8)
    env.reset()
    one.reset()
    action[0] = 0.4
    for _ in range(10):
        one.step(action)
    assert env.sim.data.qvel[0] == pytest.approx(0.2, abs=0.01)  # an action of 1 is 0.5 rad/s


def test_a_controllers_name_replaces_the_arms_and_keeps_the_grippers():
    own, other = (backend.controller_config("UR5e", name)["body_parts"]["right"] for name in (None, "OSC_POSITION"))
    assert (own["type"], other["type"]) == ("OSC_POSE", "OSC_POSITION")
    assert other["gripper"] == own["gripper"]


def test_settings_of_an_arm_or_of_all_are_taken_as_they_are():
    part = with_defaults(VARIABLE)
    assert isinstance(part, Mapping)
    whole = backend.controller_config("Panda", {**part, "kp": np.full(7, 40.0)})
    assert whole["body_parts"]["right"]["kp"] == [40.0] * 7
    assert whole["body_parts"]["right"]["impedance_mode"] == "variable"
    assert backend.controller_config("Panda", whole) == whole
    assert backend.controller_config("Panda", {"type": "BASIC", "body_parts": {"arms": whole["body_parts"]}}) == whole


def test_the_controller_and_the_loop_are_in_the_description_of_the_environment():
    controller = with_defaults(INTERPOLATED)
    args = backend.env_args(LIFT, "lift", "D0", "Panda", None, 20, controller=controller, loop="exact")
    again = json.loads(json.dumps(args))
    assert again["trajloom"]["controller"] == controller
    assert again["trajloom"]["loop"] == "exact"
    assert again["env_kwargs"]["controller_configs"]["body_parts"]["right"]["interpolation"] == "linear"


@pytest.mark.parametrize("controller", ["OSC", {"type": "OSC"}, {"kp": 3}])
def test_an_unknown_controller_is_refused_with_those_that_there_are(controller):
    with pytest.raises(UnknownNameError) as caught:
        backend.controller_config("Panda", controller)
    words = "there are: IK_POSE, JOINT_POSITION, JOINT_TORQUE, JOINT_VELOCITY, OSC_POSE, OSC_POSITION"
    assert str(caught.value).endswith(words)


def test_every_robot_with_one_arm_on_a_fixed_base_is_known():
    assert {"Panda", "Sawyer", "IIWA", "UR5e", "Kinova3", "Jaco", "XArm7"} <= set(backend.robots())
    assert not {"Baxter", "Tiago", "GR1", "PandaOmron"} & set(backend.robots())


def test_the_pads_of_an_xarm7_are_in_its_model():
    env = backend.make_env(LIFT, "XArm7", None, 20)
    gripper, model = env.robots[0].gripper["right"], env.sim.model._model
    names = [name for pad in repairs.finger_pads(gripper) for name in pad]
    assert len(names) == 4
    assert all(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, name) >= 0 for name in names)
    assert backend.gripper_opening(gripper) == pytest.approx(0.085)


def test_a_robot_of_another_kind_is_refused():
    with pytest.raises(UnknownNameError, match="no robot named 'Baxter'; there are: IIWA, Jaco, Kinova3, Panda"):
        backend.make_env(LIFT, "Baxter", None, 20)


def test_an_arm_whose_actions_ask_for_no_poses_is_recorded_without_targets():
    scene = make_scene("lift", controller="JOINT_POSITION", loop="robosuite")
    scene.reset(np.random.default_rng(0))
    recorder = Recorder(scene)
    recorder.step(np.zeros(scene.action_dim))
    columns = recorder.columns()
    assert "datagen_info/target_pose" not in columns
    assert columns["datagen_info/gripper_action"].shape == (1, 1)
    with pytest.raises(SettingsError, match="JOINT_POSITION takes no steps of the end effector"):
        scene.target_pose_to_action(scene.eef_pose())


def test_without_numbas_compiler_robosuites_own_step_runs_and_says_so(monkeypatch):
    monkeypatch.setattr("numba.config.DISABLE_JIT", 1)
    env = backend.make_env(LIFT, "Panda", None, 20)
    with pytest.warns(TrajloomWarning, match="NUMBA_DISABLE_JIT"):
        assert isinstance(make_loop(env, "fast"), RobosuiteLoop)
