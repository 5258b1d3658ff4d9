"""A dataset in format A, converted to B and back to A, is what it was, for every pair; see `docs/round_trips.md`."""

import shutil
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import any_dataset
import trajloom as tl
from any_dataset import assert_same
from conftest import SHARED_DATA
from trajloom import formats
from trajloom.dataset import NATIVE

ROOT = Path(__file__).parents[1]
LIFT = ROOT / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
NAMES = [NATIVE, *(name for name in formats.names("write") if name in formats.names("read"))]
SUFFIX = {name: "" if name == NATIVE else (formats.get(name).SUFFIXES or ("",))[0] for name in NAMES}
PAIRS = [(a, b) for a in NAMES for b in NAMES if a != b]
REAL = [
    "robomimic_lift_ph3_image.hdf5", "robosuite_1.4.1_lift/demo.hdf5", "robosuite_1.4.1_handover/demo.hdf5",
    "robosuite_1.0.1_stack/demo.hdf5", "pusht_first3.zarr",
]  # fmt: skip


def there_and_back(first: str, a: str, b: str, folder: Path) -> str:
    """Convert a dataset of format A to B and back; returns where it lies now."""
    there, back = str(folder / f"there{SUFFIX[b]}"), str(folder / f"back{SUFFIX[a]}")
    write(tl.read(first), there, b)
    write(tl.read(there, format=None if b == NATIVE else b), back, a)
    return back


def write(data: tl.Dataset, path: str, name: str) -> None:
    """Write a dataset; LeRobot wants to be told the rate where nobody knows it."""
    data.write(path, to=name, **({"fps": 20.0} if name == "lerobot" and data.header.control_hz is None else {}))


def assert_equal(a: str, first: str, back: str) -> None:
    """Assert that two foreign datasets are equal as the format itself sees it, and as tables."""
    assert formats.get(a).equal(first, back) == []  # type: ignore[attr-defined]
    assert_same_tables(a, first, back)


def assert_same_tables(a: str, first: str, back: str) -> None:
    """Assert that two datasets hold the same; how what is kept aside is spelled in ours does not count."""
    found, wanted = (tl.read(path, format=None if a == NATIVE else a).source for path in (back, first))
    # the name of the file that was read
    assert_same(found, wanted, but_for=frozenset({"sources"}))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda name: name)
def test_generated_datasets_come_back(a, b, tmp_path_factory):
    @settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
    @given(source=any_dataset.datasets(max_episodes=3, max_steps=4))
    def law(source):
        folder = tmp_path_factory.mktemp("trip")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first = str(folder / f"first{SUFFIX[a]}")
            write(tl.Dataset(source), first, a)
            assert_same_tables(a, first, there_and_back(first, a, b, folder))
        shutil.rmtree(folder)

    law()


@pytest.mark.parametrize("b", NAMES[1:], ids=lambda name: name)
def test_columns_that_single_steps_lack_come_back(b, tmp_path_factory):
    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(source=any_dataset.datasets(max_episodes=3, max_steps=6, rest=False, gaps=True))
    def law(source):
        there = str(tmp_path_factory.mktemp("gaps") / f"there{SUFFIX[b]}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # batches of two steps: a column may begin in any of them
            write(tl.Dataset(replace(source, batch_rows=2)), there, b)
            assert_same(tl.read(there, format=b).source, source, but_for=frozenset({"sources"}))

    law()


@pytest.mark.parametrize("b", [name for name in NAMES if name != "hdf5"])
def test_the_shipped_demonstrations_come_back(b, tmp_path):
    assert_equal("hdf5", str(LIFT), there_and_back(str(LIFT), "hdf5", b, tmp_path))


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("b", NAMES)
def test_real_files_come_back(name, b, tmp_path):
    if "zarr" in (name, b) and find_spec("zarr") is None:
        pytest.skip("zarr is not installed")
    first = str(SHARED_DATA / name)
    a = formats.find(first).NAME
    if a == b:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal(a, first, there_and_back(first, a, b, tmp_path))


def test_the_table_is_the_one_that_is_committed():
    import sys

    sys.path.insert(0, str(ROOT / "scripts"))
    from print_round_trips import table

    assert (ROOT / "docs" / "round_trips.md").read_text() == table()
