"""The geometry of scripted motions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trajloom.sim.expert import downward, heading, nearest, opening_steps, soft

ANGLES = st.floats(-10, 10)


@given(st.integers(1, 200))
def test_a_motion_goes_forward_all_the_time_and_ends_exactly(steps):
    fractions = soft(steps)
    assert fractions.shape == (steps,)
    assert fractions[-1] == 1.0
    assert np.all(np.diff(fractions, prepend=0.0) > 0)


@given(st.integers(8, 200))
def test_a_motion_starts_and_ends_softly(steps):
    speeds = np.diff(soft(steps), prepend=0.0)
    assert max(speeds[0], speeds[-1]) < 0.9 * speeds.max() < 2 / steps


@given(ANGLES, st.floats(0.1, 7), ANGLES)
def test_the_nearest_angle_differs_by_whole_periods_and_at_most_half_of_one(yaw, period, to):
    found = nearest(yaw, period, to)
    assert abs(found - to) <= period / 2 + 1e-9
    turns = (found - yaw) / period
    assert abs(turns - round(turns)) < 1e-9


@given(ANGLES)
def test_a_downward_hand_points_down_with_its_fingers_at_the_angle(yaw):
    rotation = downward(yaw)
    np.testing.assert_allclose(rotation[:, 2], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert abs(np.angle(np.exp(1j * (heading(rotation) - yaw)))) < 1e-9


def test_a_pandas_hand_is_opened_by_so_many_steps():
    assert [opening_steps(width, 0.08) for width in (0.04, 0.064, 0.072, 0.08)] == [0, 3, 4, 5]


@given(st.floats(0, 0.2), st.floats(0.05, 0.15))
def test_a_hand_is_opened_no_more_than_needed_and_no_further_than_it_goes(width, opening):
    steps = opening_steps(width, opening)
    assert 0 <= steps <= 5
    reached = opening / 2 * (1 + 0.2 * steps)
    assert reached >= min(width, opening) - 1e-6
    assert steps == 0 or reached - 0.1 * opening < min(width, opening)
