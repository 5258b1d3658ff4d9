"""Real LeRobot folders, and a real HDF5 file through LeRobot."""

import numpy as np
import pytest

from any_dataset import assert_same, rows_of
from conftest import SHARED_DATA
from trajloom import store
from trajloom.errors import TrajloomWarning
from trajloom.formats import hdf5, lerobot

APPLE, GR00T = SHARED_DATA / "lerobot_v3.0_apple_storage", SHARED_DATA / "lerobot_v2.0_gr00t_pick_place"


@pytest.mark.shared_data
def test_a_folder_whose_totals_lie_is_read_by_what_is_there(tmp_path):
    with pytest.warns(TrajloomWarning, match="says total_frames 14983, where there are 899; the camera .* no video"):
        source = lerobot.read(APPLE)
    assert [c.name for c in source.header.steps] == ["obs/state", "actions"]
    assert rows_of(source, "episodes").column("length").to_pylist() == [299, 300, 300]
    store.write(source, str(tmp_path / "store"))
    lerobot.write(store.open_store(str(tmp_path / "store")), tmp_path / "again")
    assert lerobot.equal(APPLE, tmp_path / "again") == []
    assert_same(lerobot.read(tmp_path / "again"), source)


@pytest.mark.shared_data
def test_v2_0_with_videos_is_read_in_order(tmp_path):
    with pytest.warns(TrajloomWarning, match=r"the camera observation.images.egoview has no video and is left out"):
        source = lerobot.read(GR00T)
    assert source.header.control_hz == 20
    assert rows_of(source, "episodes").column("task").to_pylist()[1].startswith("pick the sweet potato")
    first = next(iter(source.parts()[0].steps(["obs/ego_view", "frame_index"])))
    frames = np.stack([np.frombuffer(image, np.uint8) for image in first.column("obs/ego_view").to_pylist()])
    assert len(frames) > 50
    again = source.parts()[0].steps(["obs/ego_view"])
    assert next(iter(again)).column(0).equals(first.column("obs/ego_view"))


@pytest.mark.shared_data
def test_numbers_of_v2_0_come_back_equal_as_v3_0(tmp_path):
    with pytest.warns(TrajloomWarning, match="no video"):
        source = lerobot.read(GR00T)
    keep = tuple(c for c in source.header.steps if c.name != "obs/ego_view")
    slim = source.__class__(**{**source.__dict__, "header": source.header.with_(steps=keep)})
    lerobot.write(slim, tmp_path / "new")
    said = lerobot.equal(GR00T, tmp_path / "new")
    assert said == ["feature observation.images.ego_view has data in one alone"]
    assert (tmp_path / "new" / "meta" / "modality.json").read_bytes() == (GR00T / "meta" / "modality.json").read_bytes()


@pytest.mark.shared_data
def test_a_real_hdf5_file_goes_through_lerobot_unchanged(tmp_path):
    source = hdf5.read(SHARED_DATA / "robomimic_lift_ph3_image.hdf5")
    lerobot.write(source, tmp_path / "lerobot")
    back = lerobot.read(tmp_path / "lerobot")
    assert_same(back, source)
    hdf5.write(back, tmp_path / "again.hdf5")
    assert hdf5.equal(SHARED_DATA / "robomimic_lift_ph3_image.hdf5", tmp_path / "again.hdf5") == []
