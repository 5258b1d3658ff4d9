"""What going back did, as the ledger keeps it and as `query`, `stats`, `sql` and `report` show it."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from fake_scene import OPEN, FakeScene, expert_demo, place_spec
from in_memory import HEADER, MemorySource
from trajloom import query, store
from trajloom.cli.main import typer_app
from trajloom.dataset import Dataset, read
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.segments import Sources
from trajloom.generation.unit import attempts_table
from trajloom.rollout import Rollout
from trajloom.seeding import rng_for

BAD = 13


@pytest.fixture(scope="module")
def rollouts() -> dict[int, Rollout]:
    """Eight attempts from three good sources and one that never closes its gripper."""
    demos = [expert_demo(FakeScene(), episode) for episode in range(10, 14)]
    bad: Any = demos[-1].info
    demos[-1] = replace(demos[-1], info=replace(bad, gripper_action=np.full_like(bad.gripper_action, OPEN)))
    spec, settings = place_spec(action_noise=0.0), Settings(tries=2, select_src_per_subtask=True)
    sources = Sources.from_demos(demos, spec)
    return {k: attempt(FakeScene(), sources, spec, settings, rng_for(0, k)) for k in range(8)}


@pytest.fixture(scope="module")
def searched(rollouts: dict[int, Rollout], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored dataset with the ledger of those attempts."""
    header = HEADER.with_(tries=True, eefs=("robot0",))
    rows = attempts_table(header, 0, rollouts).to_pylist()
    out = tmp_path_factory.mktemp("ledger") / "searched"
    store.write(Dataset(MemorySource(header, [], attempt_rows=rows)), out)
    return out


def run(*words: object) -> str:
    result = CliRunner().invoke(typer_app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_try_is_a_row(rollouts: dict[int, Rollout], searched: Path):
    rows = query.tries(read(searched)).collect()
    made = [(k, one) for k, rollout in rollouts.items() for one in rollout.tries]
    assert rows["attempt"].to_list() == [k for k, _ in made]
    assert rows["source_episode"].to_list() == [one.choice.source_episode for _, one in made]
    assert rows["try"].to_list() == [one.number for _, one in made]
    assert rows["success"].to_list() == [one.success for _, one in made]
    assert rows["reason"].to_list() == [one.reason for _, one in made]
    attempts = dict(read(searched).attempts().select("attempt", "steps").collect().iter_rows())
    assert dict(rows.group_by("attempt").agg(pl.col("steps").sum()).iter_rows()) == attempts
    assert attempts == {k: rollout.simulated_steps for k, rollout in rollouts.items()}


def test_what_a_subtask_took_is_counted(rollouts: dict[int, Rollout], searched: Path):
    first, second = query.tries_by_subtask(read(searched)).collect().to_dicts()
    of_first = [one for rollout in rollouts.values() for one in rollout.tries if one.choice.subtask == 0]
    lost = [one for one in of_first if not one.success]
    assert lost
    assert (first["tries"], first["successes"]) == (len(of_first), len(of_first) - len(lost))
    assert first["per_success"] == pytest.approx(len(of_first) / (len(of_first) - len(lost)))
    assert first["wasted"] == pytest.approx(sum(one.steps for one in lost) / sum(one.steps for one in of_first))
    assert second["subtask"] == 1


def test_the_source_that_never_works_comes_first_with_its_reason(searched: Path):
    worst = query.tries_by_source(read(searched)).collect().row(0, named=True)
    assert (worst["source_episode"], worst["subtask"], worst["yield"]) == (BAD, 0, 0.0)
    assert "grasp" in worst["reason"]


def test_attempts_that_never_went_back_have_no_tries():
    data = Dataset(MemorySource(HEADER, []))
    assert query.tries(data).collect().height == 0
    assert query.tries_by_subtask(data).collect().height == 0
    assert query.tries_by_source(data).collect().height == 0


def test_stats_sql_and_report_show_it(searched: Path, tmp_path: Path):
    shown = json.loads(run("stats", searched, "--json"))
    assert [row["subtask"] for row in shown["tries by subtask"]] == [0, 1]
    assert shown["tries by source, the worst first"][0]["source_episode"] == BAD
    asked = run(
        "sql", searched, "SELECT source_episode, count(*) AS n FROM tries WHERE NOT success GROUP BY 1", "-f", "csv"
    )
    assert {row["source_episode"] for row in csv.DictReader(io.StringIO(asked))} == {str(BAD)}
    pytest.importorskip("plotly")
    run("report", searched, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "What each subtask took" in page
    assert "Sources that never worked" in page
