"""Laws of rigid transforms, with an independent check by matrix exponentials in their series form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trajloom import poses
from trajloom.errors import ShapeError

coordinates = st.floats(-3.0, 3.0, allow_nan=False)
vectors = hnp.arrays(np.float64, 3, elements=coordinates)
angles = st.floats(1e-9, np.pi - 1e-3)


@st.composite
def axes(draw: st.DrawFn) -> np.ndarray:
    """A unit vector."""
    vector = draw(vectors.filter(lambda v: np.linalg.norm(v) > 0.1))
    return vector / np.linalg.norm(vector)


@st.composite
def transforms(draw: st.DrawFn) -> np.ndarray:
    """A rigid transform (4, 4)."""
    return poses.make(draw(vectors), poses.rotation_from_axis_angle(draw(vectors)))


def series(axis_angle: np.ndarray) -> np.ndarray:
    """The matrix exponential of a rotation vector, by its power series."""
    x, y, z = axis_angle
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    total, term = np.eye(3), np.eye(3)
    for k in range(1, 60):
        term = term @ skew / k
        total = total + term
    return total


@given(vectors)
def test_a_rotation_vector_is_the_exponential_of_its_matrix(axis_angle):
    assert np.allclose(poses.rotation_from_axis_angle(axis_angle), series(axis_angle), atol=1e-9)


@given(axes(), angles)
def test_a_rotation_vector_comes_back(axis, angle):
    back = poses.axis_angle_from_rotation(poses.rotation_from_axis_angle(axis * angle))
    assert np.allclose(back, axis * angle, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_one_answer_whatever_the_rounding(axis):
    for nearly in (np.pi, np.pi - 1e-14, np.pi + 1e-14):
        turn = poses.axis_angle_from_rotation(poses.rotation_from_axis_angle(axis * nearly))
        assert np.allclose(turn, axis * np.pi, atol=1e-6)


@given(transforms())
def test_a_pose_times_its_inverse_is_the_identity(a_in_b):
    assert np.allclose(a_in_b @ poses.invert(a_in_b), np.eye(4), atol=1e-9)


@given(transforms(), transforms(), transforms())
def test_carry_keeps_the_eef_where_it_was_relative_to_the_object(eef, old, new):
    carried = poses.carry(eef, old, new)
    assert np.allclose(poses.invert(new) @ carried, poses.invert(old) @ eef, atol=1e-8)


@given(transforms(), transforms())
def test_carry_with_an_object_that_did_not_move_changes_nothing(eef, old):
    assert np.allclose(poses.carry(eef[None], old, old), eef, atol=1e-8)


@given(transforms(), transforms(), transforms())
def test_distance_does_not_depend_on_the_frame_that_both_are_seen_from(a, b, frame):
    assert np.isclose(poses.distance(frame @ a, frame @ b), poses.distance(a, b), atol=1e-6)


@given(transforms(), vectors, axes(), angles)
def test_distance_is_metres_plus_radians(a, shift, axis, angle):
    b = poses.make(a[:3, 3] + shift, poses.rotation_from_axis_angle(axis * angle) @ a[:3, :3])
    assert np.isclose(poses.distance(a, b, 2.0, 3.0), 2 * np.linalg.norm(shift) + 3 * angle, atol=1e-5)


@given(transforms(), transforms(), st.floats(0.0, 1.0))
def test_interpolation_goes_straight_and_turns_evenly(start, end, fraction):
    between = poses.interpolate(start, end, np.array([0.0, fraction, 1.0]))
    assert np.allclose(between[0], start, atol=1e-9)
    assert np.array_equal(between[2, :3, :3], end[:3, :3])
    assert np.allclose(between[1, :3, 3], (1 - fraction) * start[:3, 3] + fraction * end[:3, 3])
    whole = poses.rotation_angle(end[:3, :3] @ start[:3, :3].T)
    part = poses.rotation_angle(between[1, :3, :3] @ start[:3, :3].T)
    assert np.isclose(part, fraction * whole, atol=1e-6)


@given(axes(), st.floats(1e-7, 1e-2))
def test_interpolation_turns_evenly_also_where_the_turn_is_small(axis, angle):
    end = poses.make(np.zeros(3), poses.rotation_from_axis_angle(axis * angle))
    middle = poses.interpolate(np.eye(4), end, np.array([0.5]))[0]
    assert np.allclose(poses.axis_angle_from_rotation(middle[:3, :3]), axis * angle / 2, atol=1e-12, rtol=1e-6)


@given(vectors)
def test_quaternions_are_those_of_the_rotation(axis_angle):
    rotation = poses.rotation_from_axis_angle(axis_angle)
    quat_wxyz = poses.quat_from_rotation(rotation)
    assert quat_wxyz[0] >= 0
    assert np.allclose(poses.rotation_from_quat(3.0 * quat_wxyz), rotation, atol=1e-9)


def test_a_quarter_turn_about_z_has_its_textbook_quaternion():
    quat_wxyz = poses.quat_from_rotation(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    assert np.allclose(quat_wxyz, [np.sqrt(0.5), 0, 0, np.sqrt(0.5)])


def test_what_is_no_pose_is_refused_with_its_shape():
    with pytest.raises(ShapeError, match=r"a_in_b must have shape \(..., 4, 4\), got \(3, 3\)"):
        poses.invert(np.eye(3))
