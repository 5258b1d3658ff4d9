"""HDF5 files that are damaged or hostile: every fault is named, whole episodes can be kept."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportOperatorIssue=false, reportArgumentType=false

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError, TrajloomWarning
from trajloom.formats import hdf5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Five whole demonstrations of 690 steps."""
    path = tmp_path / "demos.hdf5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(total=5 * 690, env_args='{"env_name": "Lift"}')
        for i in range(5):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = 690
            demo["actions"] = rng.normal(size=(690, 7))
            demo["states"] = rng.normal(size=(690, 32))
            demo.create_dataset("obs/x", data=rng.normal(size=(690, 3)), compression="gzip", chunks=(100, 3))
    return path


def cut_actions(file: h5py.File) -> None:
    values = file["data/demo_2/actions"][:412]
    del file["data/demo_2/actions"]
    file["data/demo_2/actions"] = values


def cut_states(file: h5py.File) -> None:
    values = file["data/demo_2/states"][:412]
    del file["data/demo_2/states"]
    file["data/demo_2/states"] = values


def lengthen_obs(file: h5py.File) -> None:
    del file["data/demo_2/obs/x"]
    file["data/demo_2/obs/x"] = np.zeros((700, 3))


def drop_actions(file: h5py.File) -> None:
    del file["data/demo_2/actions"]


def drop_states(file: h5py.File) -> None:
    del file["data/demo_2/states"]


STRUCTURAL: dict[Callable[[h5py.File], None], str] = {
    cut_actions: r"data/demo_2/actions is cut short \(412 of 690 steps\)",
    cut_states: r"data/demo_2/states is cut short \(412 of 690 steps\)",
    lengthen_obs: r"data/demo_2/obs/x is too long \(700 rows for 690 steps\)",
    drop_actions: r"data/demo_2/actions is missing \(4 of 5 episodes have it\)",
    drop_states: r"data/demo_2/states is missing \(4 of 5 episodes have it\)",
}


def whole_episodes(path: Path, fault: str) -> None:
    with pytest.warns(TrajloomWarning, match=r"skipped data/demo_2: "):
        source = hdf5.read(path, on_error="skip")
    rows = [row for part in source.parts() for row in part.episodes().to_pylist()]
    assert [row["name"] for row in rows] == ["demo_0", "demo_1", "demo_3", "demo_4"]
    assert [row["episode_index"] for row in rows] == [0, 1, 3, 4]
    assert sum(batch.num_rows for part in source.parts() for batch in part.steps()) == 4 * 690
    assert any(fault in warning for warning in source.header.warnings)
    assert not any(column.nullable for column in source.header.steps)


@pytest.mark.parametrize("damage", STRUCTURAL, ids=lambda damage: damage.__name__)
def test_a_fault_is_named_and_the_whole_episodes_can_be_read(damage, path):
    with h5py.File(path, "a") as file:
        damage(file)
    with pytest.raises(
        DamagedFileError, match=STRUCTURAL[damage] + '.*4 whole episodes can be read with on_error="skip"'
    ):
        hdf5.read(path)
    whole_episodes(path, STRUCTURAL[damage].split("/")[-1].split(" is ")[0])


def test_every_fault_is_named(path):
    with h5py.File(path, "a") as file:
        cut_actions(file)
        del file["data/demo_4/actions"]
    with pytest.raises(DamagedFileError, match=r"demo_2/actions is cut short.*demo_4/actions is missing.*3 whole"):
        hdf5.read(path)


def test_actions_that_are_not_finite_are_found_when_they_are_read(path):
    with h5py.File(path, "a") as file:
        file["data/demo_2/actions"][5, 3] = np.nan
        file["data/demo_4/actions"][600] = np.inf
    said = r"demo_2/actions is not finite in 1 of 690 steps \(first: 5\).*demo_4/actions is not finite.*first: 600"
    part = hdf5.read(path).parts()[0]
    with pytest.raises(DamagedFileError, match=said):
        list(part.steps())
    with h5py.File(path, "a") as file:
        file["data/demo_4/actions"][600] = 0
    whole_episodes(path, "not finite")


def test_values_that_cannot_be_unpacked_are_named_and_skipped(path):
    with h5py.File(path) as file:
        chunk = file["data/demo_2/obs/x"].id.get_chunk_info(3)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset + 10)
        raw.write(b"\xff" * 50)
    with pytest.raises(DamagedFileError, match=r"data/demo_2/obs/x cannot be read"):
        list(hdf5.read(path).parts()[0].steps())
    whole_episodes(path, "obs/x cannot be read")


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_file_that_is_cut_short_is_damaged(keep, path):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DamagedFileError, match="truncated"):
        hdf5.read(path)


def test_what_skipping_leaves_is_written_with_right_counts(path, tmp_path):
    with h5py.File(path, "a") as file:
        drop_actions(file)
        file["mask/train"] = np.array(["demo_1", "demo_2"], dtype="S")
    with pytest.warns(TrajloomWarning):
        hdf5.write(hdf5.read(path, on_error="skip"), tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert file["data"].attrs["total"] == 4 * 690
        assert file["mask/train"][:].tolist() == [b"demo_1"]


def test_random_damage_ends_in_an_error_of_ours_or_in_data(path):
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(40):
        broken = bytearray(content)
        for position in rng.integers(8, 20_000, 20):
            broken[position] = rng.integers(0, 256)
        path.write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrajloomWarning)
            try:
                for part in hdf5.read(path, on_error="skip").parts():
                    list(part.steps())
                    part.episodes()
                    list(part.rest())
            except (DamagedFileError, HostileFileError, LayoutError):
                pass


# ---- hostile files ---------------------------------------------------------------------------------------------


def link_out(file: h5py.File) -> None:
    file["data/demo_1/obs/secret"] = h5py.ExternalLink("/etc/other.hdf5", "/x")


def link_out_at_the_root(file: h5py.File) -> None:
    file["more"] = h5py.ExternalLink("other.hdf5", "/x")


def link_out_through_a_soft_link(file: h5py.File) -> None:
    file["out"] = h5py.ExternalLink("other.hdf5", "/x")
    file["data/demo_1/obs/secret"] = h5py.SoftLink("/out/y")


def demo_elsewhere(file: h5py.File) -> None:
    file["data/demo_7"] = h5py.ExternalLink("other.hdf5", "/data/demo_0")


def data_elsewhere(file: h5py.File) -> None:
    del file["data"]
    file["data"] = h5py.ExternalLink("other.hdf5", "/data")


def masks_elsewhere(file: h5py.File) -> None:
    file["mask"] = h5py.ExternalLink("other.hdf5", "/mask")


def cycle(file: h5py.File) -> None:
    file["data/demo_1/obs/again"] = file["data/demo_1"]


def soft_cycle(file: h5py.File) -> None:
    file["data/demo_1/obs/again"] = h5py.SoftLink("/data/demo_1")


def raw_elsewhere(file: h5py.File) -> None:
    file.create_dataset("data/demo_1/obs/raw", (690, 1), "f8", external="/etc/passwd")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((690, 1), "f8")
    layout[:] = h5py.VirtualSource("other.hdf5", "x", (690, 1))
    file.create_virtual_dataset("data/demo_1/obs/virtual", layout)


def bomb(file: h5py.File) -> None:
    file.create_dataset("data/demo_1/obs/bomb", (690, 1 << 40), "u1", chunks=(690, 1 << 20), compression="gzip")


def explode(file: h5py.File) -> None:
    file.create_group("bomb/0").create_dataset("x", data=0)
    for i in range(1, 60):
        level = file.create_group(f"bomb/{i}")
        level["a"] = level["b"] = file[f"bomb/{i - 1}"]


@pytest.mark.parametrize(
    "trick",
    [
        link_out, link_out_at_the_root, link_out_through_a_soft_link, demo_elsewhere, data_elsewhere, masks_elsewhere,
        cycle, soft_cycle, raw_elsewhere, virtual, bomb, explode,
    ],
    ids=lambda trick: trick.__name__,
)  # fmt: skip
def test_a_file_that_asks_for_more_than_its_data_is_refused(trick, path):
    with h5py.File(path, "a") as file:
        trick(file)
    for on_error in ("raise", "skip"):
        with pytest.raises(HostileFileError, match=r"demos\.hdf5"):
            hdf5.read(path, on_error=on_error)


@pytest.mark.parametrize("free", [0, 64])
def test_a_heap_that_the_library_would_read_for_ever_is_refused(free, tmp_path):
    # the object of index 0 says how much is free; 0 makes HDF5 go round for ever, too little leads it to a 0
    path = tmp_path / "heap.hdf5"
    with h5py.File(path, "w") as file:
        file.create_group("data").attrs["env_args"] = "{}"
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at + 8 : at + 16] = free.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="heap of texts is damaged"):
        hdf5.read(path)
