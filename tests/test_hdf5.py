"""Reading HDF5: layouts, quirks, what becomes a column, and what is kept beside."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportOperatorIssue=false, reportArgumentType=false

import json
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, SchemaError, TrajloomWarning
from trajloom.formats import hdf5
from trajloom.formats.hdf5.source import Hdf5Source
from trajloom.tables import columns_of, rest_rows

ENV_ARGS = {"env_name": "Lift", "type": 1, "env_kwargs": {"control_freq": 20}}
SHARED = Path(__file__).parents[2] / "shared" / "data"


def make_demo(data: h5py.Group, name: str, length: int) -> h5py.Group:
    """A demonstration whose actions count up from its length."""
    demo = data.create_group(name)
    demo.attrs["num_samples"] = length
    demo["actions"] = np.arange(length * 2, dtype="f8").reshape(length, 2) + length
    demo["states"] = np.full((length, 3), float(length))
    demo["obs/x"] = np.arange(length, dtype="f4")
    return demo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Demonstrations 0, 2 and 10, of 3, 1 and 2 steps, in robomimic's layout."""
    path = tmp_path / "demos.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = 6
        data.attrs["env_args"] = json.dumps(ENV_ARGS)
        for number, length in [(0, 3), (2, 1), (10, 2)]:
            make_demo(data, f"demo_{number}", length)
        file["mask/train"] = np.array(["demo_0", "demo_10"], dtype="S")
    return path


def rest_of(source: Hdf5Source) -> dict[tuple[int | None, str], tuple]:
    rows = [row for part in source.parts() for batch in part.rest() for row in rest_rows(batch)]
    return {(row.episode_index, row.path): (row.dtype, row.shape) for row in rows}


def steps_of(source: Hdf5Source) -> dict[str, np.ndarray]:
    batches = [columns_of(batch, source.header) for part in source.parts() for batch in part.steps()]
    return {name: np.concatenate([b[name] for b in batches if name in b]) for name in batches[0]}


def column(source: Hdf5Source, name: str) -> list:
    return [value for part in source.parts() for value in part.episodes().column(name).to_pylist()]


# ---- layouts ---------------------------------------------------------------------------------------------------


def test_demonstrations_come_in_numeric_order_with_their_arrays(path):
    source = hdf5.read(path)
    assert column(source, "name") == ["demo_0", "demo_2", "demo_10"]
    assert column(source, "episode_index") == [0, 1, 2]
    assert column(source, "length") == [3, 1, 2]
    assert column(source, "splits") == [["train"], [], ["train"]]
    assert steps_of(source)["obs/x"].tolist() == [0, 1, 2, 0, 0, 1]
    assert steps_of(source)["actions"][:, 0].tolist() == [3, 5, 7, 1, 2, 4]


def test_the_environment_says_the_rate_and_so_the_time(path):
    source = hdf5.read(path)
    assert (source.header.env_args, source.header.control_hz) == (ENV_ARGS, 20.0)
    batch = next(iter(source.parts()[0].steps()))
    assert batch.column("timestamp").to_pylist()[:3] == [0.0, 0.05, 0.1]
    assert column(source, "task") == ["Lift"] * 3


def test_teleoperation_files_give_their_environment_too(tmp_path):
    with h5py.File(tmp_path / "demo.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs.update(env="Lift", env_info='{"robots": "Panda"}', repository_version="1.4.1")
        demo = data.create_group("demo_1")
        demo["actions"] = demo["states"] = np.zeros((2, 7))
    header = hdf5.read(tmp_path / "demo.hdf5").header
    wanted = {"env_name": "Lift", "env_version": "1.4.1", "type": 1, "env_kwargs": {"robots": "Panda"}}
    assert (header.env_args, header.control_hz, header.layout["kind"]) == (wanted, None, "robosuite")


def test_chosen_columns_come_in_the_order_asked_for(path):
    part = hdf5.read(path).parts()[0]
    assert next(iter(part.steps(["obs/x", "episode_index"]))).schema.names == ["obs/x", "episode_index"]
    with pytest.raises(SchemaError, match="obs/y"):
        list(part.steps(["obs/y"]))


def test_parts_are_whole_episodes_and_can_be_sent_to_another_process(path):
    whole, parts = hdf5.read(path), hdf5.read(path, part_bytes=1).parts()
    assert [part.num_episodes for part in parts] == [1, 1, 1]
    assert [part.num_steps for part in parts] == [3, 1, 2]
    sent = pickle.loads(pickle.dumps(parts[2]))
    assert sent.episodes().equals(parts[2].episodes())
    assert sent.episodes().equals(whole.parts()[0].episodes().slice(2))


@pytest.mark.parametrize("names", [[], ["model"], ["data/traj_0", "data/traj_1"]])
def test_other_layouts_are_refused_with_what_was_expected_and_found(names, tmp_path):
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        for name in names:
            file.create_group(name)
    assert hdf5.sniff(str(tmp_path / "other.hdf5"))
    found = ", ".join(repr(name.removeprefix("data/")) for name in names) or "nothing"
    with pytest.raises(LayoutError, match=f"expected a group `data`.*found {found}"):
        hdf5.read(tmp_path / "other.hdf5")


def test_what_is_no_hdf5_is_not_taken_for_it(tmp_path):
    (tmp_path / "text.hdf5").write_text("hello")
    assert not hdf5.sniff(str(tmp_path / "text.hdf5"))
    assert not hdf5.sniff(str(tmp_path))
    with pytest.raises(LayoutError, match="expected an HDF5 file"):
        hdf5.read(tmp_path / "text.hdf5")
    with pytest.raises(FileNotFoundError):
        hdf5.read(tmp_path / "absent.hdf5")


def test_a_file_behind_a_block_of_the_users_is_read(tmp_path):
    with h5py.File(tmp_path / "block.hdf5", "w", userblock_size=1024) as file:
        data = file.create_group("data")
        data.attrs["env_args"] = "{}"
        make_demo(data, "demo_0", 2)
    source = hdf5.read(tmp_path / "block.hdf5")
    assert steps_of(source)["actions"].tolist() == [[2.0, 3.0], [4.0, 5.0]]


# ---- quirks ----------------------------------------------------------------------------------------------------


def test_names_that_are_nearly_right_are_read_and_reported(tmp_path):
    with h5py.File(tmp_path / "quirks.hdf5", "w") as file:
        demo = file.create_group("data/demo1")
        demo["action"] = np.ones((2, 7))
    with pytest.warns(TrajloomWarning, match="named `action`") as caught:
        source = hdf5.read(tmp_path / "quirks.hdf5")
    assert "'demo1' rather than 'demo_<i>'" in str(caught[0].message)
    assert "no attribute `env_args`" in str(caught[0].message)
    assert [c.name for c in source.header.steps] == ["actions"]
    assert column(source, "name") == ["demo1"]


def test_counts_that_lie_are_kept_and_reported(path):
    with h5py.File(path, "a") as file:
        file["data"].attrs["total"] = 9666
        file["data/demo_2"].attrs["num_samples"] = 2
    with pytest.warns(TrajloomWarning, match="`total` says 9,666 steps; there are 6") as caught:
        source = hdf5.read(path)
    assert "`num_samples` is wrong in 1 of 3 episodes (demo_2: 2 for 1 steps)" in str(caught[0].message)
    assert len(source.header.warnings) == 2


def test_a_file_without_demonstrations_is_read(tmp_path):
    with h5py.File(tmp_path / "empty.hdf5", "w") as file:
        file.create_group("data").attrs["env_args"] = "{}"
    with pytest.warns(TrajloomWarning, match="no demonstration"):
        source = hdf5.read(tmp_path / "empty.hdf5")
    assert [(part.num_episodes, part.num_steps) for part in source.parts()] == [(0, 0)]
    assert list(source.parts()[0].steps()) == []


def test_env_args_that_are_no_json_are_kept_as_they_are(path):
    with h5py.File(path, "a") as file:
        file["data"].attrs["env_args"] = "not json"
    with pytest.warns(TrajloomWarning, match="`env_args` is no JSON object"):
        source = hdf5.read(path)
    assert source.header.env_args is None
    assert source.header.attrs["data"]["env_args"]["value"] == "not json"


# ---- columns ---------------------------------------------------------------------------------------------------


def test_arrays_of_another_length_go_to_rest_with_a_warning(path):
    with h5py.File(path, "a") as file:
        for demo in file["data"].values():
            demo["dones"] = np.zeros(len(demo["actions"]), "i8")
        del file["data/demo_0/dones"]
        file["data/demo_0/dones"] = np.zeros(11, "i8")
    with pytest.warns(TrajloomWarning, match=r"dones is no regular column in 1 of 3 episodes \(demo_0: shape \(11,\)"):
        source = hdf5.read(path)
    assert rest_of(source) == {(0, "dones"): ("<i8", (11,))}
    assert next(c for c in source.header.steps if c.name == "dones").nullable


def test_what_an_episode_lacks_is_null_there_never_zero(path):
    with h5py.File(path, "a") as file:
        file["data/demo_2/rewards"] = np.ones(1)
    source = hdf5.read(path)
    rewards = [v for p in source.parts() for b in p.steps() for v in b.column("rewards").to_pylist()]
    assert rewards == [None, None, None, 1.0, None, None]


def test_arrays_of_one_shape_in_all_episodes_are_columns_of_episodes(path):
    with h5py.File(path, "a") as file:
        for i, demo in enumerate(file["data"].values()):
            demo["initial_state/joints"] = np.full(7, i, "f4")
    source = hdf5.read(path)
    assert [(c.name, c.shape, c.dtype) for c in source.header.episodes] == [("initial_state/joints", (7,), "float32")]
    assert [joints[0] for joints in column(source, "initial_state/joints")] == [0, 2, 1]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (np.zeros(3, ">f8"), ">f8"),
        (np.zeros(3, "c16"), "<c16"),
        (np.array(["a", "b", "c"], "S2"), "|S2"),
        (np.zeros((3, 0)), "<f8"),
        (np.float64(1), "<f8"),
    ],
    ids=["big-endian", "complex", "text", "no columns", "scalar"],
)
def test_what_no_column_can_hold_goes_to_rest_exactly(values, name, path):
    with h5py.File(path, "a") as file:
        file["data/demo_0/odd"] = values
        file["data/demo_0"].create_group("hollow")
    source = _read_with_warnings(path)
    assert rest_of(source) == {(0, "odd"): (name, values.shape), (0, "hollow"): ("group", None)}


def _read_with_warnings(path: Path) -> Hdf5Source:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return hdf5.read(path)


def test_names_that_we_use_ourselves_are_kept_apart(path):
    with h5py.File(path, "a") as file:
        for demo in file["data"].values():
            n = len(demo["actions"])
            for name in ("episode_index", "timestamp", "subtask/robot0", "data/x"):
                demo[name] = np.zeros(n)
            demo["success"] = np.ones((3, 3))
    source = hdf5.read(path)
    names = {c.name for c in source.header.steps}
    assert {"data/episode_index", "data/timestamp", "data/subtask/robot0", "data/data/x"} <= names
    assert [c.name for c in source.header.episodes] == ["data/success"]
    assert set(column(source, "success")) == {None}


def test_attributes_keep_their_types(path):
    with h5py.File(path, "a") as file:
        file["data/demo_0/obs/x"].attrs["unit"] = np.bytes_(b"N")
        file["data/demo_0"].attrs["trial"] = np.int16(4)
        file["data/demo_0/obs"].attrs["rates"] = np.array([20.0, 40.0])
    attrs = json.loads(column(hdf5.read(path), "attrs")[0])
    assert attrs["obs/x"] == {"unit": {"dtype": "|S1", "value": "N"}}
    assert attrs[""]["trial"] == {"dtype": "<i2", "value": 4}
    assert attrs["obs"]["rates"] == {"dtype": "<f8", "shape": [2], "value": [20.0, 40.0]}


def test_long_episodes_come_in_slices(tmp_path):
    rows = 3000
    frames = np.arange(rows, dtype="i8")
    with h5py.File(tmp_path / "long.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = "{}"
        demo = data.create_group("demo_0")
        demo["actions"] = frames[:, None].astype("f8")
        demo["plain"] = np.broadcast_to(frames[:, None], (rows, 1000))
        demo.create_dataset("packed", data=np.broadcast_to(frames[:, None], (rows, 1000)), compression="lzf")
    source = hdf5.read(tmp_path / "long.hdf5")
    batches = list(source.parts()[0].steps())
    assert len(batches) > 2
    assert max(batch.nbytes for batch in batches) <= 17 << 20
    for name in ("plain", "packed"):
        assert np.array_equal(steps_of(source)[name][:, 7], frames)
    hdf5.write(source, tmp_path / "out.hdf5")
    assert hdf5.equal(tmp_path / "long.hdf5", tmp_path / "out.hdf5") == []


def test_large_odd_arrays_come_in_slices_too(tmp_path):
    rows = 3000
    with h5py.File(tmp_path / "long.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = "{}"
        demo = data.create_group("demo_0")
        demo["actions"] = np.zeros((5, 1))
        demo.create_dataset("odd", data=np.arange(rows * 1000, dtype=">f8").reshape(rows, 1000), chunks=True)
        demo.create_dataset("texts", data=["x" * (i % 5) for i in range(rows)], dtype=h5py.string_dtype())
    source = _read_with_warnings(tmp_path / "long.hdf5")
    batches = [batch for part in source.parts() for batch in part.rest()]
    assert max(batch.nbytes for batch in batches) <= 34 << 20
    assert sum(batch.num_rows for batch in batches) > 10
    hdf5.write(source, tmp_path / "out.hdf5")
    assert hdf5.equal(tmp_path / "long.hdf5", tmp_path / "out.hdf5") == []


# ---- models ----------------------------------------------------------------------------------------------------


def test_a_model_may_be_text_or_the_name_of_a_file_beside(path):
    (path.parent / "models").mkdir()
    (path.parent / "models" / "m.xml").write_text("<mujoco/>")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = "<mujoco/>"
        file["data/demo_2"].attrs["model_file"] = "m.xml"
        file["data/demo_10"].attrs["model_file"] = "gone.xml"
    source = hdf5.read(path)
    text, named, gone = column(source, "model")
    assert text == named
    assert gone is None
    assert dict(source.models()) == {text: "<mujoco/>"}


@pytest.mark.parametrize("name", ["../m.xml", "/etc/passwd", "..", "a/m.xml", "..\\m.xml"])
def test_a_model_name_that_leaves_the_folder_is_refused(name, path):
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = name
    with pytest.raises(HostileFileError, match="no plain file name"):
        hdf5.read(path).parts()[0].episodes()


def test_a_model_that_is_a_link_out_of_the_folder_is_refused(path):
    (path.parent / "secret").mkdir()
    (path.parent / "secret" / "s.xml").write_text("<secret/>")
    os.symlink(path.parent / "secret" / "s.xml", path.parent / "m.xml")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = "m.xml"
    with pytest.raises(HostileFileError, match="leads out"):
        hdf5.read(path).parts()[0].episodes()


def test_a_named_model_is_written_beside_the_data_again(path, tmp_path):
    (path.parent / "m.xml").write_text("<mujoco/>")
    with h5py.File(path, "a") as file:
        file["data/demo_0"].attrs["model_file"] = "m.xml"
    there, taken = tmp_path / "there", tmp_path / "taken"
    hdf5.write(hdf5.read(path), there / "out.hdf5")
    assert (there / "models" / "m.xml").read_text() == "<mujoco/>"
    assert hdf5.equal(path, there / "out.hdf5") == []
    (taken / "models").mkdir(parents=True)
    (taken / "models" / "m.xml").write_text("<other/>")
    with pytest.warns(TrajloomWarning, match="another model"):
        hdf5.write(hdf5.read(path), taken / "out.hdf5")
    with h5py.File(taken / "out.hdf5") as file:
        assert file["data/demo_0"].attrs["model_file"] == "<mujoco/>"


def test_a_file_that_changed_after_the_scan_is_not_read_as_if_it_had_not(path):
    part = hdf5.read(path).parts()[0]
    with h5py.File(path, "a") as file:
        make_demo(file["data"], "demo_11", 4)
    with pytest.raises(DamagedFileError, match="has changed since"):
        part.episodes()
