"""The commands that make datasets out of datasets, as a user types them."""

import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import pytest
from typer.testing import CliRunner

import in_memory
import trajloom as tl
from trajloom.cli.main import typer_app
from trajloom.dataset import Dataset
from trajloom.errors import LossError, OutputExistsError, SettingsError, UnknownNameError
from trajloom.formats import Loss, hdf5

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def trajloom(*words: object):
    """Run a command here; what it raises comes out."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as for users; the command prints them
        done = CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def demos(path: Path) -> list[str]:
    with h5py.File(path) as file:
        return list(file["data"])


def test_convert_takes_some_episodes_some_columns_and_other_names(tmp_path):
    out = tmp_path / "some.hdf5"
    done = trajloom(
        "convert", HUMAN, out, "--episodes", "0-5", "--split", "train", "--where", "length > 55",
        "--columns", "actions", "--columns", "obs/robot0_eef_*", "--rename", "obs/=o/", "--rename", "actions=act",
    )  # fmt: skip
    assert done.stdout == f"{out}\n"
    assert demos(out) == ["demo_1", "demo_2", "demo_5"]
    with h5py.File(out) as file:
        assert sorted(file["data/demo_1"]) == ["act", "o"]
        assert "robot0_eef_pos" in file["data/demo_1/o"]


def test_convert_says_what_is_wrong_with_what_was_asked(tmp_path):
    out = tmp_path / "out.hdf5"
    with pytest.raises(UnknownNameError, match="no split named 'tain'; there are: train, valid"):
        trajloom("convert", HUMAN, out, "--split", "tain")
    with pytest.raises(SettingsError, match="is no condition on episodes"):
        trajloom("convert", HUMAN, out, "--where", "length >")
    with pytest.raises(UnknownNameError, match="no option for writing hdf5 named 'speed'"):
        trajloom("convert", HUMAN, out, "--to-option", "speed=1")
    with pytest.raises(UnknownNameError, match="no option for reading hdf5 named 'speed'"):
        trajloom("convert", HUMAN, out, "--from", "hdf5", "--from-option", "speed=1")
    with pytest.raises(UnknownNameError, match="no format named 'hdf9'"):
        trajloom("convert", HUMAN, out, "--from", "hdf9")
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rename", "actions"), "--rename takes NAME=VALUE, got 'actions'"),
        (("--rename", "a=b", "--rename", "a=c"), "--rename names 'a' twice"),
        (("--to-option", "overwrite=yes"), "--to-option overwrite: that is no setting of a format"),
    ],
)
def test_words_that_are_no_pairs_are_refused(words, said, tmp_path):
    refused = trajloom("convert", HUMAN, tmp_path / "out.hdf5", *words)
    assert refused.exit_code == 2
    assert said in refused.output


def losses(source, options=None) -> list[Loss]:
    return [Loss("forces have no place: obs/force"), Loss("units are text: obs/pose", kept_aside=True)]


def test_convert_says_before_it_writes_what_is_lost_and_what_is_kept_aside(tmp_path, monkeypatch):
    Dataset(in_memory.source()).write(tmp_path / "in")
    monkeypatch.setattr(hdf5, "losses", losses, raising=False)
    done = trajloom("convert", tmp_path / "in", tmp_path / "out.hdf5")
    assert done.stdout == f"{tmp_path / 'out.hdf5'}\n"
    lost, aside = done.stderr.splitlines()
    assert lost == "note: hdf5 cannot hold everything: forces have no place: obs/force; it is lost"
    assert aside.endswith("obs/pose; it is kept aside in the output, and reading that restores it")
    with pytest.raises(LossError, match="hdf5 cannot hold everything: forces have no place"):
        trajloom("convert", tmp_path / "in", tmp_path / "strict.hdf5", "--strict")
    assert not (tmp_path / "strict.hdf5").exists()


def test_merge_split_slice_and_drop_columns_do_what_their_functions_do(tmp_path):
    a, b, both = tmp_path / "a.hdf5", tmp_path / "b", tmp_path / "both.hdf5"
    trajloom("slice", HUMAN, a, "--start", "10", "--stop", "-5")
    trajloom("slice", HUMAN, b, "--start", "0.5", "--stop", "-0.25", "--seconds")
    assert tl.read(a).num_steps == tl.read(b).num_steps == 531 - 150
    assert trajloom("merge", a, b, HUMAN, both).stdout == f"{both}\n"
    assert demos(both) == sorted(f"demo_{i}" for i in range(30))
    trajloom("split", both, tmp_path / "split.hdf5", "--ratio", "0.5", "--seed", "4", "--keys", "one", "two")
    with h5py.File(tmp_path / "split.hdf5") as file:
        assert (len(file["mask/one"]), len(file["mask/two"])) == (15, 15)
    trajloom("drop-columns", both, tmp_path / "small", "--column", "next_obs/*", "--column", "states")
    left = {column.name for column in tl.read(tmp_path / "small").header.steps}
    assert "states" not in left
    assert not any(name.startswith("next_obs/") for name in left)


def test_merge_needs_two_datasets_and_an_output(tmp_path):
    refused = trajloom("merge", HUMAN, tmp_path / "out.hdf5")
    assert refused.exit_code == 2
    assert "give two datasets or more" in refused.output


@pytest.mark.parametrize("words", [("split",), ("slice", "--start", "1"), ("drop-columns", "--column", "states")])
def test_nothing_is_overwritten_unless_told_to(words, tmp_path):
    command, *more = words
    out = tmp_path / "out.hdf5"
    out.write_text("mine")
    with pytest.raises(OutputExistsError):
        trajloom(command, HUMAN, out, *more)
    assert out.read_text() == "mine"
    trajloom(command, HUMAN, out, *more, "--overwrite")
    assert len(demos(out)) == 10


def test_to_says_the_format_and_damaged_episodes_can_be_skipped(tmp_path):
    damaged = tmp_path / "damaged.hdf5"
    tl.read(HUMAN).write(damaged)
    with h5py.File(damaged, "r+") as file:
        del file["data/demo_3/actions"]
    trajloom("split", damaged, tmp_path / "out", "--to", "hdf5", "--on-error", "skip")
    assert len(demos(tmp_path / "out")) == 9


def test_notes_go_to_standard_error_and_the_path_alone_to_standard_output(tmp_path):
    words = ["slice", str(HUMAN), str(tmp_path / "out.hdf5"), "--start", "50"]
    done = subprocess.run(
        [sys.executable, "-m", "trajloom.cli.main", *words], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path / 'out.hdf5'}\n"
    assert done.stderr.startswith("note: 3 episodes have no frame in the slice and are dropped: demo_6, demo_7, demo_8")
    assert done.stderr.count("\n") == 1
