"""Zarr, both layouts: what is written is natural to its users, and everything comes back."""

import hashlib
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import any_dataset
import in_memory
from any_dataset import assert_same
from conftest import SHARED_DATA
from trajloom import formats, store
from trajloom.dataset import read
from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomError
from trajloom.formats import hdf5, zarr, zarr_demos
from trajloom.formats._zarr.draft import WriteOptions
from trajloom.tables import Rest

library = pytest.importorskip("zarr")
LIFT = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
BUFFERS = ["pusht_first3.zarr", "pusht_cchi_v7_replay_noimg.zarr"]
real = pytest.mark.skipif(not SHARED_DATA.exists(), reason="../shared/data is absent")
UR5 = (("actions", 7, 7), ("obs/joint_pos", 7, 6), ("initial_state/articulation/root_pose", 3, 7))
MODULES = {"zarr": zarr, "zarr_demos": zarr_demos}


@pytest.fixture(params=MODULES)
def module(request):
    return MODULES[request.param]


@pytest.mark.parametrize(("version", "suffix"), [(2, ".zarr"), (3, ".zarr"), (2, ".zarr.zip"), (3, ".zarr.zip")])
@pytest.mark.parametrize("name", MODULES)
def test_any_dataset_comes_back(name, version, suffix, tmp_path_factory):
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(source=any_dataset.datasets(max_episodes=3, max_steps=4))
    def law(source):
        folder = tmp_path_factory.mktemp("zarr")
        path = str(folder / f"out{suffix}")
        formats.write(name, source, path, options={"zarr_version": version})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_same(formats.read(name, path), source)
        shutil.rmtree(folder)

    law()


def test_a_generated_dataset_comes_back(module, tmp_path):
    xml = "<mujoco/>"
    source = in_memory.generated(
        [1, 4, 7], 9, xml={hashlib.sha256(xml.encode()).hexdigest(): xml},
        rest_rows=[Rest("a", "<f8", (), bytes(8)), Rest("b", "<f8", (), bytes(8), 7)],
    )  # fmt: skip
    module.write(source, tmp_path / "out.zarr")
    assert_same(module.read(tmp_path / "out.zarr"), source)


def test_the_shipped_demonstrations_come_back_as_an_equal_file(module, tmp_path):
    path, back = tmp_path / "out.zarr", tmp_path / "back.hdf5"
    module.write(hdf5.read(LIFT), path)
    hdf5.write(module.read(path), back)
    assert hdf5.equal(LIFT, back) == []


@real
@pytest.mark.shared_data
@pytest.mark.parametrize("name", BUFFERS)
def test_real_buffers_come_back_equal_through_our_store(name, tmp_path):
    first = str(SHARED_DATA / name)
    store.write(zarr.read(first), str(tmp_path / "store"))
    read(tmp_path / "store").write(tmp_path / "back.zarr")
    assert zarr.equal(first, str(tmp_path / "back.zarr")) == []
    assert not (tmp_path / "back.zarr" / "trajloom").exists()


@real
@pytest.mark.shared_data
def test_a_real_buffer_is_what_the_library_says_it_is():
    theirs = library.open_group(str(SHARED_DATA / BUFFERS[0]), mode="r")
    data = read(SHARED_DATA / BUFFERS[0])
    ends = theirs["meta/episode_ends"][:]
    assert data.episodes().collect()["length"].to_list() == np.diff(ends, prepend=0).tolist()
    for i, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        episode = data.episode(i)
        np.testing.assert_array_equal(episode["actions"], theirs["data/action"][start:stop])
        np.testing.assert_array_equal(episode["img"], theirs["data/img"][start:stop])


def test_diffusion_policy_indexes_it(tmp_path):
    # its ReplayBuffer slices every array of `data` at `episode_ends`; its sampler pads sequences inside an episode
    zarr.write(in_memory.source((3, 1, 4)), tmp_path / "out.zarr")
    root = library.open_group(str(tmp_path / "out.zarr"), mode="r", zarr_format=2)
    ends = root["meta"]["episode_ends"][:]
    assert ends.dtype == np.int64
    assert {root["data"]["action"].shape[0], root["data"]["obs"]["image"].shape[0]} == {ends[-1]}
    sequences = [(max(start, i), min(i + 2, stop)) for start, stop in zip([0, *ends[:-1]], ends, strict=True)
                 for i in range(start - 1, stop)]  # fmt: skip
    assert [root["data"]["action"][a:b, 1].tolist() for a, b in sequences][3] == [0.0]
    assert root.attrs["success_rate"] == 1.0
    assert json.loads(root["meta"].attrs["env_args"])["env_name"] == "Lift"


def test_the_seeds_statistics_run(tmp_path):
    zarr_demos.write(in_memory.source((3, 1, 4)), tmp_path / "dataset.zarr")
    data = library.open(str(tmp_path / "dataset.zarr"), mode="r")
    assert len(data["data"]) == 3
    assert f"{data.attrs['success_rate']}" == "1.0"
    assert data["data/demo_2"].attrs["num_samples"] == 4
    assert data["data/demo_1"]["initial_state/states"][:].tolist() == (np.arange(6.0) + 1).tolist()


def ur5(path: Path) -> None:
    """The layout of UR5 / WBCMimic, as its reference says."""
    root = library.open_group(str(path), mode="w", zarr_format=2)
    data, meta = root.create_group("data"), root.create_group("meta")
    for name, rows, width in UR5:
        array = data.create_array(name, shape=(rows, width), dtype="float32", chunks=(2, width))
        array[:] = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
    meta.create_array("episode_ends", data=np.array([2, 3, 7]))
    meta.create_array("env_names", data=np.array(["ur5"], dtype="U50"))
    meta.attrs.update(total=7, env_args=json.dumps({"env_name": "UR5", "type": 2}), success_0=True, success_1=False)
    root.attrs["success_rate"] = 0.5


def test_ur5_buffers_are_read_and_come_back_equal(tmp_path):
    ur5(tmp_path / "ur5.zarr")
    data = read(tmp_path / "ur5.zarr")
    assert data.episodes().collect()["success"].to_list() == [True, False, None]
    assert data.header.env_args == {"env_name": "UR5", "type": 2}
    assert data.episode(1)["initial_state"]["articulation"]["root_pose"].tolist() == list(range(7, 14))
    store.write(data.source, str(tmp_path / "store"))
    read(tmp_path / "store").write(tmp_path / "back.zarr")
    assert zarr.equal(str(tmp_path / "ur5.zarr"), str(tmp_path / "back.zarr")) == []


def isaac(path: Path, version: int) -> None:
    """Isaac Lab's layout in Zarr, with an array that is ragged and one that only some demonstrations have."""
    root = library.open_group(str(path), mode="w", zarr_format=version)
    data = root.create_group("data")
    data.attrs.update(total=7, env_args="{}")
    for i, n in enumerate((3, 4)):
        demo = data.create_group(f"demo_{i}")
        demo.attrs.update(num_samples=n, seed=i, success=bool(i))
        shapes = {
            "actions": (n, 7),
            "obs/eef_pos": (n, 3),
            "initial_state/robot/root_pose": (1, 7),
            "ragged": (5 + i, 2),
        }
        for name, shape in {**shapes, **({"obs/extra": (n, 2)} if i else {})}.items():
            array = demo.create_array(name, shape=shape, dtype="float64", chunks=(2, *shape[1:]))
            array[...] = np.random.default_rng(i).normal(size=shape)


@pytest.mark.parametrize("version", [2, 3])
def test_isaac_labs_layout_is_read_and_comes_back_equal(version, tmp_path):
    isaac(tmp_path / "demos.zarr", version)
    with pytest.warns(match="ragged is no regular column"):
        data = read(tmp_path / "demos.zarr")
    assert data.header.layout["format"] == "zarr_demos"
    assert data.episodes().collect()["success"].to_list() == [False, True]
    assert "extra" not in data.episode(0)["obs"]
    store.write(data.source, str(tmp_path / "store"))
    read(tmp_path / "store").write(tmp_path / "back.zarr", to="zarr_demos")
    assert zarr_demos.equal(str(tmp_path / "demos.zarr"), str(tmp_path / "back.zarr")) == []


def test_equal_finds_what_differs(tmp_path):
    ur5(tmp_path / "a.zarr")
    shutil.copytree(tmp_path / "a.zarr", tmp_path / "b.zarr")
    library.open_group(str(tmp_path / "b.zarr"), mode="r+")["data/actions"][3, 2] = -1
    library.open_group(str(tmp_path / "b.zarr"), mode="r+").attrs["more"] = 1
    said = zarr.equal(str(tmp_path / "a.zarr"), str(tmp_path / "b.zarr"))
    assert any("data/actions: values differ" in one for one in said)
    assert any("the root" in one for one in said)


# ---- hostile files ---------------------------------------------------------------------------------------------


@pytest.fixture
def buffer(tmp_path) -> Path:
    ur5(tmp_path / "ur5.zarr")
    return tmp_path / "ur5.zarr"


def change(path: Path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_pickles_are_never_run(buffer):
    change(buffer / "data/actions/.zarray", dtype="|O", filters=[{"id": "pickle", "protocol": 5}])
    with pytest.raises(HostileFileError, match="data/actions: elements of type"):
        zarr.read(buffer)
    change(buffer / "data/actions/.zarray", dtype="<f4")
    with pytest.raises(HostileFileError, match="codec 'pickle' is not one of those of numbers"):
        zarr.read(buffer)


def test_absurd_sizes_are_refused_before_anything_is_allocated(buffer):
    for name in ("data/actions", "data/obs/joint_pos"):
        change(buffer / name / ".zarray", shape=[10**12, 7])
    ends = library.open_group(str(buffer), mode="r+")["meta/episode_ends"]
    ends[:] = [1, 2, 10**12]
    with pytest.raises(HostileFileError, match=r"says that it holds 5[0-9,]+ bytes"):
        zarr.read(buffer)
    change(buffer / "data/actions/.zarray", chunks=[10**12, 7])
    with pytest.raises(HostileFileError, match="says that a chunk takes"):
        zarr.read(buffer)


def test_episode_ends_must_rise_and_agree(buffer):
    ends = library.open_group(str(buffer), mode="r+")["meta/episode_ends"]
    ends[:] = [5, 3, 7]
    with pytest.raises(DamagedFileError, match="must not fall; episode 1 ends at 3"):
        zarr.read(buffer)
    ends[:] = [2, 3, 9]
    with pytest.raises(DamagedFileError, match="ends at 9, where the arrays have 3, 7 rows"):
        zarr.read(buffer)


def test_links_and_broken_metadata_are_refused(buffer, tmp_path):
    (buffer / "data/away").symlink_to(tmp_path)
    with pytest.raises(HostileFileError, match="data/away is a link"):
        zarr.read(buffer)
    (buffer / "data/away").unlink()
    (buffer / "data/actions/.zarray").write_text("{")
    with pytest.raises(DamagedFileError, match="is no JSON"):
        zarr.read(buffer)
    ur5(tmp_path / "other.zarr")
    with pytest.raises(LayoutError, match="expected groups data/demo_<i>"):
        zarr_demos.read(tmp_path / "other.zarr")


def test_a_damaged_chunk_is_named(buffer):
    for chunk in (buffer / "data/actions").glob("[0-9]*"):
        chunk.write_bytes(b"\0\1")
    with pytest.raises(DamagedFileError, match="data/actions cannot be read"):
        list(zarr.read(buffer).parts()[0].steps())


def test_only_errors_of_ours_come_out_of_damaged_files(module, tmp_path):
    sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
    from fuzz import mutate

    module.write(in_memory.source((3, 1)), tmp_path / "first.zarr", options=WriteOptions(zarr_version=3))
    for case in range(25):
        target = tmp_path / f"{case}.zarr"
        shutil.copytree(tmp_path / "first.zarr", target)
        mutate(target, np.random.default_rng(case))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                for part in module.read(target).parts():
                    part.episodes()
                    list(part.steps())
                    list(part.rest())
            except TrajloomError:
                pass
