"""Datasets at URLs: a real server that speaks S3, on loopback, and file systems that fsspec brings."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest

import in_memory
import trajloom as tl
from any_dataset import assert_same, rows_of, same_values
from trajloom import formats, store
from trajloom.dataset import NATIVE
from trajloom.errors import LayoutError, OutputExistsError

LIFT = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
SUFFIX = {name: (formats.get(name).SUFFIXES or ("",))[0] for name in formats.names("write")}
SOURCE = in_memory.source((3, 1, 4))


@pytest.fixture(scope="module")
def server():
    """moto's server, in a process of its own."""
    if find_spec("moto") is None or find_spec("s3fs") is None:
        pytest.skip("moto and s3fs are not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.kill()


@pytest.fixture(scope="module")
def s3(server):
    """A client, found through the environment as a user's would be; to make one takes longer than a test."""
    import s3fs

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield fsspec.filesystem("s3")
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3):
    """A fresh bucket."""
    name = f"bucket-{os.urandom(4).hex()}"
    s3.mkdir(name)
    yield f"s3://{name}"
    s3.rm(name, recursive=True)


def test_our_own_dataset_is_written_to_s3_read_from_it_and_committed_last(bucket):
    url = f"{bucket}/deep/lift"
    tl.read(LIFT).write(url)
    back = tl.read(url)
    assert_same(back.source, tl.read(LIFT).source)
    assert back.episodes().collect().height == 10
    assert store.verify(url) == []
    fs = fsspec.filesystem("s3")
    fs.rm(f"{url}/commits/part-00000.json")
    assert len(tl.read(url)) == 0
    assert any("steps/part-00000.parquet" in name for name in store.clean_orphans(url))


@pytest.mark.parametrize("name", [NATIVE, *SUFFIX])
def test_every_format_that_is_written_goes_to_s3_and_comes_back(name, bucket):
    url = f"{bucket}/out{SUFFIX.get(name, '')}"
    formats_or_store(name, url)
    if name not in formats.names("read") and name != NATIVE:
        assert fsspec.filesystem("s3").exists(url)
        return
    assert_same_rows(tl.read(url).source)
    with pytest.raises(OutputExistsError):
        formats_or_store(name, url)
    tl.Dataset(in_memory.source((2,))).write(url, to=name, overwrite=True)
    assert len(tl.read(url)) == 1


@pytest.mark.parametrize("name", [NATIVE, *(n for n in SUFFIX if n in formats.names("read"))])
def test_every_format_is_read_out_of_a_zip_file(name, tmp_path):
    inner = f"inner{SUFFIX.get(name, '')}"
    formats_or_store(name, str(tmp_path / inner))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for file in sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.name != "all.zip"):
            packed.write(file, file.relative_to(tmp_path))
    assert_same_rows(tl.read(f"zip://{inner}::{tmp_path / 'all.zip'}").source)


@pytest.mark.parametrize("name", [NATIVE, *SUFFIX])
def test_file_urls_are_paths(name, tmp_path):
    url = f"file://{tmp_path}/out{SUFFIX.get(name, '')}"
    formats_or_store(name, url)
    assert any(tmp_path.iterdir())
    if name in formats.names("read"):
        assert_same_rows(tl.read(url).source)


def test_what_is_not_there_is_said(bucket):
    with pytest.raises(LayoutError, match=r"there is nothing at s3://"):
        tl.read(f"{bucket}/absent.hdf5")


def test_a_write_to_s3_that_fails_leaves_nothing(bucket):
    class Broken:
        header = SOURCE.header

        def parts(self):
            raise RuntimeError("broken")

        def models(self):
            return {}

    for name, suffix in SUFFIX.items():
        with pytest.raises(RuntimeError, match="broken"):
            formats.get(name).write(Broken(), f"{bucket}/half{suffix}")
    assert fsspec.filesystem("s3").ls(bucket) == []


def formats_or_store(name: str, url: str) -> None:
    tl.Dataset(SOURCE).write(url, to=name)


def assert_same_rows(found) -> None:
    left, right = rows_of(found, "steps"), rows_of(SOURCE, "steps")
    for column in ("episode_index", "frame_index", "actions", "obs/pose"):
        assert same_values(left.column(column), right.column(column)), column
