"""LeRobot folders: any dataset comes back as it was, foreign ones are read as they are, and bad ones get an error."""

import io
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

import any_dataset
import in_memory
from any_dataset import assert_same, rows_of
from conftest import examples
from trajloom import store
from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomError, TrajloomWarning
from trajloom.formats import _columnar, lerobot
from trajloom.formats.lerobot import files, rows
from trajloom.formats.lerobot.names import our_names, our_path, their_name, their_names
from trajloom.schema import Column, Header
from trajloom.tables import rest_rows


@pytest.fixture
def written(tmp_path) -> Path:
    """Five short episodes with images in Parquet."""
    lerobot.write(in_memory.source(), tmp_path / "written")
    return tmp_path / "written"


def bare(folder: Path) -> Path:
    """The folder as another's tool would have written it: without what we keep aside."""
    shutil.rmtree(folder / "trajloom")
    return folder


def steps(folder: Path) -> pa.Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return rows_of(lerobot.read(folder), "steps")


def change(folder: Path, **values) -> None:
    path = folder / "meta" / "info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# ---- laws ------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(8), deadline=None)
@given(source=any_dataset.datasets())
def test_any_dataset_comes_back_as_it_was(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lerobot")
    options = lerobot.WriteOptions(fps=None if source.header.control_hz else 15)
    lerobot.write(source, folder / "out", options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)  # "there is no demonstration in it"
        assert_same(lerobot.read(folder / "out"), source)
    shutil.rmtree(folder)


def test_ledger_lineage_models_and_sparse_numbers_come_back(tmp_path):
    source = in_memory.with_everything()
    lerobot.write(source, tmp_path / "out")
    assert_same(lerobot.read(tmp_path / "out"), source)


def test_what_lerobot_has_a_place_for_lies_there(written):
    found = lerobot.read(bare(written))
    source = in_memory.source()
    for name in ("actions", "rewards", "dones", "obs/pose", "obs/image"):
        wanted, have = rows_of(source, "steps").column(name), rows_of(found, "steps").column(name)
        assert have.combine_chunks().equals(wanted.combine_chunks()), name
    force = np.stack(rows_of(found, "steps").column("obs/force").combine_chunks().to_numpy_ndarray())
    assert np.isnan(force[3]).all()  # the second episode has none
    assert not np.isnan(force[4]).any()


@pytest.mark.parametrize("size", [1, 100, 1000])
def test_rows_are_the_same_however_few_are_decoded_at_a_time(written, size, monkeypatch):
    whole = steps(written)
    monkeypatch.setattr(rows, "BATCH_BYTES", size)
    assert steps(written).equals(whole)


def test_what_was_read_of_an_episode_is_let_go_of(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "GROUP_BYTES", 100_000)
    monkeypatch.setattr(_columnar, "BATCH_BYTES", 100_000)
    frames = np.random.default_rng(0).integers(0, 256, (400, 64, 64, 3), dtype=np.uint8)
    header = Header(steps=(Column(name="obs/image", dtype="uint8", shape=(64, 64, 3)),), control_hz=20.0)
    row = {"episode_index": 0, "name": "demo_0", "length": 400, "attrs": "{}"}
    episode = in_memory.MemoryEpisode(row, {"obs/image": frames})
    lerobot.write(in_memory.MemorySource(header, [episode], batch_rows=10), tmp_path / "long")
    part = lerobot.read(tmp_path / "long").parts()[0]
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in part.steps()]
    assert len(held) > 10
    assert max(held) < frames.nbytes / 5


def test_another_s_folder_through_our_store_is_equal(written, tmp_path):
    change(bare(written), robot_type="so100", splits={"train": "0:3", "test": "3:5"}, license="mit")
    source = lerobot.read(written)
    assert source.parts()[0].episodes().column("splits").to_pylist() == [["train"]] * 3 + [["test"]] * 2
    store.write(source, str(tmp_path / "store"))
    lerobot.write(store.open_store(str(tmp_path / "store")), tmp_path / "again")
    assert lerobot.equal(written, tmp_path / "again") == []


def test_equal_says_what_differs(written, tmp_path):
    shutil.copytree(written, tmp_path / "other")
    change(tmp_path / "other", robot_type="so100", total_frames=9)
    said = lerobot.equal(written, tmp_path / "other")
    assert said == ["info.json: robot_type: None and 'so100'"]
    change(tmp_path / "other", robot_type=None)
    lerobot.write(_moved(in_memory.source()), tmp_path / "moved")
    assert lerobot.equal(written, tmp_path / "moved") == ["feature action: values differ in rows 0 to 14"]


def _moved(source):
    for episode in source.members:
        episode.columns["actions"][-1] += 1
    return source


def test_reads_from_and_writes_to_any_file_system(tmp_path):
    source = in_memory.source((2, 3))
    lerobot.write(source, "memory://lerobot-test/out")
    assert lerobot.sniff("memory://lerobot-test/out")
    assert_same(lerobot.read("memory://lerobot-test/out"), source)


def test_columns_changed_by_others_win_over_what_was_kept_aside(written):
    path = written / "data" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("next.reward")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(np.full(15, 7.0))), path)
    assert set(steps(written).column("rewards").to_pylist()) == {7.0}
    assert lerobot.read(written).header.env_args == in_memory.HEADER.env_args


def test_findings_are_of_totals_and_statistics_that_lie(written):
    assert list(lerobot.findings(written)) == []
    change(written, total_episodes=50)
    path = written / "meta" / "stats.json"
    stats = json.loads(path.read_text())
    stats["action"]["max"][0] += 1
    path.write_text(json.dumps(stats))
    found = list(lerobot.findings(written))
    assert [(f.code, f.column, f.fixable) for f in found] == [
        ("wrong_total", None, True), ("stale_statistics", "actions", True),
    ]  # fmt: skip
    assert found[1].what == "meta/stats.json says another max of action than its values have"


# ---- names -----------------------------------------------------------------------------------------------------


def test_names_go_both_ways():
    known = {"actions": "action", "rewards": "next.reward", "dones": "next.done", "obs/a/b": "observation.a.b",
             "states": "states", "next_obs/x": "next_obs.x"}  # fmt: skip
    assert {ours: their_name(ours, image=False) for ours in known} == known
    assert {our_path(theirs): theirs for theirs in known.values()} == known
    assert their_name("obs/top", image=True) == "observation.images.top"
    assert our_path("observation.images.top") == "obs/top"


def test_names_that_collide_stay_apart():
    columns = ["obs/a.b", "obs/a/b", "observation.a.b", "action", "actions", "index", "data/timestamp", "task"]
    found = their_names(dict.fromkeys(columns, False), {})
    assert len(set(found.values())) == len(columns)
    assert not {"index", "timestamp", "task"} & set(found.values())
    back = our_names(["observation.a", "observation.a.b", "observation.images.a", "timestamp", "..", "a..b"])
    assert len(set(back.values())) == 6
    assert back["observation.a.b"] == "observation.a.b"  # obs/a is no folder


# ---- old versions ----------------------------------------------------------------------------------------------


def old_dataset(folder: Path, **info) -> Path:
    """Two episodes of v2.1, of 3 and 2 steps, whose tasks change within them, with an image in Parquet."""
    (folder / "meta").mkdir(parents=True)
    (folder / "data" / "chunk-000").mkdir(parents=True)
    features = {
        "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
        "observation.images.top": {"dtype": "image", "shape": [3, 4, 5], "names": ["channels", "height", "width"]},
        "task_index": {"dtype": "int64", "shape": [1], "names": None},
    }
    about = {"codebase_version": "v2.1", "fps": 10, "features": features, "total_episodes": 2, **info}
    (folder / "meta" / "info.json").write_text(json.dumps(about))
    tasks = [{"task_index": 0, "task": "reach"}, {"task_index": 1, "task": "grasp"}]
    (folder / "meta" / "tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
    rows = [{"episode_index": i, "tasks": ["reach", "grasp"], "length": n, "mood": i} for i, n in ((0, 3), (1, 2))]
    (folder / "meta" / "episodes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for row in rows:
        n, start = row["length"], 3 * row["episode_index"]
        table = pa.table({
            "observation.state": pa.array([[i, -i] for i in range(n)], pa.list_(pa.float32())),
            "observation.images.top": pa.array([{"bytes": png_of_pillow(i), "path": "/etc/passwd"} for i in range(n)]),
            "timestamp": pa.array(np.arange(n) / 10 + 0.001 * (np.arange(n) == 1), pa.float32()),
            "frame_index": np.arange(n), "episode_index": np.full(n, row["episode_index"]),
            "index": np.arange(start, start + n), "task_index": np.minimum(np.arange(n), 1),
        })  # fmt: skip
        pq.write_table(table, folder / "data" / "chunk-000" / f"episode_{row['episode_index']:06d}.parquet")
    return folder


def png_of_pillow(value: int) -> bytes:
    """A PNG as Pillow writes it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), value, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_v2_is_read_with_tasks_that_change_and_times_that_jitter(tmp_path):
    source = lerobot.read(old_dataset(tmp_path / "old"))
    table = rows_of(source, "steps")
    assert table.column("task_index").to_pylist() == [0, 1, 1, 0, 1]
    assert table.column("timestamp").to_pylist() == pytest.approx([0, 0.101, 0.2, 0, 0.101])
    assert table.column("timestamp")[2].as_py() == 0.2  # not float32's 0.2
    assert source.header.column("obs/top").shape == (4, 5, 3)
    assert table.column("obs/top").to_pylist()[1] == b"\x01" * 60
    episodes = rows_of(source, "episodes")
    assert episodes.column("task").to_pylist() == [None, None]
    store.write(source, str(tmp_path / "store"))
    lerobot.write(store.open_store(str(tmp_path / "store")), tmp_path / "new")
    assert lerobot.equal(tmp_path / "old", tmp_path / "new") == []
    assert pq.read_table(tmp_path / "new/meta/episodes/chunk-000/file-000.parquet").column("mood").to_pylist() == [0, 1]


def test_damaged_episodes_can_be_left_out(tmp_path):
    folder = old_dataset(tmp_path / "old")
    (folder / "data" / "chunk-000" / "episode_000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedFileError, match=r"episode 0: .*1 whole episodes can be read"):
        lerobot.read(folder)
    with pytest.warns(TrajloomWarning, match="1 damaged episodes are left out"):
        source = lerobot.read(folder, on_error="skip")
    assert rows_of(source, "steps").num_rows == 2
    assert rows_of(source, "episodes").column("name").to_pylist() == ["episode_1"]


def test_text_is_kept_as_it_is_though_no_column_can_hold_it(written):
    path = bare(written) / "data" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    texts = pa.array([f"Schritt {i} läuft" for i in range(15)])
    pq.write_table(table.append_column("language", texts), path)
    with pytest.warns(TrajloomWarning, match="language is text"):
        source = lerobot.read(written)
    rows = [row for row in rest_rows(rows_of(source, "rest")) if row.path == "language"]
    assert [row.shape for row in rows] == [(3,), (1,), (4,), (2,), (5,)]
    assert np.frombuffer(rows[1].data or b"", rows[1].dtype)[0].decode() == "Schritt 3 läuft"


def test_text_is_a_feature_again_where_it_came_from_lerobot(written, tmp_path):
    path = bare(written) / "data" / "chunk-000" / "file-000.parquet"
    table = pq.read_table(path)
    texts = pa.array([f"Schritt {i} läuft" for i in range(15)])
    pq.write_table(table.append_column("language", texts), path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        store.write(lerobot.read(written), str(tmp_path / "store"))
        lerobot.write(store.open_store(str(tmp_path / "store")), tmp_path / "back.lerobot")
        again = lerobot.read(tmp_path / "back.lerobot")
    back = pq.read_table(tmp_path / "back.lerobot" / "data" / "chunk-000" / "file-000.parquet")
    assert back.column("language").to_pylist() == texts.to_pylist()
    features = json.loads((tmp_path / "back.lerobot" / "meta" / "info.json").read_text())["features"]
    assert features["language"] == {"dtype": "string", "shape": [1], "names": None}
    assert [row.path for row in rest_rows(rows_of(again, "rest"))].count("language") == 5


# ---- hostile and damaged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "../{chunk_index:03d}.parquet", "/etc/{file_index}", "data/{episode_index.__class__}", "data/{0}",
        "data/{chunk_index!r}", "data/{chunk_index:>9999999999}", "data/{secret}", "file://x/{file_index}", "a//b",
        "data\\{file_index}", "{chunk_index:03d", "{video_key}/../../x",
    ],
)  # fmt: skip
def test_templates_that_are_more_than_paths_are_refused(written, template):
    change(bare(written), data_path=template)
    with pytest.raises(HostileFileError):
        lerobot.read(written)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"fps": 0}, "fps must be a number above 0"),
        ({"fps": "fast"}, "fps must be a number above 0"),
        ({"features": []}, "features must be an object"),
        ({"features": {"action": {"dtype": "float32", "shape": [10**6, 10**6]}}}, "no feature of a robot"),
        ({"features": {"action": {"dtype": "float32", "shape": [-1]}}}, "numbers above 0"),
        ({"chunks_size": 0}, "chunks_size"),
        ({"data_path": 7}, "template of a path"),
    ],
)
def test_metadata_that_cannot_be_is_said(written, values, said):
    change(bare(written), **values)
    with pytest.raises(DamagedFileError, match=said):
        lerobot.read(written)


def test_absurd_totals_are_said_and_not_believed(written):
    change(bare(written), total_frames=10**15, total_episodes=-1)
    with pytest.warns(TrajloomWarning, match="total_frames 1000000000000000, where there are 15"):
        source = lerobot.read(written)
    assert rows_of(source, "steps").num_rows == 15


def test_other_versions_are_said(written):
    change(written, codebase_version="v1.6")
    with pytest.raises(LayoutError, match=r"'v1.6' is not one that we read: v2.0, v2.1, v3.0"):
        lerobot.read(written)


def test_columns_of_other_types_than_said_are_read_as_they_are_or_refused(written):
    features = json.loads((written / "meta" / "info.json").read_text())["features"]
    features["action"]["shape"] = [4]
    change(bare(written), features=features)
    with pytest.raises(DamagedFileError, match=r"action: expected 4 numbers a row"):
        steps(written)


def test_images_that_lie_elsewhere_are_not_followed(tmp_path):
    folder = old_dataset(tmp_path / "old")
    path = folder / "data" / "chunk-000" / "episode_000000.parquet"
    table = pq.read_table(path)
    at = table.schema.get_field_index("observation.images.top")
    images = pa.array([{"bytes": None, "path": "/etc/passwd"}] * 3, table.schema.field(at).type)
    pq.write_table(table.set_column(at, table.schema.field(at), images), path)
    with pytest.raises(DamagedFileError, match="the images are not in the data files"):
        lerobot.read(folder)


def test_images_of_another_size_are_refused(tmp_path):
    from trajloom.formats.lerobot.png import decode, encode

    frame = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(decode(encode(frame), (4, 5, 3), "here"), frame)
    with pytest.raises(DamagedFileError, match="expected 6 x 4 pixels"):
        decode(encode(frame), (4, 6, 3), "here")


def test_mutated_folders_get_an_error_of_ours(tmp_path):
    """Bytes of any file overwritten, cut or removed: what comes is data or an error of ours."""
    lerobot.write(in_memory.source((3, 2)), tmp_path / "good", options=lerobot.WriteOptions(images="mp4"))
    old_dataset(tmp_path / "old")
    rng = np.random.default_rng(5)
    outcomes = {"read": 0, "refused": 0}
    for number in range(100):
        folder = tmp_path / "bad"
        shutil.copytree(tmp_path / ("old" if number % 3 == 0 else "good"), folder)
        files = sorted(f for f in folder.rglob("*") if f.is_file())
        _spoil(files[rng.integers(len(files))], rng)
        try:
            steps(folder)
            outcomes["read"] += 1
        except (TrajloomError, FileNotFoundError):
            outcomes["refused"] += 1
        shutil.rmtree(folder)
    assert min(outcomes.values()) > 5, outcomes


def _spoil(file: Path, rng: np.random.Generator) -> None:
    data = bytearray(file.read_bytes())
    kind = rng.integers(4)
    if kind == 0:
        data = data[: rng.integers(len(data) + 1)]
    elif kind == 1 and data:
        for at in rng.integers(len(data), size=8):
            data[at] = rng.integers(256)
    elif kind == 2 and data:
        at = int(rng.integers(len(data)))
        data[at : at + 1] = rng.bytes(rng.integers(1, 40))
    if kind == 3:
        file.unlink()
    else:
        file.write_bytes(data)
