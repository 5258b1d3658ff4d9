"""Streams of training batches: everything comes once, whoever shares it, and they go on where they stood."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, IterableDataset

from in_memory import source
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.load import TrajectoryDataset, TrajectoryStream
from trajloom.load.order import Blocks, Shuffled

ITEMS = 3 + 1 + 4 + 2 + 5


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """15 single steps; the first action and the frame's x tell them apart."""
    cache = tmp_path_factory.mktemp("cache")
    return TrajectoryDataset(Dataset(source()), columns=["actions", "obs/pose"], arrays="numpy", cache=cache)


def seen(batch) -> list[float]:
    """What tells a batch's items apart: episode + frame / 100."""
    return np.asarray(batch["obs"]["pose"][:, 0, 3]).round(2).tolist()


def everything(dataset) -> list[float]:
    return seen(dataset.batch(np.arange(len(dataset))))


# ---- orders ----------------------------------------------------------------------------------------------------


@given(count=st.integers(1, 3000), key=st.integers(0, 2**64 - 1))
def test_a_shuffle_that_takes_no_memory_is_a_permutation(count, key):
    order = Shuffled(count, np.uint64(key))
    assert sorted(order.of(np.arange(count))) == list(range(count))


@given(count=st.integers(1, 500), block=st.integers(1, 40), mixed=st.integers(1, 9), epoch=st.integers(0, 3))
def test_blocks_are_a_permutation_that_keeps_neighbours_in_one_mix(count, block, mixed, epoch):
    order = Blocks(count, 7, epoch, block, mixed)
    found = order.of(np.arange(count))
    assert sorted(found) == list(range(count))
    # the last block may be short, and come first
    first = found[: block * (mixed - 1) + 1]
    assert len({int(i) // block for i in first}) <= mixed


def test_an_order_can_be_asked_anywhere():
    for order in (Shuffled(1000, np.uint64(5)), Blocks(1000, 5, 0, 16, 4)):
        whole = order.of(np.arange(1000))
        np.testing.assert_array_equal(order.of(np.array([999, 3, 500])), whole[[999, 3, 500]])


def test_shuffles_are_the_same_in_every_release():
    assert Shuffled(10, np.uint64(1)).of(np.arange(10)).tolist() == [5, 6, 0, 9, 7, 8, 1, 4, 2, 3]
    assert Blocks(10, 1, 0, 2, 2).of(np.arange(10)).tolist() == [9, 1, 0, 8, 7, 6, 3, 2, 4, 5]


def test_a_shuffle_leaves_hardly_anything_in_its_place():
    found = Shuffled(100_000, np.uint64(3)).of(np.arange(100_000))
    assert (found == np.arange(100_000)).sum() < 10
    # neighbours lie a third of everything apart on average, as those of a random permutation do
    assert np.abs(np.diff(found)).mean() == pytest.approx(100_000 / 3, rel=0.02)


# ---- sharing ---------------------------------------------------------------------------------------------------


@given(
    world=st.integers(1, 4), batch_size=st.integers(1, 6), shuffle=st.sampled_from(["all", "blocks", None]),
    epoch=st.integers(0, 2),
)  # fmt: skip
def test_all_ranks_together_have_everything_once(numbered, world, batch_size, shuffle, epoch):
    found = []
    for rank in range(world):
        stream = TrajectoryStream(numbered, batch_size, shuffle=shuffle, rank=rank, world=world, block=2, mixed=3)
        stream.set_epoch(epoch)
        batches = list(stream)
        assert len(batches) == len(stream)
        found += [x for batch in batches for x in seen(batch)]
    assert sorted(found) == sorted(everything(numbered))


@given(world=st.integers(1, 4), batch_size=st.integers(1, 6), even=st.sampled_from(["drop", "repeat"]))
def test_even_shares_are_full_batches_of_different_items(numbered, world, batch_size, even):
    streams = [TrajectoryStream(numbered, batch_size, even=even, rank=r, world=world) for r in range(world)]
    shares = [[seen(batch) for batch in stream] for stream in streams]
    assert len({len(share) for share in shares}) == 1
    assert all(len(batch) == batch_size for share in shares for batch in share)
    found = [x for share in shares for batch in share for x in batch]
    if even == "drop":
        assert len(set(found)) == len(found)
        assert ITEMS - len(found) < world * batch_size
    else:
        assert set(found) == set(everything(numbered))
        assert len(found) - ITEMS < world * batch_size


def test_workers_share_a_ranks_batches_and_keep_their_order(numbered, tmp_path):
    tensors = TrajectoryDataset(Dataset(source()), columns=["actions", "obs/pose"], cache=tmp_path)
    stream = TrajectoryStream(tensors, 2, seed=3)
    assert isinstance(stream, IterableDataset)
    alone = [seen(batch) for batch in stream]
    stream.set_epoch(0)
    shared = list(DataLoader(stream, batch_size=None, num_workers=2))
    assert [seen(batch) for batch in shared] == alone
    assert isinstance(shared[0]["actions"], torch.Tensor)


# ---- epochs and resuming ---------------------------------------------------------------------------------------


def test_epochs_have_other_orders_and_a_seed_the_same_ones(numbered):
    stream, again = (TrajectoryStream(numbered, 4, seed=1) for _ in range(2))
    first, second = ([x for b in stream for x in seen(b)] for _ in range(2))
    assert first != second
    assert [x for b in again for x in seen(b)] == first
    again.set_epoch(1)
    assert [x for b in again for x in seen(b)] == second


@given(taken=st.integers(0, 9), shuffle=st.sampled_from(["all", "blocks", None]))
def test_resuming_gives_what_was_left_and_then_the_next_epoch(numbered, taken, shuffle):
    def fresh():
        return TrajectoryStream(numbered, 4, seed=2, shuffle=shuffle, block=2, mixed=2)

    stream, other = fresh(), fresh()
    whole = [seen(b) for _ in range(3) for b in stream]
    stream = fresh()
    forever = (batch for _ in range(3) for batch in stream)
    for _ in range(taken):
        next(forever)
    other.load_state_dict(stream.state_dict())
    assert [seen(b) for _ in range(3) for b in other][: len(whole) - taken] == whole[taken:]


def test_a_loader_with_workers_stands_where_the_training_is_and_not_where_they_prefetch(tmp_path):
    def fresh():
        dataset = TrajectoryDataset(Dataset(source()), columns=["actions", "obs/pose"], cache=tmp_path)
        return TrajectoryStream(dataset, 2, seed=2)

    whole = [seen(batch) for batch in fresh()]
    loader = fresh().loader(num_workers=2)
    assert [seen(batch) for batch in islice(loader, 3)] == whole[:3]
    state = loader.state_dict()
    assert state["batch"] == 3
    resumed = fresh().loader(num_workers=0)
    resumed.load_state_dict(state)
    assert [seen(batch) for batch in resumed] == whole[3:]
    assert resumed.state_dict() == {**state, "epoch": 1, "batch": 0}


def test_a_state_of_another_stream_is_refused(numbered):
    state = TrajectoryStream(numbered, 4, seed=1).state_dict()
    with pytest.raises(SettingsError, match="another stream"):
        TrajectoryStream(numbered, 4, seed=2).load_state_dict(state)


def test_settings_that_are_none_are_refused(numbered):
    for wrong in ({"shuffle": "some"}, {"even": "odd"}, {"batch_size": 0}, {"rank": 2, "world": 2}, {"rank": 0}):
        with pytest.raises(SettingsError):
            TrajectoryStream(numbered, **wrong)


def test_persistent_workers_are_refused(tmp_path):
    dataset = TrajectoryDataset(Dataset(source()), columns=["actions"], cache=tmp_path)
    with pytest.raises(SettingsError, match="persist"):
        TrajectoryStream(dataset).loader(num_workers=1, persistent_workers=True)
