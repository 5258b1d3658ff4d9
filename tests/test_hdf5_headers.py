"""What is known of a dataset by its header's bytes is what HDF5 says of it."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportArgumentType=false

from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5g
from hypothesis import HealthCheck, given, settings

from conftest import examples
from odd_hdf5 import build, odd_files
from trajloom.errors import TrajloomError
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.headers import READ_BYTES, Headers
from trajloom.formats.hdf5.scan import Tree, Walker

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
WAYS = {
    "plain": {},
    "gzip": {"compression": "gzip", "chunks": (2, 3)},
    "growing": {"maxshape": (None, 3), "chunks": (2, 3)},
    "filled": {"fillvalue": 1.0},
    "timed": {"track_times": True},
}


class Asking(Walker):
    """A walker that says which datasets it asked HDF5 about."""

    def __init__(self, file: Hdf5File, known: bool):
        super().__init__(file.root, file.stamp[0], file.headers if known else None)
        self.asked: list[str] = []

    def _dataset(self, dataset: h5d.DatasetID, path: str, address: int | None, tree: Tree) -> None:
        self.asked.append(path)
        super()._dataset(dataset, path, address, tree)


def walked(path: Path, known: bool) -> tuple[list[Tree], list[str]]:
    """What lies in each demonstration of a file, and the datasets that HDF5 was asked about."""
    with Hdf5File(str(path)) as file:
        walker = Asking(file, known)
        data = h5g.open(file.root, b"data")
        return [walker.walk(h5g.open(data, name)) for name in sorted(data) if name[:4] == b"demo"], walker.asked


def trees(path: Path, known: bool) -> list[Tree]:
    return walked(path, known)[0]


def seen(path: Path, known: bool) -> list[Tree] | str:
    """The trees, or what is wrong with all of the file."""
    try:
        return trees(path, known)
    except TrajloomError as error:
        return str(error)


def asked_of_hdf5(path: Path) -> list[str]:
    return walked(path, known=True)[1]


def demos(path: Path, **how) -> Path:
    """Demonstrations of 5, 3, 8 and 3 steps; the last has other actions."""
    with h5py.File(path, "w", libver=how.pop("libver", None)) as file:
        for i, length in enumerate((5, 3, 8, 3)):
            actions = np.zeros((length, 2 if i == 3 else 3))
            file.create_dataset(f"data/demo_{i}/actions", data=actions, dtype="f4" if i == 3 else "f8")
            file.create_dataset(f"data/demo_{i}/obs/x", data=np.ones((length, 3)), **how)
            file[f"data/demo_{i}/obs/rewards"] = np.arange(length)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_datasets_are_known_whatever_their_length(way: str, tmp_path: Path):
    path = demos(tmp_path / "a.hdf5", **WAYS[way])
    assert trees(path, known=True) == trees(path, known=False)
    # chunks say how many rows there are in other words, so other rows are another kind
    often = 3 if "chunks" in WAYS[way] else 1
    assert [asked_of_hdf5(path).count(name) for name in ("actions", "obs/x", "obs/rewards")] == [2, often, 1]


def test_attributes_are_told_from_the_header_too(tmp_path: Path):
    path = demos(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file["data/demo_1/obs/x"].attrs["note"] = 3
        file["data/demo_2/obs/x"].attrs["long"] = "a" * READ_BYTES
    found = trees(path, known=True)
    assert [tree.with_attrs for tree in found] == [["obs/x"] if i in (1, 2) else [] for i in range(4)]
    assert found == trees(path, known=False)


def test_newer_headers_which_have_a_checksum_are_left_to_hdf5(tmp_path: Path):
    path = demos(tmp_path / "a.hdf5", libver="latest")
    assert len(asked_of_hdf5(path)) == 12
    assert trees(path, known=True) == trees(path, known=False)


def test_the_file_of_people_is_known_but_for_a_demonstration():
    datasets = sum(len(tree.datasets) for tree in trees(HUMAN, known=False))
    assert trees(HUMAN, known=True) == trees(HUMAN, known=False)
    assert len(asked_of_hdf5(HUMAN)) < datasets / 3


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(what=odd_files())
def test_odd_files_are_what_hdf5_says(what, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("odd") / "a.hdf5"
    build(path, what)
    assert trees(path, known=True) == trees(path, known=False)


@pytest.mark.parametrize("way", ["plain", "gzip"])
def test_damage_to_any_byte_of_a_header_is_seen_as_hdf5_sees_it(way: str, tmp_path: Path):
    path = demos(tmp_path / "a.hdf5", **WAYS[way])
    with h5py.File(path) as file:
        at = h5py.h5o.get_info(file["data/demo_2/obs/x"].id).addr
    whole = path.read_bytes()
    for place in range(at, at + 136):
        for value in {whole[place] ^ 1, 0xFF if place % 4 == 0 else whole[place] ^ 1}:
            with path.open("r+b") as file:
                file.seek(place)
                file.write(bytes([value]))
            assert seen(path, known=True) == seen(path, known=False), (place - at, value)
        path.write_bytes(whole)


def test_a_file_that_does_not_begin_at_its_first_byte_is_left_to_hdf5(tmp_path: Path):
    path = tmp_path / "a.hdf5"
    with h5py.File(path, "w", userblock_size=512) as file:
        for i in range(3):
            file[f"data/demo_{i}/actions"] = np.zeros((4, 2))
    assert trees(path, known=True) == trees(path, known=False)
    with Hdf5File(str(path)) as file:
        assert not Headers(file.descriptor, file.id, file.stamp[0])._readable
