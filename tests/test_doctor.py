"""What the doctor finds, with faults put in by hand, and what a repaired copy is."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportOperatorIssue=false, reportArgumentType=false

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import in_memory
import trajloom as tl
from conftest import SHARED_DATA, examples
from in_memory import MemoryEpisode, MemorySource
from trajloom import check, formats, store
from trajloom.check import Finding, checks, diff, doctor
from trajloom.check.checks.action_range import limits
from trajloom.check.examination import examine
from trajloom.check.repair import repaired
from trajloom.cli.main import typer_app
from trajloom.edit.view import PartView, View
from trajloom.errors import DamagedFileError, LayoutError, OutputExistsError, SettingsError, TrajloomWarning
from trajloom.formats import Source
from trajloom.tables import Rest

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
LIFT_141 = SHARED_DATA / "robosuite_1.4.1_lift" / "demo.hdf5"
cuts = st.tuples(st.integers(1, 4), st.integers(1, 5))


def healthy(lengths: Sequence[int] = (3, 1, 4, 2, 5), **settings) -> MemorySource:
    """Episodes whose actions stay within [-1, 1]."""
    source = in_memory.source(lengths, **settings)
    return each(source, lambda m: {"actions": np.sin(m.columns["actions"])})


def each(source: MemorySource, columns: Callable[[MemoryEpisode], Mapping]) -> MemorySource:
    members = [replace(m, columns={**m.columns, **columns(m)}) for m in source.members]
    return replace(source, members=members)


def with_episode(source: MemorySource, number: int, columns: Mapping | None = None, **row) -> MemorySource:
    """The dataset with one episode changed."""
    members = list(source.members)
    old = members[number]
    members[number] = MemoryEpisode({**old.row, **row}, {**old.columns, **(columns or {})})
    return replace(source, members=members)


@dataclass(frozen=True)
class Altered(PartView):
    """A part whose steps are changed as they are read."""

    change: Callable[[pa.RecordBatch], pa.RecordBatch]

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self.part.steps():
            yield self.change(batch) if columns is None else self.change(batch).select(columns)


def altered(source: Source, column: str, change: Callable[[int, np.ndarray, np.ndarray], np.ndarray]) -> Source:
    """The dataset with a column of ours computed anew from each episode's index, frames and values."""

    def alter(batch: pa.RecordBatch) -> pa.RecordBatch:
        at = batch.schema.get_field_index(column)
        frames, values = (batch.column(name).to_numpy(zero_copy_only=False) for name in ("frame_index", column))
        values = change(batch.column("episode_index")[0].as_py(), frames, values)
        return batch.set_column(at, batch.schema.field(at), pa.array(values, type=batch.schema.field(at).type))

    return View(source, source.header, lambda part: Altered(part, alter))


def found(source: Source) -> dict[str, Finding]:
    return {finding.code: finding for finding in examine(source).findings}


def of(path: Path | str) -> dict[str, Finding]:
    return {finding.code: finding for finding in doctor(path).findings}


# ---- the model -------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(10))
@given(st.lists(st.integers(1, 6), max_size=6), cuts)
def test_nothing_is_found_in_a_healthy_dataset(lengths, cut):
    seen = examine(healthy(lengths, episodes_per_part=cut[0], batch_rows=cut[1]))
    # with one or two steps in all, an action may well be constant
    assert [f for f in seen.findings if f.severity != "info"] == []
    assert (seen.episodes, seen.steps) == (len(lengths), sum(lengths))


@settings(deadline=None, max_examples=examples(15))
@given(st.data(), cuts, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_a_value_that_is_not_finite_is_found_in_any_column_of_floats(data, cut, value):
    source = healthy(episodes_per_part=cut[0], batch_rows=cut[1])
    number = data.draw(st.integers(0, 4))
    member = source.members[number]
    column = data.draw(st.sampled_from([n for n, v in sorted(member.columns.items()) if v.dtype.kind == "f"]))
    values = member.columns[column].copy()
    frame = data.draw(st.integers(0, len(values) - 1))
    values[frame] = value
    finding = found(with_episode(source, number, {column: values}))["not_finite"]
    assert (finding.column, finding.episode, finding.frame) == (column, f"demo_{number}", frame)
    many, kind = values[frame].size, "NaN" if np.isnan(value) else "infinite"
    assert finding.what == f"{many} value{' is' if many == 1 else 's are'} {kind}, in 1 episodes"
    assert finding.severity == ("warning" if column == "rewards" else "error")


def test_a_value_that_is_not_finite_is_found_among_episodes_that_lack_the_column(tmp_path):
    force = np.ones((5, 2), dtype=np.float32)
    force[3, 1] = np.nan
    store.write(with_episode(healthy(episodes_per_part=9), 4, {"obs/force": force}), str(tmp_path / "a"))
    finding = of(tmp_path / "a")["not_finite"]  # a batch of the store holds several episodes
    assert (finding.column, finding.episode, finding.frame) == ("obs/force", "demo_4", 3)


def test_a_value_that_is_not_finite_is_found_in_an_array_of_an_episode():
    source = with_episode(healthy(), 3, **{"initial_state/states": np.array([0, np.nan, 0, np.inf, 0, 0])})
    finding = found(source)["not_finite"]
    assert (finding.column, finding.episode, finding.frame) == ("initial_state/states", "demo_3", None)
    assert finding.what == "1 value is NaN and 1 value is infinite, in 1 episodes"


@pytest.mark.parametrize("cut", [(1, 1), (2, 3), (5, 100)])
def test_actions_that_the_controller_clips_are_counted(cut):
    source = healthy(episodes_per_part=cut[0], batch_rows=cut[1])
    wild = source.members[2].columns["actions"].copy()
    wild[1:3, 0], wild[3, 1] = -1.5, 3.75
    finding = found(with_episode(source, 2, {"actions": wild}))["action_range"]
    assert (finding.severity, finding.episode, finding.frame, finding.fixable) == ("warning", "demo_2", 1, True)
    assert finding.what.startswith("3 values in 3 steps of 1 episodes lie outside [-1, 1]")
    assert "the largest is 3.75" in finding.what


@pytest.mark.parametrize(
    ("env_args", "wanted"),
    [
        ({"type": 1, "env_kwargs": {}}, (-1, 1)),
        ({"type": 1, "env_kwargs": {"controller_configs": {"input_max": 2, "input_min": -3}}}, (-3, 2)),
        ({"type": 1, "env_kwargs": {"controller_configs": [{"control_delta": False}]}}, None),
        ({"type": 1, "env_kwargs": {"controller_configs": {"right": {"input_type": "absolute"}}}}, None),
        ({"type": 2, "env_kwargs": {}}, None),
        (None, None),
    ],
)  # fmt: skip
def test_actions_have_limits_where_robosuite_normalises_them(env_args, wanted):
    assert limits(in_memory.HEADER.with_(env_args=env_args)) == wanted


def test_components_that_never_change_are_told_for_information():
    source = each(healthy(), lambda m: {"actions": m.columns["actions"] * [1, 0, 0] + [0, 0, 0.5]})
    finding = found(source)["constant_action"]
    assert (finding.severity, finding.what) == ("info", "components that are the same in all 15 steps: 1 (0), 2 (0.5)")


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_time_that_does_not_rise_is_an_error(rows):
    source = healthy((6, 6), batch_rows=rows)
    back = altered(source, "timestamp", lambda i, frame, t: np.where((frame == 4) & (i == 1), 0.1, t))
    finding = found(back)["time_falls"]
    assert (finding.severity, finding.episode, finding.frame, finding.fixable) == ("error", "demo_1", 4, True)
    assert examine(back).untimely == {1}


def test_time_that_jumps_or_runs_at_another_rate_is_a_warning():
    jump = altered(healthy((6, 6)), "timestamp", lambda i, frame, t: t + (frame >= 3) * 0.5 * i)
    assert (found(jump)["time_gap"].episode, found(jump)["time_gap"].frame) == ("demo_1", 3)
    assert "the longest takes 0.55 s" in found(jump)["time_gap"].what
    slow = altered(healthy((6, 6)), "timestamp", lambda i, frame, t: t * (1 + i))
    assert found(slow)["rate"].what == "1 episodes run at 10 Hz or so; control_hz says 20.0"
    assert set(found(slow)) == {"rate"}


def test_missing_frames_and_wrong_lengths_are_errors():
    gap = altered(healthy(batch_rows=1000), "frame_index", lambda i, frame, f: f + (f >= 2) if i == 4 else f)
    finding = found(gap)["frame_gap"]
    assert (finding.severity, finding.episode, finding.frame) == ("error", "demo_4", 3)
    finding = found(with_episode(healthy(), 2, length=7))["length"]
    assert (finding.severity, finding.episode) == ("error", "demo_2")
    assert "4 where it says 7" in finding.what
    strange = altered(healthy(batch_rows=1000), "episode_index", lambda i, frame, e: e + 90 if i == 4 else e)
    assert found(strange)["unknown_episode"].what.startswith("5 steps belong to no row")


def test_empty_episodes_are_found_and_are_no_duplicates():
    seen = found(healthy((3, 0, 0, 2)))
    assert seen["empty_episode"].what == "2 episodes have no steps"
    assert "duplicate" not in seen


@pytest.mark.parametrize("cut", [(1, 2), (2, 1), (6, 100)])
def test_episodes_that_are_there_twice_are_found(cut):
    source = healthy(episodes_per_part=cut[0], batch_rows=cut[1])
    twin = source.members[2]
    twins = [MemoryEpisode({**twin.row, "episode_index": i, "name": f"demo_{i}"}, twin.columns) for i in (5, 6)]
    same = replace(source, members=[*source.members, *twins])
    finding = found(same)["duplicate"]
    assert (finding.episode, finding.fixable) == ("demo_5", True)
    assert finding.what == "2 episodes equal others in everything (the first: demo_2)"
    assert examine(same).superfluous == {5, 6}


def test_what_equals_another_in_its_steps_alone_is_kept():
    source = healthy()
    twin = source.members[2]
    row = {**twin.row, "episode_index": 5, "name": "demo_5"}
    for more, rest in (({"success": False}, ()), ({}, (Rest("log", "|S1", (1,), b"x", 5),))):
        members = [*source.members, MemoryEpisode({**row, **more}, twin.columns)]
        alike = replace(source, members=members, rest_rows=rest, episodes_per_part=9)
        assert found(alike)["duplicate"].what.startswith("1 episodes equal others in all steps, but not in everything")
        assert not found(alike)["duplicate"].fixable
        assert examine(alike).superfluous == set()


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_episodes_that_end_alike_are_neither_duplicates_nor_frozen(rows):
    source = healthy((4, 4), batch_rows=rows)
    columns = {name: values.copy() for name, values in source.members[0].columns.items()}
    ends = [{**columns, "actions": np.array([0.0, x, 0, 0])[:, None] * [1, 1, 1]} for x in (0.5, 0.7)]
    alike = with_episode(with_episode(source, 0, ends[0]), 1, ends[1])
    assert not {"duplicate", "frozen"} & set(found(alike))


def test_frozen_episodes_leaking_splits_and_unknown_outcomes_are_found():
    frozen = with_episode(healthy(), 2, {"actions": np.tile([0.1, 0.2, 0.3], (4, 1))})
    assert (found(frozen)["frozen"].episode, found(frozen)["frozen"].severity) == ("demo_2", "warning")
    leaking = with_episode(with_episode(healthy(), 1, splits=["valid", "train"]), 2, splits=["train"])
    assert found(leaking)["split_leak"].what == "1 episodes are both in 'train' and in 'valid'"
    unknown = replace(healthy(), members=[replace(m, row={**m.row, "success": None}) for m in healthy().members])
    assert found(unknown)["no_success"].severity == "info"


def test_versions_that_are_not_installed_are_told(monkeypatch):
    header = in_memory.HEADER.with_(
        env_args={"type": 1, "env_version": "0.0.1", "env_kwargs": {}}, made_by={"numpy": "0.1"}
    )
    monkeypatch.setattr("trajloom.check.checks.versions.SIMULATORS", ("robosuite", "numpy"))
    told = [f.what for f in examine(replace(healthy(), header=header)).findings if f.code == "version"]
    assert f"made with numpy 0.1; {np.__version__} is installed" in told


def test_every_check_is_a_file_with_a_word_on_what_it_looks_for():
    assert {"action_range", "duplicates", "finite", "frames", "timestamps"} <= set(checks.names())
    assert all((type(one).__module__, type(one).__doc__) for one in checks.begin(in_memory.HEADER))


# ---- repairs of the model --------------------------------------------------------------------------------------


def mended(source: Source, **how: bool) -> Source:
    return repaired(source, examine(source), **{"clip_actions": False, "retime": False, **how})[0]


@pytest.mark.parametrize("cut", [(1, 2), (2, 1), (6, 100)])
def test_a_repair_leaves_out_exact_duplicates_and_nothing_else(cut):
    source = healthy(episodes_per_part=cut[0], batch_rows=cut[1])
    twin = MemoryEpisode({**source.members[2].row, "episode_index": 5, "name": "demo_5"}, source.members[2].columns)
    rest = [Rest("log", "|S1", (1,), b"x", 1), Rest("info", "|S1", (1,), b"y")]
    double = replace(source, members=[*source.members, twin], rest_rows=rest)
    assert list(diff(replace(source, rest_rows=rest), mended(double))) == []
    assert sum(part.num_steps for part in mended(double).parts()) == 15


def test_a_repair_clips_actions_when_told_to_alone():
    source = in_memory.source(batch_rows=2)
    assert list(diff(source, mended(source))) == []
    (only,) = diff(source, mended(source, clip_actions=True))
    assert (only.name, only.largest) == ("actions", 3.0)
    assert "action_range" not in found(mended(source, clip_actions=True))


def test_a_repair_clips_actions_among_episodes_that_have_none(tmp_path):
    source = in_memory.source(episodes_per_part=9)
    steps = tuple(replace(c, nullable=c.nullable or c.name == "actions") for c in source.header.steps)
    members = list(source.members)
    members[1] = replace(members[1], columns={k: v for k, v in members[1].columns.items() if k != "actions"})
    store.write(replace(source, header=source.header.with_(steps=steps), members=members), str(tmp_path / "a"))
    lacking = store.open_store(str(tmp_path / "a"))
    (only,) = diff(lacking, mended(lacking, clip_actions=True))
    assert (only.name, only.largest) == ("actions", 3.0)
    assert "null" not in only.what
    assert "action_range" not in found(mended(lacking, clip_actions=True))


def test_a_repair_computes_time_anew_when_told_to_and_only_where_it_falls(tmp_path):
    whole = healthy((6, 6, 6), batch_rows=1000)
    store.write(
        altered(whole, "timestamp", lambda i, frame, t: t[::-1].copy() if i == 1 else t * (2 + i)), str(tmp_path / "a")
    )
    broken = store.open_store(str(tmp_path / "a"))  # its batches hold several episodes
    assert list(diff(broken, mended(broken))) == []
    (only,) = diff(broken, mended(broken, retime=True))
    assert (only.name, only.episodes, only.episode) == ("timestamp", 1, "demo_1")
    assert "time_falls" not in found(mended(broken, retime=True))


# ---- HDF5 ------------------------------------------------------------------------------------------------------


@pytest.fixture
def human(tmp_path) -> Path:
    """A copy of the file that ships, to be spoilt."""
    shutil.copy(HUMAN, tmp_path / "demos.hdf5")
    return tmp_path / "demos.hdf5"


def test_the_file_that_ships_is_healthy():
    told = doctor(HUMAN)
    assert (told.format, told.episodes, told.steps, told.healthy) == ("hdf5", 10, 531, True)
    assert [f.code for f in told.findings] == ["no_success"]


def test_wrong_counts_and_filter_keys_are_found_and_set_right(human, tmp_path):
    with h5py.File(human, "r+") as file:
        file["data"].attrs["total"] = 9666
        file["data/demo_3"].attrs["num_samples"] = 999
        del file["mask/train"]
        file["mask/train"] = np.array([b"demo_3", b"demo_77", b"demo_1", b"demo_3"])
    told = doctor(human, fix=tmp_path / "better.hdf5")
    fixable = [f.what for f in told.findings if f.fixable]
    assert sorted(f.split(" ")[0] for f in fixable) == ["`num_samples`", "`total`", "mask/train", "mask/train"]
    assert told.fixed is not None
    assert sorted(told.fixed.done) == sorted(f"set right: {what}" for what in fixable)
    assert [f.code for f in told.fixed.left] == ["no_success"]
    with h5py.File(tmp_path / "better.hdf5") as file:
        assert file["data"].attrs["total"] == 531
        assert file["data/demo_3"].attrs["num_samples"] == len(file["data/demo_3/actions"])
        assert file["mask/train"][()].tolist() == [b"demo_3", b"demo_1"]
    with h5py.File(human) as file:
        assert file["data"].attrs["total"] == 9666
    only = {(one.table, one.name) for one in diff(tl.read(HUMAN), tl.read(tmp_path / "better.hdf5"))}
    assert only == {("episodes", "splits")}


def test_counts_that_robomimic_needs_and_that_are_absent_are_added(human, tmp_path):
    with h5py.File(human, "r+") as file:
        del file["data"].attrs["total"]
        del file["data/demo_4"].attrs["num_samples"]
    seen = of(human)
    assert (seen["no_num_samples"].episode, seen["no_total"].fixable) == ("demo_4", True)
    told = doctor(human, fix=tmp_path / "better.hdf5")
    assert told.fixed is not None
    assert len(told.fixed.done) == 2
    assert list(diff(tl.read(HUMAN), tl.read(tmp_path / "better.hdf5"))) == []


def test_a_dataset_of_ours_that_came_with_wrong_counts_is_set_right_too(human, tmp_path):
    with h5py.File(human, "r+") as file:
        file["data"].attrs["total"] = 9666
        file["data/demo_3"].attrs["num_samples"] = 999
    with pytest.warns(TrajloomWarning, match="9,666"):
        tl.read(human).write(tmp_path / "demos")
    assert of(tmp_path / "demos")["reader"].fixable
    for out in ("better", "better.hdf5"):
        told = doctor(tmp_path / "demos", fix=tmp_path / out)
        assert told.fixed is not None
        assert [f.code for f in told.fixed.left] == ["no_success"]
    assert list(diff(tl.read(HUMAN), tl.read(tmp_path / "better"))) == []
    assert formats.hdf5.equal(HUMAN, tmp_path / "better.hdf5") == []  # pyright: ignore[reportAttributeAccessIssue]


def test_damaged_episodes_are_errors_and_left_out_of_the_copy(human, tmp_path):
    with h5py.File(human, "r+") as file:
        file["data/demo_2/actions"][7] = np.nan
        cut = file["data/demo_5/states"][:10]
        del file["data/demo_5/states"]
        file["data/demo_5/states"] = cut
    told = doctor(human, fix=tmp_path / "better.hdf5")
    damaged = [f for f in told.findings if f.code == "damaged"]
    assert [f.severity for f in damaged] == ["error", "error"]
    assert {f.what.split(":")[0] for f in damaged} == {"data/demo_2", "data/demo_5"}
    assert told.fixed is not None
    assert any("demo_2: actions is not finite in 1 of" in said for said in told.fixed.done)
    assert not [f for f in told.fixed.left if f.severity == "error"]
    better = tl.read(tmp_path / "better.hdf5")
    assert len(better) == 8
    with h5py.File(tmp_path / "better.hdf5") as file:
        assert file["data"].attrs["total"] == better.num_steps
    assert "2 episodes are only in the first" in [one.what for one in diff(tl.read(HUMAN), better)]


def test_a_file_that_cannot_be_opened_is_one_error_and_cannot_be_repaired(human, tmp_path):
    with human.open("r+b") as file:
        file.truncate(200_000)
    (finding,) = doctor(human).findings
    assert (finding.code, finding.severity) == ("unreadable", "error")
    with pytest.raises(DamagedFileError):
        doctor(human, fix=tmp_path / "better.hdf5")
    with pytest.raises(LayoutError):
        doctor(tmp_path / "nowhere.hdf5")


@pytest.mark.shared_data
@pytest.mark.skipif(not LIFT_141.exists(), reason="../shared/data is absent")
def test_keyboard_actions_beyond_the_controller_are_found_and_clipped(tmp_path):
    finding = of(LIFT_141)["action_range"]
    assert "110 values in 110 steps of 3 episodes" in finding.what
    assert "the largest is 3.75" in finding.what
    told = doctor(LIFT_141, fix=tmp_path / "clipped.hdf5", clip_actions=True)
    assert told.fixed is not None
    assert told.fixed.done == ("clipped: actions, to [-1, 1]",)
    assert "action_range" not in {f.code for f in told.fixed.left}
    (only,) = diff(tl.read(LIFT_141), tl.read(tmp_path / "clipped.hdf5"))
    assert (only.name, only.rows, only.largest) == ("actions", 110, pytest.approx(2.75))


# ---- our own format --------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path) -> Path:
    """Three parts of two episodes, or one."""
    store.write(healthy((4000, 3000, 5000, 2000, 100)), str(tmp_path / "stored"))
    return tmp_path / "stored"


def test_a_part_that_cannot_be_read_is_an_error_and_left_out_of_the_copy(stored, tmp_path):
    file = stored / "steps" / "part-00001.parquet"
    file.write_bytes(file.read_bytes()[:-1000])
    seen = of(stored)
    assert seen["file"].what.startswith("steps/part-00001.parquet (part 1) has SHA-256")
    assert seen["unreadable_part"].what.startswith("part 1 (2 episodes) cannot be read")
    assert "length" not in seen
    told = doctor(stored, fix=tmp_path / "better")
    assert told.fixed is not None
    assert told.fixed.left == ()
    assert told.fixed.done == ("left out: part 1, which cannot be read",)
    assert tl.read(tmp_path / "better").episodes().collect()["episode_index"].to_list() == [0, 1, 4]


def test_files_that_no_commit_counts_are_a_warning(stored, tmp_path):
    shutil.copy(stored / "steps" / "part-00001.parquet", stored / "steps" / "part-00007.parquet")
    finding = of(stored)["orphan"]
    assert (finding.severity, finding.fixable) == ("warning", True)
    assert "steps/part-00007.parquet" in finding.what
    assert (stored / "steps" / "part-00007.parquet").exists()
    told = doctor(stored, fix=tmp_path / "better")
    assert told.fixed is not None
    assert told.fixed.left == ()


def test_a_header_that_is_no_header_is_an_error(stored):
    (stored / "dataset.json").write_text('{"format": "trajloom", "version": 99}')
    (finding,) = doctor(stored).findings
    assert "version 1" in finding.what


def test_nothing_is_changed_in_place_or_overwritten_unasked(stored, tmp_path):
    with pytest.raises(SettingsError, match="never changed in place"):
        doctor(stored, fix=stored, overwrite=True)
    (tmp_path / "mine.hdf5").write_text("mine")
    with pytest.raises(OutputExistsError):
        doctor(stored, fix=tmp_path / "mine.hdf5")
    assert (tmp_path / "mine.hdf5").read_text() == "mine"


# ---- findings of formats, and the command ----------------------------------------------------------------------


def test_every_format_may_say_what_it_finds(tmp_path):
    said = [name for name in formats.names("read") if hasattr(formats.get(name), "findings")]
    assert "hdf5" in said
    with pytest.raises(ValueError, match="severity must be one of error, warning, info"):
        Finding(severity="bad", code="x", what="y")  # type: ignore[arg-type]
    assert check.doctor is doctor


def run(*words: object):
    return CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, ["doctor", *map(str, words)])


def test_the_command_says_what_it_found_and_ends_with_one_where_there_is_an_error(human, tmp_path):
    with h5py.File(human, "r+") as file:
        file["data"].attrs["total"] = 9666
    told = run(human)
    assert told.exit_code == 0
    assert "`total` says 9,666 steps; there are 531" in told.stdout
    assert told.stdout.splitlines()[-1] == "0 errors, 1 warnings, 1 notes (hdf5, 10 episodes, 531 steps)"
    told = json.loads(run(human, "--json", "--fix", tmp_path / "better.hdf5").stdout)
    assert (told["counts"]["warning"], told["fixed"]["path"]) == (1, str(tmp_path / "better.hdf5"))
    with h5py.File(human, "r+") as file:
        file["data/demo_2/obs/object"][7, 3] = np.nan
    told = run(human, "--fix", tmp_path / "again.hdf5")
    assert told.exit_code == 1
    assert "set right: `total`" in told.stdout
    assert "1 value is NaN, in 1 episodes" in told.stdout.split("left in")[1]
    assert told.stdout.splitlines()[-1] == str(tmp_path / "again.hdf5")
    assert run(human, "--clip-actions").exit_code == 2
