"""Several datasets as one."""

import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import in_memory
import odd_hdf5
import trajloom as tl
from conftest import examples
from in_memory import HEADER, MemoryEpisode, MemorySource
from test_edit_select import attempts, episodes, must_fit_together, numbers, rest, steps
from trajloom.dataset import Dataset
from trajloom.edit.merge import merge
from trajloom.errors import SchemaError, SettingsError, TrajloomWarning
from trajloom.formats import hdf5
from trajloom.schema import Column
from trajloom.tables import Rest

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def other(*columns: Column, lengths: tuple[int, ...] = (2, 3), **header) -> MemorySource:
    """Episodes named else_0, ... with actions and some more columns of zeros."""
    steps = (HEADER.column("actions"), *columns)
    members = []
    for i, n in enumerate(lengths):
        row = {
            "episode_index": i,
            "name": f"else_{i}",
            "length": n,
            "success": None,
            "attrs": "{}",
            "splits": ["other"],
        }
        arrays = {c.name: np.zeros((n, *c.shape), dtype=c.dtype) for c in steps}
        members.append(MemoryEpisode(row, arrays))
    return MemorySource(HEADER.with_(steps=steps, episodes=(), **header), members)


def test_episodes_come_one_after_the_other_and_keep_names_that_are_unique():
    merged = merge([in_memory.source((3, 1)), other(), in_memory.source(())])
    assert numbers(merged) == [0, 1, 2, 3]
    assert [row["name"] for row in episodes(merged)] == ["demo_0", "demo_1", "else_0", "else_1"]
    assert [row["splits"] for row in episodes(merged)] == [[], [], ["other"], ["other"]]
    assert steps(merged).column("episode_index").to_pylist() == [0] * 3 + [1] + [2] * 2 + [3] * 3
    must_fit_together(merged)


def test_where_names_clash_every_episode_is_named_after_its_number():
    merged = merge([in_memory.source((1, 1)), other(lengths=(1,)), in_memory.source((2,))])
    assert [row["name"] for row in episodes(merged)] == ["demo_0", "demo_1", "demo_2", "demo_3"]


def test_a_column_that_a_dataset_lacks_is_null_there_and_never_zero():
    extra = Column(name="obs/extra", dtype="float32", shape=(2,))
    merged = merge([in_memory.source((3, 1)), other(extra)])
    columns = {c.name: c for c in merged.header.steps}
    assert [name for name, c in columns.items() if not c.nullable] == ["actions"]
    assert columns["obs/pose"] == replace(HEADER.column("obs/pose"), nullable=True)
    table = steps(merged)
    assert table.column("obs/extra").is_null().to_pylist() == [True] * 4 + [False] * 5
    assert table.column("obs/pose").is_null().to_pylist() == [False] * 4 + [True] * 5
    assert [row["initial_state/states"] is None for row in episodes(merged)] == [False, False, True, True]
    only = [b for part in merged.parts() for b in part.steps(["obs/extra"])]
    assert pa.Table.from_batches(only).num_rows == 9


def test_a_dataset_without_episodes_lacks_nothing():
    merged = merge([in_memory.source((1, 1)), other(lengths=())])
    assert {c.name: c.nullable for c in merged.header.steps} == {c.name: c.nullable for c in HEADER.steps}


def test_values_come_through_whatever_their_columns_became():
    whole, merged = in_memory.source(), Dataset(merge([in_memory.source(), other()]))
    for i in range(5):
        for name, values in whole.members[i].columns.items():
            found = merged.episode(i)
            *groups, leaf = name.split("/")
            for group in groups:
                found = found[group]
            np.testing.assert_array_equal(found[leaf], values)


@settings(max_examples=examples(8), deadline=None)
@given(
    lengths=st.lists(st.lists(st.integers(1, 4), max_size=4), min_size=2, max_size=4),
    per_part=st.integers(1, 3),
    batch=st.integers(1, 5),
)
def test_merging_is_putting_in_a_row_whatever_the_parts(lengths, per_part, batch):
    merged = merge([in_memory.source(some, episodes_per_part=per_part, batch_rows=batch) for some in lengths])
    wanted = [table for some in lengths for table in [steps(in_memory.source(some))]]
    assert steps(merged).drop(["episode_index"]).equals(pa.concat_tables(wanted).drop(["episode_index"]))
    assert numbers(merged) == list(range(sum(map(len, lengths))))
    must_fit_together(merged)


def test_merging_step_by_step_is_merging_at_once():
    a, b, c = in_memory.source((2, 1)), other(), in_memory.source((4,))
    at_once, stepwise = merge([a, b, c]), merge([merge([a, b]), c])
    assert steps(at_once).equals(steps(stepwise))
    assert episodes(at_once) == episodes(stepwise)
    assert at_once.header.sources == stepwise.header.sources


def test_columns_that_do_not_fit_are_all_named_with_both_datasets():
    odd = other(
        Column(name="obs/pose", dtype="float32", shape=(4, 4)),
        Column(name="rewards", dtype="float64", shape=(1,)),
        Column(name="obs/force", dtype="float32", shape=(2,), unit="kN"),
        Column(name="initial_state/states", dtype="float64", shape=(6,)),
    )
    with pytest.raises(SchemaError) as error:
        merge([in_memory.source(), odd])
    said = str(error.value)
    assert "obs/pose: float64 (4, 4) in dataset 1, float32 (4, 4) in dataset 2" in said
    assert "rewards: float64 () in dataset 1, float64 (1,) in dataset 2" in said
    assert "obs/force: unit N in dataset 1, kN in dataset 2" in said
    assert "initial_state/states: float64 (6,) an episode in dataset 1, float64 (6,) in dataset 2" in said


def test_what_one_does_not_say_of_a_column_is_taken_from_the_other():
    silent = Column(name="obs/pose", dtype="float64", shape=(4, 4), rotation="matrix")
    merged = merge([other(silent), in_memory.source((1,))])
    pose = merged.header.column("obs/pose")
    assert (pose.unit, pose.frame, pose.rotation) == ("m", "world", "matrix")


def test_different_rates_are_refused_with_the_way_out():
    with pytest.raises(SettingsError, match=r"dataset 1 at 20 Hz, dataset 2 at 10 Hz\); resample them to one rate"):
        merge([in_memory.source(), other(control_hz=10.0)])


def test_where_one_rate_is_unknown_times_stay_what_they_were():
    with pytest.warns(TrajloomWarning, match="dataset 2 does not say its control rate"):
        merged = merge([in_memory.source((2,)), other(lengths=(2,), control_hz=None)])
    assert merged.header.control_hz is None
    assert steps(merged).column("timestamp").to_pylist() == [0.0, 0.05, None, None]


def test_other_environments_are_said_and_the_first_is_kept():
    with pytest.warns(TrajloomWarning, match="env_args of dataset 2 is another than the one kept"):
        merged = merge([in_memory.source(), other(env_args={"env_name": "Stack"})])
    assert merged.header.env_args == HEADER.env_args
    assert any("env_args of dataset 2" in said for said in merged.header.warnings)


def test_attempts_are_numbered_on_and_an_episode_keeps_the_number_of_its_attempt():
    with pytest.warns(TrajloomWarning, match="env_args"):
        merged = merge([
            in_memory.generated([1, 3], 6, attempts_end=6),
            other(env_args=None),
            in_memory.generated([0, 2], 3, attempts_end=3),
        ])  # fmt: skip
    assert attempts(merged) == [*range(6), 8, 9, 10]
    assert numbers(merged) == [1, 3, 6, 7, 8, 10]
    assert merged.header.eefs == ("robot0",)
    assert steps(merged).column("subtask/robot0").is_null().to_pylist() == [False] * 8 + [True] * 5 + [False] * 8
    must_fit_together(merged)


def test_generated_datasets_of_one_run_keep_what_was_common_and_become_final(tmp_path):
    one, two = in_memory.generated([1], 2, attempts_end=2), in_memory.generated([0], 1, attempts_end=1)
    two = replace(two, header=two.header.with_(generation={"seed": 8, "task": "lift"}))
    merged = merge([one, two])
    assert merged.header.generation == {"task": "lift", "edited": True}
    Dataset(merged).write(tmp_path / "out")
    found = tl.read(tmp_path / "out")
    assert found.attempts().collect()["attempt"].to_list() == [0, 1, 2]
    assert found.episodes().collect()["episode_index"].to_list() == [1, 2]
    tl.compact(str(tmp_path / "out"))
    Dataset(merged).write(tmp_path / "out.hdf5")
    assert attempts(tl.read(tmp_path / "out.hdf5").source) == [0, 1, 2]


def test_each_source_says_which_episodes_came_from_it():
    with pytest.warns(TrajloomWarning):
        merged = merge([
            in_memory.generated([1, 3], 6), other(sources=({"id": "b"}, {"id": "c"}), env_args=None)
        ])  # fmt: skip
    assert merged.header.sources == (
        {"id": "a.hdf5", "episode_range": [0, 4]},
        {"id": "b", "episode_range": [6, 8]},
        {"id": "c", "episode_range": [6, 8]},
    )


def test_models_are_those_of_all():
    def with_model(letter: str) -> MemorySource:
        members = [in_memory.episode(0, 1, model=letter * 64, name=letter)]
        return MemorySource(HEADER, members, xml={letter * 64: f"<{letter}/>"})

    merged = merge([with_model("a"), with_model("b"), with_model("a")])
    assert dict(merged.models()) == {"a" * 64: "<a/>", "b" * 64: "<b/>"}
    must_fit_together(merged)


def test_what_belongs_to_the_files_is_there_once_and_what_differs_is_said():
    one = [Rest("same", "|S1", (1,), b"s"), Rest("mine", "|S1", (1,), b"1"), Rest("odd", "<i8", (0,), b"", 0)]
    two = [Rest("same", "|S1", (1,), b"s"), Rest("mine", "|S1", (1,), b"2"), Rest("more", "|S1", (1,), b"m"),
           Rest("odd", "<i8", (0,), b"", 1)]  # fmt: skip
    with pytest.warns(TrajloomWarning, match="dataset 2 has another mine than a dataset before it"):
        merged = merge([in_memory.source((1,), rest_rows=one), in_memory.source((1, 1), rest_rows=two)])
    assert [(r.episode_index, r.path, r.data) for r in rest(merged)] == [
        (None, "same", b"s"), (None, "mine", b"1"), (None, "more", b"m"), (0, "odd", b""), (2, "odd", b""),
    ]  # fmt: skip


def test_one_dataset_is_itself_and_none_is_refused():
    source = in_memory.source()
    assert merge([source]) is source
    with pytest.raises(SettingsError, match="nothing to merge"):
        merge([])
    with pytest.raises(SettingsError, match="several datasets, such as"):
        tl.merge("a.hdf5")


def test_two_real_files_become_one_that_h5py_reads(tmp_path):
    tl.read(HUMAN).select("0-2").write(tmp_path / "a.hdf5")
    tl.read(HUMAN).select("3-9").drop_columns(["next_obs/", "rewards"]).write(tmp_path / "b.hdf5")
    tl.merge([tmp_path / "a.hdf5", str(tmp_path / "b.hdf5")]).write(tmp_path / "both.hdf5")
    with h5py.File(HUMAN) as was, h5py.File(tmp_path / "both.hdf5") as now:
        assert sorted(now["data"]) == [f"demo_{i}" for i in range(10)]
        assert now["data"].attrs["total"] == 531
        assert now["data"].attrs["env_args"] == was["data"].attrs["env_args"]
        assert sorted(now) == ["data", "mask"]
        for key in ("train", "valid"):
            assert sorted(now[f"mask/{key}"]) == sorted(was[f"mask/{key}"])
        for i in range(10):
            a, b = was[f"data/demo_{i}"], now[f"data/demo_{i}"]
            assert dict(a.attrs) == dict(b.attrs)
            assert sorted(a) == sorted(b) if i < 3 else {*a} - {*b} == {"next_obs", "rewards"}
            np.testing.assert_array_equal(a["obs/object"], b["obs/object"])
            assert a["actions"].compression == b["actions"].compression


def test_what_was_split_and_merged_again_is_equal(tmp_path):
    data = tl.read(HUMAN)
    tl.merge([data.select("0-4"), data.select("5-9")]).write(tmp_path / "again.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "again.hdf5") == []


def test_a_file_of_episodes_with_and_without_states_can_be_read(tmp_path):
    data = tl.read(HUMAN)
    merged = tl.merge(
        [data.select("0"), data.select("1-9").drop_columns("obs/"), data.select("4").drop_columns("states")]
    )
    merged.write(tmp_path / "both.hdf5")
    found = tl.read(tmp_path / "both.hdf5")
    assert "states" not in found.episode(10)
    np.testing.assert_array_equal(found.episode(3)["states"], data.episode(3)["states"])


def test_different_formats_are_merged(tmp_path):
    Dataset(in_memory.source((2, 3))).write(tmp_path / "store")
    Dataset(in_memory.source((4,))).write(tmp_path / "file.hdf5")
    merged = tl.merge([tl.read(tmp_path / "store"), tmp_path / "file.hdf5"])
    assert [row["length"] for row in episodes(merged.source)] == [2, 3, 4]
    with pytest.raises(SettingsError, match=r"file.hdf5 is the input"):
        merged.write(tmp_path / "file.hdf5", overwrite=True)
    merged.write(tmp_path / "both.hdf5")
    assert len(tl.read(tmp_path / "both.hdf5")) == 3


@settings(max_examples=examples(6), deadline=None, suppress_health_check=SLOW)
@given(one=odd_hdf5.odd_files(), two=odd_hdf5.odd_files())
def test_odd_files_are_merged_whole_or_refused_with_a_reason(one, two, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("odd")
    odd_hdf5.build(folder / "a.hdf5", one)
    odd_hdf5.build(folder / "b.hdf5", two)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        opened = [tl.read(folder / name) for name in ("a.hdf5", "b.hdf5")]
        try:
            merged = tl.merge(opened)
        except (SchemaError, SettingsError):
            return
        must_fit_together(merged.source)
        merged.write(folder / "store")
    found = tl.read(folder / "store").source
    assert repr(steps(found).to_pylist()) == repr(steps(merged.source).to_pylist())  # NaN is NaN
    assert [json.loads(row["attrs"]) for row in episodes(found)] == [
        json.loads(row["attrs"]) for data in opened for row in episodes(data.source)
    ]
    own = [r for data in opened for r in rest(data.source) if r.episode_index is not None]
    assert sum(row.episode_index is not None for row in rest(found)) == len(own)
    assert pickle.loads(pickle.dumps(found.header)) == found.header


def test_generated_datasets_keep_what_they_say_of_their_sources():
    # generating counts the episodes that its sources have
    made = in_memory.generated([0, 2], 3)
    counted = replace(made, header=made.header.with_(sources=({"episodes": 10, "sha256": "0"},)))
    found = tl.merge([tl.Dataset(counted), tl.Dataset(counted)]).header.sources
    assert [entry["episodes"] for entry in found] == [10, 10]
    assert [entry["episode_range"] for entry in found] == [[0, 3], [3, 6]]
