"""Waypoints, sequences and trajectories: how many there are, where they lie, what noise and gripper they have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_scene import CLOSE, OPEN, FakeScene
from trajloom.engine.waypoints import (
    NO_FRAME,
    NormalStream,
    Waypoint,
    WaypointSequence,
    WaypointTrajectory,
    bridge,
    command,
)
from trajloom.errors import SettingsError, ShapeError
from trajloom.poses import make, rotation_angle, rotation_from_axis_angle
from trajloom.seeding import rng_for

counts = st.integers(0, 6)


def at(x: float, turn: float = 0.0) -> np.ndarray:
    return make(np.array([x, 0.0, 0.2]), rotation_from_axis_angle(np.array([0.0, 0.0, turn])))


def line(*xs: float, noise: float = 0.0, gripper: np.ndarray = OPEN) -> WaypointTrajectory:
    """A trajectory along the x axis."""
    made = WaypointTrajectory()
    poses, grippers = np.stack([at(x) for x in xs]), np.repeat(gripper[None], len(xs), axis=0)
    made.add_waypoint_sequence(WaypointSequence.from_poses(poses, grippers, noise, np.arange(len(xs))))
    return made


def xs_of(trajectory: WaypointTrajectory) -> list[float]:
    return [round(float(one.pose[0, 3]), 9) for one in trajectory.get_full_sequence()]


def test_noise_is_one_number_or_one_a_step():
    poses, grippers = np.stack([at(0), at(1)]), np.zeros((2, 1))
    for noise in (np.array([0.1, 0.2]), np.array([[0.1], [0.2]])):
        assert [one.noise for one in WaypointSequence.from_poses(poses, grippers, noise)] == [0.1, 0.2]
    assert [one.noise for one in WaypointSequence.from_poses(poses, grippers, 0.3)] == [0.3, 0.3]


def test_arrays_that_are_not_equally_long_are_refused():
    with pytest.raises(ShapeError, match=r"must be equally long, got \[2, 3, 2, 2\]"):
        WaypointSequence.from_poses(np.stack([at(0), at(1)]), np.zeros((3, 1)), 0.0)


@given(st.integers(0, 5), st.integers(0, 5))
def test_a_split_sequence_added_up_is_the_same(length, ind):
    sequence = WaypointSequence(Waypoint(at(x), OPEN) for x in range(length))
    if ind > length:
        with pytest.raises(IndexError, match=f"cannot split {length} waypoints at {ind}"):
            sequence.split(ind)
        return
    first, rest = sequence.split(ind)
    assert (len(first), len(rest)) == (ind, length - ind)
    assert list(first + rest) == list(sequence)


def test_sequences_are_read_like_lists():
    sequence = line(0, 1, 2).get_full_sequence()
    assert sequence[1].source_frame == 1
    assert [one.source_frame for one in sequence[1:]] == [1, 2]
    assert sequence.last_waypoint is sequence[-1]
    assert sequence[0].noise == 0.0
    assert Waypoint(at(0), np.array(1.0)).noise is None
    assert Waypoint(at(0), np.array(1.0)).gripper_action.shape == (1,)


def test_the_first_waypoint_is_taken_away_once():
    trajectory = line(0, 1)
    assert [one.source_frame for one in trajectory.pop_first()] == [0]
    assert xs_of(trajectory) == [1.0]
    trajectory.pop_first()
    assert len(trajectory) == 0


@given(st.integers(1, 8))
def test_a_target_pose_is_reached_in_equal_steps(num_steps):
    trajectory = line(0)
    trajectory.add_waypoint_sequence_for_target_pose(at(1.0), CLOSE, num_steps, action_noise=0.2)
    assert np.allclose(xs_of(trajectory), np.arange(num_steps + 1) / num_steps)
    steps = trajectory.waypoint_sequences[-1]
    assert all(one.gripper_action == CLOSE and one.noise == 0.2 and one.source_frame == NO_FRAME for one in steps)


def test_a_target_pose_can_be_repeated_instead():
    trajectory = WaypointTrajectory()
    trajectory.add_waypoint_sequence_for_target_pose(at(1.0), OPEN, 3, skip_interpolation=True)
    assert xs_of(trajectory) == [1.0, 1.0, 1.0]


def test_there_must_be_something_to_interpolate_from():
    with pytest.raises(SettingsError, match="empty trajectory has no last waypoint"):
        WaypointTrajectory().add_waypoint_sequence_for_target_pose(at(1.0), OPEN, 3)
    with pytest.raises(SettingsError, match="num_steps must be >= 1, got 0"):
        line(0).add_waypoint_sequence_for_target_pose(at(1.0), OPEN, 0)


@given(counts, counts, st.integers(1, 4))
def test_merge_adds_the_bridge_the_repeats_and_the_other_trajectory(num_interp, num_fixed, length):
    trajectory, other = line(0), line(*(1.0 + t for t in range(length)), gripper=CLOSE, noise=0.3)
    trajectory.merge(other, num_interp, num_fixed, action_noise=0.1)
    assert len(trajectory) == 1 + num_interp + num_fixed + length
    xs = xs_of(trajectory)
    bridge_xs = [k / (num_interp + 1) for k in range(1, num_interp + 1)]
    assert np.allclose(xs, [0.0, *bridge_xs, *[1.0] * num_fixed, *(1.0 + t for t in range(length))])
    added = list(trajectory.get_full_sequence())[1:]
    assert all(one.gripper_action == CLOSE for one in added)
    assert [one.noise for one in added] == [0.1] * (num_interp + num_fixed) + [0.3] * length
    assert [one.source_frame for one in added] == [NO_FRAME] * (num_interp + num_fixed) + list(range(length))
    assert len(other) == length


def test_merging_nothing_changes_nothing():
    trajectory = line(0, 1)
    trajectory.merge(WaypointTrajectory(), 5)
    assert len(trajectory) == 2


def test_a_small_turn_is_spread_evenly_and_made_at_once_only_as_the_original_did():
    small, large = at(1.0, 0.04), at(1.0, 0.06)
    turn = lambda poses: rotation_angle(poses[:, :3, :3])  # noqa: E731
    assert np.allclose(turn(bridge(at(0), small, 4)), [0.01, 0.02, 0.03, 0.04])
    assert np.allclose(turn(bridge(at(0), small, 4, "mimicgen")), 0.04)
    assert np.allclose(turn(bridge(at(0), large, 4, "mimicgen")), turn(bridge(at(0), large, 4)))


def test_noise_goes_to_the_arm_alone_and_stays_in_bounds():
    scene = FakeScene()
    far = {"robot0": Waypoint(at(9.0), CLOSE, noise=0.5)}
    actions = np.stack([command(scene, far, {"robot0": rng_for(k)}) for k in range(200)])
    assert np.abs(actions).max() <= 1.0
    assert (actions[:, 6] == 1.0).all()
    assert 0.2 < np.std(actions[:, 1]) < 0.5
    # clipped to 1 before the noise, so about half of the draws bring it below
    assert 0.4 < np.mean(actions[:, 0] == 1.0) < 0.6


def test_without_noise_nothing_is_drawn():
    scene, rng = FakeScene(), rng_for(1)
    for noise in (None, 0.0):
        command(scene, {"robot0": Waypoint(at(0.1), OPEN, noise)}, {"robot0": rng})
    assert rng.random() == rng_for(1).random()


def test_execute_follows_the_waypoints_and_returns_what_mimicgen_returns():
    scene = FakeScene()
    start = scene.eef_pose()["robot0"]
    trajectory = WaypointTrajectory()
    trajectory.add_waypoint_sequence(WaypointSequence([Waypoint(start, OPEN)]))
    target = make(start[:3, 3] + np.array([0.1, 0.0, 0.0]), start[:3, :3])
    trajectory.add_waypoint_sequence_for_target_pose(target, OPEN, 4)
    trajectory.pop_first()
    results = trajectory.execute(scene, scene)
    assert set(results) == {"states", "observations", "datagen_infos", "actions", "success"}
    assert [len(results[name]) for name in ("states", "observations", "datagen_infos", "actions")] == [4] * 4
    assert np.allclose(scene.eef_pose()["robot0"], target)
    assert results["success"] is False
    # everything but the action is from before the step
    assert np.allclose(results["datagen_infos"][0].eef_pose, start)
    assert np.allclose(results["datagen_infos"][-1].target_pose, target)
    assert np.allclose(results["observations"][0]["robot0_eef_pos"], start[:3, 3])


def test_executing_with_noise_repeats_with_the_global_seed():
    def run() -> np.ndarray:
        np.random.seed(4)  # noqa: NPY002
        scene = FakeScene()
        return np.stack(line(0.0, 0.01, noise=0.1).execute(scene, scene)["actions"])

    assert np.array_equal(run(), run())


class _Screen(FakeScene):
    """A scene that can be looked at."""

    def render(self, mode: str, camera_name: str | None, height: int = 2, width: int = 3) -> np.ndarray:
        return np.full((4, 5, 3), len(camera_name or ""), dtype=np.uint8)


class _Frames:
    """Where a video goes."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def append_data(self, frame: np.ndarray) -> None:
        self.frames.append(frame)


def test_a_video_has_every_fifth_step_and_its_cameras_side_by_side():
    scene, video = _Screen(), _Frames()
    line(*np.linspace(0, 0.1, 11)).execute(scene, scene, render=True, video_writer=video, camera_names=["a", "bb"])
    assert [frame.shape for frame in video.frames] == [(4, 10, 3)] * 3
    assert video.frames[0][0, :, 0].tolist() == [1] * 5 + [2] * 5


def test_a_scene_that_cannot_be_looked_at_says_so():
    with pytest.raises(SettingsError, match="cannot render: FakeScene has no render"):
        line(0).execute(FakeScene(), FakeScene(), render=True)
    with pytest.raises(SettingsError, match="a video needs camera_names"):
        line(0).execute(_Screen(), _Screen(), video_writer=_Frames())


def test_noise_drawn_ahead_is_noise_drawn_step_by_step():
    ahead, plain = NormalStream(np.random.default_rng(3)), np.random.default_rng(3)
    for count in [6] * 250 + [7, 1000, 3]:
        np.testing.assert_array_equal(ahead.standard_normal(count), plain.standard_normal(count))
