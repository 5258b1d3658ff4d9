"""What the strategies choose, and strategies of users."""

import random
from typing import Any

import numpy as np
import pytest

from trajloom.engine.select import (
    Candidates,
    MG_SelectionStrategy,
    check_kwargs,
    choose_by_infos,
    make_selection_strategy,
    pick,
    strategies,
)
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.poses import make, rotation_from_axis_angle
from trajloom.seeding import rng_for
from trajloom.task import DatagenInfo


def at(x: float, turn: float = 0.0) -> np.ndarray:
    """A pose `x` metres along the x axis, turned about z."""
    return make(np.array([x, 0.0, 0.0]), rotation_from_axis_angle(np.array([0.0, 0.0, turn])))


def chosen(name: str, eef: np.ndarray, cube: np.ndarray | None, candidates: Candidates, **kwargs: float) -> set[int]:
    """Everything that a strategy may choose."""
    strategy: Any = make_selection_strategy(name)
    return {strategy.choose(eef, cube, candidates, rng=rng_for(k), **kwargs) for k in range(60)}


@pytest.fixture
def row_of_cubes() -> Candidates:
    """Six sources: the cube at 0, 1, ... 5 m, and the eef always 0.5 m before it."""
    return Candidates(np.stack([at(x - 0.5) for x in range(6)]), np.stack([at(x) for x in range(6)]))


def test_random_chooses_every_source(row_of_cubes):
    assert chosen("random", at(0), at(0), row_of_cubes) == set(range(6))


def test_nearest_object_chooses_among_the_k_nearest(row_of_cubes):
    assert chosen("nearest_neighbor_object", at(0), at(3.1), row_of_cubes, nn_k=1) == {3}
    assert chosen("nearest_neighbor_object", at(0), at(3.1), row_of_cubes) == {2, 3, 4}
    assert chosen("nearest_neighbor_object", at(0), at(3.1), row_of_cubes, nn_k=99) == set(range(6))


def test_nearest_object_weighs_metres_against_radians():
    candidates = Candidates(np.stack([at(0)] * 2), np.stack([at(0.0, 1.0), at(0.5, 0.0)]))
    assert chosen("nearest_neighbor_object", at(0), at(0), candidates, nn_k=1) == {1}
    assert chosen("nearest_neighbor_object", at(0), at(0), candidates, nn_k=1, rot_weight=0.1) == {0}
    assert chosen("nearest_neighbor_object", at(0), at(0), candidates, nn_k=1, pos_weight=3.0) == {0}


def test_nearest_robot_chooses_the_segment_that_begins_where_the_arm_is_once_carried():
    # the eef began 0.5 m, 0.2 m and 0.9 m before its cube, wherever that lay
    eef = np.stack([at(10 - 0.5), at(20 - 0.2), at(30 - 0.9)])
    candidates = Candidates(eef, np.stack([at(10), at(20), at(30)]))
    assert chosen("nearest_neighbor_robot_distance", at(0.8), at(1), candidates, nn_k=1) == {1}
    assert chosen("nearest_neighbor_robot_distance", at(0.1), at(1), candidates, nn_k=1) == {2}


def test_ties_go_to_the_earlier_source():
    candidates = Candidates(np.stack([at(0)] * 40), np.stack([at(1)] * 40))
    assert chosen("nearest_neighbor_object", at(0), at(0), candidates, nn_k=2) == {0, 1}


def test_pick_is_uniform_and_stays_below_the_count():
    rng = rng_for(4)
    counts = np.bincount([pick(4, rng) for _ in range(4000)], minlength=4)
    assert counts.sum() == 4000
    assert counts.min() > 850


def test_an_unknown_strategy_is_refused_with_those_there_are():
    with pytest.raises(UnknownNameError, match=r"no selection strategy named 'nearest'; there are: .*random"):
        make_selection_strategy("nearest")


def test_settings_that_a_strategy_does_not_take_are_refused_with_those_it_takes():
    with pytest.raises(SettingsError, match=r"takes no \['k'\]; it takes: \['nn_k', 'pos_weight', 'rot_weight'\]"):
        check_kwargs("nearest_neighbor_object", {"k": 3})
    with pytest.raises(SettingsError, match="nn_k must be >= 1, got 0"):
        chosen("nearest_neighbor_object", at(0), at(0), Candidates(at(0)[None], at(0)[None]), nn_k=0)


def test_a_strategy_that_needs_an_object_says_so():
    with pytest.raises(SettingsError, match="needs a subtask with an object_ref"):
        chosen("nearest_neighbor_object", at(0), None, Candidates(at(0)[None], None))


class LongestSegment(MG_SelectionStrategy):
    """A user's strategy as MimicGen documents them: no rng, chance from the global generators."""

    NAME = "longest_segment"

    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos, jitter=0.0):
        lengths = [len(info.eef_pose) for info in src_subtask_datagen_infos]
        chance = [random.random() + np.random.rand() for _ in lengths]  # noqa: NPY002
        return int(np.argmax(np.array(lengths) + jitter * np.array(chance)))


def test_a_users_subclass_is_found_by_its_name():
    infos = [DatagenInfo(np.stack([at(0)] * n), {"cube": np.stack([at(0)] * n)}) for n in (2, 5, 3)]
    assert strategies()["longest_segment"] is LongestSegment
    strategy = make_selection_strategy("longest_segment")
    assert choose_by_infos(strategy, at(0), at(0), infos, {}, rng_for(0)) == 1


def test_a_users_chance_comes_from_the_attempt_and_leaves_the_global_generators_alone():
    infos = [DatagenInfo(at(0)[None], {"cube": at(0)[None]}) for _ in range(30)]
    state = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002
    choices = [
        choose_by_infos(LongestSegment(), at(0), at(0), infos, {"jitter": 9.0}, rng_for(k)) for k in (1, 1, 2, 3)
    ]
    assert choices[0] == choices[1]
    assert len(set(choices)) > 1
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == state  # noqa: NPY002


def test_an_answer_that_is_no_index_is_refused():
    infos = [DatagenInfo(at(0)[None], {"cube": at(0)[None]})]
    with pytest.raises(SettingsError, match="'seven' chose 7, not an index from 0 to 0"):
        choose_by_infos(_Seven(), at(0), at(0), infos, {}, rng_for(0))


class _Seven(MG_SelectionStrategy):
    """Always wrong."""

    NAME = "seven"

    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos):
        return 7


def test_two_classes_with_one_name_are_refused():
    def define() -> type:
        class Another(MG_SelectionStrategy):
            NAME = "longest_segment"

            def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos):
                return 0

        return Another

    another = define()
    try:
        with pytest.raises(SettingsError, match="two selection strategies are called 'longest_segment'"):
            strategies()
    finally:
        del another.NAME
    assert strategies()["longest_segment"] is LongestSegment
