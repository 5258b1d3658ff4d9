"""Whole attempts on the fake scene: the laws of MimicGen, end to end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import examples
from fake_scene import CLOSE, OPEN, FakeScene, expert_demo, place_spec
from trajloom.engine.generate import Settings, attempt
from trajloom.engine.segments import SourceDemo, Sources
from trajloom.engine.select import MG_SelectionStrategy
from trajloom.errors import SettingsError
from trajloom.poses import make, rotation_from_axis_angle
from trajloom.rollout import Rollout
from trajloom.seeding import rng_for
from trajloom.task import Subtask, TaskSpec

ARMS = ("left", "right")
few = settings(deadline=None, max_examples=examples(6))


@pytest.fixture(scope="module")
def demos() -> list[SourceDemo]:
    """Four demonstrations, `episode_index` 10 to 13, of scenes drawn from those seeds."""
    return [expert_demo(FakeScene(), episode) for episode in range(10, 14)]


@pytest.fixture(scope="module")
def two_arm_demos() -> list[SourceDemo]:
    """Three demonstrations of two arms, the right one beginning seven steps after the left."""
    return [expert_demo(FakeScene(ARMS), episode, {"right": 7}) for episode in range(20, 23)]


def made(
    demos: list[SourceDemo],
    spec: TaskSpec | None = None,
    scene: FakeScene | None = None,
    seed: int = 7,
    **options: Any,
) -> Rollout:
    """One attempt, by default without noise at the fake task."""
    spec = spec or place_spec()
    return attempt(
        scene or FakeScene(spec.eefs), Sources.from_demos(demos, spec), spec, Settings(**options), rng_for(seed)
    )


def arrays(demo: SourceDemo) -> Any:
    """A demonstration's DatagenInfo, to be indexed without asking what is there."""
    return demo.info


def followed(rollout: Rollout, eef: str = "robot0") -> np.ndarray:
    """The steps that follow a source frame."""
    return np.flatnonzero(rollout.columns[f"source_frame/{eef}"] >= 0)


def same(a: Rollout, b: Rollout) -> bool:
    return a.choices == b.choices and all(np.array_equal(a.columns[name], b.columns[name]) for name in a.columns)


def test_where_the_objects_lie_as_in_the_source_the_targets_are_the_sources(demos):
    rollout = made(demos[:1], scene=FakeScene(start=10))
    steps, info = followed(rollout), arrays(demos[0])
    frames = rollout.columns["source_frame/robot0"][steps]
    assert np.allclose(rollout.columns["datagen_info/target_pose"][steps], info.target_pose[frames], atol=1e-9)
    assert np.array_equal(rollout.columns["datagen_info/gripper_action"][steps], info.gripper_action[frames])
    assert frames.tolist() == list(range(len(info.target_pose)))
    assert rollout.success


@given(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1), st.floats(-0.8, 0.8))
@few
def test_where_the_objects_are_moved_the_targets_are_moved_likewise(demos, x, y, turn):
    moved_by = make(np.array([x, y, 0.0]), rotation_from_axis_angle(np.array([0.0, 0.0, turn])))
    spec = place_spec(num_interpolation_steps=40)
    rollout = made(demos[:1], spec, FakeScene(start=10, moved_by=moved_by))
    steps = followed(rollout)
    source = arrays(demos[0]).target_pose[rollout.columns["source_frame/robot0"][steps]]
    assert np.allclose(rollout.columns["datagen_info/target_pose"][steps], moved_by @ source, atol=1e-9)
    assert rollout.success


def test_an_attempt_alone_is_the_same_as_after_others(demos):
    spec = place_spec(action_noise=0.05, selection_strategy="nearest_neighbor_object")
    sources, scene = Sources.from_demos(demos, spec), FakeScene()
    after = [attempt(scene, sources, spec, Settings(), rng_for(1, "attempt", k)) for k in range(4)]
    for k, rollout in enumerate(after):
        assert same(attempt(FakeScene(), sources, spec, Settings(), rng_for(1, "attempt", k)), rollout)
    assert not same(after[0], after[1])


@given(st.integers(0, 6), st.integers(0, 3), st.booleans(), st.sampled_from([None, "mimicgen"]))
@few
def test_a_subtask_takes_as_many_steps_as_the_original_says(demos, num_interp, num_fixed, first_pose, compat):
    spec = place_spec(num_interpolation_steps=num_interp, num_fixed_steps=num_fixed)
    rollout = made(demos, spec, transform_first_robot_pose=first_pose, compat=compat)
    taken = np.bincount(rollout.columns["subtask/robot0"])
    for choice, steps, extra in zip(rollout.choices, taken, (1, int(first_pose)), strict=True):
        assert steps == num_interp + num_fixed + extra + choice.end - choice.start
    assert rollout.length == taken.sum()


def test_each_target_has_the_gripper_action_of_its_own_frame(demos):
    choices: list[dict[str, Any]] = [{}, {"transform_first_robot_pose": True}, {"select_src_per_subtask": True}]
    for options in choices:
        rollout = made(demos, **options)
        by_episode = {demo.episode_index: arrays(demo).gripper_action for demo in demos}
        for t in followed(rollout):
            episode, frame = (rollout.columns[f"{name}/robot0"][t] for name in ("source_episode", "source_frame"))
            assert rollout.columns["actions"][t, 6:] == by_episode[episode][frame]


def test_the_original_is_one_frame_late_after_the_first_subtask_and_drops_the_last(demos):
    gripper = np.linspace(-1, 1, len(arrays(demos[0]).target_pose))[:, None]
    ramp = replace(demos[0], info=replace(demos[0].info, gripper_action=gripper))
    rollout = made([ramp], compat="mimicgen")
    commanded, frames = rollout.columns["actions"][:, 6:], rollout.columns["source_frame/robot0"]
    start = rollout.choices[1].start
    for t in followed(rollout):
        late = frames[t] > start
        assert np.array_equal(commanded[t], gripper[frames[t] - int(late)])
    assert commanded[-1] == gripper[-2]


def test_a_bridge_has_the_gripper_action_that_comes_after_it(demos):
    rollout = made(demos, place_spec(num_interpolation_steps=4))
    bridges = np.flatnonzero(rollout.columns["source_frame/robot0"] < 0)
    after = {0: OPEN, 1: CLOSE}
    assert len(bridges) == 5 + 4
    assert all(rollout.columns["actions"][t, 6:] == after[int(rollout.columns["subtask/robot0"][t])] for t in bridges)


def test_a_bridge_starts_at_the_last_target_or_at_the_reached_pose(demos):
    # with a part of each motion not made, target and reached pose differ
    spec = place_spec(num_interpolation_steps=15)
    first_of_second = {}
    for from_target in (True, False):
        rollout = made(demos, spec, FakeScene(lag=0.2), interpolate_from_last_target_pose=from_target)
        t = int(np.argmax(rollout.columns["subtask/robot0"] == 1))
        target = rollout.columns["datagen_info/target_pose"]
        start = target[t - 1] if from_target else rollout.columns["datagen_info/eef_pose"][t]
        steps = np.diff(np.concatenate([start[None], target[t : t + 16]])[:, :3, 3], axis=0)
        assert np.allclose(steps, steps[0], atol=1e-9)
        first_of_second[from_target] = target[t]
    assert not np.allclose(first_of_second[True], first_of_second[False])


def test_what_is_stored_as_target_is_what_the_noisy_action_asks_for(demos):
    quiet, noisy = (made(demos, place_spec(action_noise=noise)) for noise in (0.0, 0.05))
    t = int(followed(noisy)[0])
    scene = FakeScene()
    scene.now.hands["robot0"].pose = noisy.columns["datagen_info/eef_pose"][t]
    target = noisy.columns["datagen_info/target_pose"][t]
    assert np.allclose(scene.action_to_target_pose(noisy.columns["actions"][t])["robot0"], target)
    assert not np.allclose(target, quiet.columns["datagen_info/target_pose"][t])


class _MovingGoal(FakeScene):
    """A scene whose goal is moved while the cube is being grasped."""

    def step(self, action):
        if 0.22 < self.now.time < 0.27:
            self.now.objects["goal"] = MOVE @ self.now.objects["goal"]
        return super().step(action)


MOVE = make(np.array([-0.05, 0.03, 0.0]), rotation_from_axis_angle(np.array([0.0, 0.0, 0.1])))


def test_a_subtask_sees_its_object_where_it_is_when_it_begins(demos):
    rollout = made(demos[:1], place_spec(num_interpolation_steps=30), _MovingGoal(start=10))
    second = followed(rollout)[rollout.columns["subtask/robot0"][followed(rollout)] == 1]
    source = arrays(demos[0]).target_pose[rollout.columns["source_frame/robot0"][second]]
    assert np.allclose(rollout.columns["datagen_info/target_pose"][second], MOVE @ source, atol=1e-9)
    assert rollout.success


@pytest.mark.parametrize("during", [True, False])
def test_interpolated_steps_have_noise_only_where_asked(demos, during):
    spec = place_spec(action_noise=0.1, apply_noise_during_interpolation=during)
    first = {seed: made(demos[:1], spec, FakeScene(start=10), seed).columns["actions"][0] for seed in (1, 2)}
    assert np.array_equal(first[1], first[2]) != during


def test_noise_changes_neither_start_nor_choices_nor_offsets(demos):
    quiet, noisy = (made(demos, place_spec(action_noise=noise), select_src_per_subtask=True) for noise in (0.0, 0.05))
    assert np.array_equal(quiet.columns["states"][0], noisy.columns["states"][0])
    assert quiet.choices == noisy.choices


def test_more_sources_change_neither_start_nor_noise(demos):
    spec, copies = place_spec(action_noise=0.05), [replace(demos[0], episode_index=i) for i in range(5)]
    one, five = made(copies[:1], spec), made(copies, spec)
    assert np.array_equal(one.columns["states"][0], five.columns["states"][0])
    assert np.array_equal(one.columns["actions"][:10], five.columns["actions"][:10])


def test_the_source_is_chosen_once_or_at_every_subtask(demos):
    def episodes(**options: Any) -> list[tuple[int, ...]]:
        return [tuple(c.source_episode for c in made(demos, seed=seed, **options).choices) for seed in range(6)]

    assert all(first == second for first, second in episodes())
    assert any(first != second for first, second in episodes(select_src_per_subtask=True))


def test_choices_and_offsets_are_written_down(demos):
    offsets = set()
    for seed in range(12):
        first, second = made(demos, seed=seed).choices
        assert (first.start, second.start, second.offset) == (0, first.end, 0)
        offsets.add(first.offset)
    assert offsets == {1, 2, 3}


class NearestInX(MG_SelectionStrategy):
    """A user's strategy: the source whose object began nearest along x."""

    NAME = "nearest_in_x"

    def select_source_demo(self, eef_pose, object_pose, src_subtask_datagen_infos):
        starts = [next(iter((info.object_poses or {}).values()))[0] for info in src_subtask_datagen_infos]
        return int(np.argmin(np.abs(np.stack(starts)[:, 0, 3] - np.asarray(object_pose)[0, 3])))


@pytest.mark.parametrize("strategy", ["nearest_in_x", "nearest_neighbor_object"])
def test_the_nearest_source_is_the_one_that_the_scene_was_made_from(demos, strategy):
    kwargs = {"nn_k": 1} if strategy != "nearest_in_x" else {}
    spec = place_spec(selection_strategy=strategy, selection_strategy_kwargs=kwargs)
    for start in range(10, 14):
        assert made(demos, spec, FakeScene(start=start)).choices[0].source_episode == start


def test_an_object_none_segment_stays_where_it_was_in_the_world(demos):
    spec = TaskSpec.single_arm(Subtask(object_ref=None))
    rollout = made(demos[:1], spec, FakeScene(spread_m=0.0))
    steps = followed(rollout)
    assert np.allclose(rollout.columns["datagen_info/target_pose"][steps], arrays(demos[0]).target_pose, atol=1e-9)


def test_two_arms_go_through_their_own_subtasks_side_by_side(two_arm_demos):
    rollout = made(two_arm_demos, place_spec(*ARMS), FakeScene(ARMS, start=21), select_src_per_arm=True)
    assert rollout.success
    lengths = {}
    for eef in ARMS:
        first, second = (choice for choice in rollout.choices if choice.eef == eef)
        frames, subtask = (rollout.columns[f"{name}/{eef}"] for name in ("source_frame", "subtask"))
        lengths[eef] = int(np.argmax(subtask == 1))
        # the next subtask begins when this arm's own one ended, N + 1 + L and N + L
        assert lengths[eef] == 6 + first.end - first.start
        assert np.flatnonzero(frames == second.end - 1)[0] == lengths[eef] + 5 + second.end - second.start - 1
    assert lengths["left"] != lengths["right"]


def test_an_arm_that_has_finished_holds_its_last_target(two_arm_demos):
    info = arrays(two_arm_demos[0])
    spec = place_spec(*ARMS, action_noise=0.1)
    spec = TaskSpec(
        {
            "left": (Subtask(object_ref="cube_left", action_noise=0.1, num_interpolation_steps=0),),
            "right": spec.subtasks["right"],
        }
    )
    rollout = made(two_arm_demos[:1], spec, FakeScene(ARMS, start=20))
    done = 1 + len(info.target_pose["left"])
    assert rollout.length > done
    assert (rollout.columns["source_frame/left"][done:] == -1).all()
    assert (rollout.columns["actions"][done:, 6] == info.gripper_action["left"][-1]).all()
    held = rollout.columns["datagen_info/target_pose/left"][done + 1 :]
    assert np.allclose(held, info.target_pose["left"][-1], atol=1e-9)


def test_arms_share_one_source_unless_each_may_choose(two_arm_demos):
    def sources(**options: Any) -> list[set[int]]:
        spec = place_spec(*ARMS)
        return [
            {c.source_episode for c in made(two_arm_demos, spec, seed=seed, **options).choices} for seed in range(8)
        ]

    assert all(len(found) == 1 for found in sources())
    assert any(len(found) == 2 for found in sources(select_src_per_arm=True))


def test_a_slipping_cube_fails_with_the_subtask_and_what_is_not_so(demos):
    rollout = made(demos, scene=FakeScene(slip_m=0.002))
    assert (rollout.success, rollout.failed_subtask) == (False, 1)
    assert "success does not hold in the end, subtask 1 (goal); the cube is" in str(rollout.reason)
    assert "'grasp' of subtask 0 (cube) last held before step" in str(rollout.reason)


def test_an_arm_that_lags_fails_with_its_distance_from_the_target(demos):
    rollout = made(demos, scene=FakeScene(lag=0.97))
    assert (rollout.success, rollout.failed_subtask) == (False, 0)
    assert str(rollout.reason).startswith("signal 'grasp' never rose in subtask 0 (cube); made from episode ")
    assert "cm from its target: blocked, out of reach, or raise num_interpolation_steps" in str(rollout.reason)


def test_a_success_has_no_failed_subtask_and_no_reason(demos):
    rollout = made(demos, success="final")
    assert (rollout.success, rollout.failed_subtask, rollout.reason) == (True, None, None)
    assert rollout.columns["rewards"][-1] == 1.0


def test_columns_are_as_long_as_the_episode_and_typed(demos):
    rollout = made(demos)
    assert {len(values) for values in rollout.columns.values()} == {rollout.length}
    kinds = {name.split("/")[0]: values.dtype for name, values in rollout.columns.items()}
    assert (kinds["subtask"], kinds["source_episode"], kinds["source_frame"]) == (np.int8, np.int32, np.int32)
    assert rollout.initial_state is not None
    assert np.array_equal(rollout.initial_state, rollout.columns["states"][0])


class _Broken(FakeScene):
    """A scene whose simulator fails at the tenth step."""

    def step(self, action):
        if self.now.time > 0.42:
            raise FloatingPointError("the simulation is unstable")
        return super().step(action)


def test_an_error_of_the_simulator_is_passed_on(demos):
    with pytest.raises(FloatingPointError, match="unstable"):
        made(demos, scene=_Broken())


def test_scene_sources_and_task_must_belong_together(demos, two_arm_demos):
    with pytest.raises(SettingsError, match="the task is for left, right; the scene has robot0"):
        made(two_arm_demos, place_spec(*ARMS), FakeScene())
    sources, other = Sources.from_demos(demos, place_spec()), place_spec(subtask_term_offset_range=(0, 0))
    with pytest.raises(SettingsError, match="cut for another task"):
        attempt(FakeScene(), sources, other, Settings(), rng_for(0))
    with pytest.raises(SettingsError, match=r"compat must be None or 'mimicgen', got 'isaac'"):
        Settings(compat="isaac")  # pyright: ignore[reportArgumentType]


def test_an_object_that_the_scene_lacks_is_named_with_those_it_has(demos):
    renamed = [
        replace(demo, info=replace(demo.info, object_poses={"nut": arrays(demo).object_poses["cube"]}))
        for demo in demos
    ]
    with pytest.raises(SettingsError, match="the task names object 'nut'; the scene has: cube, goal"):
        made(renamed, TaskSpec.single_arm(Subtask(object_ref="nut")))


@given(st.integers(0, 40))
@few
def test_the_fake_scene_goes_on_from_a_restored_state_as_if_nothing_had_been(demos, count):
    scene, actions = FakeScene(slip_m=0.001), np.tile([0.1, 0.0, -0.4, 0.0, 0.1, 0.2, 1.0], (count + 3, 1))
    for action in actions[:count]:
        scene.step(action)
    saved = scene.save()
    ahead = [scene.step(action) for action in actions[count:]]
    state = scene.state()
    scene.restore(saved)
    assert [scene.step(action) for action in actions[count:]] == ahead
    assert np.array_equal(scene.state(), state)
