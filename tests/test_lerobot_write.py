"""What lies in a LeRobot folder that we write: what LeRobot's own tools expect, and honest statistics."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import in_memory
from any_dataset import rows_of
from trajloom.errors import OutputExistsError, SettingsError
from trajloom.formats import lerobot
from trajloom.formats.lerobot import files, statistics, video
from trajloom.schema import Column


def test_the_folder_is_laid_out_as_v3(tmp_path):
    lerobot.write(in_memory.source((3, 0, 2)), tmp_path)
    info = json.loads((tmp_path / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_episodes"], info["total_frames"]) == ("v3.0", 20, 2, 5)
    assert info["features"]["observation.images.image"]["shape"] == [4, 5, 3]
    assert info["features"]["next.reward"] == {"dtype": "float64", "shape": [1], "names": None}
    data = pq.read_table(tmp_path / "data" / "chunk-000" / "file-000.parquet")
    assert data.column("episode_index").to_pylist() == [0, 0, 0, 1, 1]  # it has no episodes without steps
    assert data.column("index").to_pylist() == [0, 1, 2, 3, 4]
    assert data.column("timestamp").to_pylist() == np.array([0, 0.05, 0.1, 0, 0.05], np.float32).tolist()
    assert json.loads(data.schema.metadata[b"huggingface"])["info"]["features"]["action"] == {
        "feature": {"dtype": "float64", "_type": "Value"}, "length": 3, "_type": "Sequence",
    }  # fmt: skip
    episodes = pq.read_table(tmp_path / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
    assert [(e["dataset_from_index"], e["dataset_to_index"], e["length"]) for e in episodes] == [(0, 3, 3), (3, 5, 2)]
    assert np.shape(episodes[0]["stats/observation.images.image/mean"]) == (3, 1, 1)
    tasks = pq.read_table(tmp_path / "meta" / "tasks.parquet")
    assert tasks.to_pylist() == [{"task_index": 0, "__index_level_0__": "Lift"}]


def test_statistics_are_those_of_the_data(tmp_path):
    source = in_memory.source((3, 1, 4))
    lerobot.write(source, tmp_path)
    stats = json.loads((tmp_path / "meta" / "stats.json").read_text())
    actions = np.concatenate([episode.columns["actions"] for episode in source.members])
    for name, wanted in (("mean", actions.mean(0)), ("std", actions.std(0)), ("min", actions.min(0))):
        assert stats["action"][name] == pytest.approx(wanted.tolist())
    assert stats["action"]["count"] == [8]
    assert stats["observation.force"]["count"] == [7]  # the second episode has none
    pixels = np.concatenate([episode.columns["obs/image"] for episode in source.members]).reshape(-1, 3) / 255
    assert np.ravel(stats["observation.images.image"]["mean"]) == pytest.approx(pixels.mean(0))
    assert np.ravel(stats["observation.images.image"]["std"]) == pytest.approx(pixels.std(0))


@pytest.mark.parametrize("limit", ["LIMIT_ROWS", "LIMIT_VALUES"])
def test_statistics_in_pieces_are_those_of_the_whole(limit, monkeypatch):
    values = np.random.default_rng(0).normal(size=(1000, 3))
    monkeypatch.setattr(statistics, limit, 64)
    tally = statistics.Tally()
    for start in range(0, 1000, 37):
        tally.add_numbers(values[start : start + 37])
    found, whole = tally.stats(), statistics.of_numbers(values)
    assert found is not None
    for name in ("min", "max", "mean", "std", "count"):
        assert found[name] == pytest.approx(whole[name]), name
    assert found["q50"] == pytest.approx(whole["q50"], abs=0.2)


def test_numbers_that_are_not_finite_do_not_count():
    found = statistics.of_numbers(np.array([[1.0, np.nan], [3.0, np.inf]]))
    assert found["mean"].tolist() == [2.0, 0.0]
    assert found["max"].tolist() == [3.0, 0.0]


def test_full_files_end_where_an_episode_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "DATA_BYTES", 3000)
    monkeypatch.setattr(files, "CHUNK_FILES", 2)
    source = in_memory.source([3, 1, 4, 2, 5] * 4)
    lerobot.write(source, tmp_path / "out")
    found = sorted((tmp_path / "out" / "data").rglob("*.parquet"))
    assert len(found) > 3
    episodes = [set(pq.read_table(file).column("episode_index").to_pylist()) for file in found]
    assert sum(map(len, episodes)) == 20
    assert rows_of(lerobot.read(tmp_path / "out"), "steps").equals(rows_of(source, "steps"))


def test_videos_hold_the_frames_in_order_and_nearly_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "VIDEO_BYTES", 0)
    source = smooth([5, 0, 7, 3])
    lerobot.write(source, tmp_path / "out", options=lerobot.WriteOptions(images="mp4"))
    assert len(list((tmp_path / "out").rglob("*.mp4"))) > 1
    found, wanted = (np.stack([np.frombuffer(v, np.uint8) for v in rows_of(s, "steps").column("obs/image").to_pylist()])
                     for s in (lerobot.read(tmp_path / "out"), source))  # fmt: skip
    assert np.abs(found.astype(int) - wanted.astype(int)).mean() < 3
    losses = lerobot.losses(source, lerobot.WriteOptions(images="mp4"))
    assert [loss.kept_aside for loss in losses if "pixels" in loss.what] == [False]
    part = lerobot.read(tmp_path / "out").parts()[-1]
    assert sum(batch.num_rows for batch in part.steps(["obs/image"])) == part.num_steps


def test_videos_hold_each_frame_where_a_batch_has_many_episodes(tmp_path):
    lerobot.write(smooth([5, 4, 7]), tmp_path / "png")
    source = lerobot.read(tmp_path / "png")
    assert next(iter(source.parts()[0].steps())).num_rows == 16  # all in one
    lerobot.write(source, tmp_path / "mp4", options=lerobot.WriteOptions(images="mp4"))
    found, wanted = (rows_of(s, "steps").column("obs/image").to_pylist()
                     for s in (lerobot.read(tmp_path / "mp4"), source))  # fmt: skip
    for a, b in zip(found, wanted, strict=True):
        assert abs(a[0] - b[0]) < 8


@pytest.mark.parametrize("codec", list(video.CODECS))
def test_the_same_frames_give_the_same_video_on_any_number_of_cores(tmp_path, codec: str):
    noise = np.random.default_rng(0).integers(0, 24, (12, 120, 160, 3))
    frames = (np.arange(12)[:, None, None, None] * 8 + np.arange(160)[:, None] // 2 + noise).astype(np.uint8)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    found = []
    for number, some in enumerate([cores, cores[:1], cores]):
        if cores:
            os.sched_setaffinity(0, some)  # of this thread, and of those that it starts
        writer = video.VideoWriter(tmp_path / f"{number}.mp4", 20, codec)
        try:
            writer.write(frames)
        finally:
            writer.close()
            if cores:
                os.sched_setaffinity(0, cores)
        found.append((tmp_path / f"{number}.mp4").read_bytes())
    assert found[0] == found[1] == found[2]
    assert b"cpuid" not in found[0]


def smooth(lengths):
    """Episodes of frames that grow brighter, 32 pixels wide."""
    header = in_memory.HEADER.with_(steps=(Column(name="obs/image", dtype="uint8", shape=(24, 32, 3)),), episodes=())
    members = []
    for i, n in enumerate(lengths):
        frames = np.broadcast_to((np.arange(n) * 20 + 30 * i).astype(np.uint8)[:, None, None, None], (n, 24, 32, 3))
        plain = in_memory.episode(i, n)
        row = {k: v for k, v in plain.row.items() if "/" not in k}
        members.append(in_memory.MemoryEpisode(row, {"obs/image": frames}))
    return in_memory.MemorySource(header, members)


def test_a_rate_must_be_known(tmp_path):
    source = replace(in_memory.source(), header=in_memory.HEADER.with_(control_hz=None))
    with pytest.raises(SettingsError, match="give it: fps=20"):
        lerobot.write(source, tmp_path / "out")
    with pytest.raises(SettingsError, match="made at 20 Hz"):
        lerobot.write(in_memory.source(), tmp_path / "out", options=lerobot.WriteOptions(fps=30))
    lerobot.write(source, tmp_path / "out", options=lerobot.WriteOptions(fps=12.5, robot_type="panda"))
    info = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert (info["fps"], info["robot_type"]) == (12.5, "panda")


def test_nothing_but_a_lerobot_dataset_is_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputExistsError, match="holds something else"):
        lerobot.write(in_memory.source(), tmp_path, overwrite=True)


@pytest.mark.parametrize("wrong", [{"images": "gif"}, {"fps": -1}, {"codec": "vp9"}, {"threads": 0}])
def test_options_check_themselves(wrong):
    with pytest.raises(SettingsError):
        lerobot.WriteOptions(**wrong)


def test_a_dataset_edited_since_is_written_all_the_same(tmp_path):
    lerobot.write(in_memory.source(), tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "trajloom")
    read = lerobot.read(tmp_path / "a")
    layout = read.header.layout
    edited = in_memory.source((2, 6))
    edited = replace(edited, header=edited.header.with_(layout={**layout, "names": {"gone": "gone"}, "tasks": {}}))
    lerobot.write(edited, tmp_path / "b")
    assert rows_of(lerobot.read(tmp_path / "b"), "steps").num_rows == 8
