"""When an attempt counts as solved, and which subtask is to blame otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajloom.engine.generate import Settings
from trajloom.engine.verdict import Played, blame, judge
from trajloom.errors import SettingsError
from trajloom.task import Subtask

steps = st.lists(st.booleans(), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("succeeded", "solved"),
    [
        ("0100", {"any"}),
        ("0001", {"any", "final", "hold-1"}),
        ("0110", {"any", "hold-2"}),
        ("0000", set()),
    ],
)
def test_success_is_judged_as_asked(succeeded, solved):
    found = [letter == "1" for letter in succeeded]
    assert solved <= {mode for mode in ("any", "final", "hold-1", "hold-2") if judge(found, mode)}
    assert judge(found, "final") == ("final" in solved)
    assert judge(found, "hold-2") == ("hold-2" in solved)


@given(steps, st.integers(1, 12))
def test_holding_longer_is_never_easier(succeeded, k):
    assert judge(succeeded, "hold-1") == judge(succeeded, "any")
    assert judge(succeeded, f"hold-{k}") or not judge(succeeded, f"hold-{k + 1}")
    assert judge(succeeded, f"hold-{len(succeeded)}") == all(succeeded)


@pytest.mark.parametrize("mode", ["hold", "hold-0", "hold-x", "last", ""])
def test_another_word_for_success_is_refused(mode):
    with pytest.raises(SettingsError, match="success must be 'any', 'final' or 'hold-<steps>'"):
        Settings(success=mode)


def grasp_then_place(gap_m: float = 0.0) -> list[Played]:
    """Two subtasks: steps 0 to 3 and 4 to 9, the second with a bridge of two steps."""
    grasp = Subtask(object_ref="cube", subtask_term_signal="grasp")
    place = Subtask(object_ref=None)
    return [
        Played("robot0", 0, grasp, begin=0, end=4, grace=2, source="episode 7, frames 0 to 3", gap_m=gap_m),
        Played("robot0", 1, place, begin=4, end=10, grace=0, source="episode 7, frames 4 to 9", gap_m=0.0),
    ]


def blamed(grasp: str, succeeded: str = "0000000000", mode: str = "any", **kwargs: float) -> tuple[int, str]:
    holds = np.array([letter == "1" for letter in grasp])
    return blame(grasp_then_place(**kwargs), {"grasp": holds}, [c == "1" for c in succeeded], mode, "the cube is held")


@pytest.mark.parametrize("grasp", ["00011111111", "00001111111", "00000011111"])
def test_a_signal_that_rises_a_little_late_is_not_to_blame(grasp):
    number, reason = blamed(grasp)
    assert number == 1
    assert reason.split("; ")[:2] == ["success does not hold in the end, subtask 1 (no object)", "the cube is held"]


def test_a_signal_that_never_rises_is_named_with_what_the_segment_was_made_from():
    number, reason = blamed("00000000000", gap_m=0.034)
    assert number == 0
    assert reason.split("; ")[0] == "signal 'grasp' never rose in subtask 0 (cube)"
    assert "made from episode 7, frames 0 to 3" in reason
    assert "robot0 ended 3.4 cm from its target: blocked, out of reach, or raise num_interpolation_steps" in reason


def test_a_signal_that_is_lost_is_told_from_one_that_never_rose():
    assert blamed("01100000000")[1].startswith("signal 'grasp' was lost before the end of subtask 0 (cube)")
    number, reason = blamed("00011100000")
    assert number == 1
    assert "'grasp' of subtask 0 (cube) last held before step 5 of 10" in reason


def test_a_success_that_was_not_kept_says_when_it_first_held():
    number, reason = blamed("00011111111", succeeded="0000001000", mode="final")
    assert number == 1
    assert reason.startswith("success was reached but not kept, as success='final' asks; it first held after step 6;")
