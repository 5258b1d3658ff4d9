"""MCAP: topics that tick on their own become rows of one table."""

import io
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from mcap.writer import CompressionType, Writer
from mcap_ros2.writer import Writer as Ros2Writer
from PIL import Image

import trajloom
from conftest import SHARED_DATA
from mcap_files import MS, START, json_log, ros2_log
from trajloom import formats
from trajloom.errors import (
    DamagedFileError,
    HostileFileError,
    LayoutError,
    SchemaError,
    SettingsError,
    TrajloomError,
    TrajloomWarning,
)
from trajloom.formats import mcap
from trajloom.formats._video import frames
from trajloom.formats.mcap.definitions import parse
from trajloom.formats.mcap.files import MAGIC
from trajloom.formats.mcap.wire import values_of
from trajloom.schema import check

REAL = SHARED_DATA / "rosbag2_2025_09_10-13_03_56_0.mcap"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="../shared/data is absent")

JOINTS = """std_msgs/Header header
string[] name
float64[] position
float32[3] effort
bool ready
uint8 MODE_OFF=0
int16 mode -3
geometry_msgs/Point[] targets
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
================================================================================
MSG: geometry_msgs/Point
float64 x
float64 y
"""
IMAGE = """std_msgs/Header header
uint32 height
uint32 width
string encoding
uint8 is_bigendian
uint32 step
uint8[] data
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""
COMPRESSED = IMAGE.replace(
    "uint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\nuint32 step", "string format"
)
HEADER = {"stamp": {"sec": 1, "nanosec": 2}, "frame_id": "base"}


def opened(path, **options) -> trajloom.Dataset:
    """A dataset whose warnings are looked at in its header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return trajloom.read(path, **options)


def table(dataset: trajloom.Dataset) -> pa.Table:
    batches = [batch for part in dataset.parts() for batch in part.steps()]
    for batch in batches:
        check(batch, dataset.header.steps_schema)
    return pa.Table.from_batches(batches, schema=dataset.header.steps_schema)


def column(dataset: trajloom.Dataset, name: str) -> list:
    return table(dataset).column(name).to_pylist()


# ---- clocks and rows -------------------------------------------------------------------------------------------

TWO_RATES = [("/fast", 10 * i, {"x": i}) for i in range(7)] + [("/slow", 15 + 25 * i, {"y": i + 0.5}) for i in range(2)]


@pytest.mark.parametrize("compression", list(CompressionType))
def test_a_row_holds_the_latest_message_at_or_before_it(tmp_path, compression):
    found = opened(json_log(tmp_path / "a.mcap", TWO_RATES, compression=compression))
    assert column(found, "timestamp") == [0.01 * i for i in range(7)]
    assert column(found, "fast/x") == list(range(7))
    assert column(found, "slow/y") == [None, None, 0.5, 0.5, 1.5, 1.5, 1.5]
    assert [c.nullable for c in found.header.steps] == [False, True]
    assert [c.dtype for c in found.header.steps] == ["int64", "float64"]
    assert column(found, "frame_index") == list(range(7))
    assert found.episodes().collect()["name"].to_list() == ["a"]


@pytest.mark.parametrize("options", [{}, {"hz": 40.0}, {"episodes_gap_s": 0.005}])
def test_a_log_goes_into_a_store_nulls_and_times_included(tmp_path, options):
    found = opened(json_log(tmp_path / "a.mcap", TWO_RATES), **options)
    found.write(tmp_path / "store")
    back = trajloom.read(tmp_path / "store")
    assert table(back).equals(table(found))
    assert back.header.layout == found.header.layout


def test_messages_outside_chunks_and_out_of_order_are_found_too(tmp_path):
    shuffled = [TWO_RATES[i] for i in (3, 8, 0, 2, 1, 7, 6, 5, 4)]
    found = opened(json_log(tmp_path / "a.mcap", shuffled, chunks=False))
    assert table(found).equals(table(opened(json_log(tmp_path / "b.mcap", TWO_RATES))))


def test_the_clock_can_be_chosen_and_of_equals_is_the_first_by_name(tmp_path):
    path = json_log(tmp_path / "a.mcap", TWO_RATES)
    assert column(opened(path, clock="/slow"), "fast/x") == [1, 4]
    even = json_log(tmp_path / "b.mcap", [("/b", 0, {"x": 1}), ("/a", 5, {"x": 2})])
    assert opened(even).header.layout["clock"] == "/a"
    with pytest.raises(SettingsError, match="no topic '/none' with columns to be the clock; there are: /fast, /slow"):
        opened(path, clock="/none")


def test_rows_at_a_fixed_rate(tmp_path):
    path = json_log(tmp_path / "a.mcap", TWO_RATES)
    found = opened(path, hz=40)
    assert found.header.control_hz == 40
    assert column(found, "timestamp") == [0.0, 0.025, 0.05]
    assert column(found, "fast/x") == [0, 2, 5]
    assert column(opened(path, hz=40, clock="/slow"), "fast/x") == [1, 4]
    with pytest.raises(SettingsError, match="at most 100,000,000 may be"):
        opened(path, hz=1e12)


def test_a_silence_of_the_clock_begins_a_new_episode_that_remembers_nothing(tmp_path):
    messages = [("/fast", t, {"x": t}) for t in (0, 10, 500, 510, 520)] + [("/slow", t, {"y": t}) for t in (5, 505)]
    found = opened(json_log(tmp_path / "a.mcap", messages), episodes_gap_s=0.1)
    assert found.episodes().collect()["name"].to_list() == ["a_0", "a_1"]
    assert column(found, "episode_index") == [0, 0, 1, 1, 1]
    assert column(found, "timestamp") == [0.0, 0.01, 0.0, 0.01, 0.02]
    assert column(found, "slow/y") == [None, 5, None, 505, 505]


def test_complete_leaves_out_rows_before_every_topic_had_a_message(tmp_path):
    found = opened(json_log(tmp_path / "a.mcap", TWO_RATES), complete=True)
    assert column(found, "fast/x") == [2, 3, 4, 5, 6]
    assert column(found, "timestamp")[0] == 0.0
    assert not any(c.nullable for c in found.header.steps)
    found.write(tmp_path / "a.hdf5")
    assert opened(tmp_path / "a.hdf5").episode(0)["slow"]["y"].tolist() == [0.5, 0.5, 1.5, 1.5, 1.5]


def test_times_can_be_those_of_publishing(tmp_path):
    messages = [("/a", 0, {"x": 0}), ("/a", 30, {"x": 1})]
    path = json_log(tmp_path / "a.mcap", messages)
    origin = opened(path, time="publish").source.rows.members[0].begin
    assert origin == opened(path).source.rows.members[0].begin - 5 * MS
    with pytest.raises(SettingsError, match="option time of mcap must be one of log, publish"):
        opened(path, time="wall")


def test_a_folder_is_one_episode_a_file_in_natural_order(tmp_path):
    for i in (10, 9, 1):
        json_log(tmp_path / f"bag_{i}.mcap", [("/a", k, {"x": i * 100 + k}) for k in range(2)])
    json_log(tmp_path / "bag_11.mcap", [("/b", 0, {"z": 1}), *[("/a", k, {"x": 1}) for k in (0, 1)]])
    (tmp_path / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    found = opened(tmp_path)
    assert found.episodes().collect()["name"].to_list() == ["bag_1", "bag_9", "bag_10", "bag_11"]
    assert column(found, "a/x")[:6] == [100, 101, 900, 901, 1000, 1001]
    assert column(found, "b/z") == [None] * 6 + [1, 1]


def test_a_log_goes_to_another_process_as_its_path_and_index(tmp_path):
    source = opened(json_log(tmp_path / "a.mcap", TWO_RATES)).source
    list(source.parts()[0].steps())
    again = pickle.loads(pickle.dumps(source.parts()[0]))
    assert pa.Table.from_batches(again.steps()).equals(pa.Table.from_batches(source.parts()[0].steps()))


def test_a_log_that_changed_since_it_was_opened_is_not_read(tmp_path):
    source = opened(json_log(tmp_path / "a.mcap", TWO_RATES)).source
    json_log(tmp_path / "a.mcap", TWO_RATES[1:])
    with pytest.raises(DamagedFileError, match="has changed since it was opened"):
        list(source.parts()[0].steps())


def test_a_log_is_read_from_a_url(tmp_path):
    import fsspec

    data = (tmp_path / "x.mcap", json_log(tmp_path / "x.mcap", TWO_RATES))[0].read_bytes()
    fsspec.filesystem("memory").pipe_file("/logs/a.mcap", data)
    assert column(opened("memory://logs/a.mcap"), "fast/x") == list(range(7))
    assert column(opened("memory://logs"), "fast/x") == list(range(7))
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr("in/a.mcap", data)
    for inner in ("in/a.mcap", "in"):
        assert column(opened(f"zip://{inner}::{tmp_path}/logs.zip"), "fast/x") == list(range(7))


# ---- JSON ------------------------------------------------------------------------------------------------------


def test_numbers_of_json_are_typed_by_what_they_are_and_by_the_schema(tmp_path):
    schema = {"properties": {"v": {"type": "number"}, "w": {"type": "array", "items": {"type": "number"}}}}
    messages = [
        ("/a", 0, {"v": 1, "w": [1, 2], "ok": True, "n": {"m": [[1, 2], [3, 4]]}, "mixed": 1, "s": "text", "maybe": 3}),
        (
            "/a",
            1,
            {"v": 2, "w": [3, 4], "ok": False, "n": {"m": [[5, 6], [7, 8]]}, "mixed": 1.5, "s": "no", "maybe": None},
        ),
    ]
    found = opened(json_log(tmp_path / "a.mcap", messages, schemas={"/a": schema}))
    kinds = {c.name: (c.dtype, c.shape, c.nullable) for c in found.header.steps}
    assert kinds == {
        "a/v": ("float64", (), False),
        "a/w": ("float64", (2,), False),
        "a/ok": ("bool", (), False),
        "a/n/m": ("int64", (2, 2), False),
        "a/mixed": ("float64", (), False),
        "a/maybe": ("int64", (), True),
    }
    assert column(found, "a/maybe") == [3, None]
    assert column(found, "a/mixed") == [1.0, 1.5]
    assert found.header.warnings == ("/a: left out: s (text)",)


def test_lists_that_change_their_length_are_left_out_and_named(tmp_path):
    messages = [("/a", i, {"list": [0] * (i + 1), "empty": [], "ragged": [[1], [1, 2]], "x": i}) for i in range(3)]
    with pytest.warns(TrajloomWarning, match=r"/a: left out: list \(its shape changes: \(1,\), \(2,\)\)"):
        found = trajloom.read(json_log(tmp_path / "a.mcap", messages))
    assert [c.name for c in found.header.steps] == ["a/x"]
    said = "; ".join(found.header.warnings)
    assert "empty (an empty list)" in said
    assert "ragged (a list of lists of different lengths)" in said


def test_names_that_are_no_paths_or_taken_are_left_out(tmp_path):
    messages = [("/a", 0, {"b/c": 1, "..": 2, "": 3, "\ud800": 4, "b": {"c": 5}, "x": 6, "timestamp": 7})]
    messages += [("/a/x", 0, {"y": 8}), ("/timestamp", 0, {"z": 9})]
    found = opened(json_log(tmp_path / "a.mcap", messages))
    assert {c.name for c in found.header.steps} == {"a/b/c", "a/x", "a/timestamp", "timestamp/z"}
    assert len([said for said in found.header.warnings if "is no path" in said]) == 2
    assert any("a/x/y is the name of another topic's column" in said for said in found.header.warnings)


def test_a_topic_of_another_encoding_is_left_out_with_its_reason(tmp_path):
    with open(tmp_path / "a.mcap", "wb") as file:
        writer = Writer(file)
        writer.start()
        number = writer.register_schema("foo.Bar", "protobuf", b"...")
        channel = writer.register_channel("/proto", "protobuf", number)
        writer.add_message(channel, START, b"\x08\x01", START)
        writer.add_attachment(START, START, "notes", "text/plain", b"hello")
        writer.finish()
    found = opened(tmp_path / "a.mcap")
    said = "; ".join(found.header.warnings)
    assert "/proto: left out: messages encoded as 'protobuf'" in said
    assert "those that are read: cdr with ros2msg" in said
    assert "1 attachments" in said
    assert "there is no demonstration in it" in said
    assert len(found) == 0


# ---- ROS -------------------------------------------------------------------------------------------------------


def joints(i: int) -> dict:
    return {
        "header": HEADER,
        "name": ["a", "bcd"],
        "position": [i + 0.1, i + 0.2],
        "effort": [i, 2.5, -1],
        "ready": i % 2 == 1,
        "mode": -7 * i,
        "targets": [{"x": 1.0 * i, "y": 2.0}, {"x": 3.0, "y": 4.0}, {"x": 5.0, "y": 6.0}],
    }


def test_fields_of_ros2_have_the_types_of_their_definition(tmp_path):
    path = ros2_log(tmp_path / "a.mcap", JOINTS, "robot_msgs/msg/Joints", [(i, joints(i)) for i in range(4)])
    found = opened(path)
    kinds = {c.name.removeprefix("robot/"): (c.dtype, c.shape) for c in found.header.steps}
    assert kinds == {
        "position": ("float64", (2,)),
        "effort": ("float32", (3,)),
        "ready": ("bool", ()),
        "mode": ("int16", ()),
        "targets/x": ("float64", (3,)),
        "targets/y": ("float64", (3,)),
    }
    episode = found.episode(0)["robot"]
    assert episode["position"].tolist() == [[i + 0.1, i + 0.2] for i in range(4)]
    assert episode["mode"].tolist() == [0, -7, -14, -21]
    assert episode["ready"].tolist() == [False, True, False, True]
    assert episode["targets"]["x"].tolist() == [[1.0 * i, 3.0, 5.0] for i in range(4)]
    assert found.header.warnings == ("/robot: left out: header/frame_id, name (text)",)


def test_fields_of_ros1_lie_without_gaps(tmp_path):
    definition = "Header header\nbyte b\nfloat64[2] x\nduration d\nstring s\nuint16 n\n===\nMSG: std_msgs/Header\n"
    definition += "uint32 seq\ntime stamp\nstring frame_id\n"
    with open(tmp_path / "a.mcap", "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros1")
        number = writer.register_schema("my_msgs/Thing", "ros1msg", definition.encode())
        channel = writer.register_channel("/thing", "ros1", number)
        data = struct.pack("<IIII3sbddiiI2sH", 7, 1, 2, 3, b"abc", -5, 1.5, -2.5, -1, 9, 2, b"hi", 65000)
        writer.add_message(channel, START, data, START)
        writer.finish()
    found = opened(tmp_path / "a.mcap").episode(0)["thing"]
    assert found["b"].tolist() == [-5]
    assert found["x"].tolist() == [[1.5, -2.5]]
    assert (found["d"]["sec"].tolist(), found["n"].tolist(), found["header"]["seq"].tolist()) == ([-1], [65000], [7])


def test_big_endian_and_cdr2_are_read():
    message = parse("m/A", "uint8 a\nfloat64 b\n")
    assert values_of(message, memoryview(b"\0\0\0\0" + struct.pack(">B7xd", 1, 2.5)))["b"] == 2.5
    assert values_of(message, memoryview(b"\0\7\0\0" + struct.pack("<B3xd", 1, 2.5)))["b"] == 2.5
    with pytest.raises(DamagedFileError, match="no plain CDR"):
        values_of(message, memoryview(b"\0\x0a\0\0" + bytes(16)))


PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def raw(encoding: str, image: np.ndarray, *, padding: int = 0, big: bool = False) -> dict:
    rows = image.reshape(image.shape[0], -1).view(np.uint8)
    data = np.pad(rows, ((0, 0), (0, padding)))
    about = {"header": HEADER, "height": image.shape[0], "width": image.shape[1], "encoding": encoding}
    return {**about, "is_bigendian": int(big), "step": data.shape[1], "data": data.tobytes()}


@pytest.mark.parametrize(("encoding", "image", "wanted"), [
    ("rgb8", PICTURE, PICTURE),
    ("bgr8", PICTURE, PICTURE[..., ::-1]),
    ("mono8", PICTURE[..., 0].copy(), PICTURE[..., 0]),
    ("16UC1", np.arange(24, dtype="u2").reshape(4, 6) * 999, np.arange(24, dtype="u2").reshape(4, 6) * 999),
    ("32FC1", np.linspace(0, 1, 24, dtype="f4").reshape(4, 6), np.linspace(0, 1, 24, dtype="f4").reshape(4, 6)),
])  # fmt: skip
@pytest.mark.parametrize("padding", [0, 5])
def test_raw_images_are_columns_named_after_their_topic(tmp_path, encoding, image, wanted, padding):
    messages = [(i, raw(encoding, image, padding=padding)) for i in range(3)]
    found = opened(ros2_log(tmp_path / "a.mcap", IMAGE, "sensor_msgs/msg/Image", messages))
    assert [(c.name, c.dtype, c.shape) for c in found.header.steps] == [("robot", str(wanted.dtype), wanted.shape)]
    assert np.array_equal(found.episode(0)["robot"], np.stack([wanted] * 3))


def test_a_camera_that_starts_late_is_black_in_a_video_until_then(tmp_path):
    bright = np.full((32, 32, 3), 200, np.uint8)
    with open(tmp_path / "a.mcap", "wb") as file:
        writer = Ros2Writer(file)
        camera = writer.register_msgdef("sensor_msgs/msg/Image", IMAGE)
        robot = writer.register_msgdef("robot_msgs/msg/Joints", JOINTS)
        for i in range(4):
            writer.write_message("/robot", robot, joints(i), log_time=START + i * 50 * MS)
        writer.write_message("/wrist/rgb", camera, raw("rgb8", bright), log_time=START + 70 * MS)
        writer.finish()
    found = opened(tmp_path / "a.mcap")
    assert found.header.column("wrist/rgb").nullable
    found.write(tmp_path / "out", to="mp4", fps=20)
    shown = [frame.mean() for frame in frames(tmp_path / "out/rgb/episode_000000.mp4")]
    assert np.allclose(shown, [0, 0, 200, 200], atol=4)


def test_depth_of_the_other_byte_order_is_turned(tmp_path):
    depth = np.arange(24, dtype=">u2").reshape(4, 6)
    path = ros2_log(tmp_path / "a.mcap", IMAGE, "sensor_msgs/msg/Image", [(0, raw("16UC1", depth, big=True))])
    assert np.array_equal(opened(path).episode(0)["robot"][0], depth)


def compressed(image: np.ndarray, kind: str) -> dict:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind)
    return {"header": HEADER, "format": f"rgb8; {kind.lower()} compressed bgr8", "data": stream.getvalue()}


def test_compressed_images_are_unpacked(tmp_path):
    for kind in ("PNG", "JPEG"):
        messages = [(i, compressed(PICTURE + i, kind)) for i in range(3)]
        found = opened(ros2_log(tmp_path / f"{kind}.mcap", COMPRESSED, "sensor_msgs/msg/CompressedImage", messages))
        images = found.episode(0)["robot"].astype(int)
        assert images.shape == (3, 4, 6, 3)
        assert np.abs(images[2] - PICTURE - 2).mean() < (0.1 if kind == "PNG" else 40)


def test_images_that_change_size_or_encoding_are_left_out(tmp_path):
    sizes = [(0, raw("rgb8", PICTURE)), (1, raw("rgb8", PICTURE[:2]))]
    found = opened(ros2_log(tmp_path / "a.mcap", IMAGE, "sensor_msgs/msg/Image", sizes))
    assert "/robot: left out: the image (its shape changes: (4, 6, 3), (2, 6, 3))" in found.header.warnings
    found = opened(ros2_log(tmp_path / "b.mcap", IMAGE, "sensor_msgs/msg/Image", [(0, raw("yuv422", PICTURE))]))
    assert "images of encoding 'yuv422'" in found.header.warnings[0]


@needs_real
@pytest.mark.shared_data
def test_a_real_log_of_every_sensor_gives_what_the_ros2_library_decodes():
    from mcap.reader import make_reader
    from mcap_ros2.decoder import DecoderFactory

    dataset = opened(REAL)
    assert dataset.header.layout["clock"] == "/rosout"
    columns = {c.name: c for c in dataset.header.steps}
    assert (columns["image"].shape, columns["compressed_image"].shape) == ((480, 640, 3), (480, 640, 3))
    numbers = [name for name in columns if "image" not in name]
    last = list(dataset.parts()[0].steps(numbers))[-1].slice(0)
    rows = {name: last.column(name)[-1].as_py() for name in numbers}
    latest = {}
    with open(REAL, "rb") as file:
        for _, channel, _, message in make_reader(file, decoder_factories=[DecoderFactory()]).iter_decoded_messages():
            latest[channel.topic.strip("/")] = message
    compared = 0
    for name, found in rows.items():
        topic = max((t for t in latest if name.startswith(f"{t}/")), key=len)
        wanted = latest[topic]
        if "/" in (path := name.removeprefix(f"{topic}/")) and isinstance(getattr(wanted, path.split("/")[0]), list):
            continue
        for piece in path.split("/"):
            wanted = getattr(wanted, piece)
        wanted = list(wanted) if isinstance(wanted, bytes) else wanted
        assert np.array_equal(np.ravel(found), np.ravel(wanted), equal_nan=True), name
        compared += 1
    assert compared > 100


# ---- damaged and hostile ---------------------------------------------------------------------------------------


def test_a_log_that_was_cut_off_is_damaged_and_can_be_skipped(tmp_path):
    whole = json_log(tmp_path / "a.mcap", TWO_RATES)
    data = (tmp_path / "a.mcap").read_bytes()
    (tmp_path / "b.mcap").write_bytes(data[: len(data) // 3])
    with pytest.raises(DamagedFileError, match=r"b\.mcap: .*cut short"):
        opened(tmp_path / "b.mcap")
    found = opened(tmp_path, on_error="skip")
    assert len(found) == 1
    assert "b.mcap" in found.header.warnings[0]
    assert column(found, "fast/x") == column(opened(whole), "fast/x")


def test_what_is_no_mcap_is_said_to_be_none(tmp_path):
    (tmp_path / "a.mcap").write_text("hello")
    (tmp_path / "empty").mkdir()
    for path in ("a.mcap", "empty"):
        with pytest.raises(LayoutError, match="neither an MCAP file nor a folder of them"):
            mcap.read(tmp_path / path)
    assert not mcap.sniff(str(tmp_path / "absent.mcap"))


def chunk_record(kind: str, packed: bytes, size: int) -> bytes:
    name = kind.encode()
    content = struct.pack("<QQQII", 0, 0, size, 0, len(name)) + name + struct.pack("<Q", len(packed)) + packed
    return struct.pack("<BQ", 6, len(content)) + content


def with_chunk(path, record: bytes) -> str:
    header = struct.pack("<BQII", 1, 8, 0, 0)
    path.write_bytes(MAGIC + header + record + struct.pack("<BQI", 15, 4, 0) + MAGIC)
    return str(path)


def packed(kind: str, data: bytes) -> bytes:
    import lz4.frame
    import zstandard

    return zstandard.compress(data) if kind == "zstd" else lz4.frame.compress(data)


@pytest.mark.parametrize("kind", ["zstd", "lz4", ""])
def test_a_chunk_that_says_it_unpacks_to_terabytes_is_refused(tmp_path, kind):
    with pytest.raises(HostileFileError, match=r"it says that it unpacks to 5,497,558,138,880 bytes"):
        mcap.read(with_chunk(tmp_path / "a.mcap", chunk_record(kind, b"x", 5 << 40)))


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_a_chunk_that_unpacks_to_more_than_it_says_is_stopped(tmp_path, kind):
    bomb = packed(kind, bytes(50 << 20))
    with pytest.raises(DamagedFileError, match="unpacks to 101 bytes, where it says 100"):
        mcap.read(with_chunk(tmp_path / "a.mcap", chunk_record(kind, bomb, 100)))
    with pytest.raises(DamagedFileError, match="compression 'brotli'"):
        mcap.read(with_chunk(tmp_path / "a.mcap", chunk_record("brotli", bomb, 100)))


DOUBLING = "B0 a\nB0 b\n" + "".join(f"===\nMSG: m/B{i}\nB{i + 1} a\nB{i + 1} b\n" for i in range(25))
DOUBLING += "===\nMSG: m/B25\nint8 x\n"
"""26 levels of messages that hold two of the next."""


@pytest.mark.parametrize(("text", "said"), [
    ("Other other\n===\nMSG: m/Other\nm/A a\n", "holds itself"),
    ("m/A a\n", "holds itself"),
    ("Missing x\n", "message m/Missing is not defined"),
    ("\x00\xff{]garbage\n", "this is no field"),
    ("float64[99999999999999999999] x\n", "this is no field"),
    ("wstring x\n", "wstring"),
    (DOUBLING, "more than 10,000"),
])  # fmt: skip
def test_definitions_that_are_none_are_refused_soon(text, said):
    with pytest.raises(SchemaError, match=said):
        parse("m/msg/A", text)


@pytest.mark.parametrize(
    "definition", ["float64[] x\n", "string s\n", "B[] b\n===\nMSG: m/B\n", "float64[999999999999] x\n"]
)
def test_lengths_beyond_the_message_are_refused_before_anything_is_made(definition):
    with pytest.raises(DamagedFileError, match="bytes are left"):
        values_of(parse("m/A", definition), memoryview(b"\0\1\0\0" + struct.pack("<I", 0xFFFFFFFF)))


def test_an_image_that_claims_more_pixels_than_it_has_is_refused(tmp_path):
    absurd = {**raw("rgb8", PICTURE), "height": 4_000_000_000, "width": 4_000_000_000, "step": 4_000_000_000}
    path = ros2_log(tmp_path / "a.mcap", IMAGE, "sensor_msgs/msg/Image", [(0, absurd)])
    with pytest.raises(DamagedFileError, match=r"/robot: message 0: an image of 4000000000 x 4000000000 rgb8"):
        opened(path)


def test_deep_json_is_refused(tmp_path):
    with open(tmp_path / "a.mcap", "wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/a", "json", 0)
        writer.add_message(channel, START, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, START)
        writer.finish()
    with pytest.raises(DamagedFileError, match="/a: message 0"):
        opened(tmp_path / "a.mcap")


@pytest.mark.parametrize("kind", ["json", "ros2", "image"])
def test_no_mutation_of_a_log_raises_anything_but_an_error_of_ours(tmp_path, kind):
    rng = np.random.default_rng(7)
    path = tmp_path / "a.mcap"
    if kind == "json":
        json_log(path, TWO_RATES)
    elif kind == "ros2":
        ros2_log(path, JOINTS, "robot_msgs/msg/Joints", [(i, joints(i)) for i in range(4)])
    else:
        ros2_log(
            path, COMPRESSED, "sensor_msgs/msg/CompressedImage", [(i, compressed(PICTURE, "PNG")) for i in range(3)]
        )
    data, refused = path.read_bytes(), []
    for i in range(100):
        changed = bytearray(data)
        if i % 5 == 0:
            changed = changed[: rng.integers(9, len(changed))]
        for at in rng.integers(8, len(changed), rng.integers(1, 6)):
            changed[at] = rng.integers(256)
        mutant = tmp_path / f"m{i}.mcap"
        mutant.write_bytes(changed)
        try:
            table(opened(mutant))
        except TrajloomError as error:
            refused.append((mutant.name, str(error)))
    assert refused
    assert all(name in said for name, said in refused)


def test_it_cannot_be_written():
    assert "mcap" in formats.names("read")
    assert "mcap" not in formats.names("write")
