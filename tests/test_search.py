"""Attempts that go back: what is kept is one path that worked, as if nothing else had been tried."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import own_checks
from fake_scene import OPEN, FakeScene, expert_demo, place_spec
from trajloom.engine.experience import CELLS, Experience, neighbourhoods
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.own_check import name_of
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.errors import SettingsError
from trajloom.poses import Poses
from trajloom.rollout import Rollout
from trajloom.seeding import rng_for
from trajloom.task import Step

BAD = 13
"""`episode_index` of the source that never closes its gripper."""


SEEDS = range(6)


@pytest.fixture(scope="module")
def demos() -> list[SourceDemo]:
    """Three good demonstrations, and one that leaves the cube where it is."""
    demos = [expert_demo(FakeScene(), episode) for episode in range(10, 14)]
    bad: Any = demos[-1].info
    demos[-1] = replace(demos[-1], info=replace(bad, gripper_action=np.full_like(bad.gripper_action, OPEN)))
    return demos


def searched(demos: list[SourceDemo], seed: int, scene: FakeScene | None = None, **options: Any) -> Rollout:
    spec = place_spec(action_noise=options.pop("noise", 0.0))
    options = {"tries": 4, "select_src_per_subtask": True, **options}
    return attempt(scene or FakeScene(), Sources.from_demos(demos, spec), spec, Settings(**options), rng_for(seed))


def sources_used(rollout: Rollout) -> list[int]:
    return [choice.source_episode for choice in rollout.choices]


def same(a: Rollout, b: Rollout) -> bool:
    return a.columns.keys() == b.columns.keys() and all(np.array_equal(a.columns[k], b.columns[k]) for k in a.columns)


def test_an_attempt_whose_first_tries_work_is_the_one_that_never_goes_back(demos):
    seeds = [seed for seed in SEEDS if searched(demos, seed, tries=1, noise=0.05).success]
    assert 0 < len(seeds) < len(SEEDS)
    for seed in seeds:
        plain, search = searched(demos, seed, tries=1, noise=0.05), searched(demos, seed, noise=0.05)
        assert same(plain, search)
        assert plain.choices == search.choices == [one.choice for one in search.tries]


def test_it_succeeds_where_a_source_that_never_works_was_chosen_first(demos):
    failing = [seed for seed in SEEDS if not searched(demos, seed, tries=1).success]
    assert failing
    for seed in failing:
        rollout = searched(demos, seed)
        assert rollout.success
        assert BAD not in sources_used(rollout)
        lost = [one for one in rollout.tries if not one.success]
        assert {one.choice.source_episode for one in lost} == {BAD}
        assert all(one.reason for one in lost)
        assert rollout.choices == [one.choice for one in rollout.tries if one.success]
        assert rollout.simulated_steps == rollout.length + sum(one.steps for one in lost)


def test_the_path_that_is_kept_can_be_replayed_from_the_reset(demos):
    scene = FakeScene()
    seed, rollout = next((s, r) for s in SEEDS if len((r := searched(demos, s, noise=0.05)).tries) > 2)
    scene.reset(rng_for(int(rng_for(seed).integers(2**63)), "reset"))
    for state, action in zip(rollout.columns["states"], rollout.columns["actions"], strict=True):
        np.testing.assert_array_equal(scene.state(), state)
        success = scene.step(action).success
    assert success
    assert rollout.columns["dones"].shape == (rollout.length,)


def test_an_attempt_is_the_same_alone_and_after_others(demos):
    scene = FakeScene()
    after_others = [searched(demos, seed, scene, noise=0.05) for seed in range(3)]
    assert all(same(one, searched(demos, seed, noise=0.05)) for seed, one in enumerate(after_others))


def test_every_source_is_tried_before_one_is_tried_again(demos):
    bad = [replace(demos[-1], episode_index=i) for i in range(3)]
    rollout = searched(bad, 0, tries=5)
    assert not rollout.success
    assert rollout.failed_subtask == 0
    tried = [one.choice.source_episode for one in rollout.tries]
    assert sorted(tried[:3]) == [0, 1, 2]
    assert len(tried) == 5
    assert "does not hold at its end; subtask 0 was tried 5 times" in (rollout.reason or "")


def test_tries_have_offsets_and_noise_of_their_own(demos):
    bad = [demos[-1]]
    rollout = searched(bad, 0, tries=8, noise=0.05)
    assert len({one.choice.end for one in rollout.tries}) > 1
    assert len({one.choice.start for one in rollout.tries}) == 1


def test_the_propensity_is_the_share_of_the_sources_not_tried_yet(demos):
    rollout = searched([replace(demos[-1], episode_index=i) for i in range(3)], 0, tries=3)
    assert [one.propensity for one in rollout.tries] == [pytest.approx(p) for p in (1 / 3, 1 / 2, 1)]


def test_going_back_further_repairs_what_the_subtask_before_broke(demos):
    # the last subtask of these never opens the gripper: no try of it can work
    stuck = []
    for demo in demos[:3]:
        info: Any = demo.info
        closed = info.gripper_action.copy()
        closed[np.flatnonzero(closed[:, 0] > 0)[0] :] = 1.0
        stuck.append(replace(demo, info=replace(info, gripper_action=closed)))
    rollout = searched(stuck, 0, tries=2, back=1)
    assert not rollout.success
    assert [(one.choice.subtask, one.number) for one in rollout.tries] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (0, 1),
        (1, 2),
        (1, 3),
    ]
    assert len(searched(stuck, 0, tries=2).tries) == 3


def test_the_budget_ends_an_attempt(demos):
    bad = [demos[-1]]
    whole = searched(bad, 0, tries=50, step_budget=100)
    assert not whole.success
    assert whole.simulated_steps == 100
    assert "budget of 100 steps" in (whole.reason or "")


class Hopeless(FakeScene):
    """Says that all is lost once the open hand has come down to the cube."""

    def hopeless(self) -> str:
        hand = self.now.hands["robot0"]
        low = hand.pose[2, 3] < 0.1
        return "the cube has fallen" if low and not hand.closed else ""


def test_a_hopeless_try_is_given_up_early(demos):
    rollout = searched(demos[:3], 0, Hopeless(), tries=2)
    assert not rollout.success
    assert [one.reason for one in rollout.tries] == ["hopeless: the cube has fallen"] * 2
    assert all(one.steps < one.choice.end - one.choice.start for one in rollout.tries)


def test_a_try_that_loses_what_its_source_held_is_given_up_early(demos):
    slippery = FakeScene(slip_m=0.002)
    early, late = (searched(demos[:3], 0, slippery, tries=2, patience=patience) for patience in (5, 0))
    lost = [one for one in early.tries if "signal 'grasp' was missing where the source had it" in (one.reason or "")]
    assert lost
    assert all(one.choice.subtask == 1 for one in lost)
    assert early.simulated_steps < late.simulated_steps
    assert not any("strayed" in (one.reason or "") for one in late.tries)


class Walled(FakeScene):
    """Its hand gets caught at a wall that stands between cube and goal."""

    def step(self, action: np.ndarray) -> Step:
        before = self.now.hands["robot0"].pose
        outcome = super().step(action)
        hand = self.now.hands["robot0"]
        if hand.pose[0, 3] > 0.2:
            hand.pose = before
        return outcome


def test_an_arm_that_is_stuck_is_noticed_and_the_subtask_before_is_tried_again_first(demos):
    rollout = searched(demos[:3], 0, Walled(spread_m=0.02), tries=2, back=1, patience=2)
    assert not rollout.success
    assert "robot0 was stuck, farther from its target than in the source" in (rollout.reason or "")
    # from another grasp the way may be free; only where there is no other, the same one is tried again
    tried = [(one.choice.subtask, one.number) for one in rollout.tries]
    assert tried == [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2)]


def test_after_two_failures_from_one_start_another_start_is_tried_first(demos):
    checked = searched(demos[:3], 0, tries=3, back=1, check="own_checks:only_the_first_subtask")
    tried = [(one.choice.subtask, one.number) for one in checked.tries]
    assert tried[:6] == [(0, 0), (1, 0), (1, 1), (0, 1), (1, 2), (1, 3)]


def test_sources_that_end_as_a_bad_one_did_are_left_for_later():
    """Three demonstrations grasp from above, two with the hand turned about: nothing works after the first three."""
    demos = [expert_demo(FakeScene(), episode) for episode in range(5)]
    turned = np.diag([-1.0, -1.0, 1.0, 1.0])
    for place in (3, 4):
        info: Any = demos[place].info
        about = replace(info, eef_pose=info.eef_pose @ turned, target_pose=info.target_pose @ turned)
        demos[place] = replace(demos[place], info=about)
    for seed in SEEDS:
        rollout = searched(demos, seed, tries=5, back=1, check="own_checks:only_the_first_subtask")
        grasps = [one.choice.source_episode > 2 for one in rollout.tries if one.choice.subtask == 0]
        assert grasps[0] != grasps[1], "the second grasp is of the other kind"


class Foreseen(FakeScene):
    """Says of the first paths that it is asked for that the arm cannot follow them."""

    def __init__(self, refusals: float):
        super().__init__()
        self.refusals, self.asked = refusals, 0

    def out_of_reach(self, eef: str, targets: Sequence[Poses]) -> str:
        assert (eef, np.shape(targets)[1:]) == ("robot0", (4, 4))
        self.asked += 1
        return "too far" if self.asked <= self.refusals else ""


def test_a_source_that_is_out_of_reach_is_passed_over_and_costs_no_step(demos):
    first = searched(demos[:3], 0).tries[0]
    scene = Foreseen(refusals=1)
    rollout = searched(demos[:3], 0, scene)
    assert rollout.tries[0].choice.source_episode != first.choice.source_episode
    assert [one.number for one in rollout.tries] == [0, 0]
    assert scene.asked == 3
    assert same(searched(demos[:3], 0, Foreseen(refusals=0)), searched(demos[:3], 0))


def test_where_every_source_is_out_of_reach_the_first_choice_has_one_try(demos):
    bad = [replace(demos[-1], episode_index=i) for i in range(3)]
    rollout = searched(bad, 0, Foreseen(refusals=np.inf))
    assert not rollout.success
    assert [one.choice for one in rollout.tries] == [searched(bad, 0).tries[0].choice]
    assert (rollout.reason or "").startswith("no source is within reach; too far; ")
    good = searched(demos[:3], 0, Foreseen(refusals=np.inf))
    assert good.success, "foresight may err"


def test_without_foresight_no_scene_is_asked(demos):
    scene = Foreseen(refusals=np.inf)
    assert same(searched(demos[:3], 0, scene, foresee=False), searched(demos[:3], 0))
    assert scene.asked == 0


def test_a_check_of_ones_own_decides_too(demos):
    plain = [searched(demos[:3], seed) for seed in SEEDS]
    checked = [searched(demos[:3], seed, tries=8, check="own_checks:is_high") for seed in SEEDS]
    said = [one.reason for rollout in checked for one in rollout.tries if not one.success]
    assert said
    assert all("check: the hand is only" in (reason or "") for reason in said)
    assert [same(a, b) for a, b in zip(plain, checked, strict=True)] != [True] * len(SEEDS)
    assert all(one.choice.subtask == 0 for rollout in checked for one in rollout.tries if not one.success)
    assert searched(demos[:3], 0, check="own_checks:never").reason == (
        "check: the check says no; subtask 0 was tried 4 times"
    )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("own_checks", "is named 'module:function'"),
        ("own_checks:missing", "there is no check 'own_checks:missing'"),
        ("no_such_module:f", "there is no check 'no_such_module:f'"),
        ("own_checks:NO_FUNCTION", "is no function but int"),
        ("own_checks:odd", "must return True, False, None or words"),
    ],
)
def test_checks_that_do_not_serve_are_refused(demos, check: str, said: str):
    with pytest.raises(SettingsError, match=said):
        searched(demos[:3], 0, check=check)


def test_a_check_must_be_where_workers_find_it():
    assert name_of(own_checks.never) == "own_checks:never"
    with pytest.raises(SettingsError, match="workers cannot find"):
        name_of(lambda scene, eef, subtask: True)


def test_what_is_discarded_begins_as_the_episode_does_and_says_where_it_parts(demos):
    spec, settings = place_spec(action_noise=0.05), Settings(tries=4, back=1, select_src_per_subtask=True)
    sources = Sources.from_demos(demos, spec)
    made = [attempt(FakeScene(), sources, spec, settings, rng_for(s), keep_branches=True) for s in range(12)]
    assert sum(len(rollout.branches) for rollout in made) >= 3
    for rollout in made:
        for branch in rollout.branches:
            assert not branch.tried.success
            assert branch.parts_at <= min(branch.length, rollout.length)
            for name, values in branch.columns.items():
                np.testing.assert_array_equal(values[: branch.parts_at], rollout.columns[name][: branch.parts_at])
            n = min(branch.length, rollout.length)
            differ = (branch.columns["actions"][:n] != rollout.columns["actions"][:n]).any(axis=1)
            assert differ[branch.parts_at :].any()
    assert all(not r.branches for r in (searched(demos, s, noise=0.05) for s in range(3)))


def test_several_arms_go_back_together():
    arms = ("left", "right")
    demos = [expert_demo(FakeScene(arms), episode, {"right": 7}) for episode in range(20, 23)]
    bad: Any = demos[0].info
    open_left = {**bad.gripper_action, "left": np.full_like(bad.gripper_action["left"], OPEN)}
    demos[0] = replace(demos[0], info=replace(bad, gripper_action=open_left))
    spec = place_spec(*arms, action_noise=0.02)
    settings = Settings(tries=3, select_src_per_subtask=True, select_src_per_arm=True)
    rollouts = [
        attempt(FakeScene(arms), Sources.from_demos(demos, spec), spec, settings, rng_for(s)) for s in (0, 1, 3)
    ]
    assert all(rollout.success for rollout in rollouts)
    assert any(len(rollout.tries) > 4 for rollout in rollouts)
    assert all(rollout.simulated_steps >= rollout.length for rollout in rollouts)


def test_settings_that_only_search_knows_are_refused_without_it():
    with pytest.raises(SettingsError, match="tries above 1"):
        Settings(back=1)
    with pytest.raises(SettingsError, match="tries must be >= 1"):
        Settings(tries=0)


# ---- learning from earlier rounds --------------------------------------------------------------------------------


def rows_of(rollouts: list[Rollout]) -> list[dict[str, Any]]:
    """The ledger's rows of some attempts' tries."""
    return [
        {
            "eef": one.choice.eef,
            "subtask": one.choice.subtask,
            "source_episode": one.choice.source_episode,
            "success": one.success,
            "cell": one.cell,
        }
        for rollout in rollouts
        for one in rollout.tries
    ]


def test_what_was_learned_keeps_away_from_a_source_that_never_works(demos):
    spec = place_spec()
    sources = Sources.from_demos(demos, spec)
    first = [searched(demos, seed) for seed in range(8)]
    experience = Experience.of(rows_of(first), sources.episode_index)
    options = Settings(tries=4, select_src_per_subtask=True, adapt=True, floor=0.05)
    later = [attempt(FakeScene(), sources, spec, options, rng_for(s), experience=experience) for s in range(20, 30)]
    lost = [sum(not one.success for one in rollout.tries) for rollout in (*first, *later)]
    assert np.mean(lost[8:]) < np.mean(lost[:8])
    assert all(one.propensity is not None and 0 < one.propensity <= 1 for r in later for one in r.tries)


def test_the_propensity_is_the_frequency_with_which_a_source_is_chosen():
    key, cells = ("robot0", 0), np.array([0, 0, 1])
    won, lost = np.zeros((3, CELLS), np.int64), np.zeros((3, CELLS), np.int64)
    won[0, 0], lost[1, 0], won[2, 1] = 3, 2, 1
    experience = Experience({key: won}, {key: lost})
    made = [experience.choose(key, cells, np.arange(3), 0.3, rng_for(0, i)) for i in range(1500)]
    for source in range(3):
        told = np.mean([p for chosen, p in made if chosen == source])
        assert np.mean([chosen == source for chosen, _ in made]) == pytest.approx(told, abs=0.04)


def test_no_source_falls_below_the_floor():
    key, cells = ("robot0", 0), np.zeros(2, np.int64)
    won, lost = np.zeros((2, CELLS), np.int64), np.zeros((2, CELLS), np.int64)
    won[0, 0], lost[1, 0] = 500, 500
    made = [
        Experience({key: won}, {key: lost}).choose(key, cells, np.arange(2), 0.4, rng_for(0, i)) for i in range(400)
    ]
    assert np.mean([chosen == 1 for chosen, _ in made]) == pytest.approx(0.2, abs=0.06)


def test_neighbourhoods_grow_with_the_distance_of_the_object():
    now = np.eye(4)
    there = np.repeat(now[None], 4, axis=0)
    there[:, 0, 3] = (0.0, 0.15, 0.3, 9.0)
    assert neighbourhoods(there, now, 4).tolist() == [0, 1, 2, 4]
    assert neighbourhoods(None, None, 2).tolist() == [0, 0]


def test_what_the_strategy_likes_counts_until_tries_say_otherwise():
    key, cells, likes = ("robot0", 0), np.zeros(3, np.int64), np.array([0.0, 1.0, 0.0])

    def share_of_the_liked(won: int, lost: int) -> float:
        counts = np.zeros((2, 3, CELLS), np.int64)
        counts[0, 1, 0], counts[1, 1, 0] = won, lost
        experience = Experience({key: counts[0]}, {key: counts[1]})
        chosen = [experience.choose(key, cells, np.arange(3), 0.01, rng_for(0, i), likes)[0] for i in range(300)]
        return float(np.mean(np.array(chosen) == 1))

    assert share_of_the_liked(0, 0) > 0.5
    assert share_of_the_liked(0, 12) < 0.15
