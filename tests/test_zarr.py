"""Zarr's replay buffers: what is written is read back, and what others wrote is written as it was."""

import json
import pickle
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

import in_memory
from any_dataset import assert_same
from conftest import SHARED_DATA
from trajloom import formats, store
from trajloom.errors import (
    DamagedFileError,
    HostileFileError,
    LayoutError,
    SettingsError,
    TrajloomError,
    TrajloomWarning,
)
from trajloom.formats import zarr as ours
from zarr_ways import each_way


def options(version: int) -> ours.WriteOptions:
    return ours.WriteOptions(zarr_version=version)


# ---- places ---------------------------------------------------------------------------------------------------


def test_a_dataset_goes_to_any_url(tmp_path):
    source = in_memory.source()
    for url in ("memory://z/out.zarr", "memory://z/out.zarr.zip", f"file://{tmp_path}/out.zarr"):
        ours.write(source, url, overwrite=True)
        assert formats.find(url).NAME == "zarr"
        assert_same(ours.read(url), source)
    ours.write(source, str(tmp_path / "x.zarr.zip"))
    assert_same(ours.read(f"zip://::{tmp_path}/x.zarr.zip"), source)


# ---- another's Zarr -> our store -> the same Zarr --------------------------------------------------------------


def wbc_mimic(path: Path, version: int = 2) -> None:
    """What Isaac Lab's WBCMimic writes: 2 episodes of 3 and 2 steps, one row an episode below initial_state."""
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    data, meta = root.create_group("data"), root.create_group("meta")
    rng = np.random.default_rng(0)

    def put(group, name, values):
        group.create_array(name, data=values, chunks=values.shape)

    put(data, "actions", rng.normal(size=(5, 7)).astype("f4"))
    put(data, "obs/images/camera_0", rng.integers(0, 256, (5, 4, 6, 3), dtype=np.uint8))
    put(data, "wbc_step", np.ones(5, bool))
    put(data, "initial_state/articulation/robot/root_pose", rng.normal(size=(2, 7)).astype("f4"))
    put(data, "obs/ragged", rng.normal(size=(9, 2)))
    put(meta, "episode_ends", np.array([3, 5]))
    put(meta, "camera_info/front/intrinsic", np.eye(3))
    if version == 2:
        put(meta, "episode_descriptions", np.array(["put the bowl away"], "U100"))
        put(meta, "env_names", np.array(["Isaac-UR5-v0"], "U50"))
        put(data, "big_endian", np.arange(5, dtype=">f4"))
    root.create_group("empty/group")
    env_args = json.dumps({"env_name": "Isaac-UR5-v0", "type": 2, "env_kwargs": {"control_freq": 50}})
    meta.attrs.update(total=5, env_args=env_args, seed_0=3, seed_1=4, success_0=True, success_1=False, more={"a": [1]})


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:.*no regular column:trajloom.errors.TrajloomWarning")
def test_a_buffer_of_wbc_mimic_is_read_and_written_as_it_was(version, tmp_path):
    path, again = tmp_path / "a.zarr", str(tmp_path / "b.zarr.zip")
    wbc_mimic(path, version)
    source = ours.read(path)
    names = [c.name for c in source.header.steps]
    assert names == ["actions", *(["big_endian"] * (version == 2)), "obs/images/camera_0", "wbc_step"]
    assert [c.name for c in source.header.episodes] == ["initial_state/articulation/robot/root_pose"]
    rows = source.parts()[0].episodes()
    assert (rows.column("seed").to_pylist(), rows.column("success").to_pylist()) == ([3, 4], [True, False])
    assert (source.header.control_hz, source.header.env_args["env_name"]) == (50.0, "Isaac-UR5-v0")
    store.write(source, str(tmp_path / "store"))
    ours.write(store.open_store(str(tmp_path / "store")), again)
    assert ours.equal(path, again) == []
    assert not any(name.startswith("trajloom") for name in zipfile.ZipFile(again).namelist())


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("name", ["pusht_first3", "pusht_cchi_v7_replay_noimg"])
def test_real_buffers_come_back_equal(name, tmp_path):
    original = str(SHARED_DATA / f"{name}.zarr")
    store.write(ours.read(original), str(tmp_path / "store"))
    ours.write(store.open_store(str(tmp_path / "store")), str(tmp_path / "out.zarr"))
    assert ours.equal(original, str(tmp_path / "out.zarr")) == []
    assert not (tmp_path / "out.zarr" / "trajloom").exists()


def test_filters_order_chunks_fill_values_and_consolidated_metadata_come_back(tmp_path):
    import numcodecs

    path, again = tmp_path / "a.zarr", tmp_path / "b.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    values = np.random.default_rng(0).normal(size=(6, 4))
    delta = [numcodecs.Delta("i4")]
    root.create_array("data/state", data=values, chunks=(4, 3), order="F", fill_value=np.nan, compressors=None)
    root.create_array("data/count", data=np.arange(6, dtype="i4"), chunks=(6,), filters=delta)
    root.create_array("meta/episode_ends", data=np.array([2, 6], "u4"), chunks=(100,), overwrite=True)
    zarr.consolidate_metadata(str(path))
    store.write(ours.read(path), str(tmp_path / "store"))
    ours.write(store.open_store(str(tmp_path / "store")), again)
    assert ours.equal(path, again) == []
    assert (again / ".zmetadata").exists()
    assert np.array_equal(zarr.open_consolidated(str(again))["data/state"][:], values)


def test_a_difference_is_seen(tmp_path):
    one, other = tmp_path / "a.zarr", tmp_path / "b.zarr"
    wbc_mimic(one)
    shutil.copytree(one, other)
    assert ours.equal(one, other) == []
    zarr.open_array(str(other), path="data/actions", mode="r+")[0, 0] = -1
    (other / "empty" / ".zattrs").unlink()
    about = json.loads((other / "meta" / "env_names" / ".zarray").read_text())
    (other / "meta" / "env_names" / ".zarray").write_text(json.dumps({**about, "order": "F"}))
    (other / "meta" / ".zattrs").write_text("{}")
    shutil.rmtree(other / "data" / "wbc_step")
    said = " | ".join(ours.equal(one, other))
    assert "data/wbc_step: only in one" in said
    assert "data/actions: the values differ" in said
    assert "empty: the attributes are {} and None" in said
    assert "meta/env_names: order is 'C' and 'F'" in said
    assert "meta: the attributes are" in said


# ---- what the field's own code does with it --------------------------------------------------------------------


def windows(root, horizon: int, key: str):
    """diffusion_policy's SequenceSampler, said again: windows that lie in one episode, found through episode_ends."""
    ends = root["meta"]["episode_ends"][:]
    assert ends.dtype == np.int64
    assert all(array.shape[0] == ends[-1] for _, array in root["data"].arrays())
    start = 0
    for end in ends:
        for first in range(start, end - horizon + 1):
            yield root["data"][key][first : first + horizon]
        start = end


@each_way
def test_diffusion_policy_finds_its_windows(way, tmp_path):
    source = in_memory.source((3, 1, 4, 2, 5))
    path = str(tmp_path / f"out{way[1]}")
    ours.write(source, path, options=options(way[0]))
    where = zarr.storage.ZipStore(path, mode="r") if way[1].endswith("zip") else path
    root = zarr.open_group(where, mode="r")
    assert root.attrs["success_rate"] == 1.0
    assert root["meta"].attrs["total"] == 15
    found = list(windows(root, 3, "action"))
    wanted = [m.columns["actions"][i : i + 3] for m in source.members for i in range(m.row["length"] - 2)]
    assert np.array_equal(found, wanted)
    image = np.concatenate([m.columns["obs/image"] for m in source.members])
    assert np.array_equal(root["data/obs/image"][:], image)
    assert np.isnan(root["data/obs/force"][3]).all()
    assert root["data/initial_state/states"].shape == (5, 6)


def test_version_and_compressor_can_be_chosen(tmp_path):
    path = str(tmp_path / "out.zarr")
    formats.write("zarr", in_memory.source(), path, options={"zarr_version": "3", "compressor": "none"})
    array = zarr.open_array(path, path="data/action", mode="r")
    assert (array.metadata.zarr_format, array.compressors) == (3, ())
    with pytest.raises(SettingsError, match=r"zarr_version must be 2 or 3, got 4"):
        ours.WriteOptions(zarr_version=4)
    with pytest.raises(SettingsError, match=r"compressor must be one of blosc-zstd, none"):
        ours.WriteOptions(compressor="gz")


def test_batches_of_any_size_read_each_file_once(tmp_path):
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    values = np.arange(100 * 3, dtype="f8").reshape(100, 3)
    root.create_array("data/action", data=values, chunks=(16, 3))
    root.create_array("meta/episode_ends", data=np.array([7, 30, 31, 100]))
    source = replace(ours.read(path), part_bytes=1)
    reads: list[str] = []
    tree = source.rows.tree
    read = type(tree).read
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tree), "read", lambda self, key: (reads.append(key), read(self, key))[1])
        found = [b.column("actions").storage.flatten() for part in source.parts() for b in part.steps(["actions"])]
    assert np.array_equal(np.concatenate(found).reshape(-1, 3), values)
    chunks = [key for key in reads if key.startswith("data/action/") and not key.endswith((".zarray", ".zattrs"))]
    assert sorted(chunks) == sorted(f"data/action/{i}.0" for i in range(7))


# ---- edited since ----------------------------------------------------------------------------------------------


def test_a_buffer_that_was_edited_in_our_tables_is_still_written(tmp_path):
    wbc_mimic(tmp_path / "a.zarr", 3)
    with pytest.warns(TrajloomWarning, match="no regular column"):
        source = ours.read(tmp_path / "a.zarr")
    steps = tuple(
        replace(c, unit="m") if c.name == "actions" else c for c in source.header.steps if c.name != "wbc_step"
    )
    edited = replace(source, header=source.header.with_(steps=steps), lengths=source.lengths[:1])
    ours.write(edited, str(tmp_path / "b.zarr"))
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    assert root["meta/episode_ends"][:].tolist() == [3]
    assert {key: value for key, value in root["meta"].attrs.items() if key[-2:] in ("_0", "_1") or key == "total"} == {
        "total": 3, "seed_0": 3, "success_0": True,
    }  # fmt: skip
    assert "wbc_step" not in root["data"]
    with pytest.warns(TrajloomWarning, match="no regular column"):
        back = ours.read(tmp_path / "b.zarr")
    assert_same(back, edited)


def test_a_buffer_can_change_its_version_and_lose_nothing(tmp_path):
    wbc_mimic(tmp_path / "a.zarr", 2)
    with pytest.warns(TrajloomWarning, match="no regular column"):
        source = ours.read(tmp_path / "a.zarr")
    ours.write(source, tmp_path / "b.zarr", options=options(3))
    assert zarr.open_array(str(tmp_path / "b.zarr"), path="data/actions", mode="r").metadata.zarr_format == 3
    assert_same(ours.read(tmp_path / "b.zarr"), source)
    ours.write(ours.read(tmp_path / "b.zarr"), tmp_path / "c.zarr", options=options(2))
    assert ours.equal(tmp_path / "a.zarr", tmp_path / "c.zarr") == []


# ---- files that mean harm --------------------------------------------------------------------------------------


@pytest.fixture
def buffer(tmp_path) -> Path:
    """5 steps in 2 episodes, without anything of ours."""
    path = tmp_path / "a.zarr"
    root = zarr.open_group(str(path), mode="w", zarr_format=2)
    root.create_array("data/action", data=np.arange(10.0).reshape(5, 2), chunks=(5, 2))
    root.create_array(
        "data/img", data=np.zeros((5, 4, 4, 3), "u1"), chunks=(2, 4, 4, 3), config={"write_empty_chunks": True}
    )
    root.create_array("meta/episode_ends", data=np.array([3, 5]), chunks=(2,))
    return path


def edit(path: Path, key: str, **changes) -> None:
    about = json.loads((path / key).read_text())
    (path / key).write_text(json.dumps({**about, **changes}))


def read_all(path) -> None:
    for part in ours.read(path).parts():
        list(part.steps())
        part.episodes()
        list(part.rest())


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemError('unpickled')",))


def test_pickles_are_refused_and_other_objects_kept_as_they_lie(buffer, tmp_path):
    names = buffer / "meta" / "names"
    names.mkdir()
    about = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C", "fill_value": None}
    (names / ".zarray").write_text(json.dumps({**about, "compressor": None, "filters": [{"id": "pickle"}]}))
    (names / "0").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(HostileFileError, match=r"meta/names holds pickled objects, which are never loaded"):
        ours.read(buffer)
    edit(buffer, "meta/names/.zarray", filters=[{"id": "vlen-utf8"}])
    source = ours.read(buffer)
    assert [row["path"] for b in source.parts()[0].rest() for row in b.to_pylist()] == ["meta/names/0"]
    ours.write(source, tmp_path / "b.zarr")
    assert ours.equal(buffer, tmp_path / "b.zarr") == []


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([5, 3], "falls from 5 to 3 at episode 1"),
        ([-1, 5], "ends are counts of steps"),
        ([3, 9], "has 5 rows where the episodes end at 9"),
    ],
)
def test_ends_that_cannot_be_are_refused(buffer, ends, said):
    zarr.open_array(str(buffer), path="meta/episode_ends", mode="r+")[:] = np.array(ends)
    with pytest.raises(DamagedFileError, match=said):
        ours.read(buffer)


@pytest.mark.parametrize(
    ("key", "changes", "said"),
    [
        ("meta/episode_ends", {"shape": [10**12]}, "takes 500,000,000,000 files; 1 are there"),
        ("data/action", {"shape": [-5, 2]}, "absurd shape"),
        ("data/action", {"shape": [10**15, 10**15]}, "absurd shape"),
        ("data/action", {"chunks": [0, 2]}, "absurd shape"),
        ("data/img", {"chunks": [10**9, 4, 4, 3]}, "more than 536,870,912 bytes each"),
        ("data/img", {"shape": [7, 10**9]}, "is not what an array's must be"),
        ("data/img", {"shape": [7, 10**3, 10**3, 10**3]}, "an array that is no column may have at most"),
        ("data/img", {"shape": [5, 10**3, 10**3, 10**3]}, "a row of shape"),
        ("data/img", {"compressor": {"id": "evil"}}, "encoded with evil, which we do not read"),
        ("data/img", {"dtype": "garbage"}, "is not what an array's must be"),
        ("data/img", {"zarr_format": 7}, "no metadata of Zarr 2"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_is_refused(buffer, key, changes, said):
    edit(buffer, f"{key}/.zarray", **changes)
    with pytest.raises(TrajloomError, match=said):
        ours.read(buffer)


def test_what_unpacks_to_more_than_a_chunk_is_refused(buffer):
    import numcodecs

    chunk = buffer / "data" / "action" / "0.0"
    edit(buffer, "data/action/.zarray", compressor={"id": "blosc", "cname": "zstd", "clevel": 1, "shuffle": 1})
    chunk.write_bytes(numcodecs.Blosc("zstd").encode(np.zeros(1 << 20)))
    with pytest.raises(HostileFileError, match=r"data/action/0.0 unpacks to 8,388,608 bytes, for a chunk of 80"):
        read_all(buffer)
    chunk.write_bytes(bytes(100_000))
    with pytest.raises(HostileFileError, match=r"data/action/0.0 has 100,000 bytes, for a chunk of 80"):
        read_all(buffer)


def test_what_lies_outside_is_never_read(buffer, tmp_path):
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "0").write_bytes(b"secret")
    shutil.rmtree(buffer / "data" / "img")
    (buffer / "data" / "img").symlink_to(outside)
    with pytest.raises(HostileFileError, match=r"data/img leads out of the folder"):
        ours.read(buffer)
    (buffer / "data" / "img").unlink()
    (buffer / "data" / "action" / "0.0").unlink()
    (buffer / "data" / "action" / "0.0").symlink_to(outside / "0")
    with pytest.raises(HostileFileError, match=r"data/action/0.0 leads out of the folder"):
        read_all(buffer)


def test_a_zip_file_that_names_files_outside_is_refused(buffer, tmp_path):
    packed = str(tmp_path / "a.zarr.zip")
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(p for p in buffer.rglob("*") if p.is_file()):
            file.write(path, str(path.relative_to(buffer)))
        file.writestr("data/../../x", b"")
    with pytest.raises(HostileFileError, match=r"its member 'data/../../x' lies outside of it"):
        ours.read(packed)


def test_what_is_damaged_is_said_with_its_place(buffer):
    with pytest.raises(LayoutError, match="is no replay buffer"):
        ours.read(buffer / "data")
    chunk = buffer / "data" / "img" / "1.0.0.0"
    chunk.write_bytes(b"\2\1\1\1" + bytes(40))
    with pytest.raises(DamagedFileError, match=r"a.zarr: data/img: rows 0 to 5 cannot be decoded"):
        read_all(buffer)
    chunk.unlink()
    with pytest.warns(TrajloomWarning, match="img: 1 of 3 files are absent"):
        read_all(buffer)
    (buffer / "data" / "action" / ".zarray").write_text("{")
    with pytest.raises(DamagedFileError, match=r"data/action/.zarray is no JSON"):
        ours.read(buffer)
