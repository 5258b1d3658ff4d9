"""What each format finds in its own files: a healthy one, then one planted fault at a time."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from mcap.writer import CompressionType
from typer.testing import CliRunner

import in_memory
import robodm_files
import trajloom as tl
from mcap_files import json_log
from rlds_files import episode, example, write
from trajloom import formats
from trajloom.check import doctor
from trajloom.cli.main import typer_app
from trajloom.errors import DamagedFileError
from trajloom.findings import Finding
from trajloom.formats.robodm.segment import declared_end


def found(name: str, path: Path) -> list[Finding]:
    return list(formats.get(name).findings(str(path)))  # type: ignore[attr-defined]


def codes(name: str, path: Path) -> list[str]:
    return [finding.code for finding in found(name, path)]


# ---- Zarr ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["zarr", "zarr_demos"])
def hierarchy(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A healthy hierarchy of either kind, of 3 + 2 steps, without anything of ours beside it."""
    path = tmp_path / "data.zarr"
    tl.Dataset(in_memory.source((3, 2))).write(path, to=request.param)
    shutil.rmtree(path / "trajloom")
    assert codes(request.param, path) == []
    return request.param, path


def attrs_of(path: Path, group: str) -> dict:
    return dict(zarr.open_group(str(path / group), mode="r").attrs)


def test_counts_and_rates_of_zarr_that_are_stale_are_set_right(hierarchy, tmp_path):
    name, path = hierarchy
    owner = {"zarr": "meta", "zarr_demos": "data"}[name]
    zarr.open_group(str(path), mode="r+").attrs["success_rate"] = 0.25
    zarr.open_group(str(path / owner), mode="r+").attrs["total"] = 99
    assert codes(name, path) == ["wrong_total", "stale_success_rate"]
    fixed = tmp_path / "fixed.zarr"
    out = tl.Dataset(formats.get(name).repaired(formats.get(name).read(str(path))))  # type: ignore[attr-defined]
    out.write(fixed, to=name)
    assert codes(name, fixed) == []
    assert attrs_of(fixed, owner)["total"] == 5
    assert attrs_of(fixed, "")["success_rate"] == 1


def test_metadata_repeated_at_the_root_of_zarr_may_be_stale(hierarchy):
    name, path = hierarchy
    zarr.consolidate_metadata(str(path))
    assert codes(name, path) == []
    array = next(file.parent for file in sorted(path.rglob("*")) if file.parent.name == "actions" or
                 file.parent.name == "action")  # fmt: skip
    shutil.copytree(array, array.parent / "newer")
    assert "stale_metadata" in codes(name, path)


def test_facts_of_episodes_that_are_not_there_are_told(tmp_path):
    path = tmp_path / "data.zarr"
    tl.Dataset(in_memory.source((3, 2))).write(path, to="zarr")
    zarr.open_group(str(path / "meta"), mode="r+").attrs["success_2"] = True
    (finding,) = found("zarr", path)
    assert finding.what == "meta has attributes of episodes that are not there: success_2"


def test_lengths_and_chunks_of_demonstrations_are_checked(tmp_path):
    path = tmp_path / "data.zarr"
    tl.Dataset(in_memory.source((3, 2))).write(path, to="zarr_demos")
    shutil.rmtree(path / "trajloom")
    zarr.open_group(str(path / "data" / "demo_1"), mode="r+").attrs["num_samples"] = 7
    chunk = next(f for f in sorted((path / "data" / "demo_0" / "actions").rglob("*")) if f.is_file() and "0" in f.name)
    chunk.unlink()
    wrong, absent = found("zarr_demos", path)
    assert wrong.what.endswith("that of demo_1 says 7, and its arrays have 2 rows")
    assert (absent.episode, absent.code) == ("demo_0", "absent_chunks")
    fixed = tmp_path / "fixed.zarr"
    tl.Dataset(formats.get("zarr_demos").repaired(formats.get("zarr_demos").read(str(path)))).write(  # type: ignore[attr-defined]
        fixed, to="zarr_demos"
    )
    assert attrs_of(fixed, "data/demo_1")["num_samples"] == 2


# ---- Parquet ---------------------------------------------------------------------------------------------------


def parquet_file(path: Path, frames=(0, 1, 2, 0, 1)) -> Path:
    """Two episodes, of 3 and 2 steps."""
    table = pa.table({"episode_index": [0, 0, 0, 1, 1], "frame_index": list(frames), "x": [1.5, 2.5, -3.5, 0.0, 4.5]})
    pq.write_table(table, path, use_dictionary=False)
    return path


def test_statistics_of_parquet_that_lie_are_found_and_a_copy_has_right_ones(tmp_path):
    path = parquet_file(tmp_path / "a.parquet")
    assert codes("parquet", path) == []
    data = path.read_bytes()
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = data[-8 - size :]
    path.write_bytes(data[: -8 - size] + footer.replace(struct.pack("<d", -3.5), struct.pack("<d", 1.0)))
    (finding,) = found("parquet", path)
    assert (finding.code, finding.column) == ("stale_statistics", "x")
    report = doctor(path, fix=tmp_path / "fixed.parquet")
    assert report.fixed is not None
    assert any("statistics of x" in what for what in report.fixed.done)
    assert codes("parquet", tmp_path / "fixed.parquet") == []


def test_a_side_file_of_parquet_that_counts_other_rows_is_stale(tmp_path):
    files = [parquet_file(tmp_path / f"ep_{i}.parquet") for i in range(2)]
    gathered = []
    for file in files:
        about = pq.read_metadata(file)
        about.set_file_path(file.name)
        gathered.append(about)
    pq.write_metadata(pq.read_schema(files[0]), tmp_path / "_metadata", metadata_collector=gathered[:1])
    (finding,) = [f for f in found("parquet", tmp_path) if f.code == "stale_metadata"]
    assert "counts 5 rows, where the files have 10" in finding.what
    pq.write_metadata(pq.read_schema(files[0]), tmp_path / "_metadata", metadata_collector=gathered)
    assert "stale_metadata" not in codes("parquet", tmp_path)


def test_frames_that_are_missing_in_parquet_are_told(tmp_path):
    assert codes("parquet", parquet_file(tmp_path / "a.parquet", frames=(0, 1, 3, 0, 1))) == ["frames_missing"]


# ---- MCAP ------------------------------------------------------------------------------------------------------


def a_log(path: Path, **settings) -> Path:
    messages = [(f"/{'ab'[i % 2]}", 10 * i, {"x": i}) for i in range(20)]
    return Path(json_log(path, messages, **settings))


def record_at(data: bytes, opcode: int) -> int:
    """Where the content of the first record of a kind begins."""
    at = 8
    while data[at] != opcode:
        at += 9 + struct.unpack_from("<Q", data, at + 1)[0]
    return at + 9


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.ZSTD])
def test_a_healthy_log_has_nothing_wrong(tmp_path, compression):
    assert codes("mcap", a_log(tmp_path / "a.mcap", compression=compression)) == []


def test_a_summary_that_counts_other_messages_is_found(tmp_path):
    path = a_log(tmp_path / "a.mcap")
    data = bytearray(path.read_bytes())
    statistics = record_at(data, 11)
    struct.pack_into("<Q", data, statistics, 21)
    path.write_bytes(data)
    (finding,) = found("mcap", path)
    assert finding.what == f"{path}: its summary counts 21 messages; there are 20"
    struct.pack_into("<Q", data, statistics, 20)
    struct.pack_into("<Q", data, statistics + struct.calcsize("<QHIIIIQQI") + 2, 11)
    path.write_bytes(data)
    (finding,) = found("mcap", path)
    assert "counts 11 messages of /a, where there are 10" in finding.what


def test_a_chunk_that_is_not_what_its_checksum_says_is_found(tmp_path):
    path = a_log(tmp_path / "a.mcap")
    data = path.read_bytes()
    path.write_bytes(data.replace(b'{"x": 7}', b'{"x": 9}'))
    assert set(codes("mcap", path)) == {"wrong_checksum"}
    assert codes("mcap", path)


def test_a_log_without_its_end_is_cut_short(tmp_path):
    path = a_log(tmp_path / "a.mcap")
    path.write_bytes(path.read_bytes()[:-20])
    assert codes("mcap", path) == ["cut_short"]


def test_an_index_of_chunks_that_points_elsewhere_is_stale(tmp_path):
    path = a_log(tmp_path / "a.mcap")
    data = bytearray(path.read_bytes())
    at = record_at(data, 8)
    struct.pack_into("<Q", data, at + 16, 1)
    path.write_bytes(data)
    assert codes("mcap", path) == ["stale_index"]


# ---- RLDS ------------------------------------------------------------------------------------------------------


def records(folder: Path, *lengths: int, **changes) -> Path:
    made = [example({**episode(n), **changes}) for n in lengths]
    write(folder, {"train": made})
    split = {"name": "train", "shardLengths": [str(len(made))], "numBytes": str(sum(map(len, made)))}
    (folder / "dataset_info.json").write_text(json.dumps({"splits": [split]}))
    return folder


def test_a_size_that_dataset_info_gets_wrong_is_found(tmp_path):
    path = records(tmp_path, 3, 2)
    assert codes("rlds", path) == []
    info = json.loads((path / "dataset_info.json").read_text())
    info["splits"][0]["numBytes"] = "17"
    (path / "dataset_info.json").write_text(json.dumps(info))
    (finding,) = found("rlds", path)
    assert "says 17 bytes in split train" in finding.what


def test_flags_at_other_steps_than_the_first_are_found(tmp_path):
    path = records(tmp_path, 3, **{"steps/is_first": np.array([True, True, False])})
    (finding,) = found("rlds", path)
    assert (finding.code, finding.episode, finding.column) == ("wrong_flag", "train_0", "is_first")


def test_records_without_a_description_are_told_for_information(tmp_path):
    path = records(tmp_path, 3, 2)
    (path / "features.json").unlink()
    (finding,) = [f for f in found("rlds", path) if f.code == "no_features"]
    assert finding.severity == "info"


# ---- RoboDM ----------------------------------------------------------------------------------------------------


def numbers(**more: robodm_files.Written) -> dict[str, robodm_files.Written]:
    made = robodm_files.trajectory()
    return {name: w for name, w in made.items() if w.codec == "pyarrow_batch"} | more


def test_features_that_fall_silent_are_found(tmp_path):
    path = robodm_files.write(tmp_path / "a.vla", numbers())
    assert codes("robodm", path) == []
    early = robodm_files.Written(np.zeros((3, 1), np.float32), [0, 10, 20])
    path = robodm_files.write(tmp_path / "b.vla", numbers(force=early))
    (finding,) = found("robodm", path)
    assert finding.code == "falls_silent"
    assert "force ends 0.43 s before" in finding.what


def test_a_file_whose_end_is_missing_is_damaged(tmp_path):
    path = robodm_files.write(tmp_path / "a.vla", numbers())
    data = path.read_bytes()
    assert declared_end(str(path)) == (len(data), len(data))
    path.write_bytes(data[:-30])
    with pytest.raises(DamagedFileError, match="is cut short"):
        formats.get("robodm").read(str(path))


# ---- the command -----------------------------------------------------------------------------------------------


def test_the_command_prints_what_a_format_finds(tmp_path):
    path = a_log(tmp_path / "a.mcap")
    path.write_bytes(path.read_bytes()[:-20])
    said = CliRunner().invoke(typer_app, ["doctor", str(path)])
    assert "cut short after its messages" in " ".join(said.stdout.split())
