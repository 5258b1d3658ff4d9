"""Reading RoboDM: streams of their own times become rows; pickles and lies are refused."""

import pickle
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from robodm_files import Written, batch, frames, trajectory, write
from trajloom import dataset, formats, store
from trajloom.errors import (
    DamagedFileError,
    HostileFileError,
    LayoutError,
    SettingsError,
    TrajloomError,
    TrajloomWarning,
)
from trajloom.formats import robodm
from trajloom.formats.robodm import ReadOptions, batches
from trajloom.formats.robodm.features import Feature, feature_of


def steps(source) -> pa.Table:
    found = [part_batch for part in source.parts() for part_batch in part.steps()]
    return pa.Table.from_batches(found, schema=source.header.steps_schema)


def shades(source, name="obs/image") -> list:
    """The mean of each frame, None where there is none."""
    values = steps(source).column(name).to_pylist()
    return [None if v is None else round(np.frombuffer(v, np.uint8).mean()) for v in values]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "trajectory_0.vla", trajectory())


def test_a_row_stands_at_each_action_and_holds_the_latest_of_the_rest(path):
    source = robodm.read(path)
    table = steps(source)
    assert (
        table.column("actions").combine_chunks().to_numpy_ndarray().tolist() == np.arange(10.0).reshape(5, 2).tolist()
    )
    assert table.column("obs/state").to_pylist() == [0, 2, 4, 6, 8]
    assert table.column("timestamp").to_pylist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert source.header.control_hz == 10
    found = shades(source)
    assert found[0] is None
    assert found[1:] == pytest.approx([0, 0, 20, 20], abs=3)


def test_columns_have_the_types_that_the_streams_say(path):
    header = robodm.read(path).header
    assert {c.name: (c.dtype, c.shape, c.nullable) for c in header.steps} == {
        "actions": ("float32", (2,), False),
        "obs/state": ("float64", (), False),
        "obs/image": ("uint8", (16, 32, 3), True),
    }
    assert header.layout["renamed"]["obs/image"] == "observation/image"


def test_another_feature_or_a_rate_may_be_the_clock(path):
    states = robodm.read(path, options=ReadOptions(clock="observation/state"))
    assert steps(states).column("obs/state").to_pylist() == list(range(10))
    fixed = robodm.read(path, options=ReadOptions(hz=40))
    assert steps(fixed).column("obs/state").to_pylist() == [i // 2 for i in range(17)]
    with pytest.raises(SettingsError, match=r"no feature 'x' to be the clock; there are: action, observation/image"):
        robodm.read(path, options=ReadOptions(clock="x"))


def test_rows_before_all_features_are_there_can_be_left_out(path):
    source = robodm.read(path, options=ReadOptions(complete=True))
    assert steps(source).num_rows == 4
    assert not any(column.nullable for column in source.header.steps)


def test_rows_can_be_read_again_and_from_the_middle(tmp_path):
    long = {"action": Written(np.arange(250.0), list(range(0, 2500, 10)))}
    long["video"] = Written(frames(12), list(range(0, 2400, 200)), "libx264")
    source = robodm.read(write(tmp_path / "a.vla", long))
    assert source.rows.steps(["actions"], 150, 153)["actions"].to_pylist() == [150, 151, 152]
    assert source.rows.steps(["actions"], 99, 102)["actions"].to_pylist() == [99, 100, 101]
    assert steps(source).equals(steps(source))
    once = source.rows.steps(["video"], 100, 130)["video"]
    assert once.equals(steps(source).column("video").combine_chunks().slice(100, 30))


def test_parts_can_be_read_in_other_processes(path):
    [part] = robodm.read(path).parts()
    wanted = list(part.steps())  # leaves files open, which do not go along
    assert list(pickle.loads(pickle.dumps(part)).steps()) == wanted


def test_a_folder_is_a_dataset_in_natural_order(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for number, length in ((10, 2), (2, 4)):
        write(folder / f"run_{number}.mkv", trajectory(length))
    assert formats.find(str(folder)).NAME == "robodm"
    data = dataset.read(folder, complete=True)
    assert [(e.row["name"], e.row["length"]) for e in data.iter_episodes()] == [("run_2", 3), ("run_10", 1)]
    with_nulls = robodm.read(folder)
    store.write(with_nulls, str(tmp_path / "out"))
    assert steps(store.open_store(str(tmp_path / "out"))).equals(steps(with_nulls))


def test_a_feature_that_a_file_lacks_is_null_there(tmp_path):
    write(tmp_path / "0.vla", trajectory(2, gripper=Written(np.ones(2), [0, 100])))
    write(tmp_path / "1.vla", trajectory(2))
    assert steps(robodm.read(tmp_path)).column("gripper").to_pylist() == [1, 1, None, None]


def test_it_is_read_from_a_url(path):
    import fsspec

    fsspec.filesystem("memory").pipe_file("/dm/t.vla", path.read_bytes())
    assert formats.find("memory://dm").NAME == "robodm"
    assert steps(robodm.read("memory://dm/t.vla")).equals(steps(robodm.read(path)))


def test_an_empty_folder_is_no_dataset_of_it(tmp_path):
    assert not robodm.sniff(str(tmp_path))
    with pytest.warns(TrajloomWarning, match="no demonstration"):
        robodm.read(tmp_path)


# ---- what is refused -------------------------------------------------------------------------------------------


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.fixture
def pickled(tmp_path: Path) -> Path:
    bombs = Written([Bomb(), Bomb()], [0, 100], "pickle_raw", "dtype=float32; shape=(2,))")
    return write(tmp_path / "pickled.vla", trajectory(2, gripper=bombs))


def test_pickles_are_refused_with_what_to_do(pickled):
    with pytest.raises(HostileFileError, match=r"pickled\.vla: gripper is pickled.*rawvideo_pyarrow.*without_pickled"):
        robodm.read(pickled)


def test_pickled_features_can_be_left_out(pickled):
    with pytest.warns(TrajloomWarning, match="gripper is left out: its values are pickled"):
        source = robodm.read(pickled, options=ReadOptions(without_pickled=True))
    assert "gripper" not in [column.name for column in source.header.steps]
    assert steps(source).column("obs/state").to_pylist() == [0, 2]


def test_pickles_that_do_not_say_so_are_refused_too():
    feature = Feature(0, "x", "float64", (), False, "pyarrow_batch")
    values = np.zeros(2)
    with pytest.raises(HostileFileError, match="x is pickled"):
        batches.times(pickle.dumps(values), feature)
    hidden = batch(values, [0, 1], data_type=["numpy", "pickle"])
    for read in (batches.times, batches.values):
        with pytest.raises(HostileFileError, match="x has pickled values"):
            read(hidden, feature)


@pytest.mark.parametrize(
    "said",
    [
        "__import__('os').system('true')",
        "dtype=float32; shape=(2 3,))",
        "dtype=float32; shape=(2**9,))",
        "dtype=; shape=())",
    ],
)
def test_types_are_parsed_and_never_evaluated(said):
    with pytest.raises(DamagedFileError, match="FEATURE_TYPE is"):
        feature_of(0, {"FEATURE_NAME": "x", "FEATURE_TYPE": said}, False, "a.vla")


def test_absurd_sizes_are_refused():
    with pytest.raises(HostileFileError, match="more than 256 MB a value"):
        feature_of(0, {"FEATURE_NAME": "x", "FEATURE_TYPE": "dtype=float32; shape=(99999, 99999))"}, False, "a.vla")
    # a dictionary lets a few kilobytes stand for gigabytes
    wide = Feature(0, "x", "uint8", (1 << 20,), False, "pyarrow_batch")
    value = bytes(1 << 20)
    same = pa.DictionaryArray.from_arrays(np.zeros(1000, np.int32), pa.array([value]))
    packed = batch(np.zeros((1000, 1), np.uint8), range(1000), data_bytes=same, data_shape=[[1 << 20]] * 1000)
    assert len(packed) < 1 << 20
    with pytest.raises(HostileFileError, match="unpacks to more than 256 MB"):
        batches.values(packed, wide)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"data_dtype": ["float32"]}, "float32 where float64 was expected"),
        ({"data_bytes": ["text"]}, "where bytes were expected"),
        ({"data_bytes": [b"123"]}, "3 bytes where 16 were expected"),
        ({"data_bytes": pa.array([None], pa.binary())}, "0 bytes where 16 were expected"),
    ],
)
def test_values_that_are_not_what_the_stream_says_are_damage(change, said):
    with pytest.raises(DamagedFileError, match=said):
        batches.values(batch(np.zeros((1, 2)), [0], **change), Feature(0, "x", "float64", (2,), False, ""))


def test_times_that_go_back_are_damage(tmp_path):
    bad = write(tmp_path / "a.vla", {"action": Written(np.zeros(3), [0, 200, 100])})
    with pytest.raises(DamagedFileError, match="action: times go back after value 1"):
        robodm.read(bad)


def test_damaged_files_of_a_folder_can_be_skipped(tmp_path):
    write(tmp_path / "0.vla", trajectory(2))
    write(tmp_path / "1.vla", {"action": Written(np.zeros(3), [0, 200, 100])})
    (tmp_path / "2.vla").write_bytes(b"nothing")
    with pytest.raises(DamagedFileError):
        robodm.read(tmp_path)
    with pytest.warns(TrajloomWarning, match=r"skipped a file: .*1\.vla.*; skipped a file: .*2\.vla"):
        assert steps(robodm.read(tmp_path, on_error="skip")).num_rows == 2


def test_matroska_of_others_is_none_of_it(tmp_path):
    import av

    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frames(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    assert not robodm.sniff(str(tmp_path / "film.mkv"))
    with pytest.raises(LayoutError, match="no stream with a FEATURE_NAME"):
        robodm.read(tmp_path / "film.mkv")


@pytest.mark.filterwarnings("ignore::trajloom.errors.TrajloomWarning")
def test_mutated_files_raise_errors_of_ours_alone(path):
    rng, good = random.Random(3), path.read_bytes()
    refused = 0
    for _ in range(100):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)
        try:
            steps(robodm.read(path))
        except TrajloomError:
            refused += 1
    assert 10 < refused < 100


def test_mutated_packets_raise_errors_of_ours_alone():
    rng, good = random.Random(5), batch(np.arange(20.0).reshape(10, 2), range(10))
    feature = Feature(0, "x", "float64", (2,), False, "")
    refused = 0
    for _ in range(1000):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            batches.times(bytes(data), feature)
            batches.values(bytes(data), feature)
        except TrajloomError:
            refused += 1
    assert 100 < refused < 1000
