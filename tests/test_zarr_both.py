"""Replay buffers and demonstrations in Zarr, in every way of writing them: what is written is read back."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import any_dataset
import in_memory
from any_dataset import assert_same
from conftest import examples
from trajloom.formats import hdf5, zarr, zarr_demos
from trajloom.tables import Rest
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
    rest = [Rest("a", "<f8", (), bytes(8)), Rest("b", "<f8", (), bytes(8), 7)]
    source = in_memory.generated([1, 4, 7, 8, 12], 14, rest_rows=rest)
    assert_same(kind.read(written(kind, source, tmp_path, way)), source)


@both
@pytest.mark.parametrize("way", [WAYS[1], WAYS[2]], ids=name_of)
def test_a_real_hdf5_file_comes_back_equal(kind, way, tmp_path):
    path = written(kind, hdf5.read(HUMAN), tmp_path, way)
    hdf5.write(kind.read(path), tmp_path / "again.hdf5")
    assert hdf5.equal(HUMAN, tmp_path / "again.hdf5") == []
