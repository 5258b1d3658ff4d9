"""Any dataset as HDF5 and back is the same dataset, bit for bit."""


# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportArgumentType=false, reportOperatorIssue=false, reportGeneralTypeIssues=false

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import any_dataset
import in_memory
from any_dataset import assert_same, rows_of
from conftest import examples
from trajloom import formats
from trajloom.errors import TrajloomWarning
from trajloom.formats import Source
from trajloom.schema import Column, Header
from trajloom.tables import Rest

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
LAYOUTS = ["hdf5", "isaaclab", "simscaleai", "dataaug"]


def again(source: Source, path: Path, layout: str) -> Source:
    """The dataset, written as a layout and read."""
    formats.write(layout, source, str(path))
    return formats.read(layout, str(path))


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=examples(8), deadline=None, suppress_health_check=SLOW)
@given(source=any_dataset.datasets(), foreign=st.booleans())
def test_any_dataset_comes_back(layout, source, foreign, tmp_path_factory):
    layouts = {"format": "elsewhere", "x": [1]} if foreign else {}
    source = in_memory.MemorySource(
        source.header.with_(layout=layouts), source.members, source.episodes_per_part, rest_rows=source.rest_rows
    )
    assert_same(again(source, tmp_path_factory.mktemp("any") / "a.hdf5", layout), source)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_changed_since_with_other_tools_wins(layout, tmp_path):
    path = tmp_path / "a.hdf5"
    formats.write(layout, in_memory.source(), str(path))
    with h5py.File(path, "r+") as file:
        demos = file.get("data", file)
        first = min(name for name in demos if name != "trajloom")
        demos[f"{first}/actions"][:] = 7
        demos[f"{first}/new"] = [1.0, 2.0, 3.0]
    source = formats.read(layout, str(path))
    assert source.header.column("new").nullable
    assert source.header.env_args == in_memory.HEADER.env_args
    actions = rows_of(source, "steps").column("actions").combine_chunks().storage.flatten().to_pylist()
    assert set(actions[:9]) == {7.0}
    assert actions[9:12] != [7.0] * 3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_kept_aside_is_ignored_once_an_episode_is_gone(layout, tmp_path):
    path = tmp_path / "a.hdf5"
    formats.write(layout, in_memory.source(), str(path))
    with h5py.File(path, "r+") as file:
        demos = file.get("data", file)
        del demos[max(name for name in demos if name != "trajloom")]
    with pytest.warns(TrajloomWarning) as said:
        source = formats.read(layout, str(path))
    assert any("episodes were changed since" in str(warning.message) for warning in said)
    table = rows_of(source, "steps")
    assert table.num_rows == 10
    assert table.column("episode_index").to_pylist() == [0] * 3 + [1] + [2] * 4 + [3] * 2


def test_arrays_that_hdf5_has_no_name_for_are_kept_aside_alone(tmp_path):
    source = in_memory.source(rest_rows=[Rest("odd", "elsewhere's type", (2,), b"ab", 0)])
    foreign = in_memory.Reheaded(source, source.header.with_(layout={"format": "elsewhere"}))
    assert_same(again(foreign, tmp_path / "a.hdf5", "hdf5"), foreign)
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert "odd" not in file["data/demo_0"]


def test_an_image_and_a_scalar_may_be_one_an_episode(tmp_path):
    columns = (Column(name="camera/k", dtype="uint8", shape=(6, 5, 3)), Column(name="ü", dtype="bool"))
    rows = {"camera/k": np.arange(90, dtype=np.uint8).reshape(6, 5, 3), "ü": np.bool_(True)}
    row = {"episode_index": 0, "name": "demo_0", "length": 0, "attrs": "{}", **rows}
    source = in_memory.MemorySource(Header(episodes=columns), [in_memory.MemoryEpisode(row, {})])
    assert_same(again(source, tmp_path / "a.hdf5", "hdf5"), source)


def test_what_each_layout_cannot_hold_is_said():
    source = in_memory.generated([1, 3], 5)
    said = {layout: " ".join(loss.what for loss in formats.losses(layout, source)) for layout in LAYOUTS}
    assert said["hdf5"] == ""
    assert "subtask/robot0" in said["isaaclab"]
    assert "env_args" not in said["isaaclab"]
    for layout in ("simscaleai", "dataaug"):
        assert "whether episodes succeeded" in said[layout]
        assert "env_args" in said[layout]
