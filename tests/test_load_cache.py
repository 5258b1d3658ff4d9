"""Packed records: made once, found again, made anew when the data is another, and emptied."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from in_memory import HEADER, MemoryEpisode, MemorySource, episode, source
from trajloom import dataset
from trajloom.cli.main import typer_app
from trajloom.dataset import Dataset, read
from trajloom.errors import DamagedFileError, SettingsError, UnknownNameError
from trajloom.load import TrajectoryDataset, place
from trajloom.load.packing import STALE_SECONDS
from trajloom.load.robomimic import SequenceDataset
from trajloom.schema import Column, Header

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def demos(tmp_path) -> Path:
    """The first three small episodes as HDF5."""
    path = tmp_path / "demos.hdf5"
    Dataset(source((3, 1, 4))).write(path)
    return path


@pytest.fixture
def open_(tmp_path):
    def opened(data, **given):
        given = {"columns": ["actions", "obs/pose"], "arrays": "numpy", "cache": tmp_path / "cache", **given}
        return TrajectoryDataset(data, **given)

    return opened


def keys(tmp_path) -> set[str]:
    return {entry.key for entry in place.entries(tmp_path / "cache")}


# ---- found again -----------------------------------------------------------------------------------------------


def test_what_is_packed_is_read_without_opening_the_data(open_, demos, monkeypatch):
    wanted = open_(demos).batch(range(8))
    monkeypatch.setattr(dataset, "read", None)
    np.testing.assert_array_equal(open_(demos).batch(range(8))["actions"], wanted["actions"])


def test_what_is_packed_is_opened_without_the_libraries_that_reading_takes(open_, demos, tmp_path):
    native = tmp_path / "native"
    read(demos).write(native)
    for path in (demos, native):
        wanted = open_(path).batch([0])["actions"].tolist()
        code = (
            "import sys; from trajloom.load import TrajectoryDataset;"
            f"dataset = TrajectoryDataset({str(path)!r}, columns=['actions', 'obs/pose'], arrays='numpy',"
            f"cache={str(tmp_path / 'cache')!r});"
            "print(dataset.batch([0])['actions'].tolist(), sorted({'polars', 'h5py', 'torch'} & set(sys.modules)))"
        )
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert told.strip() == f"{wanted} []"


def test_a_file_that_changed_is_packed_anew(open_, demos, tmp_path):
    assert len(open_(demos)) == 8
    Dataset(source((3, 1, 4, 2))).write(demos, overwrite=True)
    assert len(open_(demos)) == 10
    assert len(keys(tmp_path)) == 2


def test_a_store_that_grew_is_packed_anew_and_a_copy_of_it_is_not(open_, tmp_path):
    Dataset(source((3, 1))).write(tmp_path / "small")
    Dataset(source((3, 1, 4))).write(tmp_path / "large")
    assert (len(open_(tmp_path / "small")), len(open_(tmp_path / "large"))) == (4, 8)
    os.rename(tmp_path / "small", tmp_path / "moved")
    assert len(open_(tmp_path / "moved")) == 4
    assert len(keys(tmp_path)) == 2


def test_other_columns_are_added_to_what_is_there(open_, demos, tmp_path):
    open_(demos)
    before = {path.name for path in tmp_path.glob("cache/packed/*/*.rows")}
    open_(demos, columns=["obs/image"])
    assert before < {path.name for path in tmp_path.glob("cache/packed/*/*.rows")}
    assert len(keys(tmp_path)) == 1


def test_a_dataset_that_was_changed_in_memory_is_known_by_its_rows(open_, demos, tmp_path):
    open_(read(demos).select("0-1"))
    open_(read(demos).select("demo_0,demo_1"))
    assert len(keys(tmp_path)) == 1
    assert len(open_(read(demos).select("1-2"))) == 5
    assert len(keys(tmp_path)) == 2


def test_the_same_rows_in_parts_of_any_size_make_the_same_records(open_):
    small, whole = (source((3, 1, 4), episodes_per_part=n, batch_rows=b) for n, b in ((1, 2), (9, 1000)))
    np.testing.assert_array_equal(
        open_(Dataset(small)).batch(range(8))["actions"], open_(Dataset(whole)).batch(range(8))["actions"]
    )


# ---- images ----------------------------------------------------------------------------------------------------


def flat(batch, above="") -> dict[str, np.ndarray]:
    """A nested batch's arrays by their paths."""
    parts = [flat(v, f"{above}{k}/") if isinstance(v, dict) else {f"{above}{k}": v} for k, v in batch.items()]
    return {name: values for part in parts for name, values in part.items()}


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    frame=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from([(), (1,), (3,), (4,)]), seq_length=st.integers(1, 5), frame_stack=st.integers(1, 3),
    more=st.sampled_from([{}, {"goal": "last"}, {"channels_first": True, "images": "float32"}]),
    seed=st.integers(0, 999), data=st.data(),
)  # fmt: skip
def test_images_are_the_same_to_the_bit_as_png(
    cache, lengths, frame, channels, seq_length, frame_stack, more, seed, data
):
    shapes, rng = {"obs/image": (*frame, *channels), "obs/mask": frame}, np.random.default_rng(seed)
    header = Header(steps=tuple(Column(name=name, dtype="uint8", shape=shape) for name, shape in shapes.items()))
    members = [
        MemoryEpisode(episode(i, n).row, {c.name: rng.integers(0, 256, (n, *c.shape), np.uint8) for c in header.steps})
        for i, n in enumerate(lengths)
    ]
    raw, png = (
        TrajectoryDataset(Dataset(MemorySource(header, members)), seq_length, frame_stack=frame_stack, arrays="numpy",
                          cache=cache, cached_images=kind, **more)
        for kind in ("raw", "png")
    )  # fmt: skip
    numbers = data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=6)) if len(raw) else []
    wanted, found = flat(raw.batch(numbers)), flat(png.batch(numbers))
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_images_as_png_take_less_room_and_a_damaged_one_is_named(open_, tmp_path):
    flat = Column(name="obs/image", dtype="uint8", shape=(64, 64, 3))
    member = MemoryEpisode(episode(0, 3).row, {"obs/image": np.full((3, 64, 64, 3), 7, np.uint8)})
    data = Dataset(MemorySource(Header(steps=(flat,)), [member]))
    raw, png = (open_(data, columns=None, cached_images=kind) for kind in ("raw", "png"))
    (pixels,), (images,) = (list(tmp_path.glob(f"cache/packed/*/*.{end}")) for end in ("rows", "pngs"))
    assert images.stat().st_size < pixels.stat().st_size / 20
    np.testing.assert_array_equal(raw.batch([1])["obs"]["image"], png.batch([1])["obs"]["image"])
    images.write_bytes(images.read_bytes()[:60] + bytes(100) + images.read_bytes()[160:])
    with pytest.raises(DamagedFileError, match=r"pngs: an image cannot be unpacked.*cache clear.*obs/image"):
        open_(data, columns=None, cached_images="png").batch([0, 1, 2])
    with pytest.raises(SettingsError, match="'raw' or 'png', got 'jpeg'"):
        open_(data, columns=None, cached_images="jpeg")


# ---- whole or not at all ---------------------------------------------------------------------------------------


def test_a_build_that_fails_leaves_nothing_and_the_next_one_works(open_, tmp_path, monkeypatch):
    short = episode(1, 3)
    lying = MemorySource(HEADER, [episode(0, 3), MemoryEpisode({**short.row, "length": 4}, short.columns)])
    with pytest.raises(DamagedFileError, match="6 steps; the lengths of its episodes say 7"):
        open_(Dataset(lying))
    assert not list(tmp_path.glob("cache/packed/*/*.rows"))
    assert [entry.of for entry in place.entries(tmp_path / "cache")] == ["unfinished"]
    assert len(open_(Dataset(source((3, 3))))) == 6


def test_several_who_build_at_once_all_get_the_records(open_, demos, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_(demos).batch(range(8))["actions"], range(4)))
    assert all((actions == found[0]).all() for actions in found)
    assert not list(tmp_path.glob("cache/packed/*/.draft-*"))


def test_drafts_of_the_dead_are_swept_and_those_of_the_living_are_not(open_, demos, tmp_path):
    open_(demos)
    (folder,) = (tmp_path / "cache" / "packed").iterdir()
    old, new = folder / ".draft-old", folder / ".draft-new"
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (time.time() - STALE_SECONDS - 10,) * 2)
    open_(demos, columns=["rewards"])
    assert (old.exists(), new.exists()) == (False, True)


def test_a_dataset_without_episodes_has_no_items(open_):
    dataset = open_(Dataset(source(())), seq_length=3)
    assert len(dataset) == 0
    assert dataset.batch([])["actions"].shape == (0, 3, 3)


# ---- the folder and the command --------------------------------------------------------------------------------


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJLOOM_CACHE", str(tmp_path / "mine"))
    assert place.cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("TRAJLOOM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert place.cache_folder() == tmp_path / "xdg" / "trajloom"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert place.cache_folder() == tmp_path / ".cache" / "trajloom"


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAJLOOM_CACHE", str(tmp_path / "cache"))
    runner = CliRunner(env={"COLUMNS": "200"})
    return lambda *words: runner.invoke(typer_app, ["cache", *map(str, words)])


def test_the_command_lists_what_there_is(command, open_, demos):
    assert command("list").exit_code == 0
    open_(demos)
    told = command("list").stdout
    assert str(demos) in told
    assert "now" in told
    (entry,) = json.loads(command("list", "--json").stdout)
    assert (entry["of"], entry["episodes"], entry["steps"]) == (str(demos), 3, 8)
    assert entry["nbytes"] > 8 * 19 * 4


def test_the_command_clears_one_the_old_or_all(command, open_, demos, tmp_path):
    def packed():
        open_(demos)
        open_(Dataset(source((2, 2))))

    packed()
    assert command("clear", demos).exit_code == 0
    assert [entry.of for entry in place.entries(tmp_path / "cache")] == ["in memory"]
    packed()
    (old,) = [e.key for e in place.entries(tmp_path / "cache") if e.of == str(demos)]
    os.utime(tmp_path / "cache" / "packed" / old / place.USED, (time.time() - 5 * 86400,) * 2)
    assert command("clear", "--older-than", 4).stdout.splitlines()[0] == old
    assert len(keys(tmp_path)) == 1
    assert command("clear").exit_code == 0
    assert keys(tmp_path) == set()
    with pytest.raises(UnknownNameError, match="entry of the cache"):
        place.clear("nothing", cache=tmp_path / "cache")


def test_what_is_open_goes_on_when_the_cache_is_cleared(open_, demos, tmp_path):
    dataset = open_(demos)
    wanted = dataset.batch(range(8))["actions"].copy()
    place.clear(cache=tmp_path / "cache")
    np.testing.assert_array_equal(dataset.batch(range(8))["actions"], wanted)


# ---- robomimic's words -----------------------------------------------------------------------------------------


def test_robomimics_arguments_give_robomimics_items(tmp_path):
    dataset = SequenceDataset(
        str(HUMAN), ["object", "robot0_eef_pos"], ["actions", "rewards", "absent"], frame_stack=2, seq_length=3,
        get_pad_mask=True, goal_mode="last", filter_by_attribute="valid", hdf5_cache_mode="low_dim", cache=tmp_path,
    )  # fmt: skip
    item = dataset[0]
    assert set(item) == {"actions", "rewards", "absent", "obs", "next_obs", "goal_obs", "pad_mask"}
    assert item["pad_mask"].tolist() == [[False], [True], [True], [True]]
    assert item["obs"]["pad_mask"].shape == (4, 1)
    assert item["obs"]["object"][0].tolist() == item["obs"]["object"][1].tolist()
    assert item["goal_obs"]["object"].shape == (10,)
    assert item["absent"].tolist() == [[0.0]] * 4
    assert dataset.total_num_sequences == len(dataset)
    assert dataset.n_demos == len(read(HUMAN).select(split="valid"))
    assert dataset.get_dataset_sampler() is None


def test_robomimics_normalisation_is_its_own(tmp_path):
    plain, dataset = (
        SequenceDataset(HUMAN, ["object"], ["actions"], hdf5_normalize_obs=n, cache=tmp_path) for n in (False, True)
    )
    told = dataset.get_obs_normalization_stats()["object"]
    values = plain.batch(range(len(plain)))
    assert told["mean"].shape == (1, 10)
    np.testing.assert_allclose(told["std"][0], values["obs"]["object"][:, 0].std(axis=0) + 1e-3, rtol=1e-4)
    found = dataset.batch(range(len(plain)))
    for group in ("obs", "next_obs"):
        wanted = (values[group]["object"] - told["mean"]) / told["std"]
        np.testing.assert_allclose(found[group]["object"], wanted, atol=1e-4)
    np.testing.assert_array_equal(found["actions"], values["actions"])
