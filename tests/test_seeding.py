"""Chance depends on the work alone, in every release."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajloom.seeding import rng_for, rng_from_globals, seeded_globals

keys = st.lists(st.integers() | st.text(max_size=3), max_size=3)


def test_streams_are_the_same_in_every_release():
    assert rng_for(7, "attempt", 0).random(3).tolist() == [0.15333283364241657, 0.7140603981676106, 0.4371176555756401]
    assert rng_for(7, "attempt", 1).integers(0, 1000, 4).tolist() == [107, 564, 120, 517]
    assert rng_for(0).standard_normal(2).tolist() == [-1.2232512944942284, 0.9984411650807596]
    assert rng_for(-3, "a", 10**20).random() == 0.3875791279684965


@given(st.integers(), keys, st.integers(), keys)
def test_another_piece_of_work_has_another_stream(seed, key, other_seed, other_key):
    same = (seed, *key) == (other_seed, *other_key)
    assert (rng_for(seed, *key).random() == rng_for(other_seed, *other_key).random()) == same


def test_numpy_integers_are_the_same_key_as_plain_ones():
    seed: Any = np.int64(7)
    number: Any = np.int32(3)
    assert rng_for(seed, "attempt", number).random() == rng_for(7, "attempt", 3).random()


def test_foreign_code_gets_the_same_global_chance_whatever_was_drawn_before():
    drawn = []
    for noise in (1, 2):
        np.random.seed(noise)  # noqa: NPY002
        with seeded_globals(rng_for(5)):
            drawn.append((random.random(), np.random.rand()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_the_global_generators_are_put_back_even_after_an_error():
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    with pytest.raises(KeyError), seeded_globals(rng_for(5)):
        {}[random.random()]
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_callers_who_seed_the_global_generator_get_the_same_again():
    np.random.seed(3)  # noqa: NPY002
    first = rng_from_globals().random(), rng_from_globals().random()
    np.random.seed(3)  # noqa: NPY002
    assert (rng_from_globals().random(), rng_from_globals().random()) == first
    assert first[0] != first[1]
