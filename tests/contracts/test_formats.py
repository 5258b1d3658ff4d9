"""What every file format must do, found by its name."""

import inspect
import pickle
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from trajloom import formats
from trajloom.errors import LayoutError, OutputExistsError, SettingsError, TrajloomError, UnknownNameError
from trajloom.formats import Source
from trajloom.schema import check

sys.path.insert(0, str(Path(__file__).parents[1]))

import in_memory

NAMES = formats.names()
BOTH_WAYS = [name for name in formats.names("read") if name in formats.names("write")]


def steps(source: Source) -> pa.Table:
    batches = [batch for part in source.parts() for batch in part.steps()]
    return pa.Table.from_batches(batches, schema=source.header.steps_schema)


@pytest.fixture(params=NAMES)
def any_name(request) -> str:
    return request.param


@pytest.fixture(params=BOTH_WAYS)
def name(request) -> str:
    """A format that can be both read and written."""
    return request.param


@pytest.fixture
def written(name, tmp_path) -> str:
    """Five short episodes, written in the format."""
    path = str(tmp_path / f"out{(formats.get(name).SUFFIXES or ('',))[0]}")
    formats.get(name).write(in_memory.source(), path)
    return path


def test_the_file_is_the_format_and_says_what_it_is(any_name):
    module = formats.get(any_name)
    assert any_name == module.NAME
    assert all(suffix.startswith(".") for suffix in module.SUFFIXES)
    assert (inspect.getdoc(module) or "").strip()


def test_unknown_formats_are_named_with_those_there_are():
    with pytest.raises(UnknownNameError, match=r"no format named 'hdf9'; there are: .*hdf5"):
        formats.get("hdf9")


def test_what_it_wrote_is_found_by_looking(name, written):
    assert name == formats.find(written).NAME
    assert not formats.get(name).sniff(written + ".absent")


def test_suffixes_lead_to_their_format(any_name):
    for suffix in formats.get(any_name).SUFFIXES:
        found = formats.of_suffix(f"some/file{suffix.upper()}")
        assert found is not None
        assert any_name == found.NAME


def test_reads_back_what_it_wrote(name, written):
    source, back = in_memory.source(), formats.get(name).read(written)
    wanted, found = steps(source), steps(back)
    for column in ["episode_index", "frame_index", "timestamp", *(c.name for c in source.header.steps)]:
        assert found.column(column).combine_chunks().equals(wanted.column(column).combine_chunks()), column
    assert back.header.control_hz == source.header.control_hz
    assert back.header.env_args == source.header.env_args


def test_its_tables_match_its_schema_and_can_be_read_twice(name, written):
    source = formats.get(name).read(written)
    for part in source.parts():
        for batch in part.steps():
            check(batch, source.header.steps_schema)
        check(part.episodes(), source.header.episodes_schema)
        check(part.attempts(), source.header.schema_of("attempts"))
        for batch in part.rest():
            check(batch, source.header.schema_of("rest"))
        assert part.num_episodes == part.episodes().num_rows
        assert part.num_steps == sum(batch.num_rows for batch in part.steps())
    assert steps(source).equals(steps(source))
    models = set(source.models())
    named = {row for part in source.parts() for row in part.episodes().column("model").to_pylist()}
    assert named - {None} <= models


def test_a_part_that_is_being_read_goes_to_another_process_as_if_it_were_not(name, written):
    source = formats.get(name).read(written)
    part = source.parts()[0]
    untouched = len(pickle.dumps(part))
    batches = part.steps()
    first = next(batches)
    sent = pickle.dumps(part)
    assert len(sent) < untouched + first.nbytes
    assert pa.Table.from_batches(pickle.loads(sent).steps()).equals(pa.Table.from_batches([first, *batches]))


def test_episodes_come_in_order_with_their_frames_counted(name, written):
    table = steps(formats.get(name).read(written))
    assert table.column("episode_index").to_pylist() == [0] * 3 + [1] + [2] * 4 + [3] * 2 + [4] * 5
    assert table.column("frame_index").to_pylist() == [0, 1, 2, 0, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4]


def test_columns_can_be_chosen(name, written):
    part = formats.get(name).read(written).parts()[0]
    chosen = ["obs/pose", "episode_index", "actions"]
    assert all(batch.schema.names == chosen for batch in part.steps(chosen))


def test_nothing_is_overwritten_unasked_and_never_the_input(name, written):
    module = formats.get(name)
    with pytest.raises(OutputExistsError):
        module.write(in_memory.source(), written)
    with pytest.raises(SettingsError):
        module.write(module.read(written), written, overwrite=True)
    module.write(in_memory.source((2,)), written, overwrite=True)
    assert steps(module.read(written)).num_rows == 2


def test_an_empty_dataset_is_a_dataset(name, tmp_path):
    path = str(tmp_path / f"empty{(formats.get(name).SUFFIXES or ('',))[0]}")
    formats.get(name).write(in_memory.MemorySource(in_memory.HEADER, []), path)
    with pytest.warns(match="no demonstration"):
        source = formats.get(name).read(path)
    assert sum(part.num_episodes for part in source.parts()) == 0


def test_what_is_no_such_file_gets_an_error_of_ours(any_name, tmp_path):
    (tmp_path / "text").write_text("hello")
    assert not formats.get(any_name).sniff(str(tmp_path / "text"))
    if any_name in formats.names("read"):
        with pytest.raises(TrajloomError):
            formats.get(any_name).read(str(tmp_path / "text"))
    with pytest.raises(LayoutError, match="none of the formats that we read"):
        formats.find(str(tmp_path / "text"))
