"""Actions and target poses: arithmetic, without a simulator running."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trajloom.errors import ShapeError
from trajloom.poses import axis_angle_from_rotation, make, rotation_angle, rotation_from_axis_angle

controller = pytest.importorskip("trajloom.sim.controller", reason="needs trajloom[sim]", exc_type=ImportError)
eef_actions = pytest.importorskip("trajloom.sim.eef_actions", reason="needs trajloom[sim]", exc_type=ImportError)

STEP = np.array([0.05, 0.05, 0.05, 0.5, 0.5, 0.5])
SCALE = controller.ActionScale(STEP, np.eye(3))
# compiled here, or Hypothesis would take the first example for a slow one
SCALE.action_to_target(np.eye(4), SCALE.target_to_action(np.eye(4), np.eye(4)))

vectors = arrays(np.float64, 3, elements=st.floats(-2, 2))
actions = arrays(np.float64, 6, elements=st.floats(-1, 1))
wild_actions = arrays(np.float64, 6, elements=st.floats(-5, 5))
rotations = vectors.map(rotation_from_axis_angle)
eef_poses = st.builds(make, vectors, rotations)


@given(eef_poses, actions, rotations)
def test_an_action_comes_back_from_the_pose_that_it_asks_for(eef, action, base):
    scale = controller.ActionScale(STEP, base)
    back = scale.target_to_action(eef, scale.action_to_target(eef, action))
    np.testing.assert_allclose(back, action, atol=1e-9)


@given(eef_poses, wild_actions)
def test_an_action_asks_for_what_its_clipped_self_asks_for(eef, action):
    np.testing.assert_array_equal(
        SCALE.action_to_target(eef, action), SCALE.action_to_target(eef, np.clip(action, -1, 1))
    )


@given(eef_poses, eef_poses)
def test_an_action_towards_any_pose_stays_within_its_limits_and_comes_nearer(eef, target):
    action = SCALE.target_to_action(eef, target)
    assert np.abs(action).max() <= 1
    reached = SCALE.action_to_target(eef, action)
    before, after = (np.abs(pose[:3, 3] - target[:3, 3]) for pose in (eef, reached))
    assert (after <= before + 1e-12).all()


@given(eef_poses, actions, rotations)
def test_a_turned_base_turns_the_step_and_nothing_else(eef, action, base):
    turned = np.concatenate([base @ action[:3], base @ action[3:]]) * 0.1
    in_base = controller.ActionScale(STEP, base).action_to_target(eef, action * 0.1)
    np.testing.assert_allclose(in_base, SCALE.action_to_target(eef, turned), atol=1e-12)


def test_one_unit_along_x_is_five_centimetres_and_half_a_radian():
    here = make(np.array([0.1, 0.2, 0.9]), np.eye(3))
    moved = SCALE.action_to_target(here, np.array([1.0, 0, 0, 0, 0, 0]))
    np.testing.assert_allclose(moved[:3, 3], [0.15, 0.2, 0.9])
    turned = SCALE.action_to_target(here, np.array([0, 0, 0, 0, 0, 1.0]))
    assert rotation_angle(turned[:3, :3]) == pytest.approx(0.5)
    np.testing.assert_allclose(turned[:3, 0], [np.cos(0.5), np.sin(0.5), 0])


@given(vectors)
def test_the_fast_rotation_vectors_are_those_of_poses(vector):
    rotation = rotation_from_axis_angle(vector)
    np.testing.assert_allclose(eef_actions.rotation(vector), rotation, atol=1e-12)
    np.testing.assert_allclose(eef_actions.rotation_vector(rotation), axis_angle_from_rotation(rotation), atol=1e-7)


@given(st.sampled_from(np.eye(3).tolist()), st.floats(0, 1e-3))
def test_rotation_vectors_are_right_up_to_half_a_turn(axis, missing):
    vector = (np.pi - missing) * np.array(axis)
    found = eef_actions.rotation_vector(rotation_from_axis_angle(vector))
    np.testing.assert_allclose(np.abs(found), vector, atol=1e-7)


def test_a_target_that_is_no_number_asks_for_none():
    nowhere = np.full((4, 4), np.nan)
    assert np.isnan(SCALE.target_to_action(np.eye(4), nowhere)).all()


def test_a_target_of_the_wrong_shape_is_refused():
    with pytest.raises(ShapeError, match=r"target_in_world must have shape \(4, 4\), got \(3,\)"):
        SCALE.target_to_action(np.eye(4), np.zeros(3))


def test_an_action_of_the_wrong_length_is_refused():
    with pytest.raises(ShapeError, match=r"an arm's action must have shape \(6,\), got \(3,\)"):
        SCALE.action_to_target(np.eye(4), np.zeros(3))
