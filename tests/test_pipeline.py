"""Augmentation pipelines: what comes out depends on data, augmentations and seed alone, and nothing else is lost."""

import random
import warnings
from hashlib import sha256
from pathlib import Path

import h5py
import numpy as np
import pytest

import trajloom as tl
from augmentations import AddMask, AddNoise, Halves, Inner, Keep, Mean, Shake
from in_memory import generated, source
from trajloom import Augmentation, Pipeline, global_aug, local_aug
from trajloom.dataset import Dataset
from trajloom.errors import OutputExistsError, SchemaError, SettingsError, TrajloomWarning
from trajloom.formats import hdf5

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def demos(*lengths: int, **settings) -> Dataset:
    """Episodes of these lengths, two to a part; the actions of number i begin with (0, i, 0)."""
    return Dataset(source(lengths or (3, 1, 4, 2, 5), **settings))


def here(seed: int = 0) -> Pipeline:
    """A pipeline in this process."""
    return Pipeline(seed=seed, workers=1)


def digest(folder: Path) -> dict[str, str]:
    """Name -> SHA-256 of the Parquet files and the header of a dataset."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix == ".parquet" or path.name == "dataset.json"]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


# ---- laziness and plans ----------------------------------------------------------------------------------------


def test_nothing_runs_until_it_is_asked_for():
    calls = []
    result = here().add(Inner(lambda traj: calls.append(1) or traj)).run(demos())
    print(result.plan)
    assert not calls
    assert len(result.collect()) == len(calls) == 5


def test_a_plan_says_units_inputs_and_outputs():
    pipeline = here().add(AddNoise()).add(Shake()).add(Mean(times=4, num_workers=2)).add(Shake())
    said = str(pipeline.run(demos()).plan).splitlines()
    assert said[0] == "input    a dataset in memory: 5 episodes, 15 steps, 3 parts"
    assert said[1] == "stage 1  AddNoise (local) -> Shake (batch); 3 units -> 3 parts"
    assert said[2].startswith("stage 2  Mean (global): 4 calls on all episodes, 2 at once; what it was given stays")
    assert said[2].endswith("4 units -> 7 parts")
    assert said[3] == "stage 3  Shake (batch); 7 units -> 7 parts"
    assert "mask bool" in str(here().add(AddMask()).run(demos()).plan)


def test_a_batch_augmentation_that_does_not_fit_is_refused_before_anything_runs():
    class Needs(AddMask):
        def header(self, header):
            header.column("obs/nothing")
            return header

    ran = []
    pipeline = here().add(Needs()).add(Inner(lambda traj: ran.append(1) or traj))
    with pytest.raises(SchemaError, match="no column 'obs/nothing'"):
        pipeline.run(demos()).collect()
    assert not ran


def test_an_earlier_result_is_data_too_and_its_noise_is_another():
    once = here(3).add(AddNoise(1.0)).run(demos())
    twice = here(3).add(AddNoise(1.0)).run(once).collect()
    first = once.collect()
    added = [t["actions"] - f["actions"] for t, f in zip(twice, first, strict=True)]
    before = [f["actions"] - d["actions"] for f, d in zip(first, here().run(demos()).collect(), strict=True)]
    assert not np.allclose(added[0], before[0])


# ---- what an augmentation may do -------------------------------------------------------------------------------


def test_an_apply_without_a_decorator_is_refused_when_it_is_added():
    class Bare(Augmentation):
        def apply(self, traj):
            return traj

    with pytest.raises(SettingsError, match="Bare needs a method apply under @local_aug"):
        Pipeline().add(Bare())


def test_times_below_one_are_refused_also_without_super_init():
    class Never(Mean):
        def __init__(self):
            self.times = 0

    with pytest.raises(SettingsError, match="Never: times must be >= 1, got 0"):
        Pipeline().add(Never())


def test_settings_that_have_no_effect_are_said():
    noise = AddNoise()
    noise.times = 3
    with pytest.warns(TrajloomWarning, match="AddNoise works on one episode at a time: times has no effect"):
        Pipeline().add(noise)


def test_none_drops_an_episode_and_the_others_keep_numbers_and_names():
    kept = here().add(Keep("demo_0", "demo_3")).run(demos()).dataset()
    assert kept.episodes().select("episode_index", "name").collect().rows() == [(0, "demo_0"), (3, "demo_3")]


def test_a_list_makes_several_which_are_numbered_in_order():
    halves = here().add(Halves()).run(demos()).dataset().episodes().collect()
    assert halves["length"].to_list() == [1, 2, 1, 2, 2, 1, 1, 2, 3]
    assert halves["name"].to_list() == [f"demo_{i}" for i in range(9)]
    assert halves["episode_index"].to_list() == list(range(9))


def test_a_batch_augmentation_after_a_split_has_a_stream_for_each_piece():
    class Draw(Augmentation):
        @local_aug
        def apply(self, traj):
            return [{"actions": np.zeros((2, 3))}, {"actions": np.zeros((2, 3))}]

    drawn = here().add(Draw()).add(Shake()).run(demos(1, 1, 1)).collect()
    assert len({traj["actions"].tobytes() for traj in drawn}) == 6


def test_what_is_no_episode_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"Inner.apply on demo_0 returned int; expected a dict"):
        here().add(Inner(lambda traj: 7)).run(demos()).collect()


def test_arrays_may_be_changed_in_place():
    def add_one(traj):
        traj["actions"] += 1
        return traj

    for before, after in zip(
        here().run(demos()).collect(), here().add(Inner(add_one)).run(demos()).collect(), strict=True
    ):
        np.testing.assert_array_equal(after["actions"], before["actions"] + 1)


# ---- chance ----------------------------------------------------------------------------------------------------


def test_one_seed_gives_one_result_and_another_another():
    first, again, other = (here(s).add(AddNoise()).run(demos()).collect() for s in (5, 5, 6))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a["actions"], b["actions"])
        assert not np.array_equal(a["actions"], c["actions"])


def test_how_a_dataset_is_cut_into_parts_changes_nothing():
    pipeline = here(5).add(AddNoise()).add(Shake())
    many, one = (pipeline.run(demos(episodes_per_part=n)).collect() for n in (1, 9))
    for a, b in zip(many, one, strict=True):
        np.testing.assert_array_equal(a["actions"], b["actions"])


def test_global_generators_are_put_back():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.Random(1).random(), np.random.RandomState(1).rand()
    here().add(AddNoise()).run(demos()).collect()
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002


# ---- columns ---------------------------------------------------------------------------------------------------


def columns(result) -> dict[str, tuple]:
    return {c.name: (c.dtype, c.shape, c.nullable) for c in result.dataset().header.steps}


def test_columns_may_come_go_and_change_type():
    def change(traj):
        changed = traj.copy()
        changed["actions"] = traj["actions"].astype(np.float32)
        changed["obs"] = {**traj["obs"], "new": np.zeros((len(traj["actions"]), 2), np.int16)}
        del changed["rewards"]
        return changed

    found = columns(here().add(Inner(change)).run(demos()))
    assert found["actions"] == ("float32", (3,), False)
    assert found["obs/new"] == ("int16", (2,), False)
    assert "rewards" not in found
    pose = here().add(Inner(change)).run(demos()).dataset().header.column("obs/pose")
    assert (pose.unit, pose.frame, pose.when) == ("m", "world", "before")


def test_a_column_of_some_episodes_is_null_in_the_others():
    def sometimes(traj):
        if traj.name == "demo_4":
            traj["extra"] = np.ones((len(traj["actions"]), 2))
        return traj

    result = here().add(Inner(sometimes)).run(demos())
    assert columns(result)["extra"] == ("float64", (2,), True)
    assert ["extra" in traj for traj in result.collect()] == [False] * 4 + [True]


def test_element_types_are_widened_over_all_episodes():
    def mixed(traj):
        small = traj.name != "demo_4"
        traj["count"] = np.arange(len(traj["actions"]), dtype=np.int8 if small else np.int32)
        return traj

    assert columns(here().add(Inner(mixed)).run(demos()))["count"] == ("int32", (), False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda n: np.zeros((n, 4)),
            r"demo_0: actions has shape \(3, 3\), float64, but demo_4: actions has .* \(5, 4\)",
        ),
        (lambda n: np.zeros((n, 3), bool), r"demo_0: actions has .* float64, but demo_4: actions has .* bool"),
    ],
)
def test_a_conflict_names_episode_and_column(change, said):
    def odd_one_out(traj):
        if traj.name == "demo_4":
            traj["actions"] = change(len(traj["actions"]))
        return traj

    with pytest.raises(SchemaError, match=said):
        here().add(Inner(odd_one_out)).run(demos()).collect()


def test_a_column_that_is_too_short_names_episode_and_column():
    def short(traj):
        traj["rewards"] = traj["rewards"][:-1]
        return traj

    with pytest.raises(SchemaError, match=r"demo_0: rewards has shape \(2,\), float64, and the episode 3 steps"):
        here().add(Inner(short)).run(demos()).collect()


def test_texts_ragged_arrays_and_numbers_come_back_as_they_were():
    def odd(traj):
        return {
            **traj,
            "note": "läuft",
            "words": ["a", "bc"],
            "points": np.arange(len(traj["actions"]) + 3),
            "gain": 0.5,
        }

    first = here().add(Inner(odd)).run(demos()).collect()[2]
    assert first["note"] == "läuft"
    assert first["words"].tolist() == ["a", "bc"]
    assert first["gain"] == 0.5
    np.testing.assert_array_equal(first["points"], np.arange(7))


def test_a_list_of_dicts_becomes_arrays_with_a_row_an_item():
    def as_list(traj):
        return {**traj, "obs": [{"x": [float(i), 0.0], "in": {"y": i}} for i in range(len(traj["actions"]))]}

    assert columns(here().add(Inner(as_list)).run(demos()))["obs/in/y"] == ("int64", (), False)


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "demo_0: bad is None, which no array holds"), (object(), "demo_0: bad is a object"),
     ([[1], [2, 3]], "demo_0: bad is no array"), ([{"a": 1}, {"b": 1}], "item 0 lacks b")],
)  # fmt: skip
def test_what_no_array_holds_is_refused_by_name(value, said):
    with pytest.raises(SchemaError, match=said):
        here().add(Inner(lambda traj: {**traj, "bad": value})).run(demos()).collect()


# ---- attributes ------------------------------------------------------------------------------------------------


def test_copies_keep_attributes_and_plain_dicts_inherit_them():
    def plain(traj):
        return dict(traj) if traj.name == "demo_1" else traj.copy()

    for traj in here().add(Inner(plain)).run(HUMAN).collect():
        assert traj.attrs["num_samples"] == len(traj["actions"])
        assert traj.model.startswith("<mujoco")


def test_attributes_may_be_changed():
    def judge(traj):
        traj.attrs["success"] = traj.name == "demo_1"
        traj.attrs["weights"] = np.array([1.0, 2.0])
        return traj

    judged = here().add(Inner(judge)).run(demos()).dataset()
    assert judged.episodes().collect()["success"].to_list() == [False, True, False, False, False]
    assert here().run(judged).collect()[0].attrs["weights"].tolist() == [1.0, 2.0]


def test_an_unchanged_file_is_an_equal_file(tmp_path):
    here().add(Inner(lambda traj: traj)).run(HUMAN).write(tmp_path / "same.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "same.hdf5") == []


def test_lineage_and_the_ledger_of_generated_data_stay():
    data = Dataset(generated([1, 2, 5], attempts=7))
    kept = here().add(Inner(lambda traj: traj)).run(data).dataset()
    assert kept.attempts().collect().equals(data.attempts().collect())
    assert kept.steps().collect().equals(data.steps().collect())
    with pytest.warns(TrajloomWarning, match="7 rows of `attempts` were left out"):
        assert len(here().add(Inner(lambda traj: [traj, traj])).run(data).collect()) == 6


# ---- all episodes at once --------------------------------------------------------------------------------------


def test_a_global_augmentation_adds_to_what_it_was_given():
    made = here(2).add(AddNoise()).add(Mean(times=3)).run(demos()).collect()
    assert [traj.name for traj in made] == [f"demo_{i}" for i in range(8)]
    first = np.mean([traj["actions"][0] for traj in made[:5]], axis=0)
    for traj in made[5:]:
        np.testing.assert_array_equal(traj["actions"][0], first)
    assert len({traj["actions"][1, 0] for traj in made[5:]}) == 3


def test_without_the_originals_only_what_is_new_stays():
    made = here().add(Mean(times=2, keep_original=False)).run(demos()).dataset()
    assert made.episodes().collect()["name"].to_list() == ["demo_0", "demo_1"]
    assert [c.name for c in made.header.steps] == ["actions"]


def test_what_a_call_does_to_its_input_no_other_call_sees():
    class Greedy(Augmentation):
        @global_aug
        def apply(self, trajs):
            taken = [trajs.pop() for _ in range(2)]
            return [{"actions": np.concatenate([traj.pop("actions") for traj in taken])}]

    made = here().add(Greedy(times=3, keep_original=False)).run(demos()).collect()
    assert [len(traj["actions"]) for traj in made] == [7, 7, 7]


def test_the_input_of_a_global_step_cannot_be_changed():
    class Rude(Augmentation):
        @global_aug
        def apply(self, trajs):
            trajs[0]["actions"] += 1

    with pytest.raises(ValueError, match="read-only"):
        here().add(Rude()).run(demos()).collect()


def test_an_augmentation_that_learns_sees_all_that_the_steps_before_it_made():
    class Centre(Augmentation):
        mean = None

        def fit(self, dataset, rng):
            fitted = Centre()
            fitted.mean = np.mean(np.concatenate([e.columns["actions"] for e in dataset.iter_episodes()]), axis=0)
            return fitted

        @local_aug
        def apply(self, traj):
            return {**traj, "actions": traj["actions"] - self.mean}

    pipeline = here().add(Keep("demo_0", "demo_4")).add(Centre())
    assert "learns from all episodes first" in str(pipeline.run(demos()).plan)
    centred = np.concatenate([traj["actions"] for traj in pipeline.run(demos()).collect()])
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-12)


# ---- data and outputs ------------------------------------------------------------------------------------------


def test_nested_dicts_are_data():
    trajs = [{"actions": np.zeros((n, 2)), "obs": {"x": np.ones((n, 3), np.float32)}} for n in (2, 3)]
    made = here().add(AddNoise()).run(trajs).dataset()
    assert made.episodes().collect()["name"].to_list() == ["demo_0", "demo_1"]
    assert {c.name for c in made.header.steps} == {"actions", "obs/x"}


def test_collected_episodes_are_data_with_all_they_came_with(tmp_path):
    here().run(here().run(HUMAN).collect()).write(tmp_path / "again.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "again.hdf5") == []


def test_what_is_no_data_is_refused():
    with pytest.raises(SettingsError, match="a pipeline takes a path, a Dataset, a list of episodes"):
        here().run(3)  # pyright: ignore


@pytest.mark.parametrize("name", ["out", "out.hdf5", "out.parquet"])
def test_it_writes_any_format_and_overwrites_nothing_unless_told(tmp_path, name):
    result = here().add(Keep("demo_1")).run(demos())
    result.write(tmp_path / name)
    assert len(tl.read(tmp_path / name)) == 1
    with pytest.raises(OutputExistsError):
        here().add(Inner(pytest.fail)).run(demos()).write(tmp_path / name)
    here().add(Keep("demo_1", "demo_2")).run(demos()).write(tmp_path / name, overwrite=True)
    assert len(tl.read(tmp_path / name)) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_error_leaves_nothing(tmp_path):
    def fail(traj):
        raise ArithmeticError(traj.name)

    with pytest.raises(ArithmeticError, match="demo_0"):
        here().add(Inner(fail)).run(demos()).write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_output_is_not_the_input(tmp_path):
    demos().write(tmp_path / "demos")
    with pytest.raises(SettingsError, match="is the input"):
        here().run(tmp_path / "demos").write(tmp_path / "demos", overwrite=True)


def test_progress_is_told(tmp_path):
    told = []
    here().add(AddNoise()).run(demos()).write(tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_models_that_no_episode_needs_any_more_go(tmp_path):
    here().add(Keep("demo_1")).run(HUMAN).write(tmp_path / "one")
    assert len(list((tmp_path / "one" / "models").iterdir())) == 1


# ---- as users of Spark expect ----------------------------------------------------------------------------------


def test_a_file_is_mapped_filtered_counted_and_taken_from(tmp_path):
    with h5py.File(HUMAN) as file:
        lengths = [len(file[f"data/demo_{i}/actions"]) for i in range(10)]
    for demos_ in (tl.hdf5_to_rdd(None, HUMAN), tl.hdf5_to_rdd(str(HUMAN), None), tl.hdf5_to_dataset(HUMAN)):
        assert demos_.count() == 10
        assert [traj.name for traj in demos_.take(3)] == ["demo_0", "demo_1", "demo_2"]
    long = tl.hdf5_to_rdd(None, HUMAN).filter(lambda traj: len(traj["actions"]) > 55)
    assert long.count() == sum(n > 55 for n in lengths)
    short = tl.hdf5_to_rdd(None, HUMAN).map(lambda traj: {"actions": traj["actions"][:2]})
    assert {traj["actions"].shape for traj in short.collect()} == {(2, 7)}
    with pytest.raises(SettingsError, match="a Dask client and a path"):
        tl.hdf5_to_rdd(None)


def test_demonstrations_may_lie_in_another_group(tmp_path):
    with h5py.File(HUMAN) as human, h5py.File(tmp_path / "other.hdf5", "w") as file:
        human.copy("data", file, "runs")
    assert tl.hdf5_to_rdd(None, tmp_path / "other.hdf5", group="runs").count() == 10


def test_groups_and_metadata_are_read_as_they_are():
    with h5py.File(HUMAN) as file:
        group = tl.load_hdf5_group(file["data/demo_3"])
        np.testing.assert_array_equal(group["obs"]["object"], file["data/demo_3/obs/object"][()])
    about = tl.read_hdf5_metadata(HUMAN)
    assert about["root_attrs"] == {}
    assert about["groups"]["data"]["attrs"]["total"] == 531
    assert about["groups"]["data/demo_3"]["datasets"]["actions"] == {}


def test_written_trajectories_are_a_whole_file(tmp_path):
    tl.write_trajectories_to_hdf5(tl.hdf5_to_rdd(None, HUMAN).collect(), tmp_path / "all.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "all.hdf5") == []
    own = [{"actions": np.zeros((2, 1)), "obs": [{"x": 1.0}, {"x": 2.0}], "junk": object()}]
    tl.write_trajectories_to_hdf5(own, tmp_path / "own.hdf5", ignore_keys=["junk"], collate_keys=["obs"])
    with h5py.File(tmp_path / "own.hdf5") as file:
        assert file["data/demo_0/obs/x"][()].tolist() == [1.0, 2.0]
        assert file["data"].attrs["total"] == file["data/demo_0"].attrs["num_samples"] == 2
    with pytest.raises(SchemaError, match="episode 0: obs is a list of dicts; name it in collate_keys"):
        tl.write_trajectories_to_hdf5(own, tmp_path / "no.hdf5", ignore_keys=["junk"], collate_keys=[])
    with pytest.raises(OutputExistsError):
        tl.write_trajectories_to_hdf5(own, tmp_path / "own.hdf5", ignore_keys=["junk"])


# ---- on a cluster ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    """Two workers, found again by the tests of this file."""
    distributed = pytest.importorskip("distributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.mark.cluster
def test_a_cluster_makes_the_same_bytes_as_this_process(client, tmp_path):
    def pipeline(where):
        return where.add(AddNoise()).add(Shake()).add(Halves()).add(Mean(times=3, num_workers=2)).add(AddMask())

    demos().write(tmp_path / "demos")
    pipeline(Pipeline(seed=4, workers=1)).run(tmp_path / "demos").write(tmp_path / "here")
    pipeline(Pipeline(client, seed=4)).run(tmp_path / "demos").write(tmp_path / "there")
    pipeline(Pipeline(client.scheduler.address, seed=4, scratch=tmp_path / "scratch")).run(demos()).write(
        tmp_path / "address"
    )
    assert digest(tmp_path / "here") == digest(tmp_path / "there")
    there = {name: sha for name, sha in digest(tmp_path / "here").items() if name != "dataset.json"}
    assert there == {name: sha for name, sha in digest(tmp_path / "address").items() if name != "dataset.json"}
    assert list((tmp_path / "scratch").iterdir()) == []
