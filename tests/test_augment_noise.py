"""Noise: its distribution, what it leaves alone, and labels that follow it."""

import numpy as np
import pytest

import scenes
from scenes import applied, batch_of
from trajloom.augment import ActionNoise, ObservationNoise
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.osc import RecordedController
from trajloom.poses import axis_angle_from_rotation, rotation_from_quat
from trajloom.schema import Column

GOLDEN_NOISE = [1.291501583882, -1.180578816384, -0.116178537455]
TWO_ARMS = {
    **scenes.ENV_ARGS,
    "env_kwargs": {"robots": ["Panda", "Panda"], "controller_configs": {**scenes.CONTROLLER, "type": "OSC_POSITION"}},
}


def change(batch, new, name):
    return new.array(name).astype(np.float64) - batch.array(name)


def test_action_noise_has_the_asked_deviation_and_leaves_the_gripper_alone():
    batch = batch_of((2000,))
    noise = change(batch, applied(ActionNoise(sigma=0.05), batch), "actions")
    assert not noise[:, 6].any()
    np.testing.assert_allclose(noise[:, :6].std(axis=0), 0.05, rtol=0.06)
    np.testing.assert_allclose(noise[:, :6].mean(axis=0), 0, atol=0.005)


def test_action_noise_is_the_same_in_every_release():
    noise = change(batch_of((1,)), applied(ActionNoise(sigma=1), batch_of((1,))), "actions")
    np.testing.assert_allclose(noise[0, :3], GOLDEN_NOISE, rtol=1e-11)


def test_uniform_noise_ends_where_it_must():
    batch = batch_of((2000,))
    noise = change(batch, applied(ActionNoise(sigma=0.1, kind="uniform"), batch), "actions")[:, :6]
    assert np.abs(noise).max() <= 0.1 * np.sqrt(3) + 1e-12
    np.testing.assert_allclose(noise.std(), 0.1, rtol=0.03)


def test_noisy_actions_can_be_kept_within_limits():
    acts = applied(ActionNoise(sigma=5, limits=(-1, 1)), batch_of((50,))).array("actions")
    assert np.abs(acts).max() == 1


def test_which_numbers_are_the_grippers_is_said_by_the_controller_or_by_the_user():
    actions = Column(name="actions", dtype="float32", shape=(8,))
    two = scenes.HEADER.with_(steps=(actions,), env_args=TWO_ARMS)
    members = scenes.MemoryEpisode(scenes.episode(0, 5).row, {"actions": np.zeros((5, 8), np.float32)})
    batch = scenes.Batch.of(scenes.MemorySource(two, [members]).parts()[0], two)
    assert np.flatnonzero(applied(ActionNoise(sigma=1), batch).array("actions").any(axis=0)).tolist() == [
        0,
        1,
        2,
        4,
        5,
        6,
    ]
    told = applied(ActionNoise(sigma=1, gripper=(-1,)), batch).array("actions")
    assert np.flatnonzero(told.any(axis=0)).tolist() == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(SettingsError, match=r"in env_args; there are none; say .*gripper=\(\.\.\.\)"):
        ActionNoise(sigma=1).header(two.with_(env_args=None))
    with pytest.raises(SettingsError, match=r"gripper \[9\] is beyond actions, which have 8 numbers"):
        ActionNoise(sigma=1, gripper=(9,)).header(two)


def test_relabelled_targets_are_what_the_controller_makes_of_the_noisy_action():
    batch = batch_of((20, 0, 5))
    plain, new = applied(ActionNoise(sigma=0.2), batch), applied(ActionNoise(sigma=0.2, relabel=True), batch)
    np.testing.assert_array_equal(plain.array("actions"), new.array("actions"))
    np.testing.assert_array_equal(plain.array("datagen_info/target_pose"), batch.array("datagen_info/target_pose"))
    controller = RecordedController.from_config(scenes.CONTROLLER, "1.4.1", 7)
    wanted = controller.target_pose(batch.array("datagen_info/eef_pose"), new.array("actions"), np.eye(4))
    np.testing.assert_allclose(new.array("datagen_info/target_pose"), wanted)


def test_relabelling_is_refused_where_there_is_nothing_to_relabel():
    steps = tuple(column for column in scenes.HEADER.steps if column.name != "datagen_info/target_pose")
    with pytest.raises(SettingsError, match="neither datagen_info/target_pose nor actions_abs"):
        ActionNoise(sigma=1, relabel=True).header(scenes.HEADER.with_(steps=steps))
    dicts = Column(name="action_dict/rel_pos", dtype="float32", shape=(3,))
    with pytest.raises(SettingsError, match="cannot compute action_dict/rel_pos anew"):
        ActionNoise(sigma=1, relabel=True).header(scenes.HEADER.with_(steps=(*scenes.HEADER.steps, dicts)))


def test_correlated_noise_keeps_its_deviation_and_forgets_at_the_asked_pace():
    batch = batch_of((4000,))
    asked = ObservationNoise(columns=("obs/robot0_eef_pos",), sigma=0.01, kind="correlated", correlation_steps=5)
    noisy = applied(asked, batch)
    noise = change(batch, noisy, "obs/robot0_eef_pos")
    np.testing.assert_allclose(noise.std(), 0.01, rtol=0.08)
    for lag in (1, 5):
        found = (noise[lag:] * noise[:-lag]).mean() / noise.var()
        assert abs(found - np.exp(-lag / 5)) < 0.06


def test_every_episode_begins_its_correlated_noise_anew_with_the_full_deviation():
    batch = batch_of((2,) * 150)
    noisy = applied(ObservationNoise(columns=("obs/robot0_joint_pos",), sigma=1, kind="correlated"), batch)
    noise = change(batch, noisy, "obs/robot0_joint_pos")
    np.testing.assert_allclose(noise[::2].std(), 1, rtol=0.07)
    assert abs(np.mean(noise[1:-1:2] * noise[2::2])) < 0.08


def test_noise_on_a_rotation_turns_it_by_the_asked_angle_and_leaves_a_rotation():
    batch = batch_of((3000,))
    new = applied(
        ObservationNoise(columns=("obs/*quat_site", "datagen_info/eef_pose"), sigma=0.5, sigma_rad=0.02), batch
    )
    quats = [one.array("obs/robot0_eef_quat_site")[:, [3, 0, 1, 2]] for one in (batch, new)]
    np.testing.assert_allclose(np.linalg.norm(quats[1], axis=1), 1)
    assert (np.sum(quats[0] * quats[1], axis=1) > 0).all()
    old, turned = rotation_from_quat(quats[0]), rotation_from_quat(quats[1])
    np.testing.assert_allclose(axis_angle_from_rotation(turned @ np.swapaxes(old, 1, 2)).std(), 0.02, rtol=0.05)
    pose = new.array("datagen_info/eef_pose")
    squares = pose[:, :3, :3] @ np.swapaxes(pose[:, :3, :3], 1, 2)
    np.testing.assert_allclose(squares, np.tile(np.eye(3), (3000, 1, 1)), atol=1e-12)
    np.testing.assert_allclose((pose - batch.array("datagen_info/eef_pose"))[:, :3, 3].std(), 0.5, rtol=0.05)
    np.testing.assert_array_equal(pose[:, 3], np.tile([0, 0, 0, 1], (3000, 1)))


def test_absent_observations_stay_absent_and_other_columns_stay():
    batch = batch_of((3, 3))
    new = applied(ObservationNoise(columns=("obs/*",), sigma=0.1), batch)
    assert new.has("obs/cube_pos").tolist() == [True] * 3 + [False] * 3
    assert new.steps.column("actions").equals(batch.steps.column("actions"))
    assert new.steps.column("obs/agentview_image").equals(batch.steps.column("obs/agentview_image"))


def test_columns_that_are_no_floats_or_not_there_are_refused_by_name():
    with pytest.raises(SettingsError, match=r"floats that are no images is needed: dones is int64 \(\)"):
        ObservationNoise(columns=("dones",), sigma=1).header(scenes.HEADER)
    with pytest.raises(UnknownNameError, match=r"no column in steps named 'obs/none\*'; there are: actions"):
        ObservationNoise(columns=("obs/none*",), sigma=1).header(scenes.HEADER)
    with pytest.raises(SettingsError, match="kind must be one of gaussian, uniform, correlated, got 'pink'"):
        ObservationNoise(columns=("obs/*",), sigma=1, kind="pink")  # type: ignore[arg-type]
