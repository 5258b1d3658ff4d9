"""Writing HDF5: generated datasets in robomimic's layout, changed datasets with true counts, whole or not at all."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportOperatorIssue=false, reportArgumentType=false

import hashlib
import time
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

import in_memory
from trajloom.errors import OutputExistsError, SchemaError, SettingsError
from trajloom.formats import Source, hdf5
from trajloom.tables import Rest

MODEL = hashlib.sha256(b"<mujoco/>").hexdigest()


def table(source: Source, name: str) -> pa.Table:
    """A whole table in memory."""
    parts = [getattr(part, name)() for part in source.parts()]
    if name in ("steps", "rest"):
        parts = [pa.Table.from_batches(list(batches), schema=source.header.schema_of(name)) for batches in parts]
    return pa.concat_tables(parts)


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """Attempts 1, 3, 4 and 9 of 12 succeeded; attempt 6 failed and was kept."""
    source = in_memory.generated([1, 3, 4, 6, 9], 12, xml={MODEL: "<mujoco/>"})
    members = list(source.members)
    members[3] = in_memory.MemoryEpisode({**members[3].row, "success": False}, members[3].columns)
    members[0] = in_memory.MemoryEpisode({**members[0].row, "model": MODEL}, members[0].columns)
    header = source.header.with_(generation={"recipe": {"task": "stack_three"}})
    path = tmp_path / "generated.hdf5"
    hdf5.write(in_memory.MemorySource(header, members, attempt_rows=source.attempt_rows, xml=source.xml), path)
    return path


def test_generated_episodes_are_numbered_in_robomimics_layout(generated):
    with h5py.File(generated) as file:
        assert sorted(file["data"]) == [f"demo_{i}" for i in range(5)]
        assert dict(file["data"].attrs)["total"] == 20
        assert '"env_name": "Lift"' in file["data"].attrs["env_args"]
        demo = file["data/demo_0"]
        assert demo.attrs["num_samples"] == 4
        assert demo.attrs["model_file"] == "<mujoco/>"
        assert (demo.attrs["seed"], demo.attrs["success"], demo.attrs["trajloom_episode_index"]) == (7, True, 1)
        assert demo["obs/pose"].shape == (4, 4, 4)
        assert "obs/force" not in demo
        assert file["data/demo_2/obs/force"].dtype == np.float32


def test_filter_keys_tell_successes_from_failures(generated):
    with h5py.File(generated) as file:
        assert file["mask/success"][:].tolist() == [b"demo_0", b"demo_1", b"demo_2", b"demo_4"]
        assert file["mask/failed"][:].tolist() == [b"demo_3"]


def test_sources_are_told_as_mimicgen_tells_them(generated):
    with h5py.File(generated) as file:
        assert file["data/demo_2/src_demo_inds"][:].tolist() == [1, 1]
        assert file["data/demo_2/src_demo_labels"][:].tolist() == [[1]] * 4


def test_what_robomimic_has_no_place_for_survives_the_way_back(generated):
    source, back = in_memory.generated([1, 3, 4, 6, 9], 12), hdf5.read(generated)
    lineage = [f"{kind}/robot0" for kind in ("subtask", "source_episode", "source_frame")]
    wanted, found = table(source, "steps"), table(back, "steps")
    for name in ["episode_index", "frame_index", "timestamp", "actions", "obs/image", *lineage]:
        assert found.column(name).equals(wanted.column(name)), name
    assert table(back, "attempts").equals(table(source, "attempts"))
    episodes = table(back, "episodes").to_pylist()
    assert [(row["episode_index"], row["success"], row["seed"]) for row in episodes] == [
        (1, True, 7), (3, True, 7), (4, True, 7), (6, False, 7), (9, True, 7),
    ]  # fmt: skip
    for name in ("eefs", "control_hz", "sources", "env_args"):
        assert getattr(back.header, name) == getattr(source.header, name)
    assert back.header.generation == {"recipe": {"task": "stack_three"}}
    pose = next(column for column in back.header.steps if column.name == "obs/pose")
    assert (pose.unit, pose.frame, pose.when) == ("m", "world", "before")


def test_attempts_come_with_the_part_of_their_episodes(generated):
    parts = hdf5.read(generated, part_bytes=1).parts()
    assert [part.attempts().column("attempt").to_pylist() for part in parts] == [
        [0, 1, 2], [3], [4, 5], [6, 7, 8], [9, 10, 11],
    ]  # fmt: skip


def test_an_exported_file_comes_back_equal(generated, tmp_path):
    hdf5.write(hdf5.read(generated), tmp_path / "again.hdf5")
    assert hdf5.equal(generated, tmp_path / "again.hdf5") == []


def test_generated_datagen_info_says_its_interface_so_that_it_can_be_a_source(tmp_path):
    header = in_memory.HEADER.with_(
        steps=(in_memory.Column(name="datagen_info/eef_pose", dtype="float64", shape=(4, 4)),),
        episodes=(),
        generation={"recipe": {"task": "stack_three"}},
    )
    row = {"episode_index": 0, "name": "demo_0", "length": 2, "attrs": "{}"}
    member = in_memory.MemoryEpisode(row, {"datagen_info/eef_pose": np.zeros((2, 4, 4))})
    hdf5.write(in_memory.MemorySource(header, [member]), tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as file:
        attrs = dict(file["data/demo_0/datagen_info"].attrs)
    assert attrs == {"env_interface_name": "MG_StackThree", "env_interface_type": "robosuite"}


def test_episodes_that_span_batches_are_whole_again(tmp_path):
    source = in_memory.source([3, 7, 1, 12], batch_rows=2)
    hdf5.write(source, tmp_path / "out.hdf5")
    back = table(hdf5.read(tmp_path / "out.hdf5"), "steps")
    for name in ("actions", "obs/pose", "obs/image"):
        assert back.column(name).combine_chunks().equals(table(source, "steps").column(name).combine_chunks()), name


# ---- changed datasets ------------------------------------------------------------------------------------------


class Fewer:
    """A dataset without some of its parts and columns. Implements `formats.Source`."""

    def __init__(self, source: Source, keep: slice, columns: list[str]):
        self.header = source.header.with_(steps=tuple(c for c in source.header.steps if c.name in columns))
        self._parts, self.models = [FewerPart(part, self.header) for part in source.parts()[keep]], source.models

    def parts(self) -> list["FewerPart"]:
        return self._parts


class FewerPart:
    """A part without some columns. Implements `formats.Part`."""

    def __init__(self, part, header):
        self.part, self.header = part, header
        self.num_episodes, self.num_steps = part.num_episodes, part.num_steps
        self.episodes, self.attempts, self.rest = part.episodes, part.attempts, part.rest

    def steps(self, columns=None):
        return self.part.steps(columns or self.header.steps_schema.names)


def test_a_changed_dataset_is_written_with_true_counts(tmp_path):
    path = tmp_path / "demos.hdf5"
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(total=np.int32(12), env_args="{}")
        for i in range(3):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = 4
            demo["actions"] = demo["states"] = np.zeros((4, 2))
            demo["actions"].attrs["note"] = "x"
        file["mask/train"] = np.array(["demo_0", "demo_2"], dtype="S")
    fewer = Fewer(hdf5.read(path, part_bytes=1), slice(1, None), ["states"])
    hdf5.write(fewer, tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as file:
        assert list(file["data"]) == ["demo_1", "demo_2"]
        assert file["data"].attrs["total"] == 8
        assert file["data"].attrs["total"].dtype == np.int32
        assert list(file["data/demo_1"]) == ["states"]
        assert file["mask/train"][:].tolist() == [b"demo_2"]


def test_steps_that_do_not_match_their_episodes_are_refused(tmp_path):
    source = in_memory.source([3, 2])
    row = {**source.members[1].row, "length": 5}
    wrong = in_memory.MemorySource(
        source.header, [source.members[0], in_memory.MemoryEpisode(row, source.members[1].columns)]
    )
    with pytest.raises(SchemaError, match="episode 1 says it has 5 steps; 2 came"):
        hdf5.write(wrong, tmp_path / "out.hdf5")
    assert list(tmp_path.iterdir()) == []


def test_rest_of_an_episode_that_is_not_there_is_refused(tmp_path):
    source = in_memory.source([3], rest_rows=[Rest("odd", "<f8", (), b"\0" * 8, 7)])
    with pytest.raises(SchemaError, match="episode 7"):
        hdf5.write(source, tmp_path / "out.hdf5")


# ---- the output ------------------------------------------------------------------------------------------------


def test_what_is_there_is_overwritten_only_when_asked(tmp_path):
    path = tmp_path / "out.hdf5"
    hdf5.write(in_memory.source([3]), path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="exists already"):
        hdf5.write(in_memory.source([2]), path)
    assert path.read_bytes() == before
    hdf5.write(in_memory.source([2]), path, overwrite=True)
    assert hdf5.read(path).parts()[0].num_steps == 2


def test_the_input_is_never_the_output(tmp_path):
    path = tmp_path / "out.hdf5"
    hdf5.write(in_memory.source([3]), path)
    with pytest.raises(SettingsError, match="is what is read"):
        hdf5.write(hdf5.read(path), path, overwrite=True)
    assert hdf5.read(path).parts()[0].num_steps == 3


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "out.hdf5"
    hdf5.write(in_memory.source([3]), path)
    before = path.read_bytes()

    class Failing:
        header = in_memory.HEADER
        models = dict

        def parts(self):
            yield from in_memory.source([2]).parts()
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        hdf5.write(Failing(), path, overwrite=True)  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_progress_counts_episodes(tmp_path):
    calls: list[tuple[int, int]] = []
    hdf5.write(in_memory.source([3, 1, 2]), tmp_path / "out.hdf5", progress=lambda *done: calls.append(done))
    assert calls == [(2, 3), (3, 3)]


def test_the_same_dataset_gives_the_same_bytes_in_another_second(tmp_path):
    for name in ("a", "b"):
        hdf5.write(in_memory.generated([1, 2], 4), tmp_path / f"{name}.hdf5")
        time.sleep(1.01 if name == "a" else 0.0)  # HDF5's objects may bear the time, in seconds
    assert (tmp_path / "a.hdf5").read_bytes() == (tmp_path / "b.hdf5").read_bytes()


# ---- equal -----------------------------------------------------------------------------------------------------


def base(file: h5py.File) -> None:
    file["a/x"] = np.arange(6, dtype="<i4").reshape(2, 3)
    file["a/nan"] = np.array([1.0, np.nan])
    file.create_group("empty")
    file.attrs["n"] = np.int64(1)
    file.attrs["text"] = "hello"


def replaced(name: str, **how):
    def change(file: h5py.File) -> None:
        values = file[name][...]
        del file[name]
        file.create_dataset(name, **{"data": values, **how})

    return change


CHANGES = {
    "byte order": (replaced("a/x", dtype=">i4"), "a/x: kind"),
    "width": (replaced("a/x", dtype="<i8"), "a/x: kind"),
    "shape": (replaced("a/x", data=np.arange(6, dtype="<i4")), "a/x: shape"),
    "values": (replaced("a/x", data=np.ones((2, 3), "<i4")), "a/x: values differ"),
    "chunks": (replaced("a/x", chunks=(1, 3)), "a/x: storage"),
    "filter": (replaced("a/x", compression="gzip"), "a/x: storage"),
    "maximal shape": (replaced("a/x", maxshape=(None, 3), chunks=(2, 3)), "a/x: storage"),
    "fill value": (replaced("a/x", fillvalue=3), "a/x: storage"),
    "NaN or not": (replaced("a/nan", data=np.array([1.0, 2.0])), "a/nan: values"),
    "scalar or array": (replaced("a/x", data=np.int32(1)), "a/x: shape"),
    "empty group": (lambda file: file.pop("empty"), "empty: only in"),
    "more": (lambda file: file.create_group("more"), "more: only in"),
    "attribute's width": (lambda file: file.attrs.create("n", np.int32(1)), "/@n"),
    "attribute array": (lambda file: file.attrs.create("n", [1]), "/@n"),
    "attribute's fixed length": (lambda file: file.attrs.create("text", np.bytes_(b"hello")), "/@text"),
    "attribute's characters": (
        lambda file: file.attrs.create("text", "hello", dtype=h5py.string_dtype("ascii")), "/@text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_equal_sees_every_difference(change, tmp_path):
    alter, said = CHANGES[change]
    paths = [tmp_path / "a.hdf5", tmp_path / "b.hdf5"]
    for path in paths:
        with h5py.File(path, "w") as file:
            base(file)
    assert hdf5.equal(*paths) == []
    with h5py.File(paths[1], "a") as file:
        alter(file)
    differences = hdf5.equal(*paths)
    assert differences
    assert said in differences[0]
    assert hdf5.equal(paths[1], paths[0])


def test_one_nan_equals_another(tmp_path):
    for name, bits in [("a", 0x7FF8000000000000), ("b", 0x7FF8000000000001)]:
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as file:
            file["x"] = np.array([bits], dtype="<u8").view("<f8")
    assert hdf5.equal(tmp_path / "a.hdf5", tmp_path / "b.hdf5") == []
