"""Dividing episodes into splits."""

import random
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import in_memory
import trajloom as tl
from conftest import examples
from in_memory import MemorySource
from test_edit_select import episodes, must_fit_together, steps
from trajloom.dataset import Dataset
from trajloom.edit.split import split
from trajloom.errors import SettingsError, UnknownNameError

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def named(names: list[str], splits: list[list[str]] | None = None, per_part: int = 2) -> MemorySource:
    """Episodes of one step with these names."""
    splits = splits or [[] for _ in names]
    rows = zip(names, splits, strict=True)
    members = [in_memory.episode(i, 1, name=name, splits=keys) for i, (name, keys) in enumerate(rows)]
    return MemorySource(in_memory.HEADER, members, episodes_per_part=per_part)


def given_keys(source) -> dict[str, list[str]]:
    return {row["name"]: row["splits"] for row in episodes(source)}


NAMES = [f"demo_{i}" for i in range(20)]


def test_every_episode_gets_one_of_the_two_and_nothing_else_changes():
    source = named(NAMES)
    divided = split(source, ratio=0.8, seed=1)
    keys = [keys for (keys,) in given_keys(divided).values()]
    assert (keys.count("train"), keys.count("valid")) == (16, 4)
    assert steps(divided).equals(steps(source))
    assert [{**row, "splits": []} for row in episodes(divided)] == episodes(source)
    must_fit_together(divided)


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(0, 2**40), count=st.integers(0, 20), per_part=st.integers(1, 7), ratio=st.floats(0.001, 0.999))
def test_seed_and_names_decide_whatever_the_order_and_the_parts(seed, count, per_part, ratio):
    names = NAMES[:count]
    shuffled = random.Random(seed).sample(names, count)
    one = given_keys(split(named(names), ratio=ratio, seed=seed))
    other = given_keys(split(named(shuffled, per_part=per_part), ratio=ratio, seed=seed))
    assert one == other
    found = {key for keys in one.values() for key in keys}
    assert found == ({"train", "valid"} if count > 1 else {"train"} if count else set())


def test_another_seed_divides_otherwise():
    assert given_keys(split(named(NAMES), seed=0)) != given_keys(split(named(NAMES), seed=1))


def test_the_draws_are_the_same_in_every_release():
    second = [name for name, keys in given_keys(split(named(NAMES), ratio=0.8, seed=7)).items() if keys == ["valid"]]
    assert second == ["demo_2", "demo_3", "demo_10", "demo_15"]


def test_earlier_members_are_replaced_and_other_splits_stay():
    source = named(["a", "b", "c"], [["train", "good"], ["valid"], ["good", "valid", "train"]])
    found = given_keys(split(source, ratio=0.5))
    assert [sorted(set(keys) & {"good"}) for keys in found.values()] == [["good"], [], ["good"]]
    assert all(len(set(keys) & {"train", "valid"}) == 1 for keys in found.values())
    assert given_keys(split(split(source, ratio=0.5), ratio=0.5)) == found


def test_a_split_is_divided_into_robomimics_names():
    source = named(["a", "b", "c"], [["good"], [], ["good", "good_train"]])
    found = given_keys(split(source, within="good"))
    assert found["b"] == []
    assert sorted(found["a"] + found["c"]) == ["good", "good", "good_train", "good_valid"]
    with pytest.raises(UnknownNameError, match="no split named 'bad'; there are: good, good_train"):
        split(source, within="bad")


@pytest.mark.parametrize("asked", [{"ratio": 0}, {"ratio": 1.0}, {"ratio": float("nan")}, {"keys": ("a", "a")},
                                      {"keys": ("a", "b/c")}, {"keys": ("a", "")}])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(asked):
    with pytest.raises(SettingsError, match="must"):
        split(named(NAMES), **asked)


def test_the_masks_of_a_real_file_are_the_new_members_alone(tmp_path):
    data = tl.read(HUMAN).split(ratio=0.7, seed=3, keys=("train", "test"))
    wanted = given_keys(data.source)
    data.write(tmp_path / "divided.hdf5")
    with h5py.File(tmp_path / "divided.hdf5") as file, h5py.File(HUMAN) as was:
        masks = {key: [name.decode() for name in names] for key, names in file["mask"].items()}
        assert sorted(masks) == ["test", "train", "valid"]
        assert masks["valid"] == [name.decode() for name in was["mask/valid"]]
        for key in ("train", "test"):
            assert masks[key] == [name for name, keys in wanted.items() if key in keys]
        assert len(masks["train"]) == 7
        assert sorted(masks["train"] + masks["test"]) == sorted(file["data"])


def test_a_member_of_a_mask_that_is_not_there_does_not_stay_in_its_new_members(tmp_path):
    with h5py.File(tmp_path / "in.hdf5", "w") as file:
        for i in range(4):
            file[f"data/demo_{i}/actions"] = np.zeros((2, 3))
        file["mask/train"] = np.array(["demo_3", "demo_999", "demo_0"], dtype="S")
    with pytest.warns(match="demonstrations that are not there"):
        data = tl.read(tmp_path / "in.hdf5")
    data.split(ratio=0.5).write(tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert sorted([*file["mask/train"], *file["mask/valid"]]) == [f"demo_{i}".encode() for i in range(4)]
        assert len(file["mask/train"]) == 2


def test_of_a_generated_dataset_the_ledger_stays():
    source = in_memory.generated([0, 2, 3], 5)
    divided = Dataset(split(replace(source, episodes_per_part=1)))
    assert divided.attempts().collect()["attempt"].to_list() == list(range(5))
