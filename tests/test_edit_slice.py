"""Frames from and to the same place of every episode."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import in_memory
import odd_hdf5
import trajloom as tl
from conftest import examples
from test_edit_select import attempts, episodes, must_fit_together, rest, steps
from trajloom.dataset import Dataset
from trajloom.edit.select import select
from trajloom.edit.slice import slice_steps
from trajloom.errors import SettingsError, TrajloomWarning
from trajloom.formats import hdf5
from trajloom.schema import path_of
from trajloom.tables import Rest

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
BOUNDS = st.none() | st.integers(-7, 7)


def quiet(source, start=None, stop=None, **more):
    """The slice, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return slice_steps(source, start, stop, **more)


@settings(max_examples=examples(15), deadline=None)
@given(start=BOUNDS, stop=BOUNDS, per_part=st.integers(1, 5), batch=st.integers(1, 6))
def test_frames_are_those_that_python_would_choose_of_each_episode(start, stop, per_part, batch):
    source = in_memory.source(episodes_per_part=per_part, batch_rows=batch)
    found = Dataset(quiet(source, start, stop))
    wanted = {m.row["episode_index"]: m.columns["actions"][start:stop] for m in source.members}
    wanted = {index: values for index, values in wanted.items() if len(values)}
    assert [row["episode_index"] for row in episodes(found.source)] == list(wanted)
    for index, values in wanted.items():
        np.testing.assert_array_equal(found.episode(index)["actions"], values)
    must_fit_together(found.source)


def test_frames_and_times_count_from_zero_as_if_the_episode_began_there():
    whole, cut = in_memory.source((5,)), quiet(in_memory.source((9,)), 4)
    assert (
        steps(cut)
        .select(["episode_index", "frame_index", "timestamp"])
        .equals(steps(whole).select(["episode_index", "frame_index", "timestamp"]))
    )
    some = [b for part in cut.parts() for b in part.steps(["timestamp", "rewards"])]
    assert pa.Table.from_batches(some).column("timestamp").to_pylist() == steps(whole).column("timestamp").to_pylist()


def test_times_that_are_no_multiples_of_the_rate_keep_their_distance():
    source = in_memory.source((4,))

    class Uneven(in_memory.MemoryPart):
        def steps(self, columns=None):
            for batch in super().steps(None):
                times = pa.array([3.0, 3.5, 3.75, None][batch.column("frame_index")[0].as_py() :][: batch.num_rows])
                place = batch.schema.names.index("timestamp")
                batch = batch.set_column(place, "timestamp", times)
                yield batch if columns is None else batch.select(columns)

    uneven = [Uneven(p.header, p.members, batch_rows=2) for p in source.parts()]
    source.__dict__["_parts"] = uneven
    assert steps(quiet(source, 1)).column("timestamp").to_pylist() == [0.0, 0.25, None]


def test_unknown_times_stay_unknown():
    header = in_memory.HEADER.with_(control_hz=None)
    source = in_memory.MemorySource(header, [in_memory.episode(0, 4)])
    assert steps(quiet(source, 1)).column("timestamp").to_pylist() == [None] * 3


def test_dones_are_not_made_up():
    found = steps(quiet(in_memory.source((4,)), 0, 2))
    assert found.column("dones").to_pylist() == [0, 0]
    assert episodes(quiet(in_memory.source((4,)), 0, 2))[0]["success"] is True


def test_an_episode_of_which_nothing_is_left_is_dropped_and_that_is_said():
    with pytest.warns(TrajloomWarning, match="2 episodes have no frame in the slice and are dropped: demo_1, demo_3"):
        found = slice_steps(in_memory.source(), stop=-2)
    assert [row["length"] for row in episodes(found)] == [1, 2, 3]
    assert any("demo_1, demo_3" in said for said in found.header.warnings)


def test_what_described_the_first_frame_goes_with_it_and_stays_where_it_stays():
    with pytest.warns(TrajloomWarning, match="initial_state/states described the first frame of whole episodes"):
        cut = slice_steps(in_memory.source((3, 4)), 1)
    assert cut.header.episodes == ()
    must_fit_together(cut)
    kept = slice_steps(in_memory.source((3, 4)), 0, 2)
    assert [c.name for c in kept.header.episodes] == ["initial_state/states"]
    assert kept.header.warnings == ()


@pytest.mark.parametrize(
    ("start", "stop", "lengths"),
    [(0.1, None, [4, 6]), (0.1, 0.25, [3, 3]), (None, -0.1, [4, 6]), (-0.15, None, [3, 3]), (0.3, None, [2]),
     (-0.01, None, []), (0.101, 0.2, [1, 1])],
)  # fmt: skip
def test_seconds_choose_the_frames_whose_times_lie_between_them(start, stop, lengths):
    found = quiet(in_memory.source((6, 8)), start, stop, seconds=True)
    assert [row["length"] for row in episodes(found)] == lengths


def test_seconds_need_a_rate_and_frames_are_whole():
    header = in_memory.HEADER.with_(control_hz=None)
    with pytest.raises(SettingsError, match="does not say its control rate"):
        slice_steps(in_memory.MemorySource(header, [in_memory.episode(0, 4)]), 0.1, seconds=True)
    with pytest.raises(SettingsError, match=r"frames are whole numbers, got 0\.5"):
        slice_steps(in_memory.source(), 0.5)
    with pytest.raises(SettingsError, match="finite"):
        slice_steps(in_memory.source(), stop=float("inf"))


def test_arrays_in_rest_with_a_row_a_frame_are_cut_and_others_are_not():
    texts = json.dumps(["a", "b", "c", "d"]).encode()
    rows = [
        Rest("own", "|S1", (4,), b"wxyz"),
        Rest("big", ">i2", (4, 2), bytes(range(16)), 0, {"unit": {"dtype": "str", "value": "m"}}),
        Rest("text", "str", (4,), texts, 0),
        Rest("wrong", "<i8", (3,), bytes(24), 0),
        Rest("empty", "<f8", (4, 0), b"", 0),
        Rest("group", "group", None, None, 0),
        Rest("pieces", "|u1", (4,), b"ab", 0, {"": {"rows": [0, 2]}, "by": {"dtype": "str", "value": "me"}}),
        Rest("pieces", "|u1", (4,), b"cd", 0, {"": {"rows": [2, 4]}}),
    ]
    cut = quiet(in_memory.source((4,), rest_rows=rows), 2, 4)
    found = {(row.path, row.shape, row.data) for row in rest(cut)}
    assert found == {
        ("own", (4,), b"wxyz"), ("big", (2, 2), bytes(range(8, 16))), ("text", (2,), b'["c", "d"]'),
        ("wrong", (3,), bytes(24)), ("empty", (2, 0), b""), ("group", None, None), ("pieces", (2,), b"cd"),
    }  # fmt: skip
    (pieces,) = [row for row in rest(cut) if row.path == "pieces"]
    assert pieces.attrs == {"by": {"dtype": "str", "value": "me"}, "": {"rows": [0, 2]}}


def test_an_array_that_cannot_be_cut_is_left_out_and_that_is_said():
    source = in_memory.source((4,), rest_rows=[Rest("odd", "theirs", (4,), b"12345", 0)])
    cut = quiet(source, 0, 2)
    with pytest.warns(TrajloomWarning, match="odd of episode 0 .* cannot be cut by frames"):
        assert rest(cut) == []


def test_attempts_and_lineage_stay():
    cut = quiet(in_memory.generated([1, 3], 5), 1, 3)
    assert attempts(cut) == list(range(5))
    assert steps(cut).column("source_frame/robot0").to_pylist() == [1, 2, 1, 2]


def test_slicing_twice_is_slicing_once():
    source = in_memory.source((6, 8))
    assert steps(quiet(quiet(source, 1), 2, 4)).equals(steps(quiet(source, 3, 5)))
    assert steps(quiet(select(source, episodes="1"), -3)).equals(steps(select(quiet(source, -3), episodes="1")))


def test_the_whole_slice_of_a_real_file_is_that_file(tmp_path):
    tl.read(HUMAN).slice().write(tmp_path / "whole.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "whole.hdf5") == []


def test_a_slice_of_a_real_file_is_a_file_of_its_slices(tmp_path):
    tl.read(HUMAN).slice(10, -5).write(tmp_path / "cut.hdf5")
    with h5py.File(HUMAN) as was, h5py.File(tmp_path / "cut.hdf5") as now:
        for name, demo in was["data"].items():
            length = len(demo["actions"]) - 15
            assert now[f"data/{name}"].attrs["num_samples"] == length
            for path in ("actions", "states", "obs/object", "next_obs/object", "dones", "rewards"):
                np.testing.assert_array_equal(now[f"data/{name}/{path}"], demo[path][10:-5])
        assert now["data"].attrs["total"] == sum(len(d["actions"]) for d in now["data"].values())


@settings(max_examples=examples(6), deadline=None, suppress_health_check=SLOW)
@given(what=odd_hdf5.odd_files(), start=st.integers(-3, 2), stop=st.none() | st.integers(-1, 4))
def test_every_array_of_odd_files_is_cut_as_python_cuts_it_or_left_as_it_is(
    what, start, stop, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("odd")
    odd_hdf5.build(folder / "odd.hdf5", what)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        data = tl.read(folder / "odd.hdf5")
        a_frame = {path_of(column.name) for column in data.header.steps}
        data.slice(start, stop).write(folder / "cut.hdf5")
    with h5py.File(folder / "odd.hdf5") as was, h5py.File(folder / "cut.hdf5") as now:
        demos = {row["name"]: was["data"][row["name"]] for row in episodes(data.source)}
        left = [name for name, demo in demos.items() if len(demo["actions"][start:stop])]
        assert [name for name in demos if name in now["data"]] == left
        for name in left:
            for path in _arrays(demos[name]):
                a, b = demos[name][path][()], now[f"data/{name}"].get(path)
                if b is None:
                    assert path.startswith("initial_state/")
                elif path in a_frame and len(a) == len(demos[name]["actions"]):
                    assert _same(a[start:stop], b[()]), path
                else:
                    assert _same(a, b[()]) or _same(a[start:stop], b[()]), path


def _arrays(demo: h5py.Group) -> list[str]:
    found: list[str] = []
    demo.visititems(lambda path, item: found.append(path) if isinstance(item, h5py.Dataset) else None)
    return found


def _same(a, b) -> bool:
    if not isinstance(a, np.ndarray) or a.dtype.hasobject:
        return repr(a) == repr(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_parts_of_which_nothing_is_left_are_gone():
    source = replace(in_memory.source((1, 1, 4)), episodes_per_part=1)
    assert len(quiet(source, 2).parts()) == 1
    empty = quiet(source, 9)
    assert steps(empty).num_rows == 0
    must_fit_together(empty)
