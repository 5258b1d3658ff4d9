"""The command line as a user types it, on real files."""

import inspect
import json
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from trajloom.cli.main import app, typer_app
from trajloom.engine.settings import Settings, bounds
from trajloom.errors import SettingsError
from trajloom.run import generate

ROOT = Path(__file__).parents[1]
HUMAN = ROOT / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def trajloom(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in this process."""
    out, err, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("default")  # as for users; the command prints them
        patch.setattr(sys, "argv", ["trajloom", *map(str, arguments)])
        try:
            app()
        except SystemExit as left:
            status = int(left.code or 0)
    return subprocess.CompletedProcess(sys.argv, status, out.getvalue(), err.getvalue())


def test_help_names_every_command_and_how_to_start():
    told = trajloom("--help").stdout
    assert all(name in told for name in ("annotate", "generate", "expert", "convert", "info", "stats", "compact"))
    assert "Start with" in told


def test_the_command_starts_where_no_source_is_installed():
    """The words of settings are read off their source; without it there are none, and all else is as ever."""
    code = (
        "import inspect, sys\n"
        "def without(_): raise OSError('could not get source code')\n"
        "inspect.getsource = without\n"
        "from trajloom.cli.main import app\n"
        "sys.argv[1:] = ['generate', '--help']\n"
        "app()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "--patience" in done.stdout


@pytest.mark.parametrize("command", [command.name for command in typer_app.registered_commands])
def test_the_help_of_a_command_has_an_example(command):
    told = CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, [command, "--help"])
    assert told.exit_code == 0
    assert f"trajloom {command}" in told.stdout.split("Example")[1]


@pytest.mark.parametrize("words", [("generate", "in", "out", "--task", "lift"), ("expert", "lift", "out")])
def test_a_loop_that_is_not_there_says_which_there_are(words):
    refused = CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, [*words, "--loop", "warp"])
    assert refused.exit_code == 2
    assert "'fast', 'exact' or 'robosuite'" in refused.output


def test_every_setting_of_attempts_is_an_argument_and_an_option_with_its_default():
    arguments = inspect.signature(generate).parameters
    options = {option.name: option for option in get_command(typer_app).commands["generate"].params}  # pyright: ignore
    settings = [field for field in fields(Settings) if field.name not in ("select_src_per_arm", "floor")]
    for name, default in ((field.name, field.default) for field in settings):
        # a switch may be left to the task and its config
        wanted = (default, None) if isinstance(default, bool) else (default,)
        assert arguments[name].default in wanted, name
        assert options[name].default in wanted, name
    for name, least in bounds().items():
        words = ["generate", "in", "out", "--task", "lift", options[name].opts[0], str(least - 1)]
        assert CliRunner().invoke(typer_app, words).exit_code == 2
        with pytest.raises(SettingsError, match=f"{name} must be >= {least}"):
            Settings(**{name: least - 1})


def test_a_choice_that_is_not_there_is_refused_as_a_word_of_the_command():
    refused = CliRunner(env={"COLUMNS": "200"}).invoke(
        typer_app, ["generate", "in", "out", "--task", "lift", "--compat", "x"]
    )
    assert refused.exit_code == 2
    assert "--compat" in refused.output
    assert "must be 'mimicgen', got 'x'" in refused.output


def test_convert_there_and_back_is_equal(tmp_path):
    from trajloom.formats.hdf5 import equal

    assert trajloom("convert", HUMAN, tmp_path / "demos").returncode == 0
    done = trajloom("convert", tmp_path / "demos", tmp_path / "again.hdf5")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'again.hdf5'}\n"  # nothing else: it can be piped
    assert equal(HUMAN, tmp_path / "again.hdf5") == []


def test_an_output_that_is_there_is_not_overwritten_unless_told_to(tmp_path):
    out = tmp_path / "demos.hdf5"
    out.write_text("mine")
    refused = trajloom("convert", HUMAN, out)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "demos.hdf5" in refused.stderr
    assert out.read_text() == "mine"
    assert trajloom("convert", HUMAN, out, "--overwrite").returncode == 0


def test_info_and_stats_print_json_for_other_programs():
    info = json.loads(trajloom("info", HUMAN, "--json").stdout)
    assert (info["format"], info["episodes"], info["steps"], info["env"]) == ("hdf5", 10, 531, "Lift")
    stats = json.loads(trajloom("stats", HUMAN, "--json").stdout)
    assert {row["column"] for row in stats["columns"]} == {"actions"}
    assert len(stats["columns"]) == 7


def test_a_file_that_is_not_there_is_one_line_on_standard_error():
    words = [sys.executable, "-m", "trajloom.cli.main", "info", "nowhere.hdf5"]
    failed = subprocess.run(words, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.startswith("trajloom: ")
    assert "nowhere.hdf5" in failed.stderr
    assert failed.stderr.count("\n") == 1


@pytest.mark.sim
def test_a_task_that_is_not_there_says_which_there_are(tmp_path):
    failed = trajloom("annotate", HUMAN, tmp_path / "out.hdf5", "--task", "juggle")
    assert "no task named 'juggle'; there are: door, lift" in failed.stderr
    assert not (tmp_path / "out.hdf5").exists()
