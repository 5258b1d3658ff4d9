"""A run's goal is judged on prefixes of its attempts; its recipe says all that its bytes depend on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajloom.engine.segments import SourceDemo
from trajloom.errors import SettingsError
from trajloom.generation.goal import Goal
from trajloom.generation.recipe import Recipe, differences
from trajloom.generation.sources import identity
from trajloom.task import DatagenInfo

outcomes = st.lists(st.booleans(), max_size=60)


@given(outcomes, st.integers(1, 20))
def test_a_run_ends_right_after_the_last_success_asked_for(tried, wanted):
    end = Goal(successes=wanted, max_attempts=1000).end(tried)
    if sum(tried) < wanted:
        assert end is None
    else:
        assert sum(tried[:end]) == wanted
        assert tried[end - 1]


@given(outcomes, st.integers(1, 20), st.integers(0, 60))
def test_what_comes_later_never_changes_where_a_run_ends(tried, wanted, cut):
    goal = Goal(successes=wanted, max_attempts=30, min_success_rate=0.2, judge_after=10)
    early = goal.end(tried[:cut])
    assert early is None or early == goal.end(tried)


@given(outcomes, st.integers(1, 60))
def test_attempts_are_counted_whatever_they_came_to(tried, wanted):
    assert Goal(attempts=wanted).end(tried) == (wanted if len(tried) >= wanted else None)


def test_a_hopeless_run_ends_and_says_why():
    goal = Goal(successes=5, max_attempts=1000, min_success_rate=0.1, judge_after=20)
    tried = [False] * 30
    assert goal.end(tried) == 20
    assert "below 0.1: 0 of 20 attempts" in str(goal.shortfall(tried, 20))


def test_a_run_ends_at_its_cap_and_says_why():
    goal = Goal(successes=5, max_attempts=8)
    tried = [True, False] * 4
    assert goal.end(tried) == 8
    assert "the cap of 8 attempts: 4 of 8" in str(goal.shortfall(tried, 8))


def test_no_unit_is_started_beyond_what_is_likely_to_be_needed():
    goal = Goal(successes=10)
    assert goal.is_worth_more([True] * 5, pending=0)
    assert not goal.is_worth_more([True] * 5, pending=5)
    assert goal.is_worth_more([True, False] * 5, pending=5)


@pytest.mark.parametrize("asked", [{}, {"successes": 1, "attempts": 1}, {"successes": 0}, {"attempts": -3}])
def test_a_goal_asks_for_one_thing(asked):
    with pytest.raises(SettingsError):
        Goal(**asked)


def test_a_recipe_is_the_same_after_json_and_differs_by_every_setting():
    recipe = Recipe(kind="mimicgen", task="stack", seed=1, engine={"success": "any"}, versions={"numpy": "2"})
    assert Recipe(**recipe.to_json()).id == recipe.id
    other = Recipe(kind="mimicgen", task="stack", seed=2, engine={"success": "any"}, versions={"numpy": "2"})
    assert other.id != recipe.id
    assert differences(recipe.to_json(), other.to_json()) == ["seed: 1 there, 2 asked for"]


def test_a_run_that_does_not_say_how_its_steps_were_computed_is_another_run():
    recipe = Recipe(kind="mimicgen", task="stack").to_json()
    older = {key: value for key, value in recipe.items() if key != "loop"}
    assert differences(older, recipe) == ["loop: not said there, 'fast' asked for"]
    assert differences({**recipe, "versions": {"numpy": "1"}}, recipe, ignoring="versions") == []


def test_units_cover_every_attempt_once():
    recipe = Recipe(kind="expert", task="lift", unit=4)
    assert [k for unit in range(3) for k in recipe.attempts_of(unit)] == list(range(12))


def test_sources_are_known_by_their_content():
    def demo(value: float) -> SourceDemo:
        return SourceDemo(0, "demo_0", DatagenInfo(gripper_action=[[value]]))

    assert identity([demo(1.0)]) == identity([demo(1.0)])
    assert identity([demo(1.0)]) != identity([demo(2.0)])
