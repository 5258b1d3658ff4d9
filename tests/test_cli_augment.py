"""`trajloom augment` as a user types it; and the augmentations in a pipeline, on real demonstrations."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import trajloom as tl
from trajloom.cli.main import typer_app
from trajloom.errors import OutputExistsError, SettingsError, UnknownNameError

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def trajloom(*words: object):
    """Run a command here; what it raises comes out."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_augmentations_follow_each_other_over_a_file(tmp_path):
    out = tmp_path / "more"
    done = trajloom(
        "augment", HUMAN, out, "--seed", 7, "--workers", 1,
        "--add", "filter:where=length > 45 and name != 'demo_0'",
        "--add", "mirror:unknown=drop",
        "--add", "random_windows:length=10,count=2",
        "--add", "goal:columns=obs/robot0_eef_pos",
    )  # fmt: skip
    assert done.stdout == f"{out}\n"
    new, old = tl.read(out), tl.read(HUMAN)
    kept = [row["episode_index"] for row in old.episodes().collect().to_dicts() if row["length"] > 45][1:]
    assert new.episodes().collect()["episode_index"].to_list() == [2 * k + i for k in kept for i in (0, 1)]
    found = new.episode(2 * kept[0])
    there = old.episode(kept[0])
    np.testing.assert_array_equal(found["goal"]["robot0_eef_pos"], np.tile(found["obs"]["robot0_eef_pos"][-1], (10, 1)))
    begin = np.flatnonzero(there["obs"]["robot0_eef_pos"][:, 0] == found["obs"]["robot0_eef_pos"][0, 0])[0]
    wanted = there["actions"][begin : begin + 10] * [1, -1, 1, -1, 1, -1, 1]
    np.testing.assert_allclose(found["actions"], wanted, atol=1e-12)


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trajloom("augment", HUMAN, tmp_path / name, "--add", "action_noise:sigma=0.1", "--seed", seed, "--workers", 1)
    first, again, other = (
        tl.read(tmp_path / name).steps().select("actions").collect().to_arrow() for name in ("a", "b", "c")
    )
    assert first.equals(again)
    assert not first.equals(other)


def test_a_plan_is_printed_and_nothing_done(tmp_path):
    steps = ("--add", "balance:by=task", "--add", "subsample:every=2")
    done = trajloom("augment", HUMAN, tmp_path / "none", *steps, "--plan")
    assert "Balance" in done.stdout
    assert "Subsample" in done.stdout
    assert not (tmp_path / "none").exists()


def test_the_list_says_every_augmentation_and_setting():
    said = trajloom("augment", "--list").stdout
    assert "action_noise: Add noise to every arm action" in said
    assert "    sigma: a number; needed" in said
    assert "    yaw_rad: a number+a number; " in said
    assert "    kind: gaussian, uniform or correlated; gaussian unless given" in said
    assert "copies" not in said


def test_what_cannot_be_done_is_said_before_anything_is(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match="no augmentation named 'nois'; there are: action_conversion"):
        trajloom("augment", HUMAN, out, "--add", "nois")
    with pytest.raises(SettingsError, match="not known how states would be moved"):
        trajloom("augment", HUMAN, out, "--add", "scene_transform")
    with pytest.raises(SettingsError, match=r"\* fits no column of images; there are: none"):
        trajloom("augment", HUMAN, out, "--add", "crop:height=10,width=10")
    assert not out.exists()
    (tmp_path / "there.hdf5").write_text("mine")
    with pytest.raises(OutputExistsError):
        trajloom("augment", HUMAN, tmp_path / "there.hdf5", "--add", "goal")
    assert (tmp_path / "there.hdf5").read_text() == "mine"
