"""Cutting demonstrations into subtasks: rising edges, offsets, and everything that can be wrong with a source."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fake_scene import FakeScene, expert_demo, place_spec
from trajloom.engine.demos import subtask_ends
from trajloom.engine.segments import Segment, SourceDemo, Sources
from trajloom.errors import SettingsError, SourceError, UnknownNameError
from trajloom.seeding import rng_for
from trajloom.task import DatagenInfo, Subtask, TaskSpec

GRASP_THEN_REST = (Subtask(object_ref="cube", subtask_term_signal="grasp"), Subtask(object_ref="cube"))


def ends_of(*signals: Any, subtasks: tuple[Subtask, ...] | None = None) -> list[int]:
    """The ends for signals called a, b, ... in this order."""
    names = "abcdef"[: len(signals)]
    chain = subtasks or (
        *(Subtask(object_ref="cube", subtask_term_signal=name) for name in names),
        Subtask(object_ref="cube"),
    )
    return subtask_ends("demo_3", chain, dict(zip(names, signals, strict=True)), len(signals[0]))


def demo(name: str, grasp: list, length: int | None = None, **other: Any) -> SourceDemo:
    """A demonstration that stands still, with a grasp signal."""
    count = len(grasp) if length is None else length
    still = np.repeat(np.eye(4)[None], count, axis=0)
    info = DatagenInfo(still, {"cube": still}, {"grasp": np.array(grasp)}, still, np.zeros((count, 1)))
    return SourceDemo(int(name.split("_")[1]), name, replace(info, **other))


def spec_with_offsets(low: int, high: int) -> TaskSpec:
    return TaskSpec.single_arm(replace(GRASP_THEN_REST[0], subtask_term_offset_range=(low, high)), GRASP_THEN_REST[1])


def test_a_subtask_ends_after_the_first_frame_at_which_its_signal_holds():
    assert ends_of([0, 0, 1, 1, 1]) == [3, 5]
    assert ends_of([0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]) == [3, 5, 6]


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint8, np.float32])
def test_signals_may_be_of_any_type_and_have_a_column_axis(kind):
    signal = np.array([0, 0, 1, 1], dtype=kind)
    assert ends_of(signal) == [3, 4]
    assert ends_of(signal[:, None]) == [3, 4]


def test_only_a_rising_edge_counts():
    # b falls in frame 3, which must not end its subtask
    with pytest.raises(SourceError, match=r"subtask 1, signal 'b' holds already where its subtask starts \(frame 1\)"):
        ends_of([0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 1])
    assert ends_of([0, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 1]) == [2, 6, 6]


def test_a_signal_that_flickers_ends_its_subtask_at_the_first_rise():
    assert ends_of([0, 1, 0, 1, 1, 1]) == [2, 6]


def test_a_signal_that_holds_from_the_beginning_says_since_when_and_when_it_rises_again():
    with pytest.raises(SourceError) as caught:
        ends_of([1, 1, 0, 0, 1])
    words = "demo_3: subtask 0, signal 'a' holds already where its subtask starts (frame 0): it holds since frame 0"
    assert str(caught.value) == f"{words}; it rises again at frame 4"


def test_a_signal_that_never_rises_says_what_was_found():
    with pytest.raises(SourceError, match="demo_3: subtask 0, signal 'a' never rises in frames 0 to 3: it never holds"):
        ends_of([0, 0, 0, 0])
    with pytest.raises(SourceError, match="signal 'b' never rises in frames 4 to 5: it last rose at frame 1"):
        ends_of([0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0])


@given(st.lists(st.booleans(), min_size=2, max_size=40))
def test_the_frame_before_the_end_is_a_rising_edge_and_the_first(signal):
    assume(not signal[0] and any(signal))
    end, length = ends_of(signal)
    assert signal[end - 1]
    assert not any(signal[: end - 1])
    assert length == len(signal)


@given(st.integers(0, 2**32), st.integers(-3, 0), st.integers(0, 4), st.integers(1, 6))
def test_boundaries_chain_without_gaps_and_stay_in_the_offset_range(seed, low, high, count):
    demos = [demo(f"demo_{i}", [0] * (5 + i) + [1] * 8) for i in range(count)]
    bounds = Sources.from_demos(demos, spec_with_offsets(low, high)).draw_boundaries(rng_for(seed))["robot0"]
    assert bounds.shape == (count, 3)
    assert (np.diff(bounds, axis=1) > 0).all()
    assert (bounds[:, 0] == 0).all()
    assert bounds[:, 2].tolist() == [13 + i for i in range(count)]
    offsets = bounds[:, 1] - [6 + i for i in range(count)]
    assert offsets.min() >= low
    assert offsets.max() <= high


def test_every_offset_of_the_inclusive_range_comes_up():
    sources = Sources.from_demos([demo("demo_0", [0] * 9 + [1] * 9)], spec_with_offsets(-2, 3))
    drawn = {int(sources.draw_boundaries(rng_for(k))["robot0"][0, 1]) - 10 for k in range(100)}
    assert drawn == {-2, -1, 0, 1, 2, 3}


def test_offsets_of_the_first_sources_do_not_depend_on_how_many_there_are():
    rises = {"a": np.arange(20) > 5, "b": np.arange(20) > 12}
    demos = [demo(f"demo_{i}", [0] * 20, subtask_term_signals=rises) for i in range(8)]
    shifted = [Subtask(object_ref="cube", subtask_term_signal=s, subtask_term_offset_range=(-3, 3)) for s in rises]
    spec = TaskSpec.single_arm(*shifted, Subtask(object_ref="cube"))
    few, many = (Sources.from_demos(demos[:n], spec).draw_boundaries(rng_for(5))["robot0"] for n in (3, 8))
    assert np.array_equal(few, many[:3])
    assert len(np.unique(many[:, 1])) > 2


def test_offsets_that_could_leave_a_subtask_empty_are_refused_for_every_demonstration_at_once():
    demos = [demo("demo_0", [0] * 9 + [1] * 9), demo("demo_1", [0, 0, 1, 1, 1]), demo("demo_2", [0, 1] + [1] * 9)]
    with pytest.raises(SourceError) as caught:
        Sources.from_demos(demos, spec_with_offsets(-2, 2))
    assert "demo_1: subtask 1 of robot0 can be left without a frame: it may start at 5 and end at 5" in str(
        caught.value
    )
    assert "demo_2: subtask 0 of robot0 can be left without a frame: it may start at 0 and end at 0" in str(
        caught.value
    )
    assert "demo_0" not in str(caught.value)


def test_faulty_demonstrations_can_be_left_out_and_are_reported():
    demos = [demo("demo_0", [0, 0, 0, 0]), demo("demo_1", [0, 0, 1, 1]), demo("demo_2", [1, 1, 1, 1])]
    sources = Sources.from_demos(demos, spec_with_offsets(0, 0), on_error="skip")
    assert sources.names == ("demo_1",)
    assert sources.episode_index.tolist() == [1]
    assert [fault.split(":")[0] for fault in sources.dropped] == ["demo_0", "demo_2"]


def test_with_no_demonstration_left_even_skipping_is_an_error():
    with pytest.raises(SourceError, match="demo_0: subtask 0, signal 'grasp' never rises"):
        Sources.from_demos([demo("demo_0", [0, 0])], spec_with_offsets(0, 0), on_error="skip")
    with pytest.raises(SourceError, match="no source demonstrations were given"):
        Sources.from_demos([], spec_with_offsets(0, 0))


def test_a_source_without_an_object_or_a_signal_lists_what_there_is():
    spec = TaskSpec.single_arm(Subtask(object_ref="nut", subtask_term_signal="lift"), Subtask(object_ref="cube"))
    with pytest.raises(SourceError) as caught:
        Sources.from_demos([demo("demo_4", [0, 1])], spec)
    assert "demo_4: datagen_info/object_poses has no 'nut'; there are: cube" in str(caught.value)
    assert "demo_4: datagen_info/subtask_term_signals has no 'lift'; there are: grasp" in str(caught.value)


def test_a_source_without_datagen_info_says_so():
    with pytest.raises(SourceError, match="demo_0: datagen_info has no target_pose; there are: none"):
        Sources.from_demos([SourceDemo(0, "demo_0", DatagenInfo())], spec_with_offsets(0, 0))


def test_arrays_of_another_length_or_with_nan_are_refused():
    broken = np.repeat(np.eye(4)[None], 4, axis=0)
    broken[2, 0, 3] = np.nan
    with pytest.raises(SourceError, match="object_poses/cube holds values that are not finite"):
        Sources.from_demos([demo("demo_0", [0, 0, 1, 1], object_poses={"cube": broken})], spec_with_offsets(0, 0))
    with pytest.raises(SourceError, match=r"subtask_term_signals/grasp must have shape \(7,\), got \(4,\)"):
        Sources.from_demos([demo("demo_0", [0, 0, 1, 1], length=7)], spec_with_offsets(0, 0))


def test_one_arms_data_cannot_serve_two_arms():
    two = TaskSpec({eef: (Subtask(object_ref="cube"),) for eef in ("left", "right")})
    with pytest.raises(SourceError, match="eef_pose is of a single arm; the task has left, right"):
        Sources.from_demos([demo("demo_0", [0, 1])], two)


def test_a_strategy_that_does_not_exist_is_found_before_anything_runs():
    wrong = replace(GRASP_THEN_REST[0], selection_strategy="nearest")
    with pytest.raises(UnknownNameError, match="no selection strategy named 'nearest'"):
        Sources.from_demos([demo("demo_0", [0, 1, 1])], TaskSpec.single_arm(wrong, GRASP_THEN_REST[1]))
    wrong = replace(GRASP_THEN_REST[0], selection_strategy_kwargs={"nn_k": 3})
    with pytest.raises(SettingsError, match=r"strategy 'random' takes no \['nn_k'\]; it takes: nothing"):
        Sources.from_demos([demo("demo_0", [0, 1, 1])], TaskSpec.single_arm(wrong, GRASP_THEN_REST[1]))


@pytest.mark.parametrize("eefs", [("robot0",), ("left", "right")])
def test_stacked_arrays_hold_every_segment_where_it_was(eefs):
    scene = FakeScene(eefs)
    demos = [expert_demo(scene, i) for i in range(3)]
    spec = place_spec(*eefs)
    sources = Sources.from_demos(demos, spec)
    bounds = sources.draw_boundaries(rng_for(1))
    for eef, number, subtask in spec:
        for n, info in enumerate(one.info.of(eef) for one in demos):
            start, end = bounds[eef][n, number : number + 2]
            rows = sources.rows(Segment(eef, n, start, end))
            assert np.array_equal(sources.target_pose[eef][rows], np.asarray(info.target_pose)[start:end])
            assert np.array_equal(sources.gripper_action[eef][rows], np.asarray(info.gripper_action)[start:end])
        candidates = sources.candidates(eef, subtask.object_ref, bounds[eef][:, number : number + 2])
        infos = sources.infos(eef, subtask.object_ref, bounds[eef][:, number : number + 2])
        starts = [(info.object_poses or {})[subtask.object_ref or ""][0] for info in infos]
        assert np.array_equal(np.asarray(candidates.object_at_start), starts)
        assert list(infos[0].object_poses or {}) == [subtask.object_ref]
