"""A dataset in format A, converted to B and back to A, is what it was, for every pair; see `docs/round_trips.md`."""

import shutil
import warnings
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings

import any_dataset
import trajloom as tl
from any_dataset import Tables, assert_same, read_whole
from conftest import SHARED_DATA, THOROUGH, examples
from real_parts import first_chunks, first_demonstrations
from trajloom import formats
from trajloom.dataset import NATIVE
from trajloom.formats import Source

ROOT = Path(__file__).parents[1]
LIFT = ROOT / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
NAMES = [NATIVE, *(name for name in formats.names("write") if name in formats.names("read"))]
SUFFIX = {name: "" if name == NATIVE else (formats.get(name).SUFFIXES or ("",))[0] for name in NAMES}
REAL = [
    "robomimic_lift_ph3_image.hdf5", "robosuite_1.4.1_lift/demo.hdf5", "robosuite_1.4.1_handover/demo.hdf5",
    "robosuite_1.0.1_stack/demo.hdf5", "pusht_first3.zarr",
]  # fmt: skip
# the shipped demonstrations go through all formats; others take turns, but for a thorough run
SOME_PAIRS = [(name, b) for i, name in enumerate(REAL) for j, b in enumerate(NAMES) if THOROUGH or (i + j) % 3 == 0]


def there_and_back(first: tl.Dataset, a: str, b: str, folder: Path) -> str:
    """Convert a dataset of format A to B and back; returns where it lies now."""
    there, back = str(folder / f"there{SUFFIX[b]}"), str(folder / f"back{SUFFIX[a]}")
    write(first, there, b)
    write(tl.read(there, format=None if b == NATIVE else b), back, a)
    return back


def write(data: tl.Dataset, path: str, name: str) -> None:
    """Write a dataset; LeRobot wants to be told the rate where nobody knows it."""
    data.write(path, to=name, **({"fps": 20.0} if name == "lerobot" and data.header.control_hz is None else {}))


def assert_same_tables(a: str, wanted: Tables, back: str) -> None:
    """Assert that a dataset holds what was wanted; how what is kept aside is spelled in ours does not count."""
    # the name of the file that was read
    assert_same(read(back, a), wanted, but_for=frozenset({"sources"}))


def read(path: str, name: str) -> Source:
    return tl.read(path, format=None if name == NATIVE else name).source


@pytest.mark.parametrize("a", NAMES)
def test_generated_datasets_come_back(a, tmp_path_factory):
    @settings(max_examples=examples(2), deadline=None, suppress_health_check=list(HealthCheck))
    @given(source=any_dataset.datasets(max_episodes=3, max_steps=4))
    def law(source):
        folder = tmp_path_factory.mktemp("trip")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first = str(folder / f"first{SUFFIX[a]}")
            write(tl.Dataset(source), first, a)
            found = tl.read(first)
            wanted = read_whole(found.source)
            for b in (name for name in NAMES if name != a):
                note(f"{a} -> {b} -> {a}")
                (folder / b).mkdir()
                assert_same_tables(a, wanted, there_and_back(found, a, b, folder / b))
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


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Finds a real file by its name: some of its episodes, or the whole file in a thorough run; read once."""
    folder = tmp_path_factory.mktemp("real")

    @cache
    def find(name: str) -> tuple[str, Tables]:
        whole = LIFT if name == LIFT.name else SHARED_DATA / name
        some = folder / name.replace("/", "-")
        if THOROUGH:
            some = whole
        elif name.endswith(".zarr"):
            first_chunks(whole, some)
        else:
            # one demonstration of images is as much as a hundred of numbers
            first_demonstrations(whole, some, keep=1 if "image" in name else 2)
        return str(some), read_whole(tl.read(str(some)).source)

    return find


def assert_it_comes_back(first: str, wanted: Tables, b: str, folder: Path) -> None:
    """Assert that what comes back from B is equal as the file's own format sees it, and as tables."""
    a = formats.find(first).NAME
    if a != b:
        back = there_and_back(tl.read(first), a, b, folder)
        assert formats.get(a).equal(first, back) == []  # type: ignore[attr-defined]
        assert_same_tables(a, wanted, back)


@pytest.mark.parametrize("b", [name for name in NAMES if name != "hdf5"])
def test_the_shipped_demonstrations_come_back(b, real, tmp_path):
    assert_it_comes_back(*real(LIFT.name), b, tmp_path)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize(("name", "b"), SOME_PAIRS)
def test_real_files_come_back(name, b, real, tmp_path):
    if "zarr" in (name, b) and find_spec("zarr") is None:
        pytest.skip("zarr is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_it_comes_back(*real(name), b, tmp_path)


def test_the_table_is_the_one_that_is_committed():
    import sys

    sys.path.insert(0, str(ROOT / "scripts"))
    from print_round_trips import table

    assert (ROOT / "docs" / "round_trips.md").read_text() == table()
