"""A dataset of any format, opened lazily."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from in_memory import HEADER, MemorySource, generated, source
from trajloom import store
from trajloom.dataset import Dataset, read
from trajloom.errors import LayoutError, OutputExistsError, SettingsError, UnknownNameError
from trajloom.query import component

PLACES = ("memory only", "disk", "url")


@pytest.fixture(params=PLACES)
def opened(request: pytest.FixtureRequest, tmp_path: Path):
    """A function that opens a source as a dataset: as it is, from the store on disk, from the store at a URL."""

    def open_(wanted: MemorySource) -> Dataset:
        if request.param == "memory only":
            return Dataset(wanted)
        path = str(tmp_path / "data") if request.param == "disk" else f"memory://test-dataset/{tmp_path.name}"
        store.write(wanted, path)
        return read(path)

    return open_


def test_tables_are_lazy_frames_of_the_same_rows(opened):
    found, wanted = opened(generated([1, 3, 4], 8)), Dataset(generated([1, 3, 4], 8))
    for table in ("steps", "episodes", "attempts"):
        frame = getattr(found, table)()
        assert isinstance(frame, pl.LazyFrame)
        assert_frame_equal(frame.collect(), getattr(wanted, table)().collect())


def test_a_dataset_without_episodes_has_empty_tables(opened):
    dataset = opened(source(()))
    assert (len(dataset), dataset.num_steps, list(dataset.iter_episodes())) == (0, 0, [])
    assert dataset.steps().collect().columns == dataset.header.steps_schema.names
    assert dataset.attempts().select(pl.len()).collect().item() == 0


def test_chosen_columns_and_rows_are_those_asked_for(opened):
    steps = opened(source(batch_rows=2)).steps()
    chosen = steps.filter(pl.col("episode_index") == 2, pl.col("rewards") == 0).select("frame_index", "obs/force")
    assert chosen.collect()["frame_index"].to_list() == [0, 1, 2]
    assert steps.select(pl.len()).collect().item() == 15
    assert steps.head(4).collect().height == 4
    assert steps.slice(3, 5).select("episode_index").collect()["episode_index"].to_list() == [1, 2, 2, 2, 2]
    assert steps.filter(pl.col("frame_index") == 0).head(3).collect().height == 3


def test_a_scan_of_the_store_reads_what_is_asked_for_alone(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    plan = read(tmp_path / "data").steps().filter(pl.col("episode_index") == 2).select("actions").explain()
    assert "PROJECT 2/9 COLUMNS" in plan
    assert "SELECTION" in plan


def test_other_sources_are_asked_for_chosen_columns_alone():
    asked = []

    class Asked(MemorySource):
        def parts(self):
            def steps(part, columns=None):
                asked.append(columns)
                return type(part).steps(part, columns)

            for part in super().parts():
                object.__setattr__(part, "steps", lambda columns=None, part=part: steps(part, columns))
            return super().parts()

    Dataset(Asked(HEADER, source().members)).steps().filter(pl.col("rewards") > 0).select("actions").collect()
    assert {frozenset(columns) for columns in asked} == {frozenset({"actions", "rewards"})}


def test_hidden_attempts_are_in_no_table(tmp_path: Path):
    every = generated([1, 3, 4, 9], 12, episodes_per_part=3)
    store.write(every, str(tmp_path / "data"))
    store.update_header(str(tmp_path / "data"), every.header.with_(attempts_end=4))
    dataset = read(tmp_path / "data")
    assert len(dataset) == 2
    assert dataset.attempts().collect()["attempt"].to_list() == [0, 1, 2, 3]
    assert dataset.episodes().collect()["episode_index"].to_list() == [1, 3]
    assert dataset.steps().collect()["episode_index"].unique(maintain_order=True).to_list() == [1, 3]
    with pytest.raises(UnknownNameError, match="no episode named 4; there are: 1, 3"):
        dataset.episode(4)


def test_components_of_tensors_are_reached_in_the_same_words(opened):
    dataset = opened(source((3, 2)))
    pose = dataset.header.column("obs/pose")
    chosen = dataset.steps().select(component("actions", 2), component("obs/force", 1), component(pose, 0, 3))
    assert chosen.collect().to_dict(as_series=False) == {
        "actions[2]": [0.0, -0.5, -1.0, 0.0, -0.5],
        "obs/force[1]": [1.0, 2.0, 3.0, None, None],
        "obs/pose[0, 3]": [0.0, 0.01, 0.02, 1.0, 1.01],
    }


# ---- episodes as arrays ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lengths", [(3, 1, 4, 2, 5), (1, 0, 0, 3), (7,)])
@pytest.mark.parametrize("batch_rows", [2, 1000])
def test_episodes_come_as_the_arrays_that_they_were(opened, lengths: tuple[int, ...], batch_rows: int):
    wanted = source(lengths, batch_rows=batch_rows, episodes_per_part=3)
    found = list(opened(wanted).iter_episodes())
    assert [episode.index for episode in found] == list(range(len(lengths)))
    for episode, true in zip(found, wanted.members, strict=True):
        for name, values in true.columns.items():
            np.testing.assert_array_equal(episode.columns[name], values)
            assert episode.columns[name].dtype == values.dtype
        np.testing.assert_array_equal(episode.row["initial_state/states"], true.row["initial_state/states"])
        assert episode.row["name"] == true.row["name"]


def test_columns_that_an_episode_lacks_are_left_out(opened):
    has = ["obs/force" in episode.columns for episode in opened(source((2, 2, 2))).iter_episodes()]
    assert has == [True, False, True]


def test_chosen_columns_come_alone(opened):
    for episode in opened(source((3, 0))).iter_episodes(columns=["obs/image", "actions"]):
        assert list(episode.columns) == ["obs/image", "actions"]


def test_one_episode_is_nested_as_in_hdf5(opened):
    dataset = opened(source((3, 2, 4), batch_rows=2, episodes_per_part=2))
    for index, length in enumerate((3, 2, 4)):
        episode = dataset.episode(index)
        assert episode["actions"].shape == (length, 3)
        assert episode["obs"]["pose"][:, 0, 3] == pytest.approx(0.01 * np.arange(length) + index)
        assert episode["initial_state"]["states"].shape == (6,)
        assert list(dataset.episode(index, columns=["rewards"])) == ["rewards", "initial_state"]
    with pytest.raises(UnknownNameError, match="no episode named 9; there are: 0-2"):
        dataset.episode(9)


def test_generated_episodes_carry_their_lineage(opened):
    episode = opened(generated([1, 3], 5)).episode(3)
    assert episode["source_frame"]["robot0"].tolist() == [0, 1, 2, 3]


# ---- opening and writing ---------------------------------------------------------------------------------------


def test_opening_nothing_and_nothing_that_we_read_is_an_error(tmp_path: Path):
    with pytest.raises(LayoutError, match="there is nothing at"):
        read(tmp_path / "nowhere")
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(LayoutError, match=r"note\.txt is none of the formats that we read"):
        read(tmp_path / "note.txt")


@pytest.mark.parametrize(("name", "to"), [("data", None), ("data/", None), ("data.v2/", None), ("data.v2", "trajloom")])
def test_a_folder_is_written_as_a_dataset_of_ours(name: str, to: str | None, tmp_path: Path):
    Dataset(source()).write(f"{tmp_path}/{name}", to=to)
    assert len(read(f"{tmp_path}/{name}")) == 5


def test_a_suffix_that_is_no_formats_is_refused(tmp_path: Path):
    with pytest.raises(UnknownNameError, match=r"no format with the suffix named '\.zip'; there are: .*trajloom"):
        Dataset(source()).write(tmp_path / "out.zip")
    with pytest.raises(UnknownNameError, match="no format named 'tape'"):
        Dataset(source()).write(tmp_path / "out", to="tape")


def test_nothing_is_overwritten_unasked(tmp_path: Path):
    Dataset(source()).write(tmp_path / "data")
    with pytest.raises(OutputExistsError):
        Dataset(source((1,))).write(tmp_path / "data")
    with pytest.raises(SettingsError, match="is the input"):
        read(tmp_path / "data").write(tmp_path / "data", overwrite=True)
    Dataset(source((1,))).write(tmp_path / "data", overwrite=True)
    assert len(read(tmp_path / "data")) == 1


def test_a_dataset_says_what_it_is(tmp_path: Path):
    Dataset(source()).write(tmp_path / "data")
    assert repr(Dataset(source())) == "Dataset(in memory, 5 episodes, 15 steps, 6 columns, 20 Hz)"
    assert repr(read(tmp_path / "data")).startswith(f"Dataset('{tmp_path}/data', 5 episodes")


def test_an_episode_has_nan_at_the_steps_that_lack_a_column():
    plain = source((3,))
    mask = np.array([True, False, False])
    late = replace(plain, members=[replace(plain.members[0], nulls={"obs/force": mask})])
    (episode,) = Dataset(late).iter_episodes()
    assert list(episode.lacking) == ["obs/force"]
    assert episode.lacking["obs/force"].tolist() == mask.tolist()
    np.testing.assert_array_equal(np.isnan(episode.columns["obs/force"]), np.stack([mask, mask], axis=1))
    np.testing.assert_array_equal(Dataset(late).episode(0)["obs"]["force"], episode.columns["obs/force"])
