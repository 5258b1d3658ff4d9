"""Which episodes and sensors there are: filters, balance, outliers, dropout; and goals from later steps."""

import numpy as np
import polars as pl
import pytest

import in_memory
import scenes
from scenes import applied, batch_of, source
from trajloom.augment import Balance, Filter, Goal, Outliers, SensorDropout
from trajloom.batch import Batch
from trajloom.dataset import Dataset, merge
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column
from trajloom.seeding import rng_for


def numbers(batch: Batch) -> list[int]:
    return batch.episode_index.tolist()


# ---- filter ----------------------------------------------------------------------------------------------------


def test_episodes_are_kept_by_success_length_and_condition():
    batch = batch_of((5, 1, 7, 3))  # 1 and 2 succeeded
    assert numbers(applied(Filter(success=True), batch)) == [1, 2]
    assert numbers(applied(Filter(success=False, min_length=4), batch)) == [0]
    assert numbers(applied(Filter(max_length=3), batch)) == [1, 3]
    assert numbers(applied(Filter(where="length > 2 and name <> 'demo_3'"), batch)) == [0, 2]
    assert numbers(applied(Filter(where=pl.col("length").is_between(3, 5)), batch)) == [0, 3]


def test_what_is_not_known_to_hold_does_not():
    member = scenes.episode(0, 3, success=None)
    batch = Batch.of(in_memory.MemorySource(scenes.HEADER, [member]).parts()[0], scenes.HEADER)
    for asked in (Filter(success=True), Filter(success=False), Filter(where="success")):
        assert numbers(applied(asked, batch)) == []


def test_a_filter_looks_at_one_episode_at_a_time():
    alone = Filter(where=pl.col("length") >= pl.col("length").mean())
    assert numbers(applied(alone, batch_of((1, 2, 3)))) == [0, 1, 2]
    with pytest.raises(UnknownNameError, match="no column of episodes named 'size'; there are: attrs"):
        Filter(where="size > 3").header(scenes.HEADER)
    with pytest.raises(UnknownNameError, match="size"):
        Filter(where=pl.col("size") > 3).header(scenes.HEADER)
    with pytest.raises(SettingsError, match="needs something to go by"):
        Filter()
    with pytest.raises(SettingsError, match="no length is both >= 5 and <= 4"):
        Filter(min_length=5, max_length=4)


# ---- balance ---------------------------------------------------------------------------------------------------


def balanced(augmentation, dataset: Dataset) -> Batch:
    fitted = augmentation.fit(dataset, rng_for(0, "fit"))
    parts = dataset.parts()
    assert len(parts) == 1
    return applied(fitted, Batch.of(parts[0], dataset.header))


def test_rare_kinds_are_repeated_until_they_are_as_many():
    lengths = (2, 3, 4, 5, 6, 7, 8)  # 0, 3 and 6 failed, 1, 2, 4 and 5 succeeded
    new = balanced(Balance(by="success"), Dataset(source(lengths)))
    success = new.episodes.column("success").to_pylist()
    assert success.count(True) == success.count(False) == 4
    assert sorted({i // 2 for i in numbers(new)}) == list(range(7))
    repeated = next(i // 2 for i in numbers(new) if i % 2)
    assert f"demo_{repeated}_copy_1" in new.episodes.column("name").to_pylist()
    assert new.lengths[numbers(new).index(2 * repeated + 1)] == lengths[repeated]


def test_common_kinds_are_dropped_until_they_are_as_few():
    new = balanced(Balance(by="success", method="drop"), Dataset(source((2,) * 7)))
    success = new.episodes.column("success").to_pylist()
    assert success.count(True) == success.count(False) == 3
    assert new.episodes.column("name").to_pylist() == [f"demo_{i}" for i in numbers(new)]


def test_generated_episodes_are_balanced_by_the_demonstration_they_come_from():
    made = in_memory.generated((0, 1, 3, 4, 6), attempts=8, attempts_end=7, episodes_per_part=9)  # sources 0 1 0 1 0
    new = balanced(Balance(), Dataset(made))
    first = new.steps.column("source_episode/robot0").to_numpy()[new.starts[:-1]]
    assert np.bincount(first).tolist() == [3, 3]
    assert new.header.attempts_end is None


def test_merged_episodes_are_balanced_by_the_dataset_they_come_from():
    def one(name: str, lengths: tuple[int, ...]) -> Dataset:
        header = scenes.HEADER.with_(sources=({"id": name},))
        return Dataset(source(lengths, header))

    merged = merge([one("a", (1, 1, 1)), one("b", (2,))])
    fitted = Balance().fit(merged, rng_for(0, "fit"))
    assert sum(count for index, count in (fitted.copies or {}).items() if index < 3) == 3
    assert (fitted.copies or {})[3] == 3
    header = fitted.header(merged.header)
    assert all("episode_range" not in entry for entry in header.sources)


def test_balance_says_what_it_needs():
    with pytest.raises(SettingsError, match="neither generated nor merged"):
        Balance().header(scenes.HEADER)
    with pytest.raises(UnknownNameError, match=r"named 'colour'; there are: .*model, .*source, success"):
        Balance(by="colour").header(scenes.HEADER)
    with pytest.raises(SettingsError, match="call fit"):
        applied(Balance(by="success"), batch_of((1,)))


# ---- outliers --------------------------------------------------------------------------------------------------


def jumping() -> Dataset:
    """Ten episodes of 30 steps, of which number 4 once moves 100 times as far, and of which 7 goes on for 300."""
    members = [scenes.episode(i, 300 if i == 7 else 30) for i in range(10)]
    members[4].columns["actions"][11, 2] = 90.0
    return Dataset(in_memory.MemorySource(scenes.HEADER, members, episodes_per_part=10))


def test_an_episode_with_a_step_far_from_all_others_goes():
    dataset = jumping()
    assert numbers(balanced(Outliers(sigmas=10), dataset)) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert numbers(balanced(Outliers(sigmas=10, share=0.04), dataset)) == list(range(10))
    assert numbers(balanced(Outliers(sigmas=25), dataset)) == list(range(10))


def test_an_episode_of_unusual_length_goes():
    assert numbers(balanced(Outliers(columns=(), length_sigmas=2), jumping())) == [0, 1, 2, 3, 4, 5, 6, 8, 9]


def test_what_never_changes_is_usual():
    members = [scenes.episode(i, 3) for i in range(3)]
    for member in members:
        member.columns["actions"][:] = 0.1
    dataset = Dataset(in_memory.MemorySource(scenes.HEADER, members, episodes_per_part=3))
    assert numbers(balanced(Outliers(sigmas=0.1), dataset)) == [0, 1, 2]


# ---- goals -----------------------------------------------------------------------------------------------------


def test_the_final_goal_is_the_last_step_of_the_episode():
    batch = batch_of((4, 0, 1))
    new = applied(Goal(columns=("obs/*", "datagen_info/eef_pose")), batch)
    place = batch.array("obs/robot0_eef_pos")
    np.testing.assert_array_equal(new.array("goal/robot0_eef_pos"), place[[3, 3, 3, 3, 4]])
    seen = batch.array("obs/agentview_image")
    np.testing.assert_array_equal(new.array("goal/agentview_image"), seen[[3, 3, 3, 3, 4]])
    assert new.header.column("goal/robot0_eef_quat_site").rotation == "xyzw"
    assert "goal/datagen_info/eef_pose" in new.steps.column_names
    np.testing.assert_array_equal(new.array("obs/robot0_eef_pos"), place)


def test_a_future_goal_is_any_later_step_with_the_same_chance():
    steps = tuple(c for c in scenes.HEADER.steps if c.name in ("actions", "obs/robot0_eef_pos"))
    batch = batch_of((4,) * 150, scenes.HEADER.with_(steps=steps))
    go = applied(Goal(strategy="future", steps_to_go=True), batch).array("goal/steps_to_go").reshape(150, 4)
    assert (go[:, 3] == 0).all()
    assert set(go[:, 2]) == {1}
    counts = np.bincount(go[:, 0])
    assert counts[0] == 0
    assert counts[1:].min() > 35


def test_a_goal_some_steps_ahead_ends_with_the_episode():
    batch = batch_of((4, 2))
    new = applied(Goal(strategy="offset", offset=2, group="later/", steps_to_go=True), batch)
    assert new.array("later/steps_to_go").tolist() == [2, 2, 1, 0, 1, 0]
    assert new.has("later/cube_pos").tolist() == [True] * 4 + [False] * 2


def test_goals_need_an_offset_and_a_place_of_their_own():
    with pytest.raises(SettingsError, match="offset is for the strategy 'offset'"):
        Goal(strategy="offset")
    with pytest.raises(SettingsError, match="there twice: goal/robot0_eef_pos"):
        Goal(columns=("obs/robot0_eef_pos",)).header(Goal(columns=("obs/robot0_eef_pos",)).header(scenes.HEADER))


# ---- dropout ---------------------------------------------------------------------------------------------------


def test_sensors_fail_for_whole_episodes_as_often_as_asked():
    steps = tuple(c for c in scenes.HEADER.steps if c.name in ("actions", "obs/robot0_eef_pos", "obs/robot0_joint_pos"))
    batch = batch_of((2,) * 200, scenes.HEADER.with_(steps=steps))
    new = applied(SensorDropout(columns=("obs/*",), probability=0.3, mark=True), batch)
    gone = [new.array(f"dropped/obs/robot0_{name}") for name in ("eef_pos", "joint_pos")]
    for away, name in zip(gone, ("eef_pos", "joint_pos"), strict=True):
        assert (away[::2] == away[1::2]).all()
        assert abs(away.mean() - 0.3) < 0.08
        np.testing.assert_array_equal((new.array(f"obs/robot0_{name}") == 0).all(axis=1), away)
    assert abs(np.corrcoef(gone[0], gone[1])[0, 1]) < 0.2
    together = applied(SensorDropout(columns=("obs/*",), probability=0.3, mark=True, together=True), batch)
    gone = [together.array(f"dropped/obs/robot0_{name}") for name in ("eef_pos", "joint_pos")]
    np.testing.assert_array_equal(gone[0], gone[1])


def test_a_sensor_that_hangs_repeats_what_it_saw_last():
    batch = batch_of((50, 0, 1))
    columns = ("obs/robot0_eef_pos",)
    new = applied(SensorDropout(columns=columns, probability=0.5, per="step", fill="hold", mark=True), batch)
    gone, place = new.array("dropped/obs/robot0_eef_pos"), new.array("obs/robot0_eef_pos")
    assert 10 < gone.sum() < 40
    assert not gone[[0, 50]].any()
    np.testing.assert_array_equal(place[gone], place[np.flatnonzero(gone) - 1])
    np.testing.assert_array_equal(place[~gone], batch.array("obs/robot0_eef_pos")[~gone])


def test_a_camera_that_is_taken_away_is_absent_not_black():
    batch = batch_of((2,) * 12)
    new = applied(SensorDropout(columns=("obs/agentview_image",), probability=0.5, fill="null"), batch)
    there = new.has("obs/agentview_image")
    assert 0 < there.sum() < 24
    assert (there[::2] == there[1::2]).all()
    np.testing.assert_array_equal(new.array("obs/agentview_image")[there], batch.array("obs/agentview_image")[there])
    assert new.header.column("obs/agentview_image") == Column(
        name="obs/agentview_image", dtype="uint8", shape=(8, 10, 3), when="before", nullable=True
    )


def test_what_was_absent_is_not_dropped():
    new = applied(SensorDropout(columns=("obs/cube_pos",), probability=1, mark=True), batch_of((2, 2)))
    assert new.steps.column("obs/cube_pos").to_pylist() == [[0, 0, 0]] * 2 + [None] * 2
    assert new.steps.column("dropped/obs/cube_pos").to_pylist() == [True, True, False, False]
    with pytest.raises(SettingsError, match="hold is per step, null per episode"):
        SensorDropout(columns=("obs/*",), fill="hold")
