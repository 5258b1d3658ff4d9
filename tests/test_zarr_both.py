"""Replay buffers and demonstrations in Zarr, in every way of writing them: what is written is read back."""

import pickle
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import any_dataset
import in_memory
from any_dataset import assert_same, read_whole
from conftest import examples
from trajloom.errors import TrajloomError
from trajloom.formats import hdf5, zarr, zarr_demos
from zarr_ways import WAYS, each_way, name_of

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"

both = pytest.mark.parametrize("kind", [zarr, zarr_demos], ids=lambda kind: kind.NAME)


def written(kind, source, folder: Path, way) -> str:
    path = str(folder / f"out{way[1]}")
    kind.write(source, path, options=kind.WriteOptions(zarr_version=way[0]))
    return path


@both
def test_any_dataset_comes_back(kind, tmp_path_factory):
    @settings(max_examples=examples(6), deadline=None)
    @given(source=any_dataset.datasets(), way=st.sampled_from(WAYS))
    def law(source, way):
        folder = tmp_path_factory.mktemp("zarr")
        assert_same(kind.read(written(kind, source, folder, way)), source)
        shutil.rmtree(folder)

    law()


@both
@each_way
def test_a_generated_dataset_comes_back(kind, way, tmp_path):
    source = in_memory.with_everything()
    assert_same(kind.read(written(kind, source, tmp_path, way)), source)


@both
@each_way
def test_a_source_can_be_sent_to_other_processes(kind, way, tmp_path):
    source = kind.read(written(kind, in_memory.source(), tmp_path, way))
    list(source.parts()[0].steps())
    assert_same(pickle.loads(pickle.dumps(source)), in_memory.source())


@both
@pytest.mark.parametrize("way", [WAYS[1], WAYS[2]], ids=name_of)
def test_a_real_hdf5_file_comes_back_equal(kind, way, tmp_path):
    path = written(kind, hdf5.read(HUMAN), tmp_path, way)
    hdf5.write(kind.read(path), tmp_path / "again.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "again.hdf5") == []


@pytest.mark.filterwarnings("ignore::trajloom.errors.TrajloomWarning")
@both
@each_way
def test_whatever_is_changed_in_a_file_only_errors_of_ours_come_out(kind, way, tmp_path):
    path = Path(written(kind, in_memory.source((2, 1)), tmp_path, way))
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    rng = random.Random(way[0])
    for _ in range(40):
        file = rng.choice(files)
        content = file.read_bytes()
        if not content:
            continue
        changed = bytearray(content)
        for _ in range(rng.choice([1, 1, 4, 30])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        file.write_bytes(bytes(changed[: rng.choice([len(changed), len(changed), len(changed) // 2])]))
        try:
            kind.sniff(str(path))
            read_whole(kind.read(path))
        except TrajloomError:
            pass
        finally:
            file.write_bytes(content)
