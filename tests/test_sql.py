"""`query.sql`, `trajloom sql` and `trajloom stats`, as a user types them."""

import base64
import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from in_memory import generated, source
from trajloom import query, store
from trajloom.cli.main import app, typer_app
from trajloom.dataset import Dataset
from trajloom.errors import OutputExistsError, SettingsError, ShapeError
from trajloom.tables import Rest

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated dataset of ours."""
    path = tmp_path_factory.mktemp("sql") / "data"
    store.write(generated([1, 3, 4], 8), str(path))
    return path


def asked(statement: str, dataset: Dataset | None = None) -> list[tuple[object, ...]]:
    return query.sql(dataset or Dataset(source()), statement).collect().rows()


def run(*words: object, stdin: str | None = None) -> str:
    done = CliRunner().invoke(typer_app, list(map(str, words)), input=stdin, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output or done.exception
    return done.stdout


# ---- statements ------------------------------------------------------------------------------------------------


def test_components_count_from_zero_as_in_numpy():
    rows = asked('SELECT actions[2], s."obs/pose"[0, 3] AS x FROM steps s WHERE episode_index = 2 ORDER BY frame_index')
    assert rows == [(-0.5 * i, pytest.approx(2 + 0.01 * i)) for i in range(4)]


def test_components_of_columns_that_episodes_lack_are_null():
    rows = asked('SELECT episode_index, max("obs/force"[1]) FROM steps GROUP BY episode_index ORDER BY episode_index')
    assert rows == [(0, 3.0), (1, None), (2, 4.0), (3, None), (4, 5.0)]


def test_components_of_episodes_columns_are_reached_and_tables_are_joined():
    rows = asked(
        'SELECT name, e."initial_state/states"[5], count(*) FROM steps JOIN episodes e USING (episode_index) '
        "GROUP BY ALL ORDER BY name LIMIT 2"
    )
    assert rows == [("demo_0", 5.0, 3), ("demo_1", 6.0, 1)]


@pytest.mark.parametrize(
    ("statement", "wanted"),
    [
        ("SELECT 'actions[0]' AS said FROM episodes LIMIT 1", [("actions[0]",)]),
        ("SELECT name FROM episodes -- actions[9]\nLIMIT 1", [("demo_0",)]),
        ("SELECT name FROM episodes /* actions[9] */ LIMIT 1", [("demo_0",)]),
        ("SELECT max(actions [ 0 ]) FROM steps WHERE episode_index = 0", [(0.2,)]),
        ("SELECT `obs/pose`[0,3] FROM steps WHERE episode_index = 1", [(1.0,)]),
    ],
)
def test_only_components_are_rewritten(statement: str, wanted: list[tuple[object, ...]]):
    assert asked(statement) == [
        tuple(map(pytest.approx, row)) if not isinstance(row[0], str) else row for row in wanted
    ]


def test_whole_tensors_are_lists():
    assert asked("SELECT actions FROM steps WHERE episode_index = 1") == [([0.0, 1.0, -0.0],)]


def test_attempts_and_what_is_made_when_asked_for_are_tables(stored: Path):
    from trajloom.dataset import read

    assert asked("SELECT success, count(*) FROM attempts GROUP BY success ORDER BY success", read(stored)) == [
        (False, 5), (True, 3)
    ]  # fmt: skip
    assert asked("SELECT * FROM rest", read(stored)) == []
    human = read(HUMAN)
    assert asked("SELECT count(*) FROM initial_poses", human) == [(10,)]
    assert asked("SELECT count(*) FROM eef_motion m JOIN action_motion a USING (episode_index)", human) == [(10,)]


def test_rest_is_a_table():
    rest = [Rest("odd/array", "<f8", (2,), bytes(16), 1, {"unit": "m"}), Rest("odd/group", "group", None, None)]
    found = asked("SELECT episode_index, path, shape FROM rest ORDER BY path", Dataset(source(rest_rows=rest)))
    assert found == [(1, "odd/array", [2]), (None, "odd/group", None)]


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT wings FROM steps", "SELECT 1 FROM flights", ""])
def test_what_cannot_be_answered_names_tables_and_columns(statement: str):
    with pytest.raises(SettingsError) as error:
        asked(statement)
    for words in (statement, "steps (episode_index, frame_index", "obs/pose", "episodes (", "attempts (", "rest ("):
        assert words in str(error.value)


def test_a_component_that_is_not_there_says_which_are():
    with pytest.raises(ShapeError, match=r"actions\[0\] to actions\[2\]"):
        asked("SELECT actions[3] FROM steps")
    with pytest.raises(ShapeError, match=r"obs/pose\[0, 0\] to obs/pose\[3, 3\]"):
        asked('SELECT "obs/pose"[3] FROM steps')
    with pytest.raises(ShapeError, match="obs/image is an image"):
        asked('SELECT "obs/image"[3] FROM steps')


def test_a_statement_is_lazy(tmp_path: Path):
    from trajloom.dataset import read

    store.write(source(), str(tmp_path / "data"))
    found = query.sql(read(tmp_path / "data"), "SELECT max(actions[0]) FROM steps")
    assert isinstance(found, pl.LazyFrame)
    assert found.collect().item() == pytest.approx(0.4)


# ---- the command -----------------------------------------------------------------------------------------------


def test_csv_spreads_tensors_and_json_keeps_them(stored: Path):
    statement = (
        'SELECT actions, "obs/image", splits, 0.5 AS half FROM steps JOIN episodes USING (episode_index) '
        "ORDER BY episode_index, frame_index LIMIT 2"
    )
    rows = list(csv.DictReader(io.StringIO(run("sql", stored, statement, "--format", "csv"))))
    assert list(rows[0]) == ["actions[0]", "actions[1]", "actions[2]", "obs/image", "splits", "half"]
    assert (rows[1]["actions[0]"], rows[0]["splits"], rows[0]["half"]) == ("0.1", "[]", "0.5")
    assert len(base64.b64decode(rows[0]["obs/image"])) == 60
    lines = [json.loads(line) for line in run("sql", stored, statement, "-f", "json").splitlines()]
    assert lines[1]["actions"] == [0.1, 1.0, -0.5]
    assert lines[0]["splits"] == []
    assert lines[0]["obs/image"] == rows[0]["obs/image"]


def test_numbers_that_json_cannot_say_are_null(stored: Path):
    line = run("sql", stored, "SELECT ln(frame_index) AS x FROM steps LIMIT 1", "-f", "json")
    assert json.loads(line) == {"x": None}


def test_a_statement_may_come_from_standard_input_and_a_table_is_cut(stored: Path):
    told = run("sql", HUMAN, "-", stdin="SELECT frame_index FROM steps")
    assert told.count("\n") == 2 + 50 + 1


def test_an_answer_is_a_file_whole_or_not_at_all(stored: Path, tmp_path: Path):
    out = tmp_path / "answer.parquet"
    assert run("sql", HUMAN, "SELECT name, length FROM episodes", "--out", out) == f"{out}\n"
    assert pl.read_parquet(out).shape == (10, 2)
    with pytest.raises(OutputExistsError):
        query.save(Dataset(source()), pl.LazyFrame(), str(out), "parquet")
    words = ["sql", str(HUMAN), "SELECT frame_index / 0.0 FROM steps", "-o", str(tmp_path / "new.csv")]
    assert CliRunner().invoke(typer_app, words).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["answer.parquet"]
    with pytest.raises(SettingsError, match="is what is read"):
        query.save(Dataset(store.open_store(str(stored))), pl.LazyFrame(), str(stored / "x.csv"), "csv")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "xml"), "--format is table, csv, json or parquet"),
        (("--out", "answer.txt"), "say with --format"),
        (("--format", "parquet"), "parquet needs a file"),
    ],
)
def test_shapes_that_are_not_there_are_refused(words: tuple[str, ...], said: str):
    refused = CliRunner().invoke(typer_app, ["sql", str(HUMAN), "SELECT 1 FROM steps", *words], env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert said in refused.output


def test_what_cannot_be_computed_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("sys.argv", ["trajloom", "sql", str(HUMAN), "SELECT frame_index / 0.0 FROM steps"])
    with pytest.raises(SystemExit) as left:
        app()
    assert left.value.code == 1
    told = capsys.readouterr().err
    assert told.startswith("trajloom: this cannot be computed: division by zero")
    assert told.count("\n") == 1


# ---- stats -----------------------------------------------------------------------------------------------------


def test_stats_show_what_is_asked_for(stored: Path):
    found = json.loads(run("stats", stored, "--show", "all", "--json", "--quantiles", "0.25,0.5"))
    assert list(found) == [
        "outcome", "causes of failure", "successes by source", "successes by segment", "tries by subtask",
        "tries by source, the worst first", "lengths", "columns", "action saturation", "motion", "initial object poses",
        "coverage of initial positions", "duplicates", "near duplicates",
    ]  # fmt: skip
    assert [row["source_episode"] for row in found["successes by source"]] == [0, 1, 2]
    assert [row["attempts"] for row in found["successes by segment"]] == [3, 3, 2] * 2
    assert set(found["columns"][0]) >= {"q25", "q50"}


def test_stats_of_one_table_are_csv_for_a_pipe():
    rows = list(csv.DictReader(io.StringIO(run("stats", HUMAN, "--csv", "--column", "obs/robot0_eef_pos"))))
    assert [row["index"] for row in rows] == ["[0]", "[1]", "[2]"]
    assert np.isfinite([float(row["q50"]) for row in rows]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--show", "wings"), "--show knows causes"),
        (("--csv", "--show", "causes,lengths"), "--csv prints one table"),
        (("--quantiles", "many"), "--quantiles takes numbers"),
    ],
)
def test_stats_refuse_what_they_do_not_know(words: tuple[str, ...], said: str):
    refused = CliRunner().invoke(typer_app, ["stats", str(HUMAN), *words], env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert said in refused.output


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path):
    words = [sys.executable, "-m", "trajloom.cli.main", "sql", str(HUMAN), "SELECT * FROM steps", "-f", "json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith('{"episode_index":0,')
        process.stdout.close()
        assert process.stderr.read() == ""
