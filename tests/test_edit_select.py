"""Choosing episodes and columns, and naming columns anew."""

import json
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

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
from trajloom.dataset import Dataset
from trajloom.edit.drop import drop_columns
from trajloom.edit.select import select
from trajloom.errors import SettingsError, TrajloomWarning, UnknownNameError
from trajloom.formats import Source, hdf5
from trajloom.schema import Column, check
from trajloom.tables import Rest, rest_rows

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def steps(source: Source) -> pa.Table:
    batches = [batch for part in source.parts() for batch in part.steps()]
    return pa.Table.from_batches(batches, schema=source.header.steps_schema)


def episodes(source: Source) -> list[dict[str, Any]]:
    return [row for part in source.parts() for row in part.episodes().to_pylist()]


def numbers(source: Source) -> list[int]:
    return [row["episode_index"] for row in episodes(source)]


def rest(source: Source) -> list[Rest]:
    return [row for part in source.parts() for batch in part.rest() for row in rest_rows(batch)]


def attempts(source: Source) -> list[int]:
    return [row["attempt"] for part in source.parts() for row in part.attempts().to_pylist()]


def must_fit_together(source: Source) -> None:
    """Tables match the header and one another, and parts can be sent to other processes."""
    for part in source.parts():
        part = pickle.loads(pickle.dumps(part))
        batches = list(part.steps())
        for batch in batches:
            check(batch, source.header.steps_schema)
        check(part.episodes(), source.header.episodes_schema)
        assert part.num_episodes == part.episodes().num_rows
        assert part.num_steps == sum(batch.num_rows for batch in batches)
        assert part.num_steps == sum(part.episodes().column("length").to_pylist())
    named = {row["model"] for row in episodes(source)} - {None}
    assert named <= set(source.models())


def with_splits() -> in_memory.MemorySource:
    """Five episodes, the even ones in "even", all in "all", the last in "last", with models, `rest` and attributes."""
    names = [["all", "even"], ["all"], ["all", "even"], ["all"], ["all", "even", "last"]]
    attrs = {"": {"own": {"dtype": "<i8", "value": 1}}, "obs/pose": {"by": {"dtype": "str", "value": "me"}}}
    members = [
        in_memory.episode(i, n, splits=names[i], success=[True, None, False, True, True][i], model=f"{i // 3}" * 64,
                          attrs=json.dumps(attrs))
        for i, n in enumerate((3, 1, 4, 2, 5))
    ]  # fmt: skip
    rows = [
        Rest("notes", "|S2", (1,), b"hi"),
        *(Rest("obs/ragged", "<f4", (2,), b"12345678", i) for i in range(5)),
        *(Rest("obs/force", "<f8", (1,), b"12345678", i) for i in (1, 3)),
    ]
    models = {f"{i}" * 64: f"<mujoco model='{i}'/>" for i in range(2)}
    return in_memory.MemorySource(in_memory.HEADER, members, rest_rows=rows, xml=models, batch_rows=2)


# ---- episodes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("0", [0]),
        ("1-3", [1, 2, 3]),
        (" 4, 0-1 ,demo_2", [0, 1, 2, 4]),
        ("3-99", [3, 4]),
        ([4, "demo_1", "2-3"], [1, 2, 3, 4]),
        ("0-4", [0, 1, 2, 3, 4]),
    ],
)
def test_episodes_are_chosen_by_number_range_and_name(wanted, found):
    chosen = select(with_splits(), episodes=wanted)
    assert numbers(chosen) == found
    assert [row["name"] for row in episodes(chosen)] == [f"demo_{i}" for i in found]
    assert sorted(set(steps(chosen).column("episode_index").to_pylist())) == found
    must_fit_together(chosen)


@pytest.mark.parametrize(("wanted", "said"), [("7", "'7'"), ("0,8-9,demo_x", "'8-9, demo_x'"), ("-1", "'-1'")])
def test_episodes_that_are_not_there_are_named_with_those_that_are(wanted, said):
    with pytest.raises(UnknownNameError, match=rf"no episode named {said}; there are: 0-4, demo_0"):
        select(with_splits(), episodes=wanted)


@pytest.mark.parametrize(("wanted", "said"), [("3-1", "write 1-3"), (" ,", "no episodes are asked for")])
def test_a_choice_that_makes_no_sense_is_refused(wanted, said):
    with pytest.raises(SettingsError, match=said):
        select(with_splits(), episodes=wanted)


def test_a_split_chooses_its_members_and_an_unknown_one_is_named_with_those_there_are():
    assert numbers(select(with_splits(), split="even")) == [0, 2, 4]
    with pytest.raises(UnknownNameError, match="no split named 'odd'; there are: all, even, last"):
        select(with_splits(), split="odd")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("success and length > 2", [0, 4]),
        ("not success", [2]),
        ("success is null", [1]),
        ("name = 'demo_3' or array_contains(splits, 'last')", [3, 4]),
        ("length > (1 + 1) and episode_index in (0, 1, 2)", [0, 2]),
        ("length = max(length)", [4]),
        ("1 = 1", [0, 1, 2, 3, 4]),
    ],
)
def test_an_expression_chooses_the_episodes_for_which_it_holds(where, found):
    assert numbers(select(with_splits(), where=where)) == found


def test_all_that_is_asked_of_episodes_must_hold():
    assert numbers(select(with_splits(), episodes="0-3", split="even", where="length > 3")) == [2]


@pytest.mark.parametrize(
    "where", ["length >", "length + 1", "length > 'a'", "select 1", "length > 1; drop table x", ""]
)
def test_what_is_no_condition_is_refused_with_an_example_and_the_columns(where):
    with pytest.raises(
        SettingsError, match=r"is no condition on episodes .*success and length > 50.*episode_index, name"
    ):
        select(with_splits(), where=where)


def test_a_condition_on_columns_that_are_not_there_names_those_that_are():
    with pytest.raises(
        UnknownNameError, match=r"no column of episodes named 'reward, tsk'; there are: attrs, .*success"
    ):
        select(with_splits(), where="tsk = 'lift' and reward > 3")


def test_a_condition_that_nothing_fulfils_gives_an_empty_dataset_and_says_so():
    with pytest.warns(TrajloomWarning, match="no episode is left"):
        empty = select(with_splits(), where="length > 1000")
    assert numbers(empty) == []
    assert [row.path for row in rest(empty)] == ["notes"]
    assert empty.header.warnings == ("no episode is left; the result is an empty dataset",)
    must_fit_together(empty)


@settings(max_examples=examples(10), deadline=None)
@given(chosen=st.sets(st.integers(0, 4), min_size=1), per_part=st.integers(1, 5), batch=st.integers(1, 6))
def test_what_is_chosen_is_what_the_source_has_of_it_however_it_comes_in_parts(chosen, per_part, batch):
    source = in_memory.source(episodes_per_part=per_part, batch_rows=batch)
    found, whole = select(source, episodes=sorted(chosen)), steps(source)
    mask = np.isin(whole.column("episode_index").to_numpy(), sorted(chosen))
    assert steps(found).equals(whole.filter(pa.array(mask)))
    assert all(part.num_episodes for part in found.parts())
    some = [batch for part in found.parts() for batch in part.steps(["obs/pose", "rewards"])]
    assert pa.Table.from_batches(some).equals(whole.filter(pa.array(mask)).select(["obs/pose", "rewards"]))
    must_fit_together(found)


def test_the_files_own_rows_come_along_and_those_of_dropped_episodes_do_not():
    chosen = select(with_splits(), episodes="3-4")
    found = [(row.episode_index, row.path) for row in rest(chosen)]
    assert sorted(found, key=str) == [(3, "obs/force"), (3, "obs/ragged"), (4, "obs/ragged"), (None, "notes")]
    assert rest(chosen)[0].path == "notes"


def test_models_that_only_dropped_episodes_used_are_gone():
    chosen = select(with_splits(), episodes="3-4")
    assert dict(chosen.models()) == {"1" * 64: "<mujoco model='1'/>"}
    assert len(select(with_splits(), episodes="0-4").models()) == 2


def test_of_attempts_those_of_kept_episodes_stay_and_nothing_can_be_generated_into_the_result(tmp_path):
    source = in_memory.generated([1, 2, 5], 8, attempts_end=8)
    assert attempts(select(source, episodes="1-5")) == list(range(8))
    chosen = select(source, episodes="2,5")
    assert attempts(chosen) == [2, 5]
    Dataset(chosen).write(tmp_path / "chosen")
    with pytest.raises(SettingsError, match="was edited, which made it final"):
        tl.store.resume(str(tmp_path / "chosen"))
    tl.compact(str(tmp_path / "chosen"))
    assert tl.read(tmp_path / "chosen").attempts().collect()["attempt"].to_list() == [2, 5]


def test_nothing_is_read_of_parts_without_a_chosen_episode():
    class Forbidden(in_memory.MemoryPart):
        def steps(self, columns=None):
            raise AssertionError("these steps are not asked for")

    source = in_memory.source()
    first, *others = source.parts()
    source.__dict__["_parts"] = [first, *(Forbidden(p.header, p.members) for p in others)]
    assert steps(select(source, episodes="1")).num_rows == 1


def test_a_few_episodes_of_a_large_stored_part_are_looked_up(tmp_path):
    lengths = [1 + i % 4 for i in range(40)]
    Dataset(in_memory.source(lengths, episodes_per_part=40)).write(tmp_path / "data")
    stored = tl.read(tmp_path / "data").source
    whole = steps(stored)
    for chosen in ([3], [0, 17, 39], list(range(1, 40, 3))):
        found = select(stored, episodes=chosen)
        assert steps(found).equals(whole.filter(pa.array(np.isin(whole.column("episode_index").to_numpy(), chosen))))
        must_fit_together(found)


# ---- columns ---------------------------------------------------------------------------------------------------


def test_columns_are_kept_by_name_and_pattern_and_take_what_belongs_to_them_along():
    kept = select(with_splits(), columns=["actions", "obs/p*", "obs/force"])
    assert [c.name for c in kept.header.steps] == ["actions", "obs/pose", "obs/force"]
    assert kept.header.episodes == ()
    assert {(row.episode_index, row.path) for row in rest(kept)} == {
        (None, "notes"),
        (1, "obs/force"),
        (3, "obs/force"),
    }
    assert "obs/pose" in json.loads(episodes(kept)[0]["attrs"])
    must_fit_together(kept)


def test_dropped_columns_take_their_rest_and_attributes_with_them():
    left = drop_columns(with_splits(), ["obs/pose", "obs/force", "initial_state/"])
    assert [c.name for c in left.header.steps] == ["actions", "rewards", "dones", "obs/image"]
    assert left.header.episodes == ()
    assert {row.path for row in rest(left)} == {"notes", "obs/ragged"}
    assert list(json.loads(episodes(left)[0]["attrs"])) == [""]
    must_fit_together(left)


def test_attributes_of_a_group_stay_as_long_as_one_of_its_columns_does():
    attrs = json.dumps({"obs": {"by": {"dtype": "str", "value": "me"}}})
    source = in_memory.MemorySource(in_memory.HEADER, [in_memory.episode(0, 2, attrs=attrs)])

    def left(changed: Source) -> list[str]:
        return list(json.loads(episodes(changed)[0]["attrs"]))

    assert left(select(source, columns="obs/pose")) == ["obs"]
    assert left(drop_columns(source, "obs/pose")) == ["obs"]
    assert left(drop_columns(source, "obs/")) == []
    assert left(select(source, columns="actions")) == []
    assert left(select(source, rename={"obs/": "o/"})) == ["o"]


def test_what_lies_in_rest_alone_can_be_dropped_by_its_name():
    assert {row.path for row in rest(drop_columns(with_splits(), "obs/ragged"))} == {"notes", "obs/force"}


def test_a_group_is_its_name_with_a_slash():
    left = drop_columns(in_memory.source(), "obs/")
    assert [c.name for c in left.header.steps] == ["actions", "rewards", "dones"]


def test_columns_that_are_not_there_are_named_with_those_that_are():
    for change in (lambda: select(with_splits(), columns=["actions", "obs/q*", "x"]),
                   lambda: drop_columns(with_splits(), ["actions", "obs/q*", "x"])):  # fmt: skip
        with pytest.raises(UnknownNameError, match=r"no column named 'obs/q\*, x'; there are: .*initial_state/states"):
            change()


def test_our_own_columns_always_stay_and_cannot_be_dropped():
    kept = select(in_memory.generated([0, 1], 2), columns=["actions", "timestamp"])
    assert kept.header.steps_schema.names == [
        "episode_index", "frame_index", "timestamp",
        "subtask/robot0", "source_episode/robot0", "source_frame/robot0", "actions",
    ]  # fmt: skip
    with pytest.raises(UnknownNameError, match="no column named 'timestamp'"):
        drop_columns(in_memory.source(), "timestamp")


# ---- names -----------------------------------------------------------------------------------------------------


def test_columns_and_groups_are_named_anew_wherever_they_are_named():
    source = with_splits()
    named = select(source, rename={"obs/": "observation/", "actions": "obs/act", "initial_state/states": "start"})
    assert [c.name for c in named.header.steps] == [
        "obs/act", "rewards", "dones", "observation/pose", "observation/image", "observation/force",
    ]  # fmt: skip
    assert named.header.column("observation/pose").unit == "m"
    assert steps(named).column("obs/act").equals(steps(source).column("actions"))
    assert steps(named).column("observation/force").equals(steps(source).column("obs/force"))
    assert [c.name for c in named.header.episodes] == ["start"]
    assert {row.path for row in rest(named)} == {"notes", "observation/ragged", "observation/force"}
    assert "observation/pose" in json.loads(episodes(named)[0]["attrs"])
    must_fit_together(named)


def test_names_may_be_swapped_and_our_own_names_may_be_given():
    source = in_memory.source()
    swapped = select(source, rename={"rewards": "dones", "dones": "rewards", "actions": "timestamp"})
    assert [(c.name, c.dtype) for c in swapped.header.steps[:3]] == [
        ("data/timestamp", "float64"), ("dones", "float64"), ("rewards", "int64"),
    ]  # fmt: skip
    assert steps(swapped).column("dones").equals(steps(source).column("rewards"))
    back = select(swapped, rename={"data/timestamp": "actions", "rewards": "dones", "dones": "rewards"})
    assert steps(back).equals(steps(source))


@settings(max_examples=examples(10), deadline=None)
@given(st.permutations([c.name for c in in_memory.HEADER.steps]))
def test_names_given_and_taken_back_leave_everything_as_it_was(names):
    there = [c.name for c in in_memory.HEADER.steps]
    changed = select(with_splits(), rename=dict(zip(there, names, strict=True)))
    back = select(changed, rename=dict(zip(names, there, strict=True)))
    assert back.header.steps == in_memory.HEADER.steps
    assert steps(back).equals(steps(with_splits()))
    assert rest(back) == rest(with_splits())
    assert episodes(back) == episodes(with_splits())


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"actions": "rewards"}, "rewards would be there twice"),
        ({"actions": "a", "rewards": "a"}, "a would be there twice"),
        ({"actions": "initial_state/states"}, "initial_state/states would be there twice"),
        ({"rewards": "actions/of/mine"}, "actions/of/mine would lie inside the column actions"),
        ({"obs/": "initial_state/states/"}, "would lie inside the column initial_state/states"),
        ({"actions": ""}, "'' for 'actions' is no name"),
        ({"actions": "../up"}, "is no name"),
        ({"actions": "/root"}, "is no name"),
        ({"obs/": "observation"}, "must both end in a slash"),
    ],
)
def test_names_that_are_taken_or_are_none_are_refused(names, said):
    with pytest.raises(SettingsError, match=said):
        select(in_memory.source(), rename=names)


def test_a_name_that_some_episodes_have_in_rest_is_refused_once_it_is_met():
    named = select(with_splits(), rename={"actions": "obs/ragged"})
    with pytest.raises(SettingsError, match="nothing can be renamed to obs/ragged: some episodes have an array"):
        rest(named)


def test_names_that_are_not_there_cannot_be_changed():
    with pytest.raises(UnknownNameError, match=r"no column named 'act\*, acts/'; there are: actions"):
        select(in_memory.source(), rename={"act*": "a", "acts/": "b/"})


# ---- files -----------------------------------------------------------------------------------------------------


def test_untouched_demonstrations_of_a_real_file_are_written_bit_equal(tmp_path):
    """What differs is what must: demonstrations that are gone, the count of steps, and the masks' members."""
    tl.read(HUMAN).select("0,2-3,demo_7").write(tmp_path / "some.hdf5")
    expected = tmp_path / "expected.hdf5"
    shutil.copy(HUMAN, expected)
    with h5py.File(expected, "r+") as file:
        for i in (1, 4, 5, 6, 8, 9):
            del file[f"data/demo_{i}"]
        for key, names in {"train": [b"demo_2", b"demo_3", b"demo_7"], "valid": [b"demo_0"]}.items():
            del file[f"mask/{key}"]
            file[f"mask/{key}"] = np.array(names)
        file["data"].attrs["total"] = sum(len(demo["actions"]) for demo in file["data"].values())
    assert hdf5.equal(expected, tmp_path / "some.hdf5") == []


def test_a_mask_of_dropped_episodes_alone_vanishes(tmp_path):
    tl.read(HUMAN).select(split="valid").write(tmp_path / "valid.hdf5")
    with h5py.File(tmp_path / "valid.hdf5") as file:
        assert list(file["mask"]) == ["valid"]
        assert list(file["data"]) == ["demo_0", "demo_4", "demo_8"]
        assert file["data"].attrs["total"] == sum(len(demo["actions"]) for demo in file["data"].values())


def test_renamed_columns_of_a_file_keep_how_they_lie_in_it(tmp_path):
    tl.read(HUMAN).select("0-1", columns=["actions", "obs/object"]).rename({"obs/": "o/", "actions": "act"}).write(
        tmp_path / "named.hdf5"
    )
    with h5py.File(HUMAN) as was, h5py.File(tmp_path / "named.hdf5") as now:
        for old, new in {"actions": "act", "obs/object": "o/object"}.items():
            a, b = was[f"data/demo_1/{old}"], now[f"data/demo_1/{new}"]
            assert (a.chunks, a.compression, a.shuffle) == (b.chunks, b.compression, b.shuffle)
            np.testing.assert_array_equal(a, b)
        assert sorted(now["data/demo_1"]) == ["act", "o"]


def test_a_file_that_calls_actions_otherwise_does_so_until_they_are_renamed(tmp_path):
    with h5py.File(tmp_path / "theirs.hdf5", "w") as file:
        for i in range(2):
            file[f"data/demo_{i}/action"] = np.zeros((3 + i, 2))
            file[f"data/demo_{i}/action"].attrs["unit"] = "m"
            file[f"data/demo_{i}/obs/x"] = np.zeros((3 + i, 2))
    with pytest.warns(TrajloomWarning, match="read as `actions`"):
        data = tl.read(tmp_path / "theirs.hdf5")
    data.select("1", columns="actions").write(tmp_path / "kept.hdf5")
    data.rename({"actions": "obs/a"}).write(tmp_path / "moved.hdf5")
    with h5py.File(tmp_path / "kept.hdf5") as kept, h5py.File(tmp_path / "moved.hdf5") as moved:
        assert kept["data/demo_1/action"].attrs["unit"] == "m"
        assert list(kept["data/demo_1"]) == ["action"]
        assert moved["data/demo_0/obs/a"].attrs["unit"] == "m"
        assert list(moved["data/demo_0"]) == ["obs"]


@settings(max_examples=examples(10), deadline=None, suppress_health_check=SLOW)
@given(what=odd_hdf5.odd_files(), keep=st.integers(0, 15))
def test_kept_demonstrations_of_odd_files_are_bit_equal(what, keep, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("odd")
    odd_hdf5.build(folder / "odd.hdf5", what)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        data = tl.read(folder / "odd.hdf5")
        names = [row["name"] for row in episodes(data.source)]
        kept = [name for i, name in enumerate(names) if keep >> i & 1]
        if not kept:
            return
        data.select(kept).write(folder / "some.hdf5")
    wrong = [
        said
        for said in hdf5.equal(folder / "odd.hdf5", folder / "some.hdf5")
        if not said.startswith(("mask", *(f"data/{name}" for name in set(names) - set(kept))))
        and not said.startswith(("data@total", "data@first", "references: values"))
    ]
    assert wrong == []


def test_a_dataset_gives_lazy_datasets_of_its_own_kind(tmp_path):
    data = Dataset(with_splits()).select(split="even").drop_columns("obs/image").rename({"rewards": "r"})
    assert isinstance(data, Dataset)
    assert len(data) == 3
    assert data.steps().select("r").collect().height == data.num_steps == 12
    data.write(tmp_path / "out")
    assert steps(tl.read(tmp_path / "out").source).equals(steps(data.source))


def test_what_is_chosen_is_not_written_over_its_source(tmp_path):
    Dataset(with_splits()).write(tmp_path / "data")
    with pytest.raises(SettingsError, match="is the input"):
        tl.read(tmp_path / "data").select("0").write(tmp_path / "data", overwrite=True)


def test_a_pattern_may_name_a_column_that_our_names_hide():
    header = in_memory.HEADER.with_(steps=(Column(name="data/timestamp", dtype="float64"),), episodes=())
    member = in_memory.episode(0, 3)
    member = in_memory.MemoryEpisode(
        {k: v for k, v in member.row.items() if "/" not in k}, {"data/timestamp": np.arange(3.0)}
    )
    source = in_memory.MemorySource(header, [member])
    assert drop_columns(source, "timestamp").header.steps == ()
    assert select(source, columns="data/timestamp").header.steps == header.steps
