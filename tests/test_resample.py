"""Another rate: what is interpolated, what is chosen, and what stays as it was to the bit."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from in_memory import HEADER, MemoryEpisode, MemorySource, episode, generated, source
from trajloom import poses, tables
from trajloom.dataset import Dataset, read
from trajloom.edit.grid import MAX_FRAMES, grid
from trajloom.edit.resample import resample
from trajloom.edit.rotations import between, rotation_of
from trajloom.errors import SchemaError, SettingsError, UnknownNameError
from trajloom.schema import Column, check

LIFT = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"

rates = st.sampled_from([1.0, 7.5, 10.0, 15.0, 20.0, 29.97, 30.0, 50.0, 1000.0])
quats = hnp.arrays(np.float64, 4, elements=st.floats(-1, 1)).filter(lambda quat: np.linalg.norm(quat) > 0.1)
fractions = st.floats(0, 1)


def steps(source) -> pa.Table:
    batches = [batch for part in source.parts() for batch in part.steps()]
    return pa.Table.from_batches(batches, schema=source.header.steps_schema).combine_chunks()


def only(source, name: str = "x") -> np.ndarray:
    """A column of a dataset's first episode."""
    return next(Dataset(source).iter_episodes([name])).columns[name]


def one_column(values: np.ndarray, control_hz: float | None = 20.0, **about) -> MemorySource:
    """An episode of one column `x`, or of the name given."""
    column = Column(**{"name": "x", "dtype": str(values.dtype), "shape": values.shape[1:], **about})
    header = HEADER.with_(steps=(column,), episodes=(), control_hz=control_hz)
    row = {"episode_index": 0, "name": "demo_0", "length": len(values), "attrs": "{}"}
    return MemorySource(header, [MemoryEpisode(row, {column.name: values})])


class Timed(MemorySource):
    """A dataset whose episodes have these timestamps."""

    def at(self, *times) -> "Timed":
        object.__setattr__(self, "times", np.concatenate([np.asarray(t, dtype=float) for t in times]))
        return self

    def parts(self):
        table = tables.steps_batch(self.header, 0, self.members[0].columns)
        at = table.schema.get_field_index("timestamp")
        table = table.set_column(at, table.schema.field(at), pa.array(self.times, from_pandas=True))
        part = super().parts()[0]
        object.__setattr__(part, "steps", lambda columns=None: iter([table.select(columns or table.schema.names)]))
        return [part]


def timed(values: np.ndarray, times) -> Timed:
    plain = one_column(values)
    return Timed(plain.header, plain.members).at(times)


# ---- laws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_rows", [2, 1000])
def test_the_same_rate_changes_nothing(batch_rows):
    for plain in (source(batch_rows=batch_rows), generated([1, 3], 5, batch_rows=batch_rows)):
        same = resample(plain, 20)
        assert steps(same).equals(steps(plain))
        assert same.header == plain.header
        for part, was in zip(same.parts(), plain.parts(), strict=True):
            assert part.episodes().equals(was.episodes())
            assert part.attempts().equals(was.attempts())


def test_the_same_rate_gives_the_same_file(tmp_path):
    from trajloom.formats.hdf5 import equal

    Dataset(resample(read(LIFT).source, 20)).write(tmp_path / "same.hdf5")
    assert equal(LIFT, tmp_path / "same.hdf5") == []


@given(st.integers(1, 30), rates)
def test_half_of_twice_the_rate_is_what_it_was(length, hz):
    times = np.arange(length) / hz
    twice = grid(times, 2 * hz)
    assert len(twice) == 2 * length - 1
    back = grid(twice.times, hz)
    np.testing.assert_array_equal(back.times, times)
    np.testing.assert_array_equal(back.before, 2 * np.arange(length))


@given(st.integers(1, 300), rates)
def test_rounded_timestamps_are_at_the_rate_that_they_were_rounded_from(length, hz):
    times = (np.arange(length) / hz).astype(np.float32).astype(np.float64)
    assert grid(times, hz).unchanged
    np.testing.assert_array_equal(grid(times, hz).times, times)
    half = grid(times, hz / 2)
    assert not half.fraction.any()
    np.testing.assert_array_equal(half.before, np.arange(0, length, 2))


def test_half_of_twice_the_rate_is_what_it_was_in_every_column():
    plain = source((3, 1, 4, 0, 5))
    back = resample(resample(plain, 40), 20)
    assert steps(back).equals(steps(plain))
    assert [part.num_steps for part in back.parts()] == [4, 4, 5]


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30), rates)
def test_new_instants_are_regular_within_the_old_ones_and_rise(widths, hz):
    times = np.cumsum([0.25, *widths])
    found = grid(times, hz)
    assert found.times[0] == times[0]
    assert times[-1] - found.times[-1] < 1 / hz
    assert found.times[-1] <= times[-1]
    assert (np.diff(found.times) > 0).all()
    assert np.abs(found.times - (times[0] + np.arange(len(found)) / hz)).max() <= 1e-3 / hz + 1e-9
    assert (found.after <= len(times) - 1).all()
    assert (times[found.before] <= found.times).all()


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30), rates, st.floats(-5, 5))
def test_what_rises_evenly_in_time_still_does_whatever_the_timestamps(widths, hz, slope):
    times = np.cumsum([0.0, *widths])
    new = resample(timed((slope * times)[:, None], times), hz)
    np.testing.assert_allclose(only(new)[:, 0], slope * _times(new), atol=1e-9)


def _times(source) -> np.ndarray:
    return steps(source).column("timestamp").to_numpy()


@given(quats, quats, fractions)
def test_what_lies_between_two_rotations_is_one(start, end, fraction):
    at = np.array([fraction])
    quat = between("quat", start[None], end[None], at)[0]
    assert np.linalg.norm(quat) == pytest.approx(1)
    one, other = (poses.make(np.zeros(3), poses.rotation_from_quat(q)) for q in (start, end))
    pose = between("matrix", one[None], other[None], at)[0]
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@given(quats, quats, fractions)
def test_a_quaternion_turns_as_its_matrix_does_whatever_its_sign_and_order(start, end, fraction):
    matrices = [poses.rotation_from_quat(q) for q in (start, end)]
    way = poses.rotation_angle(matrices[1] @ matrices[0].T)
    at = np.array(fraction)
    wanted = poses.slerp(matrices[0], matrices[1], at)
    if way < 3.1:  # half a turn has two short ways round
        for sign in (1, -1):
            np.testing.assert_allclose(
                poses.rotation_from_quat(poses.slerp_quat(start, sign * end, at)), wanted, atol=1e-6
            )
        np.testing.assert_allclose(
            np.roll(poses.slerp_quat(np.roll(start, 1), np.roll(end, 1), at), -1), poses.slerp_quat(start, end, at)
        )


def test_rotations_are_those_of_scipy():
    transform = pytest.importorskip("scipy.spatial.transform", reason="scipy comes with trajloom[sim]")
    rng = np.random.default_rng(3)
    keys = transform.Rotation.from_quat(rng.normal(size=(50, 4)))
    slerp = transform.Slerp(np.arange(50), keys)
    at = rng.uniform(0, 49, 300)
    low, part = at.astype(int), at % 1
    matrices = keys.as_matrix()
    np.testing.assert_allclose(poses.slerp(matrices[low], matrices[low + 1], part), slerp(at).as_matrix(), atol=1e-12)
    quats = keys.as_quat()
    found = poses.slerp_quat(quats[low], quats[low + 1], part)
    np.testing.assert_allclose(transform.Rotation.from_quat(found).as_matrix(), slerp(at).as_matrix(), atol=1e-12)


# ---- rules -----------------------------------------------------------------------------------------------------


def test_a_third_of_the_way_is_a_third_of_the_way():
    new = resample(one_column(np.array([[0.0, 1.0], [3.0, 1.0]]), control_hz=10.0), 30)
    np.testing.assert_allclose(only(new), [[0, 1], [1, 1], [2, 1], [3, 1]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_element_type_stays(dtype):
    new = resample(one_column(np.array([0.0, 3.0], dtype=dtype), control_hz=10.0), 30)
    assert only(new).dtype == dtype
    check(pa.Table.from_batches(list(new.parts()[0].steps())), new.header.steps_schema)


@given(hnp.arrays(np.bool_, st.integers(1, 20)), st.floats(0.5, 200))
def test_a_boolean_is_the_last_one_before(values, hz):
    new = resample(one_column(values, control_hz=20.0), hz)
    at = np.floor(_times(new) * 20 + 1e-6).astype(int)
    np.testing.assert_array_equal(only(new), values[at])


@given(st.integers(1, 20), st.floats(0.5, 200))
def test_whole_numbers_and_images_are_those_of_a_nearest_step(length, hz):
    numbers = np.arange(length)
    images = np.repeat(numbers.astype(np.uint8), 12).reshape(length, 2, 2, 3)
    for values in (numbers, images):
        new = resample(one_column(values), hz)
        found = only(new).reshape(len(_times(new)), -1)[:, 0]
        assert (np.abs(found - _times(new) * 20) <= 0.5 + 2e-3).all()


def test_large_images_pass_by_and_are_not_held():
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 50, 50, 3), dtype=np.uint8)
    plain = one_column(images)
    plain = MemorySource(plain.header, plain.members, batch_rows=3)
    for hz in (7, 20, 33, 100):
        new = resample(plain, hz)
        sizes = [batch.num_rows for batch in new.parts()[0].steps()]
        assert max(sizes) <= 3
        times = np.arange(sum(sizes)) / hz
        np.testing.assert_allclose(only(new)[:, 0, 0, 0], np.ceil(times * 20 - 0.5 - 1e-9), atol=0)
        assert new.parts()[0].num_steps == sum(sizes)


def test_quaternions_and_poses_turn_and_say_so():
    half = poses.make(np.array([2.0, 0, 0]), poses.rotation_from_axis_angle(np.array([0, 0, 1.0])))
    pose = np.stack([np.eye(4), half])
    quat = np.array([[0, 0, 0, 1.0], [0, 0, -np.sin(0.5), -np.cos(0.5)]])  # x, y, z, w, of the other sign
    middle = only(resample(one_column(pose), 40))[1]
    np.testing.assert_allclose(middle[:3, 3], [1, 0, 0])
    np.testing.assert_allclose(poses.axis_angle_from_rotation(middle[:3, :3]), [0, 0, 0.5])
    new = resample(one_column(quat, name="obs/robot0_eef_quat"), 40)
    np.testing.assert_allclose(only(new, "obs/robot0_eef_quat")[1], [0, 0, np.sin(0.25), np.cos(0.25)])
    assert "slerp: obs/robot0_eef_quat" in new.header.warnings[0]
    with_place = np.hstack([[[0.0], [4.0]], quat])
    np.testing.assert_allclose(
        only(resample(one_column(with_place, rotation="xyzw"), 40))[1], [2, 0, 0, np.sin(0.25), np.cos(0.25)]
    )


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ({"name": "obs/robot0_eef_quat", "shape": (4,)}, "quat"),
        ({"name": "pose_quat_wxyz", "shape": (2, 4)}, "quat"),
        ({"name": "obs/pose", "shape": (4, 4)}, "matrix"),
        ({"name": "obs/hand_rotation", "shape": (3, 3)}, "matrix"),
        ({"name": "obs/intrinsics", "shape": (3, 3)}, None),
        ({"name": "obs/pose", "shape": (7,), "rotation": "wxyz"}, "quat"),
        ({"name": "obs/quaternions", "shape": (8,)}, None),
        ({"name": "obs/quat", "shape": (4,), "dtype": "int32"}, None),
    ],
)
def test_which_columns_hold_rotations(about, kind):
    assert rotation_of(Column(**{"dtype": "float32", **about})) == kind


def test_rules_can_be_chosen():
    values = np.array([0.0, 3.0])
    plain = one_column(values, control_hz=10.0)
    assert only(resample(plain, 30, method="nearest")).tolist() == [0, 0, 3, 3]
    assert only(resample(plain, 30, columns={"x": "previous"})).tolist() == [0, 0, 0, 3]
    assert only(resample(plain, 30, method="nearest", columns={"x": "linear"}))[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ({"y": "linear"}, UnknownNameError, "no column in steps named 'y'"),
        ({"actions": "cubic"}, UnknownNameError, "linear, nearest, previous, slerp"),
        ({"dones": "linear"}, SettingsError, r"dones: linear needs floats, not int64"),
        ({"actions": "slerp"}, SettingsError, "actions: slerp needs rotations"),
        ({"obs/image": "previous"}, SettingsError, "obs/image holds images"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(columns, error, message):
    with pytest.raises(error, match=message):
        resample(source(), 10, columns=columns)


def test_a_matrix_that_is_no_rotation_is_named_and_can_be_taken_as_numbers():
    plain = one_column(np.zeros((3, 4, 4)))
    with pytest.raises(SchemaError, match=r"episode 0 \(demo_0\): x holds a matrix that is no rotation.*nearest"):
        steps(resample(plain, 30))
    assert only(resample(plain, 30, columns={"x": "linear"})).shape == (4, 4, 4)
    steps(resample(plain, 10))  # nothing is interpolated
    with pytest.raises(SchemaError, match="quaternion of four zeros"):
        steps(resample(one_column(np.zeros((3, 4)), rotation="wxyz"), 30))


def test_absent_columns_stay_absent():
    plain = source((3, 4))
    new = steps(resample(plain, 33))
    nulls = new.column("obs/force").is_null().to_numpy()
    np.testing.assert_array_equal(nulls, new.column("episode_index").to_numpy() == 1)


# ---- actions, lineage, what does not fit any more --------------------------------------------------------------


def test_actions_are_not_rescaled_and_that_is_said():
    new = resample(source((4,)), 40)
    np.testing.assert_allclose(only(new, "actions")[:3, 0], [0, 0.05, 0.1])
    assert any("actions were not rescaled" in warning for warning in new.header.warnings)


def test_absolute_actions_are_held_as_their_controller_holds_them():
    config = {"type": "OSC_POSE", "control_delta": False}
    plain = source((3,))
    header = HEADER.with_(env_args={"type": 1, "env_kwargs": {"controller_configs": config}})
    new = resample(MemorySource(header, plain.members), 40)
    np.testing.assert_allclose(only(new, "actions")[:, 0], [0, 0, 0.1, 0.1, 0.2])


def test_rate_length_and_numbers_follow():
    new = resample(source((3, 5)), 10)
    assert new.header.control_hz == 10
    assert new.header.env_args is not None
    assert new.header.env_args["env_kwargs"] == {"control_freq": 10}
    table = steps(new)
    assert table.column("frame_index").to_pylist() == [0, 1, 0, 1, 2]
    assert table.column("timestamp").to_pylist() == pytest.approx([0, 0.1, 0, 0.1, 0.2])
    assert new.parts()[0].episodes().column("length").to_pylist() == [2, 3]
    check(new.parts()[0].episodes(), new.header.episodes_schema)
    assert Dataset(new).num_steps == 5


def test_lineage_is_that_of_the_nearest_step():
    new = resample(generated([2], 3), 40)
    assert only(new, "source_frame/robot0").tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert new.parts()[0].attempts().num_rows == 3


def test_arrays_beside_the_columns_go_where_their_steps_went():
    rest = [
        tables.Rest("odd", "<f8", (3, 2), b"\0" * 48, episode_index=0),
        tables.Rest("other", "<f8", (5,), b"\0" * 40, episode_index=0),
        tables.Rest("note", "<f8", (3,), b"\0" * 24),
    ]
    plain = source((3,), rest_rows=rest)
    kept = [row["path"] for batch in resample(plain, 40).parts()[0].rest() for row in batch.to_pylist()]
    assert kept == ["other", "note"]
    assert [batch.num_rows for batch in resample(plain, 20).parts()[0].rest()] == [3]


# ---- timestamps ------------------------------------------------------------------------------------------------


def test_uneven_timestamps_become_even():
    new = resample(timed(np.array([0.0, 1.0, 7.0]), [0.0, 0.1, 0.7]), 10)
    np.testing.assert_allclose(only(new), np.arange(8.0))
    np.testing.assert_allclose(_times(new), np.arange(8) / 10)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0, 0.1, 0.1, 0.2], r"episode 0 \(demo_0\): frame 2: timestamp 0.1 does not come after frame 1's, 0.1"),
        ([0, 0.2, 0.1, 0.3], "frame 2: timestamp 0.1 does not come after"),
        ([0, 0.1, np.inf, 0.3], "frame 2: timestamp inf is no instant"),
        ([0, 0.1, np.nan, 0.3], r"demo_0\): 1 of 4 frames have no timestamp"),
    ],
)
def test_timestamps_that_do_not_rise_are_named(times, message):
    with pytest.raises(SchemaError, match=message):
        steps(resample(timed(np.arange(4.0), times), 10))


def test_an_unknown_rate_is_asked_for():
    plain = one_column(np.arange(3.0), control_hz=None)
    with pytest.raises(SettingsError, match="say the rate that it has: from_hz"):
        resample(plain, 10)
    assert only(resample(plain, 10, from_hz=5)).tolist() == pytest.approx([0, 0.5, 1, 1.5, 2])
    with pytest.raises(SettingsError, match="says its rate itself"):
        resample(source(), 10, from_hz=5)


@pytest.mark.parametrize("hz", [0, -1, float("nan"), float("inf")])
def test_a_rate_is_above_zero(hz):
    with pytest.raises(SettingsError, match="hz must be above 0"):
        resample(source(), hz)


def test_more_frames_than_make_sense_are_refused_before_they_are_made():
    with pytest.raises(SettingsError, match=f"over {MAX_FRAMES:,} frames"):
        steps(resample(timed(np.arange(2.0), [0, 1e15]), 10))


# ---- real files ------------------------------------------------------------------------------------------------


def test_a_real_dataset_at_half_the_rate_is_every_other_step(tmp_path):
    data = read(LIFT)
    data.resample(10).write(tmp_path / "at10.hdf5")
    back = read(tmp_path / "at10.hdf5")
    assert back.header.control_hz == 10
    for was, now in zip(data.iter_episodes(), back.iter_episodes(), strict=True):
        for name, values in was.columns.items():
            np.testing.assert_array_equal(now.columns[name], values[::2])


def test_a_real_dataset_at_another_rate_keeps_its_rotations_and_its_path():
    data = read(LIFT)
    assert data.header.column("obs/robot0_eef_quat").rotation == "xyzw"
    for was, now in zip(data.iter_episodes(), data.resample(50).iter_episodes(), strict=True):
        quat = now.columns["obs/robot0_eef_quat"]
        np.testing.assert_allclose(np.linalg.norm(quat, axis=1), 1, atol=1e-6)
        turns = poses.rotation_from_quat(quat[:, [3, 0, 1, 2]])
        assert poses.rotation_angle(turns[1:] @ np.swapaxes(turns[:-1], 1, 2)).max() < 0.05
        way = np.abs(np.diff(was.columns["obs/robot0_eef_pos"], axis=0)).max()
        assert np.abs(np.diff(now.columns["obs/robot0_eef_pos"], axis=0)).max() <= way


def test_a_part_can_be_sent_to_another_process():
    part = resample(read(LIFT).source, 7).parts()[0]
    again = pickle.loads(pickle.dumps(part))
    assert pa.Table.from_batches(again.steps()).equals(pa.Table.from_batches(part.steps()))


def test_it_is_a_command(tmp_path):
    from typer.testing import CliRunner

    from trajloom.cli.main import typer_app

    plain, out = tmp_path / "in", tmp_path / "out"
    Dataset(MemorySource(HEADER, [episode(0, 5)])).write(plain)
    words = ["resample", str(plain), str(out), "--hz", "10", "--column", "obs/pose=nearest"]
    assert CliRunner().invoke(typer_app, words).stdout == f"{out}\n"
    assert read(out).num_steps == 3
    assert CliRunner().invoke(typer_app, [*words, "--column", "obs/pose"]).exit_code == 2


def test_a_step_between_one_that_lacks_a_column_and_one_that_has_it_lacks_it():
    plain = source((4,))
    late = replace(plain.members[0], nulls={"obs/force": np.array([True, True, False, False])})
    (part,) = resample(replace(plain, members=[late]), 40.0).parts()
    force = pa.Table.from_batches(part.steps(["obs/force"])).column(0)
    assert force.is_valid().to_pylist() == [False, False, False, False, True, True, True]
    assert force.to_pylist()[4:] == [[2.0, 3.0], [2.5, 3.5], [3.0, 4.0]]
