"""What is kept aside beside a format's own data gives the dataset again, bit for bit."""

import json
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import any_dataset
import in_memory
from any_dataset import assert_same
from conftest import examples
from trajloom import formats, tables
from trajloom.errors import DamagedFileError, TrajloomWarning
from trajloom.formats import Loss, Source, _aside
from trajloom.formats._columnar import ColumnarSource
from trajloom.schema import Column, Header


@dataclass(frozen=True)
class ArrayRows:
    """A format of arrays in memory that knows neither nulls nor shapes: a row is flat, what is missing is zero."""

    arrays: dict
    once: dict

    def steps(self, columns, start, stop):
        return {name: self.arrays[name][start:stop] for name in columns}

    def episodes(self, columns, first, last):
        return {name: self.once[name][first:last] for name in columns}

    def rest(self, first, last):
        return iter(())


def write(source: Source, folder, holds) -> ColumnarSource:
    """Write the columns that a format `holds` as flat arrays, and keep the others aside."""
    header = source.header
    native = {c.name: f"renamed {c.name}" for c in header.steps if c.name in holds}
    once = {c.name: f"renamed {c.name}" for c in header.episodes if c.name in holds}
    flat = {
        c.name: replace(c, name=native[c.name], nullable=False, shape=(c.size,))
        for c in header.steps
        if c.name in native
    }
    arrays = {name: [] for name in native}
    aside = _aside.AsideWriter("arrays", header, folder / _aside.FOLDER, native, once)
    episodes, lengths = {name: [] for name in once}, []
    for part in source.parts():
        for batch in aside.steps_of(part):
            for name in native:
                arrays[name].append(filled(batch.column(name), header.column(name)).reshape(batch.num_rows, -1))
        lengths += part.episodes().column("length").to_pylist()
        for name in once:
            column = next(c for c in header.episodes if c.name == name)
            episodes[name].append(filled(part.episodes().column(name).combine_chunks(), column))
    aside.finish(source.models())
    columns = tuple(flat.values())
    rows = ArrayRows(
        {flat[n].name: np.concatenate([np.empty((0, flat[n].size), flat[n].dtype), *arrays[n]]) for n in native},
        {once[n]: np.concatenate(episodes[n]) for n in once},
    )
    plain = tuple(replace(c, name=once[c.name], nullable=False) for c in header.episodes if c.name in once)
    return ColumnarSource(
        str(folder), Header(steps=columns, episodes=plain), np.array(lengths, dtype=np.int64), rows, {}
    )


def filled(values, column: Column):
    present = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
    out = np.zeros((len(values), *column.shape), dtype=column.dtype)
    if len(present):
        out[present] = tables.to_numpy(values.take(present), column)
    return out


def back(native: Source, folder) -> Source:
    return _aside.restored(native, _aside.FolderShelf(str(folder)), "here")


@settings(max_examples=examples(20), deadline=None)
@given(source=any_dataset.datasets(), data=st.data(), part_bytes=st.sampled_from([1, 1 << 20]))
def test_a_dataset_comes_back_whatever_part_of_it_the_format_holds(source, data, part_bytes, tmp_path_factory):
    names = [c.name for c in (*source.header.steps, *source.header.episodes)]
    holds = data.draw(st.sets(st.sampled_from(names)))
    folder = tmp_path_factory.mktemp("aside")
    native = replace(write(source, folder, holds), part_bytes=part_bytes)
    assert_same(back(native, folder), source)
    shutil.rmtree(folder)


def test_ledger_lineage_models_and_sparse_numbers_come_back(tmp_path):
    source = in_memory.with_everything()
    native = replace(write(source, tmp_path, {"actions", "obs/image", "obs/force"}), part_bytes=1)
    found = back(native, tmp_path)
    assert len(found.parts()) == 5
    assert_same(found, source)


def test_timestamps_that_are_no_multiples_of_a_period_come_back(tmp_path):
    source = in_memory.source((3, 2))
    odd = replace(source, header=source.header.with_(control_hz=None))
    assert_same(back(write(odd, tmp_path, {"actions"}), tmp_path), odd)
    assert not (tmp_path / "trajloom" / "times.parquet").exists()


def test_columns_can_be_chosen(tmp_path):
    source = in_memory.source()
    found = back(write(source, tmp_path, {"actions", "obs/image"}), tmp_path)
    chosen = ["obs/pose", "episode_index", "actions"]
    batches = [batch for part in found.parts() for batch in part.steps(chosen)]
    assert all(batch.schema.names == chosen for batch in batches)
    assert sum(batch.num_rows for batch in batches) == 15


def test_what_was_changed_since_wins(tmp_path):
    source = in_memory.source()
    native = write(source, tmp_path, {"actions", "obs/pose"})
    native.rows.arrays["renamed actions"][:] = 7
    first = next(iter(back(native, tmp_path).parts()[0].steps(["actions"])))
    assert set(first.column("actions").storage.flatten().to_pylist()) == {7.0}
    gone = replace(native, header=native.header.with_(steps=native.header.steps[:1]))
    with pytest.warns(TrajloomWarning, match="deleted or changed their type since: obs/pose"):
        assert "obs/pose" not in back(gone, tmp_path).header.steps_schema.names
    with pytest.warns(TrajloomWarning, match="episodes were changed since"):
        assert back(replace(native, lengths=native.lengths[:3]), tmp_path).header.env_args is None


def test_what_is_damaged_is_said(tmp_path):
    native = write(in_memory.source(), tmp_path, {"actions"})
    (tmp_path / "trajloom" / "episodes.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedFileError, match=r"here: episodes.parquet, kept aside, cannot be read"):
        back(native, tmp_path)
    about = tmp_path / "trajloom" / "aside.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "version": 99}))
    with pytest.raises(DamagedFileError, match="version 99, where 1 is known"):
        back(native, tmp_path)


def test_losses_are_named():
    said = [loss.what for loss in _aside.losses(in_memory.source(), ["actions"], holds=["success"])]
    assert any("columns of steps: rewards, dones" in what for what in said)
    assert any("env_args" in what for what in said)
    assert not any("succeeded" in what for what in said)


@pytest.mark.parametrize(("format_", "says"), [("hdf5", True), ("zarr_demos", True), ("parquet", False)])
def test_a_format_of_whole_columns_says_which_have_gaps(format_, says):
    force = in_memory.HEADER.steps[-1].name
    plain = in_memory.source((3, 2))
    late = replace(plain.members[0], nulls={force: np.array([True, False, False])})
    for members, wanted in ((plain.members, []), ((late, plain.members[1]), [force] if says else [])):
        lost = formats.losses(format_, replace(plain, members=members, batch_rows=1))
        assert [loss for loss in lost if "single steps" in loss.what] == [
            Loss(f"columns that single steps lack, filled there: {name}", kept_aside=True) for name in wanted
        ]
