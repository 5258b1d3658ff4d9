"""Demonstrations one a group in Zarr, as Isaac Lab writes them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

import in_memory
from any_dataset import assert_same
from trajloom import formats, store
from trajloom.errors import DamagedFileError, TrajloomWarning
from trajloom.formats import zarr_demos


@pytest.mark.parametrize("name", ["zarr_demos", "zarr"])
def test_the_statistics_of_the_field_run_on_it(name, tmp_path, capsys):
    source = in_memory.source((3, 1, 4, 2))
    members = [replace(m, row={**m.row, "success": m.row["episode_index"] != 2}) for m in source.members]
    formats.write(name, replace(source, members=members), str(tmp_path / "dataset.zarr"))
    data = zarr.open(str(tmp_path / "dataset.zarr"), mode="r")
    print(f"Total demos: {len(data['data'])}")
    print(f"Success rate: {data.attrs['success_rate']}")
    said = capsys.readouterr().out
    assert "Success rate: 0.75" in said
    assert name == "zarr" or "Total demos: 4" in said
    unknown = [replace(m, row={**m.row, "success": None}) for m in source.members]
    formats.write(name, replace(source, members=unknown), str(tmp_path / "unknown.zarr"))
    assert zarr.open(str(tmp_path / "unknown.zarr"), mode="r").attrs["success_rate"] is None


def isaac_lab(path: Path, version: int) -> None:
    """12 demonstrations of 1 to 12 steps, the last without a column that the others have, and with one of its own."""
    root = zarr.open_group(str(path), mode="w", zarr_format=version)
    rng = np.random.default_rng(0)
    data = root.create_group("data")
    data.attrs.update(total=78, env_args=json.dumps({"env_name": "Isaac-Lift", "type": 2}))
    for i in range(12):
        demo, length = data.create_group(f"demo_{i}"), i + 1
        demo.attrs.update(num_samples=length, seed=i, success=i % 3 > 0, note={"i": i})
        arrays = {
            "actions": rng.normal(size=(length, 7)).astype("f4"),
            "obs/eef_pos": rng.normal(size=(length, 3)),
            "initial_state/robot/root_pose": rng.normal(size=(1, 7)),
            "odd": np.arange(i % 5 + 20),
        }
        if i == 11:
            arrays["own"] = arrays.pop("obs/eef_pos")[:, 0]
            demo.create_group("nothing")
        for name, values in arrays.items():
            demo.create_array(
                name, data=values, chunks=(min(4, len(values)) if i == 5 else len(values), *values.shape[1:])
            )
    root.create_array("loose", data=np.arange(3))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.filterwarnings("ignore:.*no regular column:trajloom.errors.TrajloomWarning")
def test_what_isaac_lab_wrote_is_read_and_written_as_it_was(version, tmp_path):
    path, again = tmp_path / "a.zarr", tmp_path / "b.zarr"
    isaac_lab(path, version)
    assert formats.find(str(path)).NAME == "zarr_demos"
    source = zarr_demos.read(path)
    assert source.lengths.tolist() == list(range(1, 13))
    assert [(c.name, c.nullable) for c in source.header.steps] == [
        ("actions", False),
        ("obs/eef_pos", True),
        ("own", True),
    ]
    assert [c.name for c in source.header.episodes] == ["initial_state/robot/root_pose"]
    assert source.parts()[0].episodes().column("seed").to_pylist() == list(range(12))
    store.write(source, str(tmp_path / "store"))
    zarr_demos.write(store.open_store(str(tmp_path / "store")), again)
    assert zarr_demos.equal(path, again) == []
    assert not (again / "trajloom").exists()


@pytest.mark.filterwarnings("ignore:.*no regular column:trajloom.errors.TrajloomWarning")
def test_it_is_written_also_after_episodes_were_dropped(tmp_path):
    isaac_lab(tmp_path / "a.zarr", 2)
    source = zarr_demos.read(tmp_path / "a.zarr")
    fewer = replace(
        source, lengths=source.lengths[:6], own={k: v[:6] for k, v in source.own.items()},
        absent={k: v[:6] for k, v in source.absent.items()},
    )  # fmt: skip
    zarr_demos.write(fewer, tmp_path / "b.zarr")
    root = zarr.open_group(str(tmp_path / "b.zarr"), mode="r")
    assert (len(root["data"]), root["data"].attrs["total"]) == (6, 21)
    assert np.array_equal(root["data/demo_5/actions"][:], zarr.open(str(tmp_path / "a.zarr"))["data/demo_5/actions"][:])
    assert_same(zarr_demos.read(tmp_path / "b.zarr"), fewer)


def test_demonstrations_with_damaged_metadata_can_be_left_out(tmp_path):
    zarr_demos.write(in_memory.source((2, 3, 1)), tmp_path / "a.zarr")
    shutil.rmtree(tmp_path / "a.zarr" / "trajloom")
    (tmp_path / "a.zarr" / "data" / "demo_1" / "actions" / ".zarray").write_text("{}")
    with pytest.raises(DamagedFileError, match=r"data/demo_1/actions/.zarray is no metadata of Zarr 2"):
        zarr_demos.read(tmp_path / "a.zarr")
    with pytest.warns(TrajloomWarning, match="demo_1 is left out"):
        source = zarr_demos.read(tmp_path / "a.zarr", on_error="skip")
    assert source.lengths.tolist() == [2, 1]


def test_the_rate_is_isaac_labs_too(tmp_path):
    env_args = {"env_name": "Isaac-Lift", "type": 2, "sim_args": {"dt": 0.01, "decimation": 2}}
    made = in_memory.source((2,))
    path = str(tmp_path / "demos.zarr")
    zarr_demos.write(replace(made, header=made.header.with_(env_args=env_args)), path)
    shutil.rmtree(tmp_path / "demos.zarr" / "trajloom")
    assert zarr_demos.read(path).header.control_hz == 50
