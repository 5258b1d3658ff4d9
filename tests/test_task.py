"""Task specifications, in Python and as MimicGen's JSON, and the views of DatagenInfo."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_scene import FakeScene, place_spec
from trajloom.errors import SchemaError
from trajloom.task import SINGLE_ARM, DatagenInfo, Subtask, TaskSpec, datagen_info

MIMICGEN_STACK = {
    "name": "stack",
    "type": "robosuite",
    "experiment": {"name": "demo", "seed": 1},
    "task": {
        "task_spec": {
            "subtask_1": {
                "object_ref": "cubeA",
                "subtask_term_signal": "grasp",
                "subtask_term_offset_range": [10, 20],
                "selection_strategy": "nearest_neighbor_object",
                "selection_strategy_kwargs": {"nn_k": 3},
                "action_noise": 0.05,
                "num_interpolation_steps": 5,
                "num_fixed_steps": 0,
                "apply_noise_during_interpolation": False,
            },
            "subtask_2": {
                "object_ref": "cubeB",
                "subtask_term_signal": None,
                "subtask_term_offset_range": None,
                "selection_strategy": "random",
                "selection_strategy_kwargs": None,
                "action_noise": 0.05,
                "num_interpolation_steps": 5,
                "num_fixed_steps": 0,
                "apply_noise_during_interpolation": False,
            },
        }
    },
}

names = st.text("abcdefgh_", min_size=1, max_size=6)


@st.composite
def subtasks(draw: st.DrawFn, last: bool) -> Subtask:
    object_ref = draw(st.none() | names)
    low = draw(st.integers(-5, 5))
    return Subtask(
        object_ref=object_ref,
        subtask_term_signal=None if last else draw(names),
        subtask_term_offset_range=(0, 0) if last else (low, low + draw(st.integers(0, 9))),
        selection_strategy="random" if object_ref is None else draw(names),
        selection_strategy_kwargs={}
        if object_ref is None
        else draw(st.dictionaries(names, st.integers(1, 9), max_size=2)),
        action_noise=draw(st.floats(0, 1)),
        num_interpolation_steps=draw(st.integers(0, 9)),
        num_fixed_steps=draw(st.integers(0, 9)),
        apply_noise_during_interpolation=draw(st.booleans()),
    )


@st.composite
def specs(draw: st.DrawFn) -> TaskSpec:
    arms = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    one_arm = st.tuples(st.lists(subtasks(last=False), max_size=3), subtasks(last=True))
    return TaskSpec({arm: (*first, last) for arm in arms for first, last in [draw(one_arm)]})


@given(specs())
def test_a_task_comes_back_from_its_json(spec):
    assert TaskSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_mimicgens_own_config_is_read():
    spec = TaskSpec.from_json(MIMICGEN_STACK)
    assert spec.eefs == (SINGLE_ARM,)
    grasp, stack = spec.subtasks[SINGLE_ARM]
    assert (grasp.object_ref, grasp.subtask_term_signal, grasp.subtask_term_offset_range) == (
        "cubeA",
        "grasp",
        (10, 20),
    )
    assert dict(grasp.selection_strategy_kwargs) == {"nn_k": 3}
    assert (stack.subtask_term_signal, stack.subtask_term_offset_range, stack.action_noise) == (None, (0, 0), 0.05)
    assert TaskSpec.from_json(MIMICGEN_STACK["task"]["task_spec"]) == spec


def test_an_unknown_key_is_refused_with_those_there_are():
    with pytest.raises(SchemaError, match=r"robot0/subtask_1: unknown keys \['noise'\]; there are: .*action_noise"):
        TaskSpec.from_json({"subtask_1": {"object_ref": "cube", "noise": 1}})


def test_every_fault_of_a_subtask_is_reported():
    with pytest.raises(SchemaError) as caught:
        Subtask(object_ref=None, selection_strategy="nearest_neighbor_object", action_noise=-1, num_fixed_steps=-1)
    assert all(word in str(caught.value) for word in ("action_noise", "num_fixed_steps", "object_ref"))


@pytest.mark.parametrize(
    ("subtasks", "words"),
    [
        ([], "at least one subtask"),
        ([Subtask(object_ref="a", subtask_term_signal="s")], "the last subtask of arm ends with the demonstration"),
        ([Subtask(object_ref="a"), Subtask(object_ref="a")], "subtask 0 of arm is not the last"),
    ],
)
def test_a_task_whose_subtasks_do_not_chain_is_refused(subtasks, words):
    with pytest.raises(SchemaError, match=words):
        TaskSpec({"arm": tuple(subtasks)})


def test_datagen_info_takes_its_fields_in_mimicgens_order():
    eef, cube = np.eye(4), 2 * np.eye(4)
    info = DatagenInfo(eef, {"cube": cube}, {"grasp": 1}, eef, np.ones(1))
    assert info.object_poses == {"cube": cube}
    assert list(info.to_dict()) == ["eef_pose", "object_poses", "subtask_term_signals", "target_pose", "gripper_action"]
    assert DatagenInfo(eef).to_dict().keys() == {"eef_pose"}


def test_datagen_info_comes_back_from_its_columns():
    info = DatagenInfo({"left": np.eye(4), "right": 2 * np.eye(4)}, {"cube": 3 * np.eye(4)}, {"grasp": 1})
    columns = info.to_columns()
    assert set(columns) == {
        "datagen_info/eef_pose/left",
        "datagen_info/eef_pose/right",
        "datagen_info/object_poses/cube",
        "datagen_info/subtask_term_signals/grasp",
    }
    back = DatagenInfo.from_columns({**columns, "actions": np.zeros(7)})
    assert back.to_columns().keys() == columns.keys()
    assert np.array_equal(np.asarray(back.of("right").eef_pose), 2 * np.eye(4))


@pytest.mark.parametrize("eefs", [("robot0",), ("left", "right")])
def test_a_scene_with_one_arm_gives_plain_arrays_and_with_two_a_mapping(eefs):
    scene = FakeScene(eefs)
    info = datagen_info(scene, np.zeros(7 * len(eefs)))
    for eef in eefs:
        assert np.allclose(np.asarray(info.of(eef).eef_pose), scene.eef_pose()[eef])
        assert np.allclose(np.asarray(info.of(eef).target_pose), scene.eef_pose()[eef])
    assert isinstance(info.eef_pose, dict) == (len(eefs) > 1)
    assert place_spec(*eefs).eefs == eefs
