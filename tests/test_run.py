"""Real robosuite on real Dask workers: the same bytes for any workers, any crash, any resume."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import trajloom as tl
from lift_runs import HUMAN, hashes
from lossy_strategies import drawn_while_dask_weighs_a_message
from trajloom.engine.generate import Settings
from trajloom.engine.mimicgen import MG_TaskSpec
from trajloom.errors import OutputExistsError, SettingsError, SourceError, TrajloomWarning
from trajloom.run import Summary, _settings, _spec_and_config, generate
from trajloom.run.cluster import check_workers, connect
from trajloom.sim import tasks
from trajloom.store import open_store
from trajloom.task import TaskSpec

pytestmark = [pytest.mark.sim, pytest.mark.cluster]


@pytest.fixture(autouse=True, scope="module")
def workers_find_the_strategies_of_this_folder():
    """Worker processes inherit the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def reference(sources, tmp_path_factory) -> Path:
    """Six attempts in units of two, made by two workers with one thread each."""
    out = tmp_path_factory.mktemp("run") / "two-workers"
    assert six(sources, out, workers=2).attempts == 6
    return out


def six(sources: str, out: Path, **options) -> Summary:
    return generate(sources, out, **{"task": "lift", "attempts": 6, "seed": 7, "unit": 2, **options})


def wait_for_a_part(out: Path) -> None:
    deadline = time.monotonic() + 120
    while not list(out.glob("commits/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)


def lift_choosing_by(strategy: str, **kwargs) -> TaskSpec:
    first, last = tasks.get("lift").spec.subtasks["robot0"]
    choosing = replace(first, selection_strategy=strategy, selection_strategy_kwargs=kwargs)
    return TaskSpec.single_arm(choosing, last)


def test_two_threads_of_one_worker_make_the_bytes_of_two_workers(sources, reference, two_threads, tmp_path):
    out = tmp_path / "out"
    six(sources, out, scheduler=two_threads)
    assert hashes(out) == hashes(reference)
    runs = [commit.run for commit in open_store(str(out)).commits]
    assert len({run["worker"] for run in runs}) == 1
    assert len({run["thread"] for run in runs}) == 2
    assert all(min(run["seconds_per_attempt"]) > 0 for run in runs)  # none was made again after a crash


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


def test_a_run_extends_to_the_bytes_of_a_longer_one(sources, reference, two_threads, tmp_path):
    out = tmp_path / "out"
    assert six(sources, out, attempts=3, scheduler=two_threads).attempts == 3
    visible = tl.read(out).attempts().collect()
    assert visible.height == 3
    more = six(sources, out, scheduler=two_threads)
    assert more.attempts == 6
    assert more.new_attempts == 2
    assert hashes(out) == hashes(reference)


def test_a_killed_run_is_readable_and_resumes_to_the_same_bytes(sources, reference, two_threads, tmp_path):
    """One worker with one thread begins it, one with two ends it: the bytes are those of two workers."""
    out = tmp_path / "out"
    code = (
        "from trajloom.run import generate\n"
        f"generate({sources!r}, {str(out)!r}, task='lift', attempts=400, seed=7, unit=2, workers=1)\n"
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
    six(sources, out, attempts=asked, scheduler=two_threads)
    parts = {name: sha for name, sha in hashes(reference).items() if name.endswith(".parquet")}
    assert parts.items() <= hashes(out).items()


def test_a_script_without_a_guard_generates_with_a_strategy_of_its_own(sources, tmp_path):
    """Workers do not run the script again; the class is sent to them, code and all."""
    out = tmp_path / "out"
    code = (
        "from dataclasses import replace\n"
        "import trajloom as tl\n"
        "from trajloom.engine.select import MG_SelectionStrategy\n"
        "from trajloom.sim import tasks\n"
        "print('the script runs')\n"
        "class Third(MG_SelectionStrategy):\n"
        "    NAME = 'third'\n"
        "    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos):\n"
        "        return 2\n"
        "subtasks = [replace(one, selection_strategy='third', selection_strategy_kwargs={})\n"
        "            for _, _, one in tasks.get('lift').spec]\n"
        "spec = tl.TaskSpec.single_arm(*subtasks)\n"
        f"tl.generate({sources!r}, {str(out)!r}, task='lift', spec=spec, attempts=2, unit=1, workers=1)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the script runs") == 1
    choices = tl.read(out).attempts().collect()["choices"].explode().struct.unnest()
    assert set(choices["source_episode"]) == {2}


def test_an_interrupted_command_says_so_and_keeps_what_is_committed(sources, two_threads, tmp_path):
    out = tmp_path / "out"
    words = ["generate", sources, str(out), "--task", "lift", "--attempts", "400", "--unit", "2"]
    words += ["--scheduler", two_threads]
    command = [sys.executable, "-m", "trajloom.cli.main", *words]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    wait_for_a_part(out)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; what was committed is kept" in said
    assert tl.read(out).attempts().collect().height >= 2


def test_dask_does_not_draw_from_the_generator_that_foreign_code_is_seeded_with(two_threads, tmp_path):
    with connect(None, 1, two_threads) as client:
        check_workers(client, str(tmp_path))
        alone, beside_dask = client.submit(drawn_while_dask_weighs_a_message, pure=False).result()
    assert alone == beside_dask


def test_only_an_attempt_that_loses_its_worker_alone_is_a_failed_row_and_is_tried_again_later(
    sources, reference, two_threads, tmp_path
):
    """Units (0, 1) and (2, 3) run side by side; 0 crashes, 2 does so once, and 3 hangs, which ends 1 as well."""
    out, healed, crashed = tmp_path / "out", tmp_path / "healed", tmp_path / "crashed"
    starts = [tl.read(reference).episode(k)["datagen_info"]["object_poses"]["cube"][0] for k in (0, 2, 3)]
    y = [float(cube_in_world[1, 3]) for cube_in_world in starts]
    marks = {"healed": str(healed), "crashed": str(crashed)}
    spec = lift_choosing_by("lose", crash=y[:1], crash_once=y[1:2], hang=y[2:], **marks)
    options = {"spec": spec, "preload": ["lossy_strategies"], "attempts": 4, "scheduler": two_threads, "hang_after": 2}

    six(sources, out, **options)
    assert crashed.exists()
    lost = tl.read(out).attempts().select("reason", "success").collect().rows()
    assert [reason for reason, _ in lost] == ["crashed", None, None, "hung"]
    assert [success for _, success in lost] == [False, True, True, False]
    assert not Path(f"{out}.scratch").exists()

    healed.touch()
    assert six(sources, out, **options).successes == 4
    six(sources, tmp_path / "smooth", **options)
    assert hashes(out) == hashes(tmp_path / "smooth")


def test_a_robot_that_the_compiled_loop_does_not_know_is_told_of_once_by_the_client(sources, two_threads, tmp_path):
    with pytest.warns(TrajloomWarning, match="XArm7Gripper") as said:
        made = six(sources, tmp_path / "out", robot="XArm7", attempts=4, scheduler=two_threads)
    assert made.attempts == 4
    assert len(said) == 1


def test_threads_are_for_the_local_cluster_to_start(sources, tmp_path):
    with pytest.raises(SettingsError, match="dask worker --nthreads"):
        six(sources, tmp_path / "out", scheduler="tcp://10.0.0.1:8786", envs_per_worker=2)


def test_other_settings_into_the_same_output_are_refused_with_the_difference(sources, reference):
    with pytest.raises(SettingsError, match=r"loop: 'fast' there, 'exact' asked for; seed: 7 there, 8 asked for"):
        six(sources, reference, seed=8, loop="exact")


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
