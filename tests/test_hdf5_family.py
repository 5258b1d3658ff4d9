"""Files of Isaac Lab, SimScaleAI and DataAug Platform: read as what they are, and written as they were."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false

import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import foreign_hdf5
import in_memory
from any_dataset import assert_same, rows_of
from trajloom import formats, store
from trajloom.errors import TrajloomError, TrajloomWarning, UnknownNameError
from trajloom.formats import hdf5, isaaclab, simscaleai

LAYOUTS = ["isaaclab", "simscaleai", "dataaug"]


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def made(layout: str, tmp_path: Path) -> Path:
    """A file of 4, 1 and 3 steps as the layout's own tools write it."""
    path = tmp_path / "made.hdf5"
    getattr(foreign_hdf5, layout)(path)
    return path


def columns(path: Path) -> dict[str, Any]:
    header = formats.find(str(path)).read(str(path)).header
    return {column.name: column for column in (*header.steps, *header.episodes)}


def test_a_file_is_found_to_be_what_it_is(layout, made, tmp_path):
    # without metadata there is nothing to tell DataAug Platform's files by
    assert ("hdf5" if layout == "dataaug" else layout) == formats.find(str(made)).NAME
    hdf5.write(in_memory.source(), tmp_path / "robomimic.hdf5")
    assert formats.find(str(tmp_path / "robomimic.hdf5")).NAME == "hdf5"


@pytest.mark.parametrize("through_store", [False, True])
def test_a_file_comes_back_equal(layout, made, through_store, tmp_path):
    source = formats.read(layout, str(made))
    if through_store:
        store.write(source, str(tmp_path / "store"))
        source = store.open_store(str(tmp_path / "store"))
    formats.write(layout, source, str(tmp_path / "again.hdf5"))
    assert hdf5.equal(made, tmp_path / "again.hdf5") == []


@pytest.mark.parametrize(("layout", "other"), [(a, b) for a in LAYOUTS for b in ("hdf5", *LAYOUTS) if a != b])
def test_a_file_comes_back_equal_through_another_layout(layout, other, tmp_path):
    made = tmp_path / "made.hdf5"
    getattr(foreign_hdf5, layout)(made)
    source = formats.read(layout, str(made))
    formats.write(other, source, str(tmp_path / "other.hdf5"))
    back = formats.read(other, str(tmp_path / "other.hdf5"))
    assert_same(back, source)
    formats.write(layout, back, str(tmp_path / "again.hdf5"))
    assert hdf5.equal(made, tmp_path / "again.hdf5") == []


@pytest.mark.parametrize("layout", ["hdf5", *LAYOUTS])
def test_generated_datasets_come_back(layout, tmp_path):
    source = in_memory.generated([1, 4, 7, 8, 12], 14)
    formats.write(layout, source, str(tmp_path / "a.hdf5"))
    assert_same(formats.find(str(tmp_path / "a.hdf5")).read(str(tmp_path / "a.hdf5")), source)


def test_parts_can_be_sent_to_another_process(layout, tmp_path):
    formats.write(layout, in_memory.source(), str(tmp_path / "a.hdf5"))
    source = formats.read(layout, str(tmp_path / "a.hdf5"))
    sent = pickle.loads(pickle.dumps(source.parts()))
    batches = [batch for part in sent for batch in part.steps(["actions"])]
    assert sum(batch.num_rows for batch in batches) == 15


def test_random_damage_ends_in_an_error_of_ours_or_in_data(layout, tmp_path):
    path = tmp_path / "a.hdf5"
    formats.write(layout, in_memory.source((2, 1)), str(path))
    whole = path.read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 30)):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrajloomWarning)
            try:
                source = formats.read(layout, str(path))
                for table in ("steps", "episodes", "attempts", "rest"):
                    rows_of(source, table)
                dict(source.models())
            except TrajloomError:
                pass


def test_urls_are_read_and_written(layout, tmp_path):
    source = in_memory.source()
    formats.write(layout, source, f"memory://family/{layout}.hdf5")
    assert layout == formats.find(f"memory://family/{layout}.hdf5").NAME
    assert_same(formats.read(layout, f"memory://family/{layout}.hdf5"), source)


# ---- Isaac Lab -------------------------------------------------------------------------------------------------


def test_isaac_labs_states_are_after_the_step_and_its_initial_state_is_one_row(tmp_path):
    foreign_hdf5.isaaclab(tmp_path / "a.hdf5", lengths=(1, 1, 1))
    source = isaaclab.read(tmp_path / "a.hdf5")
    found = columns(tmp_path / "a.hdf5")
    assert found["states/articulation/robot/joint_position"].when == "after"
    assert found["processed_actions"].when == "after"
    assert found["obs/eef_pos"].when == "before"
    assert found["obs/datagen_info/eef_pose/franka"].rotation == "matrix"
    names = {column.name for column in source.header.episodes}
    assert "initial_state/rigid_object/cube_1/root_pose" in names
    assert source.header.control_hz == 50
    assert [row["seed"] for row in rows_of(source, "episodes").to_pylist()] == [5, 6, 7]
    assert [row["success"] for row in rows_of(source, "episodes").to_pylist()] == [True, False, True]


@pytest.mark.parametrize(("version", "order"), [(None, "wxyz"), (0, "wxyz"), (1, "xyzw")])
def test_isaac_labs_version_says_the_order_of_quaternions(version, order, tmp_path):
    foreign_hdf5.isaaclab(tmp_path / "a.hdf5", version=version)
    for name in ("states/articulation/robot/root_pose", "initial_state/rigid_object/cube_1/root_pose"):
        assert columns(tmp_path / "a.hdf5")[name].rotation == order


def test_quaternions_that_the_version_does_not_say_are_kept_aside(tmp_path):
    foreign_hdf5.isaaclab(tmp_path / "a.hdf5")
    source = isaaclab.read(tmp_path / "a.hdf5")
    store.write(source, str(tmp_path / "store"))
    stored = store.open_store(str(tmp_path / "store"))
    odd = "states/articulation/robot/root_pose"
    steps = tuple(
        replace(c, rotation="wxyz") if c.name == odd else c for c in stored.header.steps
    )  # fmt: skip
    mixed = in_memory.Reheaded(stored, stored.header.with_(steps=steps, layout={}))
    isaaclab.write(mixed, tmp_path / "b.hdf5")
    with h5py.File(tmp_path / "b.hdf5") as file:
        assert file.attrs["format_version"] == 1
        assert list(file["data/demo_0/states/articulation/robot"]) == [
            "joint_position", "joint_velocity", "root_velocity",
        ]  # fmt: skip
    assert_same(isaaclab.read(tmp_path / "b.hdf5"), mixed)


def test_any_dataset_becomes_what_isaac_lab_reads(tmp_path):
    isaaclab.write(in_memory.source(), tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert file.attrs["format_version"] == 1
        assert file["data"].attrs["total"] == 15
        assert '"env_name": "Lift"' in file["data"].attrs["env_args"]
        demo = file["data/demo_2"]
        assert (demo.attrs["num_samples"], demo.attrs["success"]) == (4, True)
        assert demo["actions"].compression == "gzip"
        assert demo["obs/pose"].shape == (4, 4, 4)


# ---- SimScaleAI ------------------------------------------------------------------------------------------------


def reading_generated_data(path: Path) -> tuple[int, int, int, list[str]]:
    """SimScaleAI's own example, "Reading Generated Data"."""
    with h5py.File(path, "r") as f:
        ep = f["episode_0"]
        return len(f.keys()), ep["actions"].shape[0], ep["actions"].shape[1], list(ep["observations"].keys())


def test_the_documents_example_reads_what_we_write(tmp_path):
    simscaleai.write(in_memory.source(), tmp_path / "a.h5", options=simscaleai.WriteOptions(names="episode_0"))
    assert reading_generated_data(tmp_path / "a.h5") == (5, 3, 3, ["force", "image", "pose"])
    assert_same(simscaleai.read(tmp_path / "a.h5"), in_memory.source())


def test_episodes_can_be_named_as_the_documents_say_it(tmp_path):
    foreign_hdf5.simscaleai(tmp_path / "a.h5")
    source = simscaleai.read(tmp_path / "a.h5")
    simscaleai.write(source, tmp_path / "b.h5", options=simscaleai.WriteOptions(names="episode_0"))
    foreign_hdf5.simscaleai(tmp_path / "c.h5", names="episode_{}")
    assert hdf5.equal(tmp_path / "b.h5", tmp_path / "c.h5") == []
    with pytest.raises(UnknownNameError, match="episode_00000"):
        simscaleai.WriteOptions(names="demo")  # type: ignore[arg-type]


def test_observations_are_obs_and_the_environment_is_the_task(tmp_path):
    foreign_hdf5.simscaleai(tmp_path / "a.h5")
    source = simscaleai.read(tmp_path / "a.h5")
    assert [c.name for c in source.header.steps] == ["actions", "obs/ee_pos", "obs/joint_pos", "rewards"]
    assert {row["task"] for row in rows_of(source, "episodes").to_pylist()} == {"reach"}
    assert rows_of(source, "episodes").column("name").to_pylist()[1] == "episode_00001"


# ---- DataAug Platform ------------------------------------------------------------------------------------------


def load_hdf5_group(group: Any) -> dict[str, Any]:
    """What DataAug Platform does to a demonstration: nested dicts of arrays."""
    return {k: load_hdf5_group(v) if isinstance(v, h5py.Group) else v[()] for k, v in group.items()}


def test_dataaugs_scalars_are_one_an_episode_and_success_is_known(tmp_path):
    foreign_hdf5.dataaug(tmp_path / "a.hdf5")
    source = formats.read("dataaug", str(tmp_path / "a.hdf5"))
    episodes = rows_of(source, "episodes").to_pylist()
    assert [row["success"] for row in episodes] == [True, False, True]
    assert [row["src_demo_inds"] for row in episodes] == [[0, 1]] * 3


def test_dataaug_loads_what_we_write_and_finds_no_attributes(tmp_path):
    formats.write("dataaug", in_memory.generated([1, 3], 5), str(tmp_path / "a.hdf5"))
    with h5py.File(tmp_path / "a.hdf5") as file:
        trajectories = [load_hdf5_group(file["data"][name]) for name in file["data"]]
        attrs = [dict(file["data"].attrs)]
        file["data"].visititems(lambda _, item: attrs.append(dict(item.attrs)))
        assert not any(attrs)
    assert len(trajectories) == 2
    assert sorted(trajectories[0]) == ["actions", "dones", "initial_state", "obs", "rewards"]
    assert trajectories[0]["obs"]["pose"].shape == (4, 4, 4)
