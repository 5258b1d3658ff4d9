"""Runs whose attempts go back and learn from earlier rounds: the same bytes in any order, and for any stops between."""

import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import trajloom as tl
from lift_runs import hashes
from trajloom import query
from trajloom.cli.main import typer_app
from trajloom.errors import SettingsError
from trajloom.generation.recipe import Recipe
from trajloom.run import generate
from trajloom.sim import tasks
from trajloom.task import TaskSpec

pytestmark = [pytest.mark.sim, pytest.mark.cluster]


def noisy_lift() -> TaskSpec:
    """Lift with so much noise that grasps fail."""
    return TaskSpec.single_arm(*(replace(one, action_noise=0.6) for one in tasks.get("lift").spec.subtasks["robot0"]))


def run(sources: str, out: Path, attempts: int = 8, **options) -> Path:
    generate(
        sources, out, task="lift", attempts=attempts, seed=3, unit=2, spec=noisy_lift(), tries=3, adapt=True, round=4,
        select_src_per_subtask=True, **options,
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def reference(sources: str, two_threads: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight attempts in two rounds, made on two threads at a time."""
    return run(sources, tmp_path_factory.mktemp("run") / "out", scheduler=two_threads)


def test_rounds_made_one_unit_after_another_are_those_made_at_once(sources, reference, two_threads, tmp_path):
    assert hashes(run(sources, tmp_path / "out", scheduler=two_threads, at_once=1)) == hashes(reference)


def test_a_run_that_stopped_within_a_round_goes_on_to_the_same_bytes(sources, reference, two_threads, tmp_path):
    for attempts in (3, 5, 8):
        run(sources, tmp_path / "out", attempts, scheduler=two_threads)
    assert hashes(tmp_path / "out") == hashes(reference)


def test_later_rounds_choose_by_what_earlier_ones_learned(reference):
    rows = query.tries(tl.read(reference)).collect()
    assert not rows["success"].all()
    assert rows["propensity"].is_between(0.0, 1.0, closed="right").all()
    first = rows.filter(attempt=0, subtask=0, **{"try": 0}).row(0, named=True)
    # in the first round the strategy chooses: one of its nearest three
    assert first["propensity"] == pytest.approx(1 / 3)
    learned = rows.filter(rows["attempt"] >= 4)["propensity"]
    assert learned.n_unique() > 3


def test_what_is_discarded_is_kept_beside_the_run_and_changes_nothing_in_it(sources, reference, two_threads, tmp_path):
    out, branches = tmp_path / "out", tmp_path / "branches"
    for attempts in (3, 8):
        run(sources, out, attempts, scheduler=two_threads, branches=branches)
    assert hashes(out) == hashes(reference)
    found = tl.read(branches)
    rows = found.episodes().collect()
    tries = query.tries(tl.read(out)).collect()
    lost = set(tries.filter(~pl.col("success")).select("attempt", "subtask", "try").iter_rows())
    said = rows.select("branch/attempt", "branch/subtask", "branch/try").rows()
    assert said
    assert set(said) <= lost
    assert not rows["success"].any()
    kept = tl.read(out).episodes().collect()["episode_index"].to_list()
    row = next(row for row in rows.iter_rows(named=True) if row["branch/attempt"] in kept)
    branch = found.episode(row["episode_index"], ["states"])["states"]
    episode = tl.read(out).episode(row["branch/attempt"], ["states"])["states"]
    n = row["branch/parts_at"]
    assert (branch[:n] == episode[:n]).all()
    with pytest.raises(SettingsError, match="has no branches of the units"):
        run(sources, out, scheduler=two_threads, branches=tmp_path / "others")
    with pytest.raises(SettingsError, match="tries above 1"):
        generate(sources, tmp_path / "plain", task="lift", attempts=2, branches=branches, scheduler=two_threads)
    assert not (tmp_path / "plain").exists()
    for taken in (out, tmp_path / "fresh"):
        with pytest.raises(SettingsError, match="does not hold the branches of"):
            run(sources, tmp_path / "fresh", scheduler=two_threads, branches=taken)
    assert not (tmp_path / "fresh").exists()


def test_a_round_is_whole_units_and_learns_from_those_before_it(sources, tmp_path):
    recipe = Recipe(kind="mimicgen", task="lift", unit=2, engine={"tries": 2, "adapt": True, "round": 4})
    assert [recipe.learns_from(k) for k in (0, 3, 4, 7, 8)] == [range(0), range(0), range(2), range(2), range(4)]
    with pytest.raises(SettingsError, match="must be whole units of 3"):
        generate(sources, tmp_path / "out", task="lift", attempts=3, unit=3, tries=2, adapt=True, round=4)


def test_the_command_finds_a_check_in_its_folder_and_says_before_it_writes_where_there_is_none(
    sources, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "checks_of_this_folder.py").write_text("def never(scene, eef, subtask):\n    return 'too bold'\n")
    words = ["generate", sources, "out", "--task", "lift", "--attempts", "1", "--unit", "1", "--workers", "1"]
    words += ["--tries", "2"]
    refused = CliRunner().invoke(typer_app, [*words, "--check", "checks_of_this_folder:missing"])
    assert isinstance(refused.exception, SettingsError)
    assert not (tmp_path / "out").exists()
    made = CliRunner().invoke(typer_app, [*words, "--check", "checks_of_this_folder:never"])
    assert made.exit_code == 0, made.output
    assert tl.read("out").attempts().collect()["reason"].to_list() == ["check: too bold; subtask 0 was tried 2 times"]


def test_without_tries_nothing_of_search_is_written(sources, two_threads, tmp_path):
    out = tmp_path / "out"
    generate(sources, out, task="lift", attempts=2, seed=7, unit=2, scheduler=two_threads)
    header = tl.read(out).header
    assert header.generation is not None
    assert set(header.generation["recipe"]["engine"]) == {
        "select_src_per_subtask", "select_src_per_arm", "transform_first_robot_pose",
        "interpolate_from_last_target_pose", "success", "compat",
    }  # fmt: skip
    assert "tries" not in (out / "dataset.json").read_text()
    assert "tries" not in tl.read(out).attempts().collect_schema()
