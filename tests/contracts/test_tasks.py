"""What every simulator task must do, in every variant, found by its name."""

import itertools
import json
import time
from functools import cache

import numpy as np
import pytest

pytest.importorskip("robosuite", reason="needs trajloom[sim]", exc_type=ImportError)

import mujoco

from trajloom.errors import UnknownNameError
from trajloom.rollout import Recorder, _Asked
from trajloom.sim import tasks
from trajloom.sim.observation import Observation
from trajloom.sim.readings import Readings
from trajloom.sim.scene import RobosuiteScene, make_scene
from trajloom.sim.tasks.stack import Stack
from trajloom.sim.world import turn
from trajloom.task import TaskSpec

pytestmark = pytest.mark.sim

CASES = [(name, variant) for name in tasks.names() for variant in tasks.get(name).variants]
every_case = pytest.mark.parametrize(("name", "variant"), CASES, ids=["-".join(case) for case in CASES])
every_task = pytest.mark.parametrize("name", tasks.names())

FULL = (0.0, 2 * np.pi)
LEVEL = np.array([1.0, 0.0, 0.0, 0.0])
# body -> x, y in the world (m), turn about the vertical (rad): as MimicGen and robosuite publish them
BOUNDS = {
    "lift-D0": {"cube_main": ((-0.03, 0.03), (-0.03, 0.03), FULL)},
    "stack-D0": {f"cube{c}_main": ((-0.08, 0.08), (-0.08, 0.08), FULL) for c in "AB"},
    "stack-D1": {f"cube{c}_main": ((-0.2, 0.2), (-0.2, 0.2), FULL) for c in "AB"},
    "stack_three-D0": {f"cube{c}_main": ((-0.1, 0.1), (-0.1, 0.1), FULL) for c in "ABC"},
    "stack_three-D1": {f"cube{c}_main": ((-0.2, 0.2), (-0.2, 0.2), FULL) for c in "ABC"},
    "square-D0": {
        "SquareNut_main": ((-0.115, -0.11), (0.11, 0.225), FULL),
        "peg1": ((0.23, 0.23), (0.1, 0.1), (0.0, 0.0)),
    },
    "square-D1": {
        "SquareNut_main": ((-0.115, 0.115), (-0.255, 0.255), FULL),
        "peg1": ((-0.1, 0.3), (-0.2, 0.2), (0.0, 0.0)),
    },
    "square-D2": {
        "SquareNut_main": ((-0.25, 0.25), (-0.25, 0.25), FULL),
        "peg1": ((-0.25, 0.25), (-0.25, 0.25), (0.0, np.pi / 2)),
    },
    "pick_place-D0": {"Can_main": ((-0.02, 0.22), (-0.42, -0.08), FULL)},
    "door-D0": {"Door_main": ((-0.13, -0.11), (-0.36, -0.34), (3 * np.pi / 2 - 0.25, 3 * np.pi / 2))},
}
# where each body would have to be for success, and how far (m) random starts around it are strewn
SOLVED = {
    "lift": ({"cube_main": [0.0, 0.0, 0.84]}, 0.01),
    "stack": ({"cubeB_main": [0.0, 0.0, 0.825], "cubeA_main": [0.0, 0.0, 0.8695]}, 0.02),
    "stack_three": (
        {"cubeB_main": [0.0, 0.0, 0.825], "cubeA_main": [0.0, 0.0, 0.8695], "cubeC_main": [0.0, 0.0, 0.909]},
        0.001,
    ),
    "square": ({"SquareNut_main": [0.23, 0.1, 0.86]}, 0.05),
    "pick_place": ({"Can_main": [0.1975, 0.4025, 0.88]}, 0.15),
    "door": ({}, 0.0),
}


@cache
def scene_of(name: str, variant: str = "D0") -> RobosuiteScene:
    return make_scene(name, variant)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] - 1e-12 <= value <= bounds[1] + 1e-12


@every_case
def test_every_reset_is_within_its_published_ranges(name, variant):
    task = tasks.get(name)
    for seed in range(30):
        poses = task.place(variant, rng(seed)).poses
        for body, (x, y, angle) in BOUNDS[f"{name}-{variant}"].items():
            position, quat = poses[body]
            assert within(position[0], x)
            assert within(position[1], y)
            assert within(turn(quat) % (2 * np.pi), angle) or within(turn(quat), angle)


@every_case
def test_resets_use_the_whole_of_their_ranges(name, variant):
    task = tasks.get(name)
    drawn = [task.place(variant, rng(seed)).poses for seed in range(200)]
    for body, (x, y, _) in BOUNDS[f"{name}-{variant}"].items():
        for axis, (low, high) in enumerate((x, y)):
            values = [poses[body][0][axis] for poses in drawn]
            assert min(values) <= low + 0.1 * (high - low)
            assert max(values) >= high - 0.1 * (high - low)


@every_case
def test_objects_start_where_they_were_drawn_and_touch_nothing(name, variant):
    scene = scene_of(name, variant)
    for seed in range(30):
        scene.reset(rng(seed))
        for body, (position, _) in scene.placement.poses.items():
            np.testing.assert_allclose(scene.world.position(body), position, atol=1e-12)
        for one, other in itertools.combinations(BOUNDS[f"{name}-{variant}"], 2):
            assert not scene.world.touching(one, other)
        assert not scene.task.success(scene.world)


@every_case
def test_what_the_default_spec_names_is_there(name, variant):
    scene = scene_of(name, variant)
    scene.reset(rng(0))
    poses, signals = scene.object_poses(), scene.subtask_term_signals()
    for _, _, subtask in scene.spec:
        assert subtask.object_ref is None or subtask.object_ref in poses
        assert subtask.subtask_term_signal is None or subtask.subtask_term_signal in signals
    assert all(pose.shape == (4, 4) for pose in poses.values())
    assert not any(signals.values())
    assert scene.diagnose()
    assert TaskSpec.from_json(json.loads(json.dumps(scene.spec.to_json()))) == scene.spec


@every_case
def test_restore_then_step_is_step_and_attempts_share_nothing(name, variant):
    scene = scene_of(name, variant)
    actions = rng(1).uniform(-1, 1, (6, 7))

    def attempt(seed):
        scene.reset(rng(seed))
        return run()

    def run():
        for action in actions:
            scene.step(action)
        return np.concatenate([scene.state(), *map(np.ravel, scene.observation().values())])

    first = attempt(5)
    saved = scene.save()
    later = run()
    for seed in range(6, 9):
        attempt(seed)
    scene.restore(saved)
    np.testing.assert_array_equal(run(), later)
    np.testing.assert_array_equal(attempt(5), first)


@every_case
def test_the_same_seed_gives_the_same_start_and_another_seed_another(name, variant):
    scene = scene_of(name, variant)
    states = []
    for seed in (3, 3, 4):
        scene.reset(rng(seed))
        states.append(np.concatenate([scene.state(), *map(np.ravel, scene.object_poses().values())]))
    np.testing.assert_array_equal(states[0], states[1])
    assert not np.array_equal(states[0], states[2])


@every_case
def test_a_reset_takes_under_20_ms(name, variant):
    scene, seconds = scene_of(name, variant), []
    for seed in range(10):
        start = time.perf_counter()
        scene.reset(rng(seed))
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.020


@every_case
def test_the_episodes_xml_compiles_to_the_episodes_model(name, variant):
    scene = scene_of(name, variant)
    for seed in (11, 12):
        scene.reset(rng(seed))
        xml = scene.model_xml()
        assert 'file="/' not in xml
        assert "@" not in xml
        compiled = mujoco.MjModel.from_xml_string(scene.env.edit_model_xml(xml))
        for field in physics_fields(compiled):
            np.testing.assert_allclose(
                getattr(scene.model, field), getattr(compiled, field), rtol=1e-12, atol=1e-12, err_msg=field
            )
        assert scene.model.stat.meaninertia == pytest.approx(compiled.stat.meaninertia, rel=1e-12)


def physics_fields(model: mujoco.MjModel) -> list[str]:
    """Everything in a model but what is only seen, and where massless bodies have their centre of mass."""
    seen = ("cam_", "light_", "mat_", "tex_", "vis", "site_rgba", "body_ipos", "body_iquat", "body_same", "body_simple")
    fields = [field for field in dir(model) if isinstance(getattr(model, field), np.ndarray)]
    return [field for field in fields if not field.startswith(seen)]


@every_task
def test_observations_are_robosuites_own(name):
    scene = scene_of(name)
    scene.reset(rng(2))
    for action in rng(0).uniform(-1, 1, (3, 7)):
        scene.step(action)
    # robosuite's relative observations lag behind by one reading
    scene.env._get_observations(force_update=True)
    theirs = scene.env._get_observations(force_update=True)
    for key, value in scene.observation().items():
        other = theirs["object-state" if key == "object" else key]
        assert value.dtype == other.dtype
        np.testing.assert_array_equal(value, other, err_msg=key)


@every_task
def test_every_sensor_of_robosuite_has_a_sense(name):
    shown = [
        key for key, one in scene_of(name).env._observables.items() if one.modality == "object" and one.is_active()
    ]
    assert set(shown) <= set(tasks.get(name).senses)


@every_task
def test_without_its_senses_a_task_observes_the_same_through_robosuites_sensors(name):
    scene = scene_of(name)
    asked, readings = Observation(scene.env, scene.world), []
    for seed in range(3):
        scene.reset(rng(seed))
        readings.append(asked.reading())
        same(asked.read(), scene.observation())
    same({key: values[-1] for key, values in asked.of(np.array(readings)).items()}, scene.observation())


@every_task
def test_what_is_recorded_is_what_the_scene_says_when_asked(name):
    scene = scene_of(name)
    scene.reset(rng(4))
    asked, recorder, rows = _Asked(scene), Recorder(scene), []
    for action in rng(0).uniform(-2, 2, (5, scene.action_dim)):
        rows.append(asked.reading(action))
        recorder.step(action)
    columns = recorder.columns()
    wanted = asked.columns_of(rows)
    assert list(columns) == [*wanted, "rewards", "dones"]
    same({key: columns[key] for key in wanted}, wanted)


def same(values: dict, others: dict) -> None:
    assert list(values) == list(others)
    for key, value in values.items():
        assert value.dtype == others[key].dtype
        np.testing.assert_array_equal(value, others[key], err_msg=key)


def test_a_task_may_have_frames_that_are_no_bodys():
    class Raised(Stack):
        def object_poses(self, world):
            poses = super().object_poses(world)
            poses["cubeA"][2, 3] += 0.1
            return poses

    scene, task = scene_of("stack"), Raised()
    scene.reset(rng(0))
    readings = Readings(task, scene.world, Observation(scene.env, scene.world), scene._scale, 6, scene.action_dim)
    columns = readings.columns_of([readings.reading(np.zeros(7))])
    same({key: columns[f"datagen_info/object_poses/{key}"][0] for key in task.frames}, task.object_poses(scene.world))


def agrees_with_robosuite(scene: RobosuiteScene) -> str:
    """Compare success and reward of a scene whose bodies were put somewhere; returns the diagnosis."""
    mujoco.mj_forward(scene.model, scene.data)
    verdict = scene.success()
    assert verdict == bool(scene.env._check_success())
    assert float(verdict) == scene.env.reward(None)
    assert verdict == (scene.diagnose() == "")
    return scene.diagnose()


@every_task
def test_success_and_reward_are_robosuites_own(name):
    scene, (solved, spread), seen = scene_of(name), SOLVED[name], set()
    scene.reset(rng(0))
    for seed in range(40):
        chance = rng(seed)
        for body, position in solved.items():
            scene.world.put(body, np.array(position) + chance.uniform(-spread, spread, 3), LEVEL)
        if name == "door":
            scene.data.qpos[scene.env.hinge_qpos_addr] = chance.uniform(0.2, 0.4)
        seen.add(agrees_with_robosuite(scene))
    assert len(seen) >= 2
    assert "" in seen


@pytest.mark.parametrize(
    ("name", "stack", "words"),
    [
        ("stack", {"cubeA_main": 0.0, "cubeB_main": -0.0445}, "cubeA is still held"),
        ("stack_three", {"cubeA_main": 0.0, "cubeB_main": -0.0445, "cubeC_main": 0.0395}, "cubeA is still held"),
        ("stack_three", {"cubeC_main": 0.0, "cubeA_main": -0.0395, "cubeB_main": -0.084}, "cubeC is still held"),
    ],
)
def test_a_cube_in_the_hand_is_not_yet_stacked(name, stack, words):
    scene, seen = scene_of(name), set()
    scene.reset(rng(0))
    hand = scene.eef_pose()["robot0"][:3, 3].copy()
    scene.data.qpos[scene.robot._ref_gripper_joint_pos_indexes["right"]] = [0.018, -0.018]
    for seed in range(40):
        shift = rng(seed).uniform(-0.02, 0.02, 3)
        for body, height in stack.items():
            scene.world.put(body, hand + shift + [0, 0, height], LEVEL)
        seen.add(agrees_with_robosuite(scene))
    assert seen >= {"", words}


@pytest.mark.parametrize(
    ("name", "body", "there", "words"),
    [
        ("square", "SquareNut_main", [0.1, 0.0, 0.86], "the gripper has not left the nut"),
        ("pick_place", "Can_main", [0.19, 0.39, 0.88], "the gripper has not left the can"),
    ],
)
def test_an_object_is_placed_once_the_hand_has_gone(name, body, there, words):
    scene, seen = scene_of(name), set()
    scene.reset(rng(0))
    hand = go(scene, there)
    if name == "square":
        scene.world.put("peg1", np.array([hand[0], hand[1], 0.85]), LEVEL)
    for seed in range(60):
        scene.world.put(body, hand + rng(seed).uniform(-0.06, 0.06, 3), LEVEL)
        seen.add(agrees_with_robosuite(scene))
    assert seen >= {"", words}


def go(scene: RobosuiteScene, there: list[float]) -> np.ndarray:
    """Move the hand (about) there; where it got to."""
    scene.reset(rng(0))
    target, opened = scene.eef_pose()["robot0"].copy(), {"robot0": np.array([-1.0])}
    for height in (1.1, there[2]):
        target[:3, 3] = [there[0], there[1], height]
        for _ in range(25):
            scene.step(scene.join_action(scene.target_pose_to_action({"robot0": target}), opened))
    return scene.eef_pose()["robot0"][:3, 3].copy()


@every_task
def test_the_collision_geoms_of_an_object_are_robosuites(name):
    scene = scene_of(name)
    for model in scene.env.model.mujoco_objects:
        if not model.name.startswith("Visual") and model.root_body not in scene.task.unused:
            ours = {scene.model.geom(i).name for i in np.flatnonzero(scene.world.geoms(model.root_body))}
            assert ours == set(model.contact_geoms)


def test_an_object_between_the_pads_is_grasped_as_robosuite_sees_it():
    scene = scene_of("lift")
    scene.reset(rng(0))
    seen = set()
    for down in np.linspace(-0.02, 0.06, 9):
        eef = scene.eef_pose()["robot0"]
        scene.world.put("cube_main", eef[:3, 3] - [0, 0, down], LEVEL)
        mujoco.mj_forward(scene.model, scene.data)
        theirs = scene.env._check_grasp(gripper=scene.robot.gripper, object_geoms=scene.env.cube)
        assert scene.subtask_term_signals()["grasp"] == theirs
        seen.add(theirs)
    assert seen == {True, False}


def test_lifts_cube_has_the_size_that_was_drawn():
    scene = scene_of("lift")
    sizes = []
    for seed in range(30):
        scene.reset(rng(seed))
        half = scene.model.geom("cube_g0").size
        assert (half >= 0.020).all()
        assert (half <= 0.022).all()
        assert scene.model.body("cube_main").mass[0] == pytest.approx(8000 * np.prod(half))
        sizes.append(half.copy())
    assert np.ptp(sizes, axis=0).min() > 0.001


def test_moving_the_peg_moves_what_the_nut_can_hit():
    scene = scene_of("square", "D2")
    scene.reset(rng(0))
    peg = scene.object_poses()["square_peg"]
    scene.world.put("SquareNut_main", peg[:3, 3] + [0.02, 0, 0], LEVEL)
    mujoco.mj_forward(scene.model, scene.data)
    assert scene.world.touching("SquareNut_main", "peg1")


def test_the_doors_frame_does_not_tilt_with_the_handle():
    scene = scene_of("door")
    scene.reset(rng(0))
    before = scene.object_poses()["handle"]
    scene.data.qpos[scene.env.handle_qpos_addr] = 0.8
    mujoco.mj_forward(scene.model, scene.data)
    np.testing.assert_allclose(scene.object_poses()["handle"][:3, :3], before[:3, :3], atol=1e-12)
    assert scene.diagnose() == "the door is not open"


def test_an_unknown_task_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownNameError, match="no task named 'juggle'; there are: door, lift"):
        tasks.get("juggle")
