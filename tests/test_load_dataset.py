"""Training items by number: what is in them, whoever asks for them and however."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, random_split

from in_memory import HEADER, MemoryEpisode, MemorySource, episode, source
from trajloom.dataset import Dataset, read
from trajloom.errors import MissingExtraError, SchemaError, SettingsError, UnknownNameError
from trajloom.load import Normalizer, TrajectoryDataset, TrajectoryStream, collate, items
from trajloom.load.names import chosen, item_keys
from trajloom.schema import Column, Header

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
LENGTHS = (3, 1, 4, 2, 5)
WHOLE = ["actions", "rewards", "dones", "obs/pose", "obs/image"]
"""Columns that all episodes have."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def load(cache):
    """Open the five small episodes."""

    def opened(seq_length=None, **given):
        return TrajectoryDataset(Dataset(source()), seq_length, **{"columns": WHOLE, "cache": cache, **given})

    return opened


# ---- windows ---------------------------------------------------------------------------------------------------


def windows(lengths, seq_length, frame_stack, pad_start, pad_end):
    """Episode and frames of each window, one after the other: what the words of the documentation say."""
    for number, length in enumerate(lengths):
        for at in range(length):
            frames = np.arange(at - frame_stack + 1, at + seq_length)
            if (pad_start or frames[0] >= 0) and (pad_end or frames[-1] < length):
                yield number, frames.clip(0, length - 1), (frames >= 0) & (frames < length)


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5), seq_length=st.integers(1, 8),
    frame_stack=st.integers(1, 4), pad=st.sampled_from([True, False, "start", "end"]), data=st.data(),
)  # fmt: skip
def test_windows_are_the_steps_around_each_step(cache, lengths, seq_length, frame_stack, pad, data):
    dataset = TrajectoryDataset(
        Dataset(source(lengths)), seq_length, frame_stack=frame_stack, pad=pad, pad_mask=True, columns=WHOLE,
        dtype=None, arrays="numpy", cache=cache,
    )  # fmt: skip
    wanted = list(windows(lengths, seq_length, frame_stack, pad in (True, "start"), pad in (True, "end")))
    assert len(dataset) == len(wanted)
    if not wanted:
        return
    numbers = data.draw(st.permutations(range(len(wanted))))
    batch = dataset.batch(numbers)
    for at, number in enumerate(numbers):
        which, frames, inside = wanted[number]
        columns = episode(which, lengths[which]).columns
        np.testing.assert_array_equal(batch["actions"][at], columns["actions"][frames])
        np.testing.assert_array_equal(batch["dones"][at], columns["dones"][frames])
        np.testing.assert_array_equal(batch["obs"]["pose"][at], columns["obs/pose"][frames])
        np.testing.assert_array_equal(batch["obs"]["image"][at], columns["obs/image"][frames])
        np.testing.assert_array_equal(batch["pad_mask"][at], inside)
        assert dataset.where(number)[0] == which


def test_tensors_are_the_same_numbers_as_arrays(load):
    dataset = load(3, frame_stack=2)
    arrays, tensors = dataset.batch([0, 7, 14]), dataset.gather([0, 7, 14])
    for name in ("actions", "rewards", "dones"):
        np.testing.assert_array_equal(tensors[name].numpy(), arrays[name])
    for name in ("pose", "image"):
        np.testing.assert_array_equal(tensors["obs"][name].numpy(), arrays["obs"][name])


def test_without_a_length_an_item_is_one_step(load):
    item = load()[4]
    assert {name: tuple(value.shape) for name, value in item.items() if name != "obs"} == {
        "actions": (3,), "rewards": (), "dones": (),
    }  # fmt: skip
    assert tuple(item["obs"]["pose"].shape) == (4, 4)
    assert item["actions"].dtype == torch.float32
    assert item["dones"].dtype == torch.int64


def test_numbers_may_count_from_the_end_and_end_where_the_items_do(load):
    dataset = load(2)
    assert torch.equal(dataset[-1]["actions"], dataset[len(dataset) - 1]["actions"])
    assert dataset.where(-1) == (4, 4)
    for wrong in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match="there are 15 items"):
            dataset[wrong]
    assert len(list(dataset)) == len(dataset)


@pytest.mark.parametrize(("chosen", "wanted"), [({"split": "train"}, (0, 2)), ({"episodes": [3, 1]}, (1, 3))])
def test_episodes_are_chosen_by_split_or_number(cache, chosen, wanted):
    members = [episode(i, n, splits=["train"] if i in (0, 2) else ["valid"]) for i, n in enumerate(LENGTHS)]
    dataset = TrajectoryDataset(Dataset(MemorySource(HEADER, members)), 2, columns=["actions"], cache=cache, **chosen)
    assert [dataset.where(i)[0] for i in range(len(dataset))] == [e for e in wanted for _ in range(LENGTHS[e])]
    assert dataset.num_episodes == 2
    with pytest.raises(UnknownNameError, match="train, valid"):
        TrajectoryDataset(Dataset(MemorySource(HEADER, members)), cache=cache, columns=["actions"], split="test")
    with pytest.raises(UnknownNameError, match="5 episodes from 0 to 4"):
        TrajectoryDataset(Dataset(MemorySource(HEADER, members)), cache=cache, columns=["actions"], episodes=[9])


# ---- columns ---------------------------------------------------------------------------------------------------


def test_floats_that_an_episode_lacks_are_nan(load):
    force = load(columns=["obs/force"]).batch(range(15))["obs"]["force"]
    assert np.isnan(force[3]).all()  # the only step of episode 1
    assert np.isfinite(force[:3]).all()


def test_images_that_an_episode_lacks_are_said_and_not_black(cache):
    image = Column(name="obs/image", dtype="uint8", shape=(4, 5, 3), nullable=True)
    header = HEADER.with_(steps=(HEADER.column("actions"), image))
    whole, plain = episode(0, 2), episode(1, 2)
    members = [
        MemoryEpisode(whole.row, {n: whole.columns[n] for n in ("actions", "obs/image")}),
        MemoryEpisode(plain.row, {"actions": plain.columns["actions"]}),
    ]
    with pytest.raises(SchemaError, match=r"obs/image is missing in episode 1.*columns"):
        TrajectoryDataset(Dataset(MemorySource(header, members)), cache=cache)


def test_columns_are_chosen_by_pattern_in_the_order_asked_for(load):
    assert load(columns=["obs/*", "actions"]).columns == ["obs/pose", "obs/image", "obs/force", "actions"]
    with pytest.raises(UnknownNameError, match="no column named 'obs/smell'"):
        load(columns=["obs/smell"])


def test_float_columns_become_what_is_asked_for(load):
    kept = load(dtype=None).batch([0])
    assert (kept["actions"].dtype, kept["rewards"].dtype) == (np.float64, np.float64)
    mixed = load(dtype={"float": "float32", "dones": "float32"}).batch([0])
    assert {mixed[name].dtype for name in ("actions", "rewards", "dones")} == {np.dtype("float32")}
    for wrong in ("int8", {"actions": "int32"}, {"actions": "float31"}):
        with pytest.raises(SettingsError):
            load(dtype=wrong)


def test_images_are_floats_and_channels_first_on_request(load):
    plain = load(2).batch([5])["obs"]["image"]
    changed = load(2, images="float32", channels_first=True)
    for found in (changed.batch([5])["obs"]["image"], changed.gather([5])["obs"]["image"].numpy()):
        assert found.shape == (1, 2, 3, 4, 5)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, np.moveaxis(plain, -1, -3) / 255, rtol=1e-6)


def test_settings_that_are_none_are_refused(load):
    for wrong in ({"pad": "middle"}, {"goal": "first"}, {"images": "int8"}, {"arrays": "jax"}, {"layout": "rows"},
                  {"frame_stack": 0}, {"normalize": "log"}, {"normalize": {"dones": "mean_std"}}):  # fmt: skip
        with pytest.raises(SettingsError):
            load(2, **wrong)
    with pytest.raises(SettingsError, match="observations"):
        load(2, columns=["actions"], goal="last")
    with pytest.raises(SettingsError, match="belong to a path"):
        load(on_error="skip")


# ---- goals -----------------------------------------------------------------------------------------------------


def test_the_last_goal_is_the_episodes_last_observation(load):
    dataset = load(2, goal="last")
    found = dataset.batch(range(15))["goal"]["obs"]["pose"][:, 0, 3]
    np.testing.assert_allclose(found, [i + 0.01 * (n - 1) for i, n in enumerate(LENGTHS) for _ in range(n)], rtol=1e-6)


def test_a_future_goal_is_drawn_by_seed_and_number_from_the_rest_of_the_episode(load):
    dataset = load(goal="future", seed=3)
    now = dataset.batch(range(15))["obs"]["pose"][:, 0, 3]
    draws = np.stack([dataset.batch(range(15), epoch=e)["goal"]["obs"]["pose"][:, 0, 3] for e in range(60)])
    ends = np.array([i + 0.01 * (n - 1) for i, n in enumerate(LENGTHS) for _ in range(n)])
    assert (draws >= now - 1e-6).all()
    assert (draws <= ends + 1e-6).all()
    np.testing.assert_allclose(draws.min(axis=0), now, atol=1e-6)  # each step from now on comes up
    np.testing.assert_allclose(draws.max(axis=0), ends, atol=1e-6)
    assert torch.equal(dataset[10]["goal"]["obs"]["pose"], load(goal="future", seed=3)[10]["goal"]["obs"]["pose"])
    backwards = dataset.batch(range(14, -1, -1))["goal"]["obs"]["pose"][:, 0, 3]
    np.testing.assert_array_equal(backwards[::-1], draws[0])


# ---- scales ----------------------------------------------------------------------------------------------------


def test_normalised_numbers_have_mean_0_and_spread_1_and_come_back(load):
    plain, dataset = load().batch(range(15)), load(normalize="mean_std")
    scaled = dataset.batch(range(15))
    np.testing.assert_allclose(scaled["actions"].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled["actions"].std(axis=0), 1, rtol=1e-5)
    assert dataset.normalizer is not None
    for kind in (scaled, dataset.gather(range(15))):
        back = dataset.normalizer.denormalize(kind)
        np.testing.assert_allclose(np.asarray(back["actions"]), plain["actions"], atol=1e-5)
        np.testing.assert_allclose(np.asarray(back["obs"]["pose"]), plain["obs"]["pose"], atol=1e-5)
    np.testing.assert_array_equal(scaled["rewards"], plain["rewards"])
    np.testing.assert_allclose(dataset.normalizer.normalize(plain)["actions"], scaled["actions"], atol=1e-6)


def test_min_and_max_become_the_ends_and_what_never_changes_becomes_0(load):
    dataset = load(normalize={"actions": "min_max", "obs/*": "min_max"})
    scaled = dataset.batch(range(15))
    np.testing.assert_allclose(scaled["actions"].min(axis=0), -1, atol=1e-6)
    np.testing.assert_allclose(scaled["actions"].max(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(scaled["obs"]["pose"][:, 3, :], 0)
    np.testing.assert_array_equal(scaled["obs"]["image"], load().batch(range(15))["obs"]["image"])


def test_statistics_are_those_of_the_episodes_that_are_loaded_and_are_kept(load, cache):
    dataset = load(normalize="mean_std", episodes=[2, 4])
    values = np.concatenate([episode(i, LENGTHS[i]).columns["actions"] for i in (2, 4)])
    assert dataset.normalizer is not None
    found = dataset.normalizer.statistics("actions")
    np.testing.assert_allclose(found["mean"], values.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["std"], values.std(axis=0), rtol=1e-6)
    assert list(cache.glob("packed/*/statistics-*.npy"))
    again = Normalizer.from_json(dataset.normalizer.to_json())
    np.testing.assert_array_equal(again.statistics("actions")["std"], found["std"])
    with pytest.raises(SettingsError, match="no normalizer"):
        Normalizer.from_json("[]")
    with pytest.raises(UnknownNameError, match="actions"):
        again.statistics("rewards")


def test_next_observations_are_scaled_like_observations(cache):
    dataset = TrajectoryDataset(HUMAN, columns=["obs/object", "next_obs/object"], normalize="mean_std", cache=cache)
    batch = dataset.batch(range(58))
    np.testing.assert_array_equal(batch["next_obs"]["object"][:-1], batch["obs"]["object"][1:])


# ---- PyTorch ---------------------------------------------------------------------------------------------------


def same(found, wanted) -> None:
    assert found.keys() == wanted.keys()
    for name, value in found.items():
        same(value, wanted[name]) if isinstance(value, dict) else np.testing.assert_array_equal(value, wanted[name])


def test_a_data_loader_gets_a_batch_in_one_piece(load):
    dataset = load(2)
    (first, *_, last) = list(DataLoader(dataset, batch_size=4))
    same(first, dataset.gather(range(4)))
    same(last, dataset.gather(range(12, 15)))
    # one piece of memory for all columns of an element type: nothing was copied to make tensors of it
    floats = [first["actions"], first["rewards"], first["obs"]["pose"]]
    assert max(t.data_ptr() for t in floats) - min(t.data_ptr() for t in floats) < 20 * 4
    (shared, *_) = DataLoader(dataset, batch_size=4, num_workers=1)
    same(shared, first)
    floats = [shared["actions"], shared["rewards"], shared["obs"]["pose"]]
    assert len({values.untyped_storage().data_ptr() for values in floats}) == 1


def test_collate_functions_of_ones_own_see_items(load):
    dataset = load(2)
    batch = next(iter(DataLoader(dataset, batch_size=4, collate_fn=lambda items: [i["actions"] for i in items])))
    assert len(batch) == 4
    assert torch.equal(torch.stack(batch), dataset.gather(range(4))["actions"])


def test_wrapped_datasets_collate_too(load):
    dataset = load(2)
    half, _ = random_split(dataset, [7, 8], generator=torch.Generator().manual_seed(0))
    same(next(iter(DataLoader(half, batch_size=7))), dataset.gather(half.indices))
    both = next(iter(DataLoader(ConcatDataset([dataset, dataset]), batch_size=30)))
    same(both, dataset.gather([*range(15), *range(15)]))
    same(collate([dataset[0], dataset[1]]), dataset.gather([0, 1]))


def test_workers_open_the_records_themselves(load):
    dataset = load(2)
    dataset.batch([0])
    sent = pickle.dumps(dataset)
    assert len(sent) < 20_000  # paths and settings, no rows
    same(pickle.loads(sent).gather([3]), dataset.gather([3]))
    batches = list(DataLoader(dataset, batch_size=8, num_workers=1))
    same(batches[1], dataset.gather(range(8, 15)))


def test_without_pytorch_batches_are_arrays(load, monkeypatch):
    items.torch.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'trajloom\[train\]'"):
        load(2)
    dataset = load(2, arrays="numpy")
    assert isinstance(dataset[0]["actions"], np.ndarray)
    assert sum(len(batch["actions"]) for batch in TrajectoryStream(dataset, 4)) == 15
    monkeypatch.undo()
    items.torch.cache_clear()


def test_names_are_those_of_the_source():
    pose = Column(name="obs/pose", dtype="float32", shape=(3,))
    own = Column(name="data/timestamp", dtype="float32")
    lerobot = Header(steps=(pose,), layout={"format": "lerobot", "names": {"obs/pose": "observation.pose"}})
    simscale = Header(steps=(pose,), layout={"format": "simscaleai", "renamed": {"obs/pose": "observations/pose"}})
    assert item_keys(lerobot, [pose], "source") == {"obs/pose": ("observation.pose",)}
    assert item_keys(simscale, [pose, own], "source") == {
        "obs/pose": ("observations", "pose"), "data/timestamp": ("timestamp",),
    }  # fmt: skip
    assert item_keys(simscale, [pose], "robomimic") == {"obs/pose": ("obs", "pose")}
    assert chosen(simscale, ["observations/*"]) == [pose]


def test_any_format_gives_the_same_items(cache, tmp_path):
    demos = read(HUMAN).select(columns=["actions", "obs/object", "rewards"])
    paths = {"ours": tmp_path / "demos", "hdf5": tmp_path / "demos.hdf5"}
    for path in paths.values():
        demos.write(path)
    found = {
        name: TrajectoryDataset(path, 5, columns=["actions", "obs/*"], cache=cache) for name, path in paths.items()
    }
    wanted = TrajectoryDataset(demos, 5, columns=["actions", "obs/*"], cache=cache).batch(range(0, 531, 50))
    for dataset in found.values():
        same(dataset.batch(range(0, 531, 50)), wanted)
