"""File -> dataset -> file gives an equal file, for real files and for the oddest."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

import odd_hdf5
from conftest import examples
from trajloom import store
from trajloom.errors import TrajloomWarning
from trajloom.formats import Source, hdf5

ROOT = Path(__file__).parents[1]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
SHIPPED = sorted((ROOT / "examples" / "data").glob("*.hdf5"))
SHARED = ROOT.parent / "shared" / "data"
REAL = sorted(SHARED.rglob("*.hdf5"))


def read(path: Path) -> Source:
    """Read a file whose oddities are not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return hdf5.read(path)


def directly(source: Source, folder: Path) -> Source:
    return source


def through_parquet(source: Source, folder: Path) -> Source:
    store.write(source, str(folder / "store"), overwrite=True)
    return store.open_store(str(folder / "store"))


@pytest.mark.parametrize("way", [directly, through_parquet])
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.name)
def test_shipped_files_come_back_equal(path: Path, way: Any, tmp_path: Path):
    hdf5.write(way(read(path), tmp_path), tmp_path / "out.hdf5")
    assert hdf5.equal(path, tmp_path / "out.hdf5") == []


@pytest.mark.shared_data
@pytest.mark.skipif(not REAL, reason="the shared demonstration files are not here")
@pytest.mark.parametrize("way", [directly, through_parquet])
@pytest.mark.parametrize("path", REAL, ids=lambda p: str(p.relative_to(SHARED)))
def test_real_files_come_back_equal(path: Path, way: Any, tmp_path: Path):
    hdf5.write(way(read(path), tmp_path), tmp_path / "out.hdf5")
    assert hdf5.equal(path, tmp_path / "out.hdf5") == []


@settings(max_examples=examples(20), deadline=None, suppress_health_check=SLOW)
@given(what=odd_hdf5.odd_files())
def test_odd_files_come_back_equal(what: dict[str, Any], tmp_path_factory: pytest.TempPathFactory):
    _comes_back_equal(what, tmp_path_factory.mktemp("odd"), directly)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=SLOW)
@given(what=odd_hdf5.odd_files())
def test_odd_files_come_back_equal_through_parquet(what: dict[str, Any], tmp_path_factory: pytest.TempPathFactory):
    _comes_back_equal(what, tmp_path_factory.mktemp("odd"), through_parquet)


def _comes_back_equal(what: dict[str, Any], folder: Path, way: Any) -> None:
    odd_hdf5.build(folder / "odd.hdf5", what)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        hdf5.write(way(hdf5.read(folder / "odd.hdf5"), folder), folder / "out.hdf5")
    assert hdf5.equal(folder / "odd.hdf5", folder / "out.hdf5") == []
