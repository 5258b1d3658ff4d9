"""What every selection strategy must do, found by its name."""

import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import examples
from trajloom.engine import select
from trajloom.engine.select import Candidates, StackedStrategy, choose_by_infos, make_selection_strategy
from trajloom.poses import make, rotation_from_axis_angle
from trajloom.seeding import rng_for
from trajloom.task import DatagenInfo

NAMES = sorted(module.name for module in pkgutil.iter_modules(select.__path__))


def random_poses(rng: np.random.Generator, count: int) -> np.ndarray:
    return make(rng.uniform(-1, 1, (count, 3)), rotation_from_axis_angle(rng.uniform(-1, 1, (count, 3))))


def segments(seed: int, count: int) -> list[DatagenInfo]:
    """Source segments of 1 to 4 frames with poses all over the place."""
    rng = rng_for(seed, "segments")
    lengths = rng.integers(1, 5, count)
    return [DatagenInfo(random_poses(rng, n), {"cube": random_poses(rng, n)}) for n in lengths]


@pytest.mark.parametrize("name", NAMES)
def test_the_file_is_the_strategy_and_says_what_it_does(name):
    strategy = make_selection_strategy(name)
    assert name == strategy.NAME
    assert type(strategy).__module__ == f"trajloom.engine.select.{name}"
    assert (inspect.getdoc(type(strategy)) or "").endswith(".")


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 9))
@settings(deadline=None, max_examples=examples(15))
def test_both_ways_to_ask_give_the_same_answer(name, seed, count):
    strategy, infos = make_selection_strategy(name), segments(seed, count)
    eef, cube = random_poses(rng_for(seed, "now"), 2)
    assert isinstance(strategy, StackedStrategy)
    stacked = strategy.choose(eef, cube, Candidates.from_infos(infos), rng=rng_for(seed))
    assert stacked == strategy.select_source_demo(eef, cube, infos, rng=rng_for(seed))
    assert 0 <= stacked < count


@pytest.mark.parametrize("name", NAMES)
def test_one_number_is_drawn_and_nothing_else(name):
    eef, cube = random_poses(rng_for(1), 2)
    rng, reference = rng_for(2), rng_for(2)
    strategy = make_selection_strategy(name)
    assert isinstance(strategy, StackedStrategy)
    strategy.select_source_demo(eef, cube, segments(3, 5), rng=rng)
    reference.random()
    assert rng.random() == reference.random()


@pytest.mark.parametrize("name", NAMES)
def test_without_an_rng_the_global_seed_decides(name):
    eef, cube = random_poses(rng_for(1), 2)
    choices = [
        choose_by_infos(make_selection_strategy(name), eef, cube, segments(3, 50), {}, rng_for(k))
        for k in (1, 1, 2, 3, 4)
    ]
    assert choices[0] == choices[1]
    assert len(set(choices)) > 1
