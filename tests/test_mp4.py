"""MP4: what players show is what the cameras saw."""

import json

import av
import numpy as np
import pytest

import trajloom
from conftest import SHARED_DATA
from in_memory import HEADER, MemoryEpisode, MemorySource, source
from trajloom import formats
from trajloom.errors import OutputExistsError, SchemaError, SettingsError, UnknownNameError
from trajloom.formats import _video, mp4
from trajloom.formats.mp4.crew import Crew, Line
from trajloom.schema import Column, Header

REAL = SHARED_DATA / "robomimic_lift_ph3_image.hdf5"


def smooth(length: int, height: int, width: int, shade: float = 1.0) -> np.ndarray:
    """A slope of brightness that a codec keeps well, brighter by 4 each step."""
    y, x = np.mgrid[:height, :width]
    first = 40 + 80 * y / height + 60 * x / width
    frames = first[None, :, :, None] * [1.0, 0.8, 0.6] * shade + 4 * np.arange(length)[:, None, None, None]
    return frames.clip(0, 255).astype(np.uint8)


def seen_by(cameras: dict[str, list[np.ndarray | None]], hz: float | None = 20.0) -> MemorySource:
    """A dataset of cameras' images by episode; None where an episode lacks a camera."""
    columns = []
    for name, episodes in cameras.items():
        one = next(images for images in episodes if images is not None)
        nullable = any(images is None for images in episodes)
        columns.append(Column(name=name, dtype=str(one.dtype), shape=one.shape[1:], nullable=nullable))
    header = Header(steps=(Column(name="actions", dtype="float64", shape=(2,)), *columns), control_hz=hz)
    members = []
    for i in range(len(next(iter(cameras.values())))):
        images = {name: episodes[i] for name, episodes in cameras.items() if episodes[i] is not None}
        length = max(len(found) for found in images.values())
        row = {"episode_index": i, "name": f"demo_{i}", "length": length, "attrs": "{}"}
        members.append(MemoryEpisode(row, {"actions": np.zeros((length, 2)), **images}))
    return MemorySource(header, members, batch_rows=4)


def decoded(path) -> np.ndarray:
    return np.stack(list(_video.frames(path)))


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(int) - wanted).mean())


@pytest.mark.shared_data
@pytest.mark.skipif(not REAL.exists(), reason="../shared/data is absent")
def test_real_cameras_become_one_video_an_episode_and_camera(tmp_path):
    dataset = trajloom.read(REAL)
    dataset.write(tmp_path / "out", to="mp4")
    for i, episode in enumerate(dataset.iter_episodes()):
        for camera in ("agentview_image", "robot0_eye_in_hand_image"):
            path = tmp_path / "out" / camera / f"episode_{i:06d}.mp4"
            images = episode.columns[f"obs/{camera}"]
            found = decoded(path)
            assert found.shape == images.shape
            assert error(found, images) < 6
            with av.open(str(path)) as file:
                stream = file.streams.video[0]
                assert (stream.average_rate, stream.frames, stream.codec_context.name) == (20, len(images), "h264")
                assert stream.codec_context.pix_fmt == "yuv420p"


def test_colours_and_order_are_kept(tmp_path):
    images = smooth(9, 48, 64)
    mp4.write(seen_by({"obs/cam": [images, images[:3]]}), tmp_path / "out", options=mp4.WriteOptions(quality=12))
    assert error(decoded(tmp_path / "out/cam/episode_000000.mp4"), images) < 2.5
    assert error(decoded(tmp_path / "out/cam/episode_000001.mp4"), images[:3]) < 2.5


def test_hevc_is_hevc(tmp_path):
    mp4.write(seen_by({"obs/cam": [smooth(3, 48, 64)]}), tmp_path / "out", options=mp4.WriteOptions(codec="hevc"))
    with av.open(str(tmp_path / "out/cam/episode_000000.mp4")) as file:
        assert file.streams.video[0].codec_context.name == "hevc"


def test_odd_sizes_are_padded_to_even_ones(tmp_path):
    images = smooth(4, 33, 47)
    mp4.write(seen_by({"obs/cam": [images]}), tmp_path / "out")
    found = decoded(tmp_path / "out/cam/episode_000000.mp4")
    assert found.shape == (4, 34, 48, 3)
    assert error(found[:, :33, :47], images) < 4


@pytest.mark.parametrize("shape", [(32, 40), (32, 40, 1), (32, 40, 4)])
def test_grey_and_transparent_images_are_shown_as_rgb(tmp_path, shape):
    rgb = smooth(3, 32, 40)
    grey = len(shape) == 2 or shape[2] == 1
    images = rgb[..., 0].reshape(3, *shape) if grey else np.concatenate([rgb, rgb[..., :1]], axis=3)
    mp4.write(seen_by({"obs/cam": [images]}), tmp_path / "out")
    wanted = np.repeat(rgb[..., :1], 3, axis=3) if grey else rgb
    assert error(decoded(tmp_path / "out/cam/episode_000000.mp4"), wanted) < 4


def test_depth_is_scaled_by_its_least_and_greatest_value_over_all_episodes(tmp_path):
    near = np.full((3, 32, 32), 0.5, np.float32)
    far = np.full((3, 32, 32), 1.5, np.float32)
    far[:, :16], far[0, 20, 20] = 2.5, np.nan
    data = seen_by({"obs/depth": [near, far]})
    mp4.write(data, tmp_path / "out")
    found = decoded(tmp_path / "out/depth/episode_000001.mp4")
    assert error(found[:, 2:14], np.full(1, 255)) < 3
    assert error(found[1:, 18:30], np.full(1, 128)) < 3
    assert error(decoded(tmp_path / "out/depth/episode_000000.mp4"), np.zeros(1)) < 3
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert index["cameras"]["depth"]["depth"] == {"black": 0.5, "white": 2.5}
    assert "depth is scaled to 8 bit: obs/depth" in [loss.what for loss in mp4.losses(data)]


def test_a_pose_is_no_camera(tmp_path):
    mp4.write(source((3, 2)), tmp_path / "out")
    index = json.loads((tmp_path / "out/index.json").read_text())
    assert list(index["cameras"]) == ["image"]
    assert [episode["frames"] for episode in index["episodes"]] == [3, 2]


def test_a_grid_shows_cameras_side_by_side(tmp_path):
    a, b, c = smooth(3, 32, 48), smooth(3, 32, 48, 0.5), smooth(3, 20, 30)
    cameras = {"obs/a": [a], "obs/b": [b], "obs/c": [c]}
    mp4.write(seen_by(cameras), tmp_path / "out", options=mp4.WriteOptions(grid=True))
    found = decoded(tmp_path / "out/grid/episode_000000.mp4")
    assert found.shape == (3, 64, 96, 3)
    assert error(found[:, :32, :48], a) < 4
    assert error(found[:, :32, 48:], b) < 4
    assert error(found[:, 32:52, :30], c) < 4
    assert found[:, 54:, 50:].max() < 12


def test_a_label_is_written_into_the_picture(tmp_path):
    images = np.full((2, 64, 96, 3), 128, np.uint8)
    mp4.write(seen_by({"obs/cam": [images]}), tmp_path / "out", options=mp4.WriteOptions(labels=True))
    found = decoded(tmp_path / "out/cam/episode_000000.mp4")
    assert found[:, :12, :30].max() > 200
    assert error(found[:, 20:], images[:, 20:]) < 3


def test_steps_and_episodes_without_images_stay_in_time(tmp_path):
    images = smooth(3, 32, 32)
    cameras = {"obs/a": [images, images, images], "obs/b": [None, images, None]}
    mp4.write(seen_by(cameras), tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out/b").iterdir()) == ["episode_000001.mp4"]
    mp4.write(seen_by(cameras), tmp_path / "grid", options=mp4.WriteOptions(grid=True))
    found = decoded(tmp_path / "grid/grid/episode_000002.mp4")
    assert found.shape == (3, 32, 64, 3)
    assert found[:, :, 34:].max() < 12


def test_columns_can_be_chosen_also_from_text(tmp_path):
    cameras = {"obs/a": [smooth(2, 32, 32)], "obs/b": [smooth(2, 32, 32)], "next_obs/a": [smooth(2, 32, 32)]}
    formats.write("mp4", seen_by(cameras), str(tmp_path / "out"), options={"columns": "obs/a, next_obs/a", "fps": "5"})
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["index.json", "next_obs.a", "obs.a"]
    with pytest.raises(SettingsError, match="no image in actions; columns with images: obs/a, obs/b"):
        mp4.write(seen_by(cameras), tmp_path / "no", options=mp4.WriteOptions(columns=["actions"]))


def test_a_columns_name_leads_nowhere_else(tmp_path):
    cameras = {"obs/..": [smooth(2, 32, 32)], "x/<a>": [smooth(2, 32, 32)]}
    mp4.write(seen_by(cameras), tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["_a_", "camera", "index.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_without_a_camera_or_a_rate_nothing_is_written(tmp_path):
    blind = Header(steps=(Column(name="actions", dtype="float64", shape=(2,)),), control_hz=20.0)
    with pytest.raises(SchemaError, match=r"no column holds images.*there are: actions"):
        mp4.write(MemorySource(blind, []), tmp_path / "out")
    with pytest.raises(SettingsError, match="give the option fps"):
        mp4.write(seen_by({"obs/cam": [smooth(2, 32, 32)]}, hz=None), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"codec": "gif"}, {"quality": 99}, {"fps": 0.0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(SettingsError, match=f"option {next(iter(wrong))} of mp4"):
        mp4.WriteOptions(**wrong)
    with pytest.raises(UnknownNameError):
        formats.losses("mp4", source(), {"speed": 2})


def test_nothing_of_others_is_overwritten(tmp_path):
    data = seen_by({"obs/cam": [smooth(2, 32, 32)]})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("mine")
    with pytest.raises(OutputExistsError, match="holds something else: notes"):
        mp4.write(data, tmp_path / "other", overwrite=True)
    mp4.write(data, tmp_path / "out")
    with pytest.raises(OutputExistsError):
        mp4.write(data, tmp_path / "out")
    mp4.write(data, tmp_path / "out", overwrite=True)


def test_a_failure_leaves_nothing(tmp_path):
    class Broken(MemorySource):
        def parts(self):
            yield from super().parts()
            raise OSError("the disk is gone")

    whole = seen_by({"obs/cam": [smooth(2, 32, 32)]})
    with pytest.raises(OSError, match="the disk is gone"):
        mp4.write(Broken(whole.header, whole.members), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_videos_appear_at_a_url():
    mp4.write(seen_by({"obs/cam": [smooth(2, 32, 32)]}), "memory://videos/out")
    import fsspec

    fs = fsspec.filesystem("memory")
    assert fs.exists("/videos/out/cam/episode_000000.mp4")
    assert json.loads(fs.cat("/videos/out/index.json"))["fps"] == 20.0


def test_the_same_frames_give_the_same_bytes(tmp_path):
    data = seen_by({"obs/a": [smooth(9, 32, 32)] * 3, "obs/b": [smooth(9, 40, 32)] * 3})
    for name in ("one", "two"):
        mp4.write(data, tmp_path / name)
    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.mp4"))
    assert len(files) == 6
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_an_empty_dataset_has_no_video(tmp_path):
    mp4.write(MemorySource(HEADER, []), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["index.json"]


def test_progress_ends_with_all_episodes(tmp_path):
    told: list[tuple[int, int]] = []
    mp4.write(source((2, 3, 1)), tmp_path / "out", progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (3, 3)
    assert told == sorted(told)


def test_jobs_of_a_line_are_done_in_order_and_errors_come_back():
    done: list[list[int]] = [[], [], []]
    with Crew() as crew:
        lines = [Line() for _ in done]
        for i in range(60):
            crew.do(lines[i % 3], lambda i=i: done[i % 3].append(i))
    assert done == [list(range(first, 60, 3)) for first in range(3)]

    def fail() -> None:
        raise ValueError("no room")

    def work() -> None:
        line = Line()
        with Crew() as crew:
            crew.do(line, fail)
            for _ in range(20):
                crew.do(line, lambda: None)

    with pytest.raises(ValueError, match="no room"):
        work()


def test_losses_say_that_pictures_are_all_there_is():
    said = [loss.what for loss in formats.losses("mp4", source())]
    assert said[0].startswith("everything but images")
    assert "obs/pose" in said[0]
    assert not any(loss.kept_aside for loss in formats.losses("mp4", source()))
