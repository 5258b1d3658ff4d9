"""MimicGen's classes, under its names, as its documentation describes them."""

import inspect
import json
from typing import Any

import numpy as np
import pytest

from fake_scene import FakeScene, expert_demo
from test_task import MIMICGEN_STACK
from trajloom.engine import interfaces, mimicgen
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.mimicgen import (
    DataGenerator,
    DatagenInfo,
    MG_EnvInterface,
    MG_TaskSpec,
    SceneInterface,
    Waypoint,
    WaypointSequence,
    WaypointTrajectory,
    make_interface,
    transform_source_data_segment_using_object_pose,
)
from trajloom.engine.segments import SourceDemo
from trajloom.errors import SchemaError, SettingsError, SourceError, UnknownNameError
from trajloom.poses import carry, make, rotation_from_axis_angle
from trajloom.seeding import rng_for
from trajloom.task import TaskSpec


def place_task() -> MG_TaskSpec:
    """The fake scene's task, built as MimicGen's documentation builds one."""
    task_spec = MG_TaskSpec()
    task_spec.add_subtask(
        object_ref="cube",
        subtask_term_signal="grasp",
        subtask_term_offset_range=(1, 3),
        selection_strategy="nearest_neighbor_object",
        selection_strategy_kwargs={"nn_k": 3},
        action_noise=0.02,
    )
    task_spec.add_subtask(object_ref="goal", subtask_term_signal=None, action_noise=0.02)
    return task_spec


@pytest.fixture(scope="module")
def demos() -> list[SourceDemo]:
    return [expert_demo(FakeScene(), episode) for episode in range(10, 14)]


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (DatagenInfo, "eef_pose object_poses subtask_term_signals target_pose gripper_action"),
        (Waypoint, "pose gripper_action noise"),
        (WaypointSequence, "sequence"),
        (WaypointSequence.from_poses, "poses gripper_actions action_noise"),
        (WaypointSequence.split, "self ind"),
        (WaypointTrajectory, ""),
        (WaypointTrajectory.add_waypoint_sequence, "self sequence"),
        (
            WaypointTrajectory.add_waypoint_sequence_for_target_pose,
            "self pose gripper_action num_steps skip_interpolation action_noise",
        ),
        (WaypointTrajectory.merge, "self other num_steps_interp num_steps_fixed action_noise"),
        (WaypointTrajectory.pop_first, "self"),
        (WaypointTrajectory.get_full_sequence, "self"),
        (WaypointTrajectory.execute, "self env env_interface render video_writer video_skip camera_names"),
        (mimicgen.MG_SelectionStrategy.select_source_demo, "self eef_pose object_pose src_subtask_datagen_infos"),
        (DataGenerator, "task_spec dataset_path demo_keys"),
        (
            DataGenerator.generate,
            "self env env_interface select_src_per_subtask transform_first_robot_pose "
            "interpolate_from_last_target_pose render video_writer video_skip camera_names pause_subtask",
        ),
        (
            MG_TaskSpec.add_subtask,
            "self object_ref subtask_term_signal subtask_term_offset_range selection_strategy "
            "selection_strategy_kwargs action_noise num_interpolation_steps num_fixed_steps "
            "apply_noise_during_interpolation",
        ),
        (MG_EnvInterface.target_pose_to_action, "self target_pose relative"),
        (MG_EnvInterface.action_to_target_pose, "self action relative"),
        (MG_EnvInterface.get_datagen_info, "self action"),
        (make_interface, "name interface_type env"),
        (transform_source_data_segment_using_object_pose, "obj_pose src_eef_poses src_obj_pose"),
    ],
)
def test_arguments_come_in_the_documented_order(function, arguments):
    assert " ".join(inspect.signature(function).parameters).startswith(arguments)


def test_a_task_spec_is_read_like_a_list_and_comes_back_from_its_json():
    task_spec = place_task()
    assert len(task_spec) == 2
    assert task_spec[0]["object_ref"] == "cube"
    assert [subtask["subtask_term_signal"] for subtask in task_spec] == ["grasp", None]
    assert list(json.loads(task_spec.serialize())) == ["subtask_1", "subtask_2"]
    assert MG_TaskSpec.from_json(task_spec.serialize()).spec == task_spec.spec
    assert MG_TaskSpec.from_json(json_dict=json.loads(task_spec.serialize())).spec == task_spec.spec


def test_a_task_spec_is_read_from_mimicgens_config():
    task_spec = MG_TaskSpec.from_json(json_dict=MIMICGEN_STACK["task"]["task_spec"])
    assert task_spec.to_task_spec() == TaskSpec.from_json(MIMICGEN_STACK)
    assert task_spec[0]["subtask_term_offset_range"] == (10, 20)


def test_a_wrong_subtask_is_refused_when_it_is_added():
    with pytest.raises(SchemaError, match="action_noise must be >= 0, got -1"):
        MG_TaskSpec().add_subtask("cube", "grasp", action_noise=-1)
    with pytest.raises(SettingsError, match="json_string or json_dict, one of the two"):
        MG_TaskSpec.from_json()


def test_transforming_a_segment_is_carrying_it():
    eef, cube = make(np.ones((5, 3)), np.eye(3)), make(np.array([1.0, 2.0, 3.0]), np.eye(3))
    now = make(np.zeros(3), rotation_from_axis_angle(np.array([0.0, 0.0, 1.0])))
    assert np.array_equal(transform_source_data_segment_using_object_pose(now, eef, cube), carry(eef, cube, now))


def test_generate_is_an_attempt_of_the_engine(demos):
    generator = DataGenerator(place_task(), demos)
    results = generator.generate(FakeScene(), FakeScene(), rng=rng_for(3))
    scene, spec = FakeScene(), place_task().to_task_spec()
    rollout = attempt(scene, generator.sources, spec, Settings(), rng_for(3))
    assert results["success"] is True
    assert np.array_equal(np.stack(results["actions"]), rollout.columns["actions"])
    assert np.array_equal(results["initial_state"]["states"], np.asarray(rollout.initial_state))
    assert [demos[i].episode_index for i in results["src_demo_inds"]] == [c.source_episode for c in rollout.choices]


def test_generate_returns_what_mimicgen_returns(demos):
    scene = FakeScene()
    results = DataGenerator(place_task(), demos).generate(scene, scene, rng=rng_for(3))
    steps = len(results["actions"])
    assert set(results) == {
        "initial_state", "states", "observations", "datagen_infos", "actions", "success", "src_demo_inds",
        "src_demo_labels",
    }  # fmt: skip
    assert [len(results[name]) for name in ("states", "observations", "datagen_infos")] == [steps] * 3
    assert results["src_demo_labels"].shape == (steps, 1)
    assert set(results["src_demo_labels"].ravel()) == set(results["src_demo_inds"])
    assert results["datagen_infos"][0].object_poses["cube"].shape == (4, 4)
    assert set(results["observations"][0]) == {"object", "robot0_eef_pos"}


def test_generate_repeats_with_the_global_seed(demos):
    def run() -> np.ndarray:
        np.random.seed(8)  # noqa: NPY002
        scene = FakeScene()
        return np.stack(DataGenerator(place_task(), demos).generate(scene, scene)["actions"])

    assert np.array_equal(run(), run())


def test_boundaries_and_choices_can_be_asked_for_by_themselves(demos):
    generator = DataGenerator(place_task(), demos)
    inds = generator.randomize_subtask_boundaries(rng_for(1))
    assert inds.shape == (4, 2, 2)
    assert (inds[:, 1, 0] == inds[:, 0, 1]).all()
    cube: Any = demos[2].info.object_poses
    options: dict[str, Any] = {"selection_strategy_name": "nearest_neighbor_object", "rng": rng_for(0)}
    chosen = generator.select_source_demo(
        np.eye(4), cube["cube"][0], 0, inds[:, 0], "cube", selection_strategy_kwargs={"nn_k": 1}, **options
    )
    assert chosen == 2


def test_demonstrations_can_be_named_and_those_that_are_not_there_are_refused(demos):
    assert DataGenerator(place_task(), demos, ["demo_12", "demo_10"]).sources.names == ("demo_12", "demo_10")
    with pytest.raises(SourceError, match="no demonstrations named demo_9; there are: demo_10, demo_11"):
        DataGenerator(place_task(), demos, ["demo_9"])


def test_a_path_is_read_by_the_loader(demos, tmp_path):
    generator = DataGenerator(place_task(), tmp_path / "a.hdf5", ["demo_11"], load=lambda path, keys: demos)
    assert generator.sources.names == ("demo_11",)
    with pytest.raises(SettingsError, match=r"a.hdf5 here without load="):
        DataGenerator(place_task(), tmp_path / "a.hdf5")


def test_pausing_waits_after_every_subtask(demos, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", asked.append)
    scene = FakeScene()
    DataGenerator(place_task(), demos).generate(scene, scene, pause_subtask=True, rng=rng_for(0))
    assert [words.split(" has ended")[0] for words in asked] == ["subtask 0 of robot0", "subtask 1 of robot0"]


class RobomimicFake:
    """The fake scene as robomimic's environments look from outside."""

    def __init__(self) -> None:
        self.scene = FakeScene()
        self.action_dimension = 7
        self.succeeded = False

    def reset(self) -> None:
        self.scene.reset(np.random.default_rng(np.random.randint(2**31)))  # noqa: NPY002

    def get_state(self) -> dict[str, Any]:
        return {"states": self.scene.state(), "model": "<mujoco/>"}

    def get_observation(self) -> dict[str, np.ndarray]:
        return self.scene.observation()

    def step(self, action: np.ndarray) -> tuple:
        outcome = self.scene.step(action)
        self.succeeded = outcome.success
        return self.get_observation(), outcome.reward, False, {}

    def is_success(self) -> dict[str, bool]:
        return {"task": self.succeeded}


class MG_Fake(SceneInterface):
    """An interface for the environment above, as a user would write one."""

    INTERFACE_TYPE = "fakes"

    def __init__(self, env: RobomimicFake):
        super().__init__(env.scene)


class MG_Written(MG_EnvInterface):
    """An interface that owes the Scene nothing."""

    INTERFACE_TYPE = "fakes"

    def get_robot_eef_pose(self):
        return self.env.scene.eef_pose()["robot0"]

    def target_pose_to_action(self, target_pose, relative=True):
        return self.env.scene.target_pose_to_action({"robot0": target_pose})["robot0"]

    def action_to_target_pose(self, action, relative=True):
        return self.env.scene.action_to_target_pose(action)["robot0"]

    def get_object_poses(self):
        return self.env.scene.object_poses()

    def get_subtask_term_signals(self):
        return {name: int(value) for name, value in self.env.scene.subtask_term_signals().items()}


def test_an_environment_with_its_own_interface_generates_too(demos):
    env = RobomimicFake()
    results = DataGenerator(place_task(), demos).generate(env, MG_Written(env), rng=rng_for(3))
    assert results["success"] is True
    assert results["initial_state"]["model"] == "<mujoco/>"
    assert set(results["observations"][0]) == {"object", "robot0_eef_pos"}


def test_an_interface_is_made_by_name_and_type():
    env = RobomimicFake()
    assert isinstance(make_interface("MG_Written", "fakes", env), MG_Written)
    assert interfaces.interfaces()["fakes"]["MG_Fake"] is MG_Fake
    with pytest.raises(UnknownNameError, match="no fakes interface named 'MG_Other'; there are: MG_Fake, MG_Written"):
        make_interface("MG_Other", "fakes", env)
    with pytest.raises(UnknownNameError, match=r"no interface type named 'isaac'; there are: .*fakes"):
        make_interface("MG_Written", "isaac", env)


@pytest.mark.parametrize("action", [None, np.array([0.1, 0.2, 0.0, 0.0, 0.0, 0.3, 1.0])])
def test_both_interfaces_say_the_same_about_the_scene(action):
    env = RobomimicFake()
    one, other = (make_interface(name, "fakes", env).get_datagen_info(action) for name in ("MG_Fake", "MG_Written"))
    assert one.to_columns().keys() == other.to_columns().keys()
    assert ("target_pose" in one.to_dict()) == (action is not None)
    for name, values in one.to_columns().items():
        assert np.array_equal(values, other.to_columns()[name])


def test_an_interface_that_lacks_a_method_says_which():
    class MG_Empty(MG_EnvInterface):
        """Says nothing."""

    with pytest.raises(SettingsError, match=r"MG_Empty does not define get_robot_eef_pose\(\)"):
        MG_Empty(None).get_robot_eef_pose()


def test_what_is_neither_scene_nor_interface_is_refused():
    with pytest.raises(
        SettingsError, match="wanted a Scene, or an environment with its MG_EnvInterface; got int with str"
    ):
        interfaces.as_scene(3, "interface")
    with pytest.raises(SettingsError, match="has one arm; this scene has left, right"):
        SceneInterface(FakeScene(("left", "right")))
