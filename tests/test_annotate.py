"""Annotation: real human demonstrations replayed on their own models, and the arithmetic of their targets."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajloom import poses
from trajloom.errors import HostileFileError, ShapeError, SourceError
from trajloom.osc import RecordedController
from trajloom.sim import tasks
from trajloom.sim.annotate import annotate_episode
from trajloom.sim.scene import make_scene

DEMOS = Path(__file__).parents[1] / "examples/data/robomimic_lift_ph10_lowdim.hdf5"
SHARED = Path(__file__).parents[2] / "shared/data"

pytestmark = pytest.mark.sim


@dataclass(frozen=True)
class Demo:
    """One recorded episode, as arrays."""

    states: np.ndarray
    actions: np.ndarray
    xml: str
    obs: dict[str, np.ndarray]
    controller: dict
    version: str | None


def read(path: Path) -> list[Demo]:
    """All demonstrations of a robomimic or robosuite file."""
    with h5py.File(path) as opened:
        file: Any = opened
        attrs = file["data"].attrs
        settings = json.loads(attrs["env_args"])["env_kwargs"] if "env_args" in attrs else json.loads(attrs["env_info"])
        controller, version = settings["controller_configs"], attrs.get("repository_version")
        return [demo(group, path, controller, version) for group in file["data"].values()]


def demo(group: Any, path: Path, controller: dict, version: str | None) -> Demo:
    xml = group.attrs["model_file"]
    xml = xml if xml.startswith("<") else (path.parent / "models" / xml).read_text()
    obs = {name: values[:] for name, values in group.get("obs", {}).items()}
    return Demo(group["states"][:], group["actions"][:], xml, obs, controller, version)


@dataclass(frozen=True)
class Annotated:
    """datagen_info by its names in the file, and the notes."""

    columns: dict[str, np.ndarray]
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[f"datagen_info/{name}"]


def annotate(demo: Demo, task: str = "lift", **changes) -> Annotated:
    given = {"states": demo.states, "actions": demo.actions, "xml": demo.xml, **changes}
    given = {"version": demo.version, "controller": demo.controller, **given}
    annotation = annotate_episode(task=tasks.get(task), **given)
    return Annotated(annotation.info.to_columns(), annotation.notes)


def rises(signal: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.diff(signal, prepend=0) > 0)


@pytest.fixture(scope="module")
def demos() -> list[Demo]:
    return read(DEMOS)


@pytest.fixture(scope="module")
def annotated(demos):
    return [annotate(one) for one in demos]


def test_poses_are_those_that_were_observed(demos, annotated):
    for one, annotation in zip(demos, annotated, strict=True):
        np.testing.assert_allclose(annotation["eef_pose"][:, :3, 3], one.obs["robot0_eef_pos"], atol=1e-6)
        np.testing.assert_allclose(annotation["object_poses/cube"][:, :3, 3], one.obs["object"][:, :3], atol=1e-6)
        observed = poses.rotation_from_quat(np.roll(one.obs["object"][:, 3:7], 1, axis=1))  # stored as x, y, z, w
        np.testing.assert_allclose(annotation["object_poses/cube"][:, :3, :3], observed, atol=1e-6)


def test_the_grasp_rises_once_after_the_gripper_was_told_to_close(demos, annotated):
    for one, annotation in zip(demos, annotated, strict=True):
        (rise,) = rises(annotation["subtask_term_signals/grasp"])
        closes = np.argmax(one.actions[:, -1] > 0)
        assert 3 <= rise - closes <= 10
        assert annotation.notes == ("23 geoms made of meshes were left out: they can touch nothing",)


def test_targets_are_nearly_reached_four_steps_later(annotated):
    for annotation in annotated:
        target, reached = annotation["target_pose"], annotation["eef_pose"]
        ahead = {lag: poses.distance(target[:-lag], reached[lag:], 1.0, 0.0).mean() for lag in (1, 4)}
        assert ahead[4] < 0.011 < 0.016 < ahead[1]
        turned = poses.distance(target[:-4], reached[4:], 0.0, 1.0).mean()
        assert turned < np.radians(1.0)


def test_todays_scene_puts_the_hand_where_the_demonstrations_model_does(demos, annotated):
    scene = make_scene("lift")
    for step in (0, 30, 58):
        scene.set_state(demos[0].states[step])
        np.testing.assert_allclose(scene.eef_pose()["robot0"], annotated[0]["eef_pose"][step], atol=1e-4)
        np.testing.assert_allclose(scene.object_poses()["cube"], annotated[0]["object_poses/cube"][step], atol=1e-9)


def test_the_gripper_action_is_the_rest_of_the_action(demos, annotated):
    np.testing.assert_array_equal(annotated[0]["gripper_action"], demos[0].actions[:, 6:])


def test_an_action_beyond_the_controllers_range_counts_as_clipped(demos):
    wild = demos[0].actions * 30
    expected = annotate(demos[0], actions=np.clip(wild, -1, 1))["target_pose"]
    np.testing.assert_array_equal(annotate(demos[0], actions=wild)["target_pose"], expected)


def test_a_cube_without_geoms_is_judged_to_be_held_when_the_fingers_stop_around_it(demos, annotated):
    for one, touched in zip(demos[:3], annotated, strict=False):
        lost = re.sub(r'(<geom name="cube_g0(?:_vis)?".*?)type="box"', r'\1type="mesh"', one.xml)
        annotation = annotate(one, xml=lost)
        (rise,) = rises(annotation["subtask_term_signals/grasp"])
        (contact,) = rises(touched["subtask_term_signals/grasp"])
        assert abs(rise - contact) <= 3
        assert any("judged by the gripper" in note for note in annotation.notes)


def test_a_stand_in_is_used_and_said_where_the_model_is_broken(demos, annotated):
    annotation = annotate(demos[0], xml="<mujoco>", stand_in=lambda: demos[0].xml)
    np.testing.assert_array_equal(annotation["eef_pose"], annotated[0]["eef_pose"])
    assert annotation.notes[0].startswith("annotated on the task's own environment (the episode's own model: ")


def test_all_models_that_do_not_fit_are_named(demos):
    with pytest.raises(
        SourceError, match=r"its states have 32 numbers, not 31; the task's own environment: none given"
    ):
        annotate(demos[0], states=demos[0].states[:, 1:])


def test_a_model_that_includes_others_is_refused_even_with_a_stand_in(demos):
    hostile = demos[0].xml.replace("<asset>", "<include file='/etc/passwd'/><asset>")
    with pytest.raises(HostileFileError):
        annotate(demos[0], xml=hostile, stand_in=lambda: demos[0].xml)


def test_another_tasks_demonstration_is_refused(demos):
    with pytest.raises(SourceError, match="not one of Stack: no body named 'cubeA'"):
        annotate(demos[0], task="stack")


def test_arrays_that_do_not_belong_together_are_refused(demos):
    with pytest.raises(ShapeError, match=r"\(59, 32\) and \(58, 7\)"):
        annotate(demos[0], actions=demos[0].actions[1:])
    with pytest.raises(SourceError, match="states hold values that are not finite"):
        annotate(demos[0], states=np.full_like(demos[0].states, np.nan))


def test_a_model_with_two_arms_is_refused(demos):
    two = demos[0].xml.replace("robot0_ee_x", "gripper1_grip_site")
    with pytest.raises(SourceError, match="two arms"):
        annotate(demos[0], xml=two)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    [
        "robomimic_lift_ph3_image.hdf5",
        "robosuite_1.4.1_lift/demo.hdf5",
        "robosuite_1.4.1_lift_2024/demo.hdf5",
        "robosuite_1.0.1_lift/demo.hdf5",
        "robosuite_1.0.1_stack/demo.hdf5",
    ],
)
def test_every_lift_and_stack_file_is_annotated(name):
    if not (SHARED / name).exists():
        pytest.skip(f"no {name} in ../shared/data")
    for one in read(SHARED / name):
        annotation = annotate(one, "stack" if "stack" in name else "lift")
        assert len(rises(annotation["subtask_term_signals/grasp"])) == 1
        # a turn is one of the reached poses soon after, not its opposite
        wanted = poses.axis_angle_from_rotation(
            annotation["target_pose"][:-3, :3, :3] @ turned_back(annotation["eef_pose"][:-3])
        )
        done = poses.axis_angle_from_rotation(
            annotation["eef_pose"][3:, :3, :3] @ turned_back(annotation["eef_pose"][:-3])
        )
        assert np.sum(wanted * done) >= 0.8 * np.linalg.norm(wanted) * np.linalg.norm(done) or "1.4.1_lift/" in name


def turned_back(pose: np.ndarray) -> np.ndarray:
    return np.swapaxes(pose[:, :3, :3], -1, -2)


@pytest.mark.parametrize(("version", "sign"), [("1.0.0", -1), ("1.1.0", -1), ("1.2.0", 1), ("1.4.1", 1), (None, 1)])
def test_old_robosuite_turns_the_other_way(version, sign):
    recorded = RecordedController.from_config({"type": "OSC_POSE"}, version, 7)
    action = np.array([[0, 0, 0, 0, 0, 0.6, 1.0]])
    turn = poses.axis_angle_from_rotation(recorded.target_pose(np.eye(4)[None], action, np.eye(4))[0, :3, :3])
    np.testing.assert_allclose(turn, [0, 0, sign * 0.3], atol=1e-12)


def test_a_turn_is_about_the_axes_of_the_world():
    lying = poses.make(np.array([0.1, 0.2, 0.3]), poses.rotation_from_axis_angle(np.array([np.pi / 2, 0, 0])))
    recorded = RecordedController.from_config({"type": "OSC_POSE"}, None, 7)
    target = recorded.target_pose(lying[None], np.array([[1.0, 0, -0.5, 0, 0, 1, -1]]), np.eye(4))[0]
    np.testing.assert_allclose(target[:3, 3], [0.15, 0.2, 0.275])
    np.testing.assert_allclose(target[:3, :3] @ lying[:3, :3].T, poses.rotation_from_axis_angle(np.array([0, 0, 0.5])))


@given(st.floats(-3, 3), st.floats(-np.pi, np.pi))
def test_a_base_frame_turns_the_command_with_the_base(along, yaw):
    base = poses.make(np.array([1.0, 2.0, 3.0]), poses.rotation_from_axis_angle(np.array([0.0, 0.0, yaw])))
    part = {"type": "OSC_POSE", "input_ref_frame": "base", "output_max": 0.1, "output_min": -0.1}
    recorded = RecordedController.from_config({"type": "BASIC", "body_parts": {"right": part}}, "1.5.2", 7)
    target = recorded.target_pose(np.eye(4)[None], np.array([[along, 0, 0, 0, 0, 0, 1]]), base)[0]
    step = 0.1 * np.clip(along, -1, 1)
    np.testing.assert_allclose(target[:3, 3], step * np.array([np.cos(yaw), np.sin(yaw), 0]), atol=1e-12)


def test_an_absolute_action_is_the_target_itself():
    recorded = RecordedController.from_config({"type": "OSC_POSE", "control_delta": False}, "1.4.1", 7)
    target = recorded.target_pose(np.eye(4)[None], np.array([[0.4, 0, 1.1, 0, 0, 3.0, 1]]), np.eye(4))[0]
    np.testing.assert_allclose(poses.axis_angle_from_rotation(target[:3, :3]), [0, 0, 3.0])
    np.testing.assert_allclose(target[:3, 3], [0.4, 0, 1.1])


@pytest.mark.parametrize(
    ("config", "size", "message"),
    [
        ({"type": "JOINT_VELOCITY"}, 8, "got 'JOINT_VELOCITY'"),
        ({"type": "OSC_POSE", "impedance_mode": "variable"}, 19, "fixed impedance"),
        ({"type": "OSC_POSE"}, 6, "actions have 6"),
        ({"type": "BASIC", "body_parts": {"right": {"type": "OSC_POSE"}, "left": {"type": "OSC_POSE"}}}, 14, "name 2"),
    ],
)
def test_a_controller_whose_targets_are_no_poses_is_refused(config, size, message):
    with pytest.raises(SourceError, match=message):
        RecordedController.from_config(config, None, size)
