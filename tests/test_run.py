"""Real robosuite on real Dask workers: the same bytes for any workers, any crash, any resume."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

import trajloom as tl
from trajloom.engine.generate import Settings
from trajloom.engine.mimicgen import MG_TaskSpec
from trajloom.errors import OutputExistsError, SettingsError, SourceError
from trajloom.run import Summary, _settings, _spec_and_config, generate
from trajloom.sim import tasks
from trajloom.task import TaskSpec

pytestmark = [pytest.mark.sim, pytest.mark.cluster]

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


@pytest.fixture(autouse=True, scope="module")
def workers_find_the_strategies_of_this_folder():
    """Worker processes inherit the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        yield


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> str:
    """The ten human Lift demonstrations, annotated."""
    path = tmp_path_factory.mktemp("sources") / "annotated"
    tl.annotate(HUMAN, path, task="lift")
    return str(path)


@pytest.fixture(scope="module")
def reference(sources, tmp_path_factory) -> Path:
    """Six attempts in units of two, made by one worker."""
    out = tmp_path_factory.mktemp("run") / "one-worker"
    six(sources, out, workers=1)
    return out


def six(sources: str, out: Path, **options) -> Summary:
    return generate(sources, out, **{"task": "lift", "attempts": 6, "seed": 7, "unit": 2, "workers": 2, **options})


def hashes(out: Path) -> dict[str, str]:
    """Every file of a dataset that must not depend on who made it."""
    kept = [*out.glob("*/*.parquet"), *out.glob("models/*"), out / "dataset.json"]
    return {str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest() for path in kept}


def wait_for_a_part(out: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(out.glob("commits/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)


def lift_choosing_by(strategy: str, **kwargs) -> TaskSpec:
    first, last = tasks.get("lift").spec.subtasks["robot0"]
    choosing = replace(first, selection_strategy=strategy, selection_strategy_kwargs=kwargs)
    return TaskSpec.single_arm(choosing, last)


def test_two_workers_make_the_bytes_of_one(sources, reference, tmp_path):
    summary = six(sources, tmp_path / "out")
    assert summary.attempts == 6
    assert hashes(tmp_path / "out") == hashes(reference)


def test_an_attempt_alone_equals_the_same_attempt_after_others(sources, reference):
    from trajloom.engine.segments import Sources
    from trajloom.generation.recipe import Recipe
    from trajloom.generation.sources import read_sources
    from trajloom.generation.unit import attempt

    header = tl.read(reference).header
    assert header.generation is not None
    recipe = Recipe(**{**header.generation["recipe"], "sources": ()})
    spec = tasks.get("lift").spec
    rollout = attempt(recipe, 5, Sources.from_demos(read_sources(tl.read(sources), sources), spec))
    stored = tl.read(reference).episode(5, ["states", "actions"])
    assert (rollout.columns["states"] == stored["states"]).all()
    assert (rollout.columns["actions"] == stored["actions"]).all()


def test_a_run_extends_to_the_bytes_of_a_longer_one(sources, reference, tmp_path):
    out = tmp_path / "out"
    assert six(sources, out, attempts=3).attempts == 3
    visible = tl.read(out).attempts().collect()
    assert visible.height == 3
    more = six(sources, out)
    assert more.attempts == 6
    assert more.new_attempts == 2
    assert hashes(out) == hashes(reference)


def test_a_killed_run_is_readable_and_resumes_to_the_same_bytes(sources, reference, tmp_path):
    out = tmp_path / "out"
    code = (
        "from trajloom.run import generate\n"
        "if __name__ == '__main__':\n"
        f"    generate({sources!r}, {str(out)!r}, task='lift', attempts=400, seed=7, unit=2, workers=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True, stderr=subprocess.DEVNULL)
    wait_for_a_part(out)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    made = tl.read(out).attempts().collect().height
    assert made >= 2
    asked = max(6, made)
    six(sources, out, attempts=asked)
    parts = {name: sha for name, sha in hashes(reference).items() if name.endswith(".parquet")}
    assert parts.items() <= hashes(out).items()


def test_an_interrupted_command_says_so_and_keeps_what_is_committed(sources, tmp_path):
    out = tmp_path / "out"
    words = ["generate", sources, str(out), "--task", "lift", "--attempts", "400", "--unit", "2", "--workers", "1"]
    command = [sys.executable, "-m", "trajloom.cli.main", *words]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_for_a_part(out)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was committed is kept" in said
    assert tl.read(out).attempts().collect().height >= 2


def test_a_worker_that_dies_costs_a_retry_and_nothing_else(sources, tmp_path):
    spec = lift_choosing_by("crash_once", marker=str(tmp_path / "marker"))
    crashing = six(sources, tmp_path / "crash", spec=spec, preload=["lossy_strategies"], attempts=2)
    smooth = six(sources, tmp_path / "smooth", spec=spec, preload=["lossy_strategies"], attempts=2)
    assert crashing.successes == smooth.successes
    assert hashes(tmp_path / "crash") == hashes(tmp_path / "smooth")


@pytest.mark.parametrize(("how", "reason", "hang_after"), [("crash", "crashed", 60.0), ("hang", "hung", 3.0)])
def test_an_attempt_that_loses_its_worker_twice_is_a_failed_row_and_is_tried_again_later(
    sources, reference, tmp_path, how, reason, hang_after
):
    out, healed = tmp_path / "out", tmp_path / "healed"
    places = [tl.read(reference).episode(k)["datagen_info"]["object_poses"]["cube"][0, 1, 3] for k in (0, 1)]
    spec = lift_choosing_by("lose_left", below=float(sum(places) / 2), how=how, healed=str(healed))
    options = {"spec": spec, "preload": ["lossy_strategies"], "attempts": 2, "workers": 1, "hang_after": hang_after}

    six(sources, out, **options)
    rows = tl.read(out).attempts().select("attempt", "success", "reason").collect()
    lost = int(places[1] < places[0])
    assert rows.filter(pl.col("reason") == reason).rows() == [(lost, False, reason)]

    assert not Path(f"{out}.scratch").exists()

    if how == "crash":  # the next resume is the same for both
        healed.touch()
        again = six(sources, out, **options)
        assert again.successes == 2
        assert tl.read(out).attempts().collect()["reason"].to_list() == [None, None]


def test_other_settings_into_the_same_output_are_refused_with_the_difference(sources, reference):
    with pytest.raises(SettingsError, match=r"seed: 7 there, 8 asked for"):
        six(sources, reference, seed=8)


def test_an_output_that_is_something_else_is_left_alone(sources, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="no dataset of ours"):
        six(sources, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_demonstrations_without_datagen_info_say_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="trajloom annotate"):
        six(str(HUMAN), tmp_path / "out")


def test_a_mimicgen_config_gives_subtasks_and_settings_and_arguments_count_more():
    spec = MG_TaskSpec.from_task_spec(tasks.get("lift").spec)
    said = {"select_src_per_subtask": True, "transform_first_robot_pose": True, "guarantee": True}
    config = {"experiment": {"generation": said}, "task": {"task_spec": json.loads(spec.serialize())}}
    read, generation = _spec_and_config(config)
    assert read == tasks.get("lift").spec
    settings = _settings({}, generation, {"select_src_per_subtask": False, "transform_first_robot_pose": None})
    assert settings == Settings(select_src_per_subtask=False, transform_first_robot_pose=True)


def test_generated_hdf5_is_a_source_again(reference, tmp_path):
    from trajloom.engine.segments import Sources
    from trajloom.generation.sources import read_sources

    tl.read(reference).write(tmp_path / "lift.hdf5")
    again = read_sources(tl.read(tmp_path / "lift.hdf5"), "lift.hdf5")
    assert len(Sources.from_demos(again, tasks.get("lift").spec)) == len(tl.read(reference))


def test_every_step_knows_where_it_came_from(sources, reference):
    steps = tl.read(reference).steps().select(pl.col("^(subtask|source_episode|source_frame)/.*$")).collect()
    assert steps["source_episode/robot0"].is_between(-1, 9).all()
    assert steps["source_frame/robot0"].max() > 40  # pyright: ignore
    assert set(steps["subtask/robot0"]) == {0, 1}
