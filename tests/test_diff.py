"""Two datasets compared: equal ones never differ, and one flipped bit is found where it is."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportOperatorIssue=false

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import in_memory
import trajloom as tl
from conftest import examples
from in_memory import MemoryEpisode, MemorySource
from trajloom.check import Difference, diff, matched_by
from trajloom.cli.main import typer_app
from trajloom.errors import SchemaError, SettingsError, UnknownNameError
from trajloom.schema import Column
from trajloom.tables import Rest

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
lengths = st.lists(st.integers(0, 6), max_size=6)
cuts = st.tuples(st.integers(1, 4), st.integers(1, 5))


def changed(source: MemorySource, episode: int, column: str, change) -> MemorySource:
    """The dataset with one array of one episode changed."""
    members = list(source.members)
    old = members[episode]
    where = old.columns if column in old.columns else old.row
    new = {column: change(np.array(where[column]))}
    members[episode] = MemoryEpisode({**old.row, **(new if where is old.row else {})},
                                     {**old.columns, **(new if where is old.columns else {})})  # fmt: skip
    return replace(source, members=members)


def flipped(values: np.ndarray, place: int, bit: int) -> np.ndarray:
    raw = np.ascontiguousarray(values).view(np.uint8).reshape(-1)
    raw[place % raw.size] ^= 1 << bit
    return values


def with_rows(source: MemorySource, **row) -> MemorySource:
    return replace(source, members=[replace(m, row={**m.row, **row}) for m in source.members])


def names(found: list[Difference]) -> list[tuple[str, str]]:
    return [(one.table, one.name) for one in found]


# ---- laws ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=examples(15))
@given(lengths, cuts, cuts)
def test_a_dataset_equals_itself_however_its_parts_and_batches_are_cut(lengths, ours, theirs):
    first, second = (
        in_memory.source(lengths, episodes_per_part=parts, batch_rows=rows) for parts, rows in (ours, theirs)
    )
    assert list(diff(first, second)) == []


@settings(deadline=None, max_examples=examples(15))
@given(st.data(), cuts, cuts)
def test_a_single_flipped_bit_is_found_where_it_is(data, ours, theirs):
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    first = in_memory.source(sizes, episodes_per_part=ours[0], batch_rows=ours[1])
    second = in_memory.source(sizes, episodes_per_part=theirs[0], batch_rows=theirs[1])
    episode = data.draw(st.integers(0, len(sizes) - 1))
    column = data.draw(st.sampled_from(["initial_state/states", *sorted(first.members[episode].columns)]))
    values = first.members[episode].columns.get(column, first.members[episode].row.get(column))
    place = data.draw(st.integers(0, values.nbytes - 1))
    second = changed(second, episode, column, lambda v: flipped(v, place, data.draw(st.integers(0, 7))))

    (found,) = diff(first, second)
    assert (found.name, found.episode, found.rows, found.episodes) == (column, f"demo_{episode}", 1, 1)
    frame = place // values.itemsize // max(1, values[0].size)
    assert (found.table, found.frame) == (("episodes", None) if column.startswith("init") else ("steps", frame))


@settings(deadline=None, max_examples=examples(15))
@given(st.permutations(range(5)), cuts)
def test_episodes_are_matched_by_name_in_any_order(order, cut):
    first = in_memory.source()
    moved = [replace(first.members[i], row={**first.members[i].row, "episode_index": k}) for k, i in enumerate(order)]
    second = replace(first, members=moved, episodes_per_part=cut[0], batch_rows=cut[1])
    assert matched_by(first, second) == "name"
    assert set(names(list(diff(first, second)))) <= {("episodes", "episode_index")}
    other = changed(second, list(order).index(2), "rewards", lambda v: v + 1)
    (found,) = (one for one in diff(first, other) if one.name == "rewards")
    assert (found.episode, found.frame, found.rows, found.largest) == ("demo_2", 0, 4, 1.0)


# ---- values ----------------------------------------------------------------------------------------------------


def test_nan_equals_nan_and_minus_zero_is_not_zero():
    first = changed(in_memory.source(), 0, "rewards", lambda v: np.array([np.nan, 0.0, np.inf]))
    same = changed(in_memory.source(), 0, "rewards", lambda v: np.array([-np.nan, 0.0, np.inf]))
    minus = changed(in_memory.source(), 0, "rewards", lambda v: np.array([np.nan, -0.0, np.inf]))
    assert list(diff(first, same)) == []
    (found,) = diff(first, minus)
    assert (found.frame, found.rows, found.largest) == (1, 1, 0.0)


def test_differences_are_counted_by_column_with_the_first_and_the_largest():
    second = changed(in_memory.source(), 2, "actions", lambda v: v + np.array([[0], [0.5], [0], [-2]]))
    second = changed(second, 4, "actions", lambda v: v + 1)
    (found,) = diff(in_memory.source(), second)
    assert (found.episodes, found.rows, found.episode, found.frame) == (2, 7, "demo_2", 1)
    assert found.largest == 2.0
    assert found.what == "7 of 15 steps, in 2 of 5 episodes; by at most 2"


@pytest.mark.parametrize(("tolerance", "rows"), [(0.0, 5), (0.25, 2), (0.5, 0)])
def test_a_tolerance_lets_small_differences_pass(tolerance, rows):
    second = changed(in_memory.source(), 4, "rewards", lambda v: v + np.array([0.25, 0.25, 0.5, -0.5, 0.25]))
    assert sum(one.rows for one in diff(in_memory.source(), second, tolerance=tolerance)) == rows


def test_a_tolerance_lets_no_nan_pass_and_cannot_be_negative():
    second = changed(in_memory.source(), 1, "rewards", lambda v: v * np.nan)
    (found,) = diff(in_memory.source(), second, tolerance=1e9)
    assert found.largest is None
    with pytest.raises(SettingsError, match="at least 0"):
        diff(second, second, tolerance=float("nan"))


def test_integers_differ_by_their_exact_distance():
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    first = changed(in_memory.source((2,)), 0, "dones", lambda v: np.array([low, high]))
    second = changed(in_memory.source((2,)), 0, "dones", lambda v: np.array([high, high - 1]))
    (found,) = diff(first, second)
    assert found.largest == float(2**64 - 1)
    (found,) = diff(first, changed(first, 0, "dones", lambda v: v - np.array([0, 1])))
    assert (found.frame, found.largest) == (1, 1.0)


def test_columns_of_another_type_are_named_and_their_numbers_compared():
    def narrower(member: MemoryEpisode) -> MemoryEpisode:
        return replace(member, columns={**member.columns, "rewards": member.columns["rewards"].astype(np.float32)})

    first = in_memory.source()
    steps = tuple(replace(c, dtype="float32") if c.name == "rewards" else c for c in first.header.steps)
    second = replace(first, header=first.header.with_(steps=steps), members=[narrower(m) for m in first.members])
    (found,) = diff(first, second)
    assert found.what == "dtype is 'float64' in the first, 'float32' in the second"
    third = changed(first, 0, "rewards", lambda v: v + 1e-9)
    assert names(list(diff(third, second))) == [("steps", "rewards")] * 2


def test_what_is_null_in_one_alone_differs():
    first = in_memory.source()
    members = [replace(m, columns={k: v for k, v in m.columns.items() if k != "obs/force"}) for m in first.members[:1]]
    second = replace(first, members=[*members, *first.members[1:]])
    (found,) = diff(first, second)
    assert (found.name, found.rows, found.largest) == ("obs/force", 3, None)
    assert "3 are null in one alone" in found.what


# ---- everything else -------------------------------------------------------------------------------------------


def test_missing_episodes_and_other_lengths_are_said_and_the_common_frames_compared():
    first, second = in_memory.source((3, 4, 2)), in_memory.source((3, 6, 2, 1, 1))
    found = {one.name: one for one in diff(first, second, columns=["actions", "obs/*"])}
    assert found[""].what == "2 episodes are only in the second"
    assert (found["length"].episode, found["length"].largest) == ("demo_1", 2.0)
    assert set(found) == {"", "length"}


def test_rows_of_episodes_are_compared_column_by_column():
    first = in_memory.source()
    second = with_rows(first, success=False, task="Stack", splits=["train"], seed=3)
    found = list(diff(first, second))
    assert names(found) == [("episodes", name) for name in ("success", "seed", "task", "splits")]
    assert all((one.episodes, one.episode) == (5, "demo_0") for one in found)


def test_attributes_are_compared_one_by_one():
    def attrs(**values):
        return json.dumps({"": {name: {"dtype": "<i8", "value": value} for name, value in values.items()}})

    first = with_rows(in_memory.source(), attrs=attrs(a=1, b=2))
    second = with_rows(in_memory.source(), attrs=attrs(b=3, a=1))
    assert names(list(diff(first, second))) == [("episodes", "attrs: b")]
    assert list(diff(first, with_rows(in_memory.source(), attrs=attrs(b=2, a=1)))) == []


def test_headers_are_compared_field_by_field():
    first = in_memory.source()
    env = {"env_name": "Stack", "type": 1, "env_kwargs": {"control_freq": 10}}
    columns = (*first.header.steps[1:], Column(name="obs/new", dtype="int8", nullable=True))
    second = replace(first, header=first.header.with_(env_args=env, steps=columns, attrs={"data": {"total": 3}}))
    found = {(one.table, one.name): one.what for one in diff(first, second)}
    assert "env_name: 'Lift' in the first, 'Stack' in the second" in found["header", "env_args"]
    assert found["header", "attrs of data"] == "total: absent in the first, 3 in the second"
    assert found["steps", "actions"] == "only in the first"
    assert found["steps", "obs/new"] == "only in the second"


def test_attempts_rest_and_models_are_compared():
    first = in_memory.generated([1, 3], 6)
    rows = [{**row, "reason": "other"} if row["attempt"] == 4 else row for row in first.attempt_rows if row["attempt"]]
    second = replace(
        first, attempt_rows=rows, rest_rows=[Rest("info", "|S1", (1,), b"x"), Rest("log", "|S1", (1,), b"x", 3)],
        xml={"ab" * 32: "<mujoco/>"},
    )  # fmt: skip
    found = list(diff(first, second))
    assert names(found) == [
        ("attempts", ""), ("attempts", "reason"), ("rest", "info"), ("rest", "log"), ("models", ""),
    ]  # fmt: skip
    third = replace(second, rest_rows=[Rest("log", "|S1", (1,), b"y", 3), second.rest_rows[0]])
    (found,) = diff(second, third)
    assert (found.name, found.episode) == ("log", "demo_3")


def test_columns_can_be_chosen_by_pattern():
    second = changed(with_rows(in_memory.source(), task="other"), 0, "rewards", lambda v: v + 1)
    assert list(diff(in_memory.source(), second, columns=["obs/*", "actions"])) == []
    assert names(list(diff(in_memory.source(), second, columns=["rew*"]))) == [("steps", "rewards")]
    with pytest.raises(UnknownNameError, match=r"no column named 'observation\.\*'; there are: .*obs/pose"):
        diff(second, second, columns=["observation.*"])


def test_a_source_that_gives_fewer_steps_than_it_says_is_named():
    short = in_memory.source((2, 3))
    longer = replace(short.members[1], row={**short.members[1].row, "length": 4})
    lying = replace(short, members=[short.members[0], longer])
    with pytest.raises(SchemaError, match="says 6 steps, 5 came"):
        list(diff(lying, lying))


# ---- real files ------------------------------------------------------------------------------------------------


def test_a_real_file_equals_its_conversion_and_a_changed_copy_does_not(tmp_path):
    tl.read(HUMAN).write(tmp_path / "demos")
    assert list(diff(tl.read(HUMAN), tl.read(tmp_path / "demos"))) == []
    shutil.copy(HUMAN, tmp_path / "other.hdf5")
    with h5py.File(tmp_path / "other.hdf5", "r+") as file:
        file["data/demo_7/obs/object"][5, 2] += 0.25
        file["data/demo_7"].attrs["note"] = "changed"
    found = list(diff(tl.read(tmp_path / "demos"), tl.read(tmp_path / "other.hdf5")))
    assert names(found) == [("episodes", "attrs: note"), ("steps", "obs/object")]
    assert (found[1].episode, found[1].frame, found[1].largest) == ("demo_7", 5, pytest.approx(0.25))


def run(*words: object):
    return CliRunner(env={"COLUMNS": "200"}).invoke(typer_app, ["diff", *map(str, words)])


def test_the_command_ends_like_diff_does(tmp_path):
    assert (run(HUMAN, HUMAN).exit_code, run(HUMAN, HUMAN).stdout) == (0, "")
    tl.read(HUMAN).write(tmp_path / "demos")
    shutil.copy(HUMAN, tmp_path / "other.hdf5")
    with h5py.File(tmp_path / "other.hdf5", "r+") as file:
        file["data/demo_3/actions"][2, 0] += 1
    told = run(tmp_path / "demos", tmp_path / "other.hdf5")
    assert told.exit_code == 1
    assert told.stdout.splitlines()[0] == (
        "steps actions: 1 of 531 steps, in 1 of 10 episodes; by at most 1 (first in demo_3, frame 2)"
    )
    assert told.stdout.splitlines()[-1] == "1 differences; episodes matched by name"
    assert run(tmp_path / "demos", tmp_path / "other.hdf5", "--columns", "obs/*").exit_code == 0
    assert run(tmp_path / "demos", tmp_path / "other.hdf5", "--tolerance", "1.5").exit_code == 0
    told = json.loads(run(tmp_path / "demos", tmp_path / "other.hdf5", "--json").stdout)
    assert (told["equal"], told["matched_by"], told["differences"][0]["name"]) == (False, "name", "actions")
    assert run(HUMAN, tmp_path / "nowhere.hdf5").exit_code == 2
    assert run(HUMAN, HUMAN, "--columns", "nothing*").exit_code == 2
