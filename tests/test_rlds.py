"""Reading RLDS: real records, made ones, and damaged ones."""

import json
import pickle
import random
import struct
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import rlds_files
from conftest import SHARED_DATA
from rlds_files import FEATURES, episode, example, features_dict, record, tensor, tensor_proto, varint, write
from trajloom import dataset, formats, store
from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomError, TrajloomWarning
from trajloom.formats import rlds
from trajloom.formats.rlds import crc, wire
from trajloom.tables import rest_rows

BRIDGE = SHARED_DATA / "rlds_bridge"
LENGTHS = (3, 1, 4)


def steps(source) -> pa.Table:
    batches = [batch for part in source.parts() for batch in part.steps()]
    return pa.Table.from_batches(batches, schema=source.header.steps_schema)


def read(path, **settings):
    """What a dataset of made records holds; the lists of its points are no column, which is warned of."""
    with pytest.warns(TrajloomWarning, match="steps/points is no column"):
        return rlds.read(path, **settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Episodes of 3 and 1 steps to train, of 4 to validate."""
    made = [example(episode(n)) for n in LENGTHS]
    return write(tmp_path / "toy", {"val": made[2:], "train": made[:2]})


# ---- real records ----------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.skipif(not BRIDGE.exists(), reason="needs ../shared/data")
def test_real_episodes_come_with_splits_instructions_and_images():
    data = dataset.read(BRIDGE)
    episodes = data.episodes().collect()
    assert episodes["splits"].to_list() == [["train"]] * 25 + [["val"]] * 25
    assert episodes["task"][0] == "put cup from counter or drying rack into sink"
    assert set(episodes["length"]) == {10}
    first = data.episode(0)
    assert first["actions"].shape == (10, 7)
    assert first["is_first"].tolist() == [True] + [False] * 9
    assert np.abs(np.diff(first["obs"]["state"][:, :3], axis=0)).max() < 0.1
    assert first["obs"]["image_0"].shape == (10, 64, 64, 3)
    assert first["obs"]["image_0"].std() > 20
    attrs = json.loads(episodes["attrs"][0])
    assert attrs["episode_metadata"]["episode_id"] == {"dtype": "<i4", "value": 5}


@pytest.mark.shared_data
@pytest.mark.skipif(not BRIDGE.exists(), reason="needs ../shared/data")
def test_real_records_are_the_same_twice_and_in_our_store(tmp_path):
    source = rlds.read(BRIDGE / "bridge_dataset-val.tfrecord-00000-of-00001")
    once = steps(source)
    assert once.num_rows == 250
    assert once.equals(steps(source))
    store.write(source, str(tmp_path / "out"))
    assert steps(store.open_store(str(tmp_path / "out"))).equals(once)


# ---- made records ----------------------------------------------------------------------------------------------


def test_features_become_columns_of_their_own_types(folder):
    source = read(folder)
    assert {c.name: (c.dtype, c.shape) for c in source.header.steps} == {
        "obs/state": ("float32", (2, 2)),
        "obs/image": ("uint8", (4, 5, 3)),
        "obs/blob": ("int32", (2,)),
        "actions": ("float64", (2,)),
        "rewards": ("float32", ()),
        "is_first": ("bool", ()),
        "count": ("int16", ()),
    }
    assert source.header.layout["renamed"]["obs/image"] == "steps/observation/image"


def test_values_are_those_written(folder):
    data = dataset.Dataset(read(folder))
    got = data.episode(2)
    assert got["obs"]["state"].tolist() == (np.arange(16.0) + 4).reshape(4, 2, 2).tolist()
    assert got["obs"]["blob"].tolist() == [[i, -4] for i in range(4)]
    assert got["count"].tolist() == [-300, -299, -298, -297]
    assert all((got["obs"]["image"][i] == rlds_files.image(4, i)).all() for i in range(4))
    assert [e.row["name"] for e in data.iter_episodes()] == ["train_0", "train_1", "val_0"]


def test_texts_are_task_attributes_and_rest(folder):
    [part] = read(folder).parts()
    table = part.episodes()
    assert table.column("task").to_pylist() == ["pick the cup"] * 3
    assert table.column("success").to_pylist() == [True, True, False]
    attrs = json.loads(table.column("attrs")[2].as_py())["episode_metadata"]
    assert attrs["gains"] == {"dtype": "<f4", "shape": [3], "value": [1.0, 2.0, 3.0]}
    rest = {(row.episode_index, row.path): row for batch in part.rest() for row in rest_rows(batch)}
    note = rest[0, "note"]
    assert np.frombuffer(note.data or b"", note.dtype).tolist() == [b"step 0", b"step 1", b"step 2"]
    points = rest[2, "points/ragged_flat_values"]
    assert np.frombuffer(points.data or b"", points.dtype).tolist() == list(range(7))


def test_rows_can_be_read_from_the_middle_of_an_episode(folder):
    source = read(folder)
    found = source.rows.steps(["count", "obs/image"], 2, 6)
    assert found["count"].tolist() == [-298, -300, -300, -299]
    assert (found["obs/image"][3] == rlds_files.image(4, 1)).all()


def test_parts_can_be_read_in_other_processes(folder):
    [part] = read(folder).parts()
    again = pickle.loads(pickle.dumps(part))
    assert list(again.steps()) == list(part.steps())


def test_numbers_need_not_be_packed(tmp_path, folder):
    loose = write(tmp_path / "loose", {"train": [example(episode(n), packed=False) for n in LENGTHS[:2]]})
    packed = steps(read(folder)).slice(0, 4)
    assert steps(read(loose)).equals(packed)


def test_a_column_that_an_episode_lacks_is_null_there(tmp_path):
    without = episode(2)
    del without["steps/observation/state"]
    source = read(write(tmp_path / "toy", {"train": [example(without), example(episode(1))]}))
    assert steps(source).column("obs/state").is_null().to_pylist() == [True, True, False]


def test_a_lone_file_and_a_folder_of_one_version_are_read_too(folder):
    lone = read(folder / "toy-val.tfrecord-00000-of-00001")
    assert steps(lone).num_rows == 4
    assert rlds.sniff(str(folder.parent))
    assert steps(read(folder.parent)).num_rows == 8


def test_without_a_description_the_first_record_says_what_there_is(tmp_path):
    made = write(tmp_path / "toy", {"train": [example(episode(n)) for n in LENGTHS]}, features=None)
    source = read_inferred(made)
    columns = {c.name: (c.dtype, c.shape) for c in source.header.steps}
    assert columns["obs/state"] == ("float32", (4,))
    assert columns["count"] == ("int64", ())
    assert columns["is_first"] == ("bool", ())
    assert columns["obs/image"] == ("uint8", (4, 5, 3))
    assert steps(source).num_rows == 8


def read_inferred(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return rlds.read(path)


def test_serialized_tensors_are_columns(tmp_path):
    values = {
        "observations/images0": np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3),
        "actions": np.arange(6, dtype="<f8").reshape(3, 2),
        "terminals": np.array([False, False, True]),
        "language": ["open it"] * 3,
    }
    made = write(tmp_path, {"train": [example({k: [tensor_proto(v)] for k, v in values.items()})]}, features=None)
    data = dataset.read(made)
    got = data.episode(0)
    assert (got["obs"]["images0"] == values["observations/images0"]).all()
    assert got["actions"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert got["terminals"].tolist() == [False, False, True]
    assert data.episodes().collect()["task"].to_list() == ["open it"]


def test_it_is_found_by_looking_and_read_from_a_url(folder):
    import fsspec

    memory = fsspec.filesystem("memory")
    for file in folder.iterdir():
        memory.pipe_file(f"/toy/{file.name}", file.read_bytes())
    assert formats.find("memory://toy").NAME == "rlds"
    assert formats.find(str(folder)).NAME == "rlds"
    assert steps(read("memory://toy")).equals(steps(read(folder)))


def test_an_empty_dataset_is_a_dataset(tmp_path):
    with pytest.warns(TrajloomWarning, match="no demonstration"):
        source = rlds.read(write(tmp_path, {"train": []}))
    assert sum(part.num_episodes for part in source.parts()) == 0


# ---- damage ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 8, 1023, 1024, 5000, 100_003])
def test_the_checksum_is_crc32c(size):
    assert crc.crc32c(b"123456789") == 0xE3069283  # the check value of its definition
    data = bytes(np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8))
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    assert crc.crc32c(data) == state ^ 0xFFFFFFFF


def test_the_checksum_of_a_record_is_made_of_its_pieces(monkeypatch):
    data = bytes(np.random.default_rng(0).integers(0, 256, 7_002, dtype=np.uint8))
    whole = crc.crc32c(data)
    for size in (1, 1024, 1400, 3500):
        monkeypatch.setattr(crc, "_PIECE_BYTES", size)
        assert crc.crc32c(data) == whole


@pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
def test_packed_numbers_are_found_wherever_blocks_cut_them(block, monkeypatch):
    monkeypatch.setattr(wire, "_BLOCK_BYTES", block)
    numbers = np.array([0, 127, 128, -1, 1 << 40, 300, 2**63 - 1, 5, -300, 7], dtype=np.int64)
    data = b"xx" + b"".join(varint(int(n)) for n in numbers) + b"\x80"
    packed = wire.Varints(data, 2, len(data) - 1)
    assert len(packed) == len(numbers)
    for first in range(len(numbers)):
        for last in range(first + 1, len(numbers) + 1):
            assert packed.between(first, last).tolist() == numbers[first:last].tolist()


def test_packed_numbers_that_are_cut_short_or_too_long_are_none(monkeypatch):
    monkeypatch.setattr(wire, "_BLOCK_BYTES", 16)
    with pytest.raises(wire.WireError, match="cut short at byte 3"):
        len(wire.Varints(b"\x01\x02\x80", 0, 3))
    endless = b"\x80" * 100 + b"\x01"
    with pytest.raises(wire.WireError, match="more than 10"):
        wire.Varints(endless, 0, len(endless)).between(0, 1)


def test_a_changed_byte_is_found_by_the_checksum(folder):
    path = folder / "toy-train.tfrecord-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"toy-train.*record 1 is damaged: its checksum"):
        steps(read(folder))
    with pytest.warns(TrajloomWarning, match=r"skipped .*record 1 is damaged"):
        source = rlds.read(folder, on_error="skip")
    assert [e.row["name"] for e in dataset.Dataset(source).iter_episodes()] == ["train_0", "val_0"]


def test_a_file_cut_short_says_which_record(folder):
    path = folder / "toy-train.tfrecord-00000-of-00001"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedFileError, match="record 1 is cut short"):
        rlds.read(folder)
    with pytest.warns(TrajloomWarning, match="skipped the rest of a file"):
        assert steps(rlds.read(folder, on_error="skip")).num_rows == 7


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x0a\x05ab", "goes beyond its message by 3 bytes"),
        (b"\x09abc", "goes beyond its message by 5 bytes"),
        (b"\x0a", "cut short"),
        (b"\x0b", "a field of kind 3"),
        (b"\x02\x00", "without a number"),
        (b"\xff" * 12, "more than 10 bytes"),
    ],
)
def test_fields_end_where_their_message_ends(data, said):
    with pytest.raises(wire.WireError, match=said):
        list(wire.fields(data, 0, len(data)))


def test_a_length_beyond_the_file_is_refused(tmp_path):
    folder = write(tmp_path, {"train": []})
    head = struct.pack("<Q", 1 << 60)
    (folder / "toy-train.tfrecord-00000-of-00001").write_bytes(head + struct.pack("<I", crc.masked(head)) + b"x" * 50)
    with pytest.raises(DamagedFileError, match="record 0 is cut short"):
        rlds.read(folder)


def test_an_episode_whose_columns_differ_in_length_is_named(tmp_path):
    bad = {**episode(3), "steps/action": np.arange(4, dtype="f4")}
    source = read(write(tmp_path, {"train": [example(bad)]}))
    with pytest.raises(DamagedFileError, match=r"record 0: steps/action has 2 of 3 steps"):
        steps(source)


def test_numbers_beyond_their_type_are_damage(tmp_path):
    bad = {**episode(1), "steps/count": np.array([70_000])}
    with pytest.raises(DamagedFileError, match="steps/count holds numbers that are no int16"):
        steps(read(write(tmp_path, {"train": [example(bad)]})))


def test_absurd_shapes_and_nesting_are_refused(tmp_path):
    def described(feature):
        return features_dict({"steps": {"sequence": {"feature": features_dict({"action": feature})}}})

    with pytest.raises(HostileFileError, match="more than 256 MB a row"):
        rlds.read(write(tmp_path / "wide", {"train": []}, described(tensor("float32", 1 << 20, 1 << 20))))
    deep = tensor("float32")
    for _ in range(100):
        deep = features_dict({"x": deep})
    with pytest.raises(HostileFileError, match="nested"):
        rlds.read(write(tmp_path / "deep", {"train": []}, described(deep)))


def test_an_image_of_too_many_pixels_is_refused(tmp_path):
    bomb = bytearray(rlds_files.png(rlds_files.image(0, 0)))
    bomb[16:24] = struct.pack(">II", 100_000, 100_000)
    bad = {**episode(1), "steps/observation/image": [bytes(bomb)]}
    with pytest.raises((HostileFileError, DamagedFileError), match=r"record 0: steps/observation/image"):
        rlds.read(write(tmp_path, {"train": [example(bad)]}))


def test_other_datasets_of_tfds_are_no_episodes(tmp_path):
    with pytest.raises(LayoutError, match="no feature `steps`"):
        rlds.read(write(tmp_path, {"train": []}, features_dict({"label": tensor("int64")})))


@pytest.mark.filterwarnings("ignore::trajloom.errors.TrajloomWarning")
def test_mutated_files_raise_errors_of_ours_alone(tmp_path):
    rng, good = random.Random(7), example(episode(2))
    description = json.dumps(FEATURES).encode()
    refused = 0
    for i in range(120):
        folder = write(tmp_path / str(i), {"train": [mutated(rng, good)]}, features=None)
        if i % 2:
            (folder / "features.json").write_bytes(mutated(rng, description) if i % 4 == 1 else description)
        if i % 5 == 0:
            file = folder / "toy-train.tfrecord-00000-of-00001"
            file.write_bytes(mutated(rng, record(good)))
        try:
            source = rlds.read(folder)
            steps(source)
            [list(part.rest()) for part in source.parts()]
        except TrajloomError:
            refused += 1
    assert 20 < refused < 120


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, removed or doubled."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(out))
        match rng.randrange(3):
            case 0:
                out[at] = rng.randrange(256)
            case 1:
                del out[at : at + rng.randint(1, 9)]
            case 2:
                out[at:at] = out[at : at + rng.randint(1, 9)]
    return bytes(out)
