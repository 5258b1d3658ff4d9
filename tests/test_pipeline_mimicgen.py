"""MimicGen and `datagen_info` as steps of a pipeline: names, settings, and what comes of a human demonstration."""

import json
from pathlib import Path

import numpy as np
import pytest

import trajloom as tl
from trajloom.augment.mimicgen import MimicGenAugmentation, robot_of, spec_of, task_of, variant_of
from trajloom.engine.mimicgen import MG_TaskSpec
from trajloom.errors import RunError, SettingsError, SourceError, UnknownNameError
from trajloom.sim import film, tasks

pytestmark = pytest.mark.sim

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


@pytest.mark.parametrize(
    ("name", "task"), [("MG_Square", "square"), ("MG_StackThree", "stack_three"), ("lift", "lift")]
)
def test_interfaces_of_mimicgen_are_our_tasks(name, task):
    assert task_of(name) == task


def test_an_interface_that_we_lack_is_refused_with_those_there_are():
    with pytest.raises(UnknownNameError, match="no task interface named 'MG_Coffee'; there are: MG_Door, MG_Lift"):
        task_of("MG_Coffee")


def test_the_environment_says_variant_and_robot():
    assert variant_of("Square_D1", "square") == "D1"
    assert variant_of("NutAssemblySquare", "square") == "D0"
    assert robot_of({"env_kwargs": {"robots": ["Sawyer"]}}) == "Sawyer"
    assert robot_of({}) == "Panda"
    with pytest.raises(UnknownNameError, match="no variant of square named 'D7'"):
        variant_of("Square_D7", "square")


def test_a_task_may_be_said_in_any_way():
    class Theirs:
        """MimicGen's own MG_TaskSpec, as far as it matters: it writes itself as JSON."""

        def serialize(self) -> str:
            return MG_TaskSpec.from_task_spec(tasks.get("lift").spec).serialize()

    wanted = tasks.get("lift").spec
    assert spec_of(wanted) is wanted
    for said in (MG_TaskSpec.from_task_spec(wanted), Theirs()):
        assert json.dumps(spec_of(said).to_json()) == json.dumps(wanted.to_json())
    with pytest.raises(SettingsError, match="task_spec is a int"):
        spec_of(3)


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="a video needs camera_names"):
        MimicGenAugmentation(env_interface_type="MG_Lift", video_writer=[])
    with pytest.raises(SettingsError, match="times must be >= 1"):
        MimicGenAugmentation(env_interface_type="MG_Lift", times=0)


def test_what_cannot_be_drawn_is_said_before_anything_is_made():
    model = "<mujoco><worldbody><camera name='front' pos='0 -1 0'/></worldbody></mujoco>"
    try:
        film.must_render()
    except RunError as error:
        assert "set MUJOCO_GL" in str(error)  # noqa: PT017  what a machine can do is known only by trying
    else:
        frames = list(film.frames(model, np.zeros((4, 1)), ["front", "front"], skip=2))
        assert [frame.shape for frame in frames] == [(512, 1024, 3)] * 2


def test_datagen_info_is_that_of_annotate(tmp_path):
    two = tl.read(HUMAN).select("0-1")
    two.write(tmp_path / "two.hdf5")
    tl.annotate(tmp_path / "two.hdf5", tmp_path / "annotated", task="lift")
    step = tl.AddDatagenInfoAugmentation("MG_Lift")
    made = tl.Pipeline(workers=1).add(step).run(tmp_path / "two.hdf5").dataset()
    wanted = tl.read(tmp_path / "annotated")
    for index in (0, 1):
        ours, theirs = made.episode(index)["datagen_info"], wanted.episode(index)["datagen_info"]
        np.testing.assert_array_equal(ours["object_poses"]["cube"], theirs["object_poses"]["cube"])
        np.testing.assert_array_equal(ours["target_pose"], theirs["target_pose"])
    column = made.header.column("datagen_info/eef_pose")
    assert (column.shape, column.when, column.rotation) == ((4, 4), "before", "matrix")


def test_episodes_without_states_are_refused_by_name():
    step = tl.AddDatagenInfoAugmentation("MG_Lift")
    with pytest.raises(SourceError, match="demo_0 has no states"):
        tl.Pipeline(workers=1).add(step).run([{"actions": np.zeros((2, 7))}]).collect()
