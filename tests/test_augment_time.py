"""Time: other rates, other speeds, and pieces; actions still do what they did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenes
from conftest import examples
from scenes import applied, batch_of
from trajloom.augment import ActionConversion, RandomWindows, Resample, Subsample, TimeWarp
from trajloom.batch import Batch
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.osc import RecordedController
from trajloom.poses import axis_angle_from_rotation, rotation_from_axis_angle
from trajloom.schema import Column


def controller(batch: Batch) -> RecordedController:
    args = batch.header.env_args or {}
    return RecordedController.from_config(args["env_kwargs"]["controller_configs"], args["env_version"], 7)


def test_resampling_is_what_the_dataset_does():
    batch, source = batch_of((6, 0, 9)), scenes.source((6, 0, 9))
    wanted = Dataset(source).resample(15).source
    new = applied(Resample(hz=15), batch)
    assert new.header == wanted.header
    assert new.steps.equals(Batch.of(wanted.parts()[0], wanted.header).steps)


def test_conversion_is_what_the_dataset_does_and_goes_back():
    batch = batch_of((6, 0, 9))
    there = applied(ActionConversion(to="absolute"), batch)
    wanted = Dataset(scenes.source((6, 0, 9))).actions("absolute").source
    assert there.header == wanted.header
    assert there.steps.equals(Batch.of(wanted.parts()[0], wanted.header).steps)
    back = applied(ActionConversion(to="delta"), there)
    np.testing.assert_allclose(back.array("actions"), batch.array("actions"), atol=1e-9)
    with pytest.raises(SettingsError, match="already"):
        ActionConversion(to="delta").header(batch.header)


# ---- subsampling -----------------------------------------------------------------------------------------------


def test_every_third_step_does_what_the_three_did():
    batch = batch_of((7, 3, 1))
    new = applied(Subsample(every=3), batch)
    assert new.lengths.tolist() == [3, 1, 1]
    assert new.header.control_hz == pytest.approx(20 / 3)
    old, longer = controller(batch).command(batch.array("actions")), controller(new).command(new.array("actions"))
    np.testing.assert_allclose(longer[0, :3], old[:3, :3].sum(axis=0))
    first, second, third = rotation_from_axis_angle(old[:3, 3:])
    np.testing.assert_allclose(longer[0, 3:], axis_angle_from_rotation(third @ second @ first), atol=1e-12)
    np.testing.assert_allclose(longer[2], old[6], atol=1e-12)
    assert np.abs(new.array("actions")).max() <= 1
    np.testing.assert_array_equal(new.array("actions")[:, 6], batch.array("actions")[[2, 5, 6, 9, 10], 6])


def test_a_kept_step_is_seen_at_its_beginning_and_rewarded_for_all_of_it():
    batch = batch_of((7, 3, 1))
    new = applied(Subsample(every=3), batch)
    first, last = [0, 3, 6, 7, 10], [2, 5, 6, 9, 10]
    np.testing.assert_array_equal(new.array("obs/robot0_eef_pos"), batch.array("obs/robot0_eef_pos")[first])
    np.testing.assert_array_equal(new.array("datagen_info/target_pose"), batch.array("datagen_info/target_pose")[last])
    assert new.array("rewards").tolist() == [0, 0, 1, 1, 1]
    assert new.array("dones").tolist() == [0, 0, 1, 1, 1]
    assert new.steps.column("timestamp").to_pylist()[:3] == pytest.approx([0, 0.15, 0.3])


@given(st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=examples(15), deadline=None)
def test_subsampling_twice_is_subsampling_by_the_product(a, b):
    batch = batch_of((23,))
    twice = applied(Subsample(every=b), applied(Subsample(every=a), batch))
    once = applied(Subsample(every=a * b), batch)
    np.testing.assert_allclose(
        controller(twice).command(twice.array("actions")), controller(once).command(once.array("actions")), atol=1e-9
    )
    np.testing.assert_array_equal(twice.array("obs/robot0_eef_pos"), once.array("obs/robot0_eef_pos"))


def test_of_a_controller_that_is_not_known_the_user_says_what_becomes_of_actions():
    header = scenes.HEADER.with_(env_args=None)
    batch = batch_of((4,), header)
    acts = batch.array("actions")
    with pytest.raises(SettingsError, match="say what becomes of actions: sum, mean, last or first"):
        Subsample(every=2).header(header)
    summed = applied(Subsample(every=2, actions="sum", gripper=(6,)), batch).array("actions")
    np.testing.assert_allclose(summed[:, :6], acts[0::2, :6] + acts[1::2, :6])
    np.testing.assert_array_equal(summed[:, 6], acts[1::2, 6])
    mean = applied(Subsample(every=2, actions="mean", gripper=()), batch).array("actions")
    np.testing.assert_allclose(mean, (acts[0::2] + acts[1::2]) / 2)
    np.testing.assert_array_equal(applied(Subsample(every=2, actions="first"), batch).array("actions"), acts[0::2])


def test_of_target_poses_the_last_one_stands():
    absolute = applied(ActionConversion(to="absolute"), batch_of((5,)))
    new = applied(Subsample(every=2), absolute)
    np.testing.assert_array_equal(new.array("actions"), absolute.array("actions")[[1, 3, 4]])
    with pytest.raises(SettingsError, match="target poses cannot be composed"):
        Subsample(every=2, actions="compose").header(absolute.header)


# ---- time warp -------------------------------------------------------------------------------------------------


@given(st.floats(0, 1), st.integers(1, 8), st.integers(0, 1000))
@settings(max_examples=examples(25), deadline=None)
def test_a_warp_rises_from_the_beginning_to_the_end(sigma, knots, seed):
    edges = TimeWarp(sigma=sigma, knots=knots, stretch=(0.5, 2))._warp(np.random.default_rng(seed), 20)
    assert edges[0] == 0
    assert edges[-1] == 20
    assert (np.diff(edges) > 0).all()
    assert 10 <= len(edges) - 1 <= 40


def test_a_warp_of_no_strength_changes_nothing():
    batch = batch_of((6, 0, 1, 9))
    new = applied(TimeWarp(sigma=0), batch)
    np.testing.assert_allclose(new.array("actions"), batch.array("actions"), atol=1e-12)
    unlike = [name for name in batch.steps.column_names if not new.steps.column(name).equals(batch.steps.column(name))]
    assert set(unlike) <= {"actions"}


def test_delta_actions_add_up_to_the_same_whatever_the_speed():
    batch = batch_of((30, 1, 12))
    new = applied(TimeWarp(sigma=0.5, stretch=(0.4, 3)), batch)
    for at in range(3):
        old, warped = (one.array("actions")[one.starts[at] : one.starts[at + 1]] for one in (batch, new))
        np.testing.assert_allclose(warped[:, :6].sum(axis=0), old[:, :6].sum(axis=0), atol=1e-9)
        assert set(warped[:, 6]) <= {-1, 1}


def test_what_is_seen_lies_on_the_way_between_two_steps():
    batch = batch_of((40,))
    new = applied(TimeWarp(sigma=0.5), batch)
    seen, there = new.array("obs/robot0_eef_pos"), batch.array("obs/robot0_eef_pos")
    np.testing.assert_array_equal(seen[0], there[0])
    a, b = there[:-1], there[1:]
    share = np.clip(np.sum((seen[:, None] - a) * (b - a), axis=2) / np.sum((b - a) ** 2, axis=1), 0, 1)
    gap = np.linalg.norm(seen[:, None] - (a + share[..., None] * (b - a)), axis=2).min(axis=1)
    assert gap.max() < 1e-12
    quat = new.array("obs/robot0_eef_quat_site")
    np.testing.assert_allclose(np.linalg.norm(quat, axis=1), 1)
    images = {bytes(image) for image in batch.array("obs/agentview_image")}
    assert {bytes(image) for image in new.array("obs/agentview_image")} <= images


def test_a_warp_asks_what_unknown_actions_are():
    header = scenes.HEADER.with_(env_args=None)
    with pytest.raises(SettingsError, match="say what they are: actions=deltas or keep"):
        TimeWarp().header(header)
    kept = applied(TimeWarp(actions="keep"), batch_of((8,), header))
    assert kept.lengths.tolist() == [8]
    whole = Column(name="actions", dtype="int64", shape=(7,))
    with pytest.raises(SettingsError, match="actions are int64"):
        TimeWarp(actions="deltas").header(header.with_(steps=(whole,)))


# ---- windows ---------------------------------------------------------------------------------------------------


def test_windows_are_consecutive_steps_of_their_episode_under_numbers_of_their_own():
    batch = batch_of((20, 3, 0))
    new = applied(RandomWindows(length=5, count=3), batch)
    assert new.lengths.tolist() == [5, 5, 5, 3, 3, 3, 0, 0, 0]
    assert new.episode_index.tolist() == list(range(9))
    assert new.episodes.column("name").to_pylist()[:4] == [
        "demo_0_window_0", "demo_0_window_1", "demo_0_window_2", "demo_1_window_0",
    ]  # fmt: skip
    where = batch.array("obs/robot0_eef_pos")[:20].tolist()
    for at in range(3):
        found = [where.index(step) for step in new.array("obs/robot0_eef_pos")[5 * at : 5 * at + 5].tolist()]
        assert found == list(range(found[0], found[0] + 5))
    assert new.steps.column("frame_index").to_pylist()[:6] == [0, 1, 2, 3, 4, 0]


def test_windows_begin_anywhere_with_the_same_chance():
    batch = batch_of((10,))
    new = applied(RandomWindows(length=8, count=900), batch)
    where = batch.array("obs/robot0_eef_pos").tolist()
    begins = [where.index(step) for step in new.array("obs/robot0_eef_pos")[::8].tolist()]
    assert np.bincount(begins).min() > 250
    assert len(np.bincount(begins)) == 3


def test_short_episodes_stay_whole_or_go():
    new = applied(RandomWindows(length=5, short="drop"), batch_of((20, 3, 0, 5)))
    assert new.episode_index.tolist() == [0, 3]
    assert new.lengths.tolist() == [5, 5]
