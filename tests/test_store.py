"""The native dataset: parts that are there whole or not at all, the same bytes for the same rows."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import textwrap
import tracemalloc
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import THOROUGH, examples
from in_memory import HEADER, MemoryEpisode, MemoryPart, MemorySource, episode, generated, source
from trajloom import parquet, store, tables
from trajloom.errors import DamagedFileError, LayoutError, OutputExistsError, SchemaError, SettingsError
from trajloom.folder import Folder
from trajloom.formats import Source
from trajloom.schema import Column, Header
from trajloom.store import reader

URLS = ("{tmp}/data", "file://{tmp}/data", "memory://test-store/{name}")


@pytest.fixture(params=URLS, ids=["disk", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A free place, on disk, on disk by URL, and where nothing can be renamed."""
    return request.param.format(tmp=tmp_path, name=tmp_path.name)


def table_of(dataset: Source, name: str) -> pa.Table:
    """All rows of a table."""
    parts = [getattr(part, name)() for part in dataset.parts()]
    if name in ("episodes", "attempts"):
        return pa.concat_tables([dataset.header.schema_of(name).empty_table(), *parts])
    batches = [batch for part in parts for batch in part]
    return pa.Table.from_batches(batches, schema=dataset.header.schema_of(name))


def assert_same(found: Source, wanted: Source) -> None:
    assert found.header == wanted.header
    for name in ("steps", "episodes", "attempts", "rest"):
        assert table_of(found, name).equals(table_of(wanted, name)), name
    assert dict(found.models()) == dict(wanted.models())


def write_part(writer: store.Writer, part: MemoryPart, number: int, **settings) -> None:
    with writer.part(number, **settings) as out:
        for batch in part.steps():
            out.write_steps(batch)
        out.write_episodes(part.episodes())
        out.write_attempts(part.attempts())


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


XML = "<mujoco/>"
SHA = hashlib.sha256(XML.encode()).hexdigest()
REST = (tables.Rest("mask/odd", "|S3", (2,), b"abcdef"), tables.Rest("empty", "group", None, None, attrs={"a": 1}))


# ---- writing and reading ---------------------------------------------------------------------------------------


def test_reads_back_what_it_wrote(url: str):
    wanted = source(xml={SHA: XML}, rest_rows=REST, batch_rows=2)
    store.write(wanted, url)
    assert store.is_store(url)
    assert_same(store.open_store(url), wanted)
    assert store.verify(url) == []


@pytest.mark.parametrize("lengths", [(), (0,), (3, 0, 0, 2)])
def test_keeps_episodes_without_steps(lengths: tuple[int, ...], url: str):
    store.write(source(lengths), url)
    assert_same(store.open_store(url), source(lengths))


def test_keeps_what_a_generated_dataset_has_more(url: str):
    wanted = generated([1, 3, 4], 8)
    store.write(wanted, url)
    assert_same(store.open_store(url), wanted)


def test_a_writer_goes_to_other_processes(url: str):
    writer = pickle.loads(pickle.dumps(store.create(url, HEADER)))
    parts = source((2, 1)).parts()
    write_part(writer, parts[0], 0)
    assert writer.committed() == {0}


def test_columns_are_chosen_in_the_order_asked_for(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    part = store.open_store(str(tmp_path / "data")).parts()[0]
    assert [batch.schema.names for batch in part.steps(["rewards", "actions"])] == [["rewards", "actions"]]
    with pytest.raises(SchemaError, match=r"no columns wings in steps; there are: episode_index, .*obs/force"):
        list(part.steps(["wings"]))


def test_one_episode_is_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    store.write(source((30, 40, 50), episodes_per_part=3), str(tmp_path / "data"))
    (part,) = store.open_store(str(tmp_path / "data")).parts()
    rows = pa.Table.from_batches(part.steps_of(1, ["frame_index", "actions"]))
    assert rows.column("frame_index").to_pylist() == list(range(40))
    assert list(part.steps_of(7)) == []


def test_statistics_that_lie_hide_no_steps(tmp_path, monkeypatch):
    # pyarrow ends the process on some that are damaged, so nobody may ask for any
    monkeypatch.setattr(parquet, "GROUP_BYTES", 500)
    store.write(source((4, 6, 5), episodes_per_part=3), str(tmp_path / "data"))
    file = tmp_path / "data" / "steps" / "part-00000.parquet"
    data = file.read_bytes()
    about = pq.ParquetFile(file).metadata
    assert about.num_row_groups > 3
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size :]
    for number in range(3):
        footer = footer.replace(b"\x18\x08" + np.int64(number).tobytes(), b"\x18\x08" + np.int64(77).tobytes())
    file.write_bytes(data[: -8 - size] + footer)
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).statistics.min == 77
    (part,) = store.open_store(str(tmp_path / "data")).parts()
    for index, length in enumerate((4, 6, 5)):
        assert pa.Table.from_batches(part.steps_of(index)).num_rows == length


def test_names_of_columns_that_are_no_text_are_damage(tmp_path):
    store.write(source((2,)), str(tmp_path / "data"))
    file = tmp_path / "data" / "steps" / "part-00000.parquet"
    file.write_bytes(file.read_bytes().replace(b"obs/force", b"obs/\x80orce"))
    with pytest.raises((DamagedFileError, SchemaError), match=r"part-00000.parquet"):
        list(store.open_store(str(tmp_path / "data")).parts()[0].steps())


def test_what_was_fetched_of_a_part_at_a_url_is_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 100_000)
    monkeypatch.setattr(reader, "BATCH_BYTES", 50_000)
    noise = np.random.default_rng(0).normal(size=(10_000, 50))
    header = Header(steps=(Column(name="actions", dtype="float64", shape=(50,)),))
    row = {"episode_index": 0, "name": "demo_0", "length": 10_000, "attrs": "{}"}
    url = f"memory://test-store/{tmp_path.name}"
    store.write(MemorySource(header, [MemoryEpisode(row, {"actions": noise})]), url)
    (part,) = store.open_store(url).parts()
    tracemalloc.start()
    assert sum(batch.num_rows for batch in part.steps()) == len(noise)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < noise.nbytes / 2


def test_order_of_parts_is_that_of_their_numbers(tmp_path: Path):
    writer = store.create(str(tmp_path), HEADER)
    parts = source([1] * 6, episodes_per_part=1).parts()
    numbers = [100000, 3, 99999, 0, 20, 10]
    for number in numbers:
        write_part(writer, parts[sorted(numbers).index(number)], number)
    found = table_of(store.open_store(str(tmp_path)), "episodes")
    assert found.column("episode_index").to_pylist() == list(range(6))


def test_run_is_kept_in_the_commit_record(url: str):
    writer = store.create(url, HEADER)
    with writer.part(0, run={"worker": "a"}) as part:
        part.run["seconds"] = 1.5
    (commit,) = writer.commits()
    assert commit.run == {"worker": "a", "seconds": 1.5}


# ---- bytes depend on the rows alone ----------------------------------------------------------------------------


@settings(max_examples=examples(8), deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), group_rows=st.sampled_from([7, 100, 1000]))
def test_same_rows_make_the_same_bytes_however_they_come(tmp_path_factory, cuts: list[int], group_rows: int):
    folder = tmp_path_factory.mktemp("bytes")
    rows = pa.Table.from_batches(source((150, 250)).parts()[0].steps()).combine_chunks()
    bounds = sorted({0, rows.num_rows, *cuts})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "MAX_PENDING", 2)
        patch.setattr(parquet, "GROUP_BYTES", group_rows * parquet.ParquetFile(folder / "x", rows.schema)._row_weight)
        for name, pieces in (("whole", [0, rows.num_rows]), ("cut", bounds)):
            file = parquet.ParquetFile(folder / name, rows.schema)
            for start, stop in pairwise(pieces):
                for batch in rows.slice(start, stop - start).to_batches():
                    file.write(batch)
            file.close()
    assert (folder / "whole").read_bytes() == (folder / "cut").read_bytes()
    groups = pq.ParquetFile(folder / "cut").num_row_groups
    assert groups == 1 if group_rows == 1000 else groups >= 400 // group_rows


def test_pages_do_not_show_how_rows_came(tmp_path: Path):
    rows = pa.table({"wide": pa.array(np.random.default_rng(0).normal(size=(1000, 400)).tolist())})
    for name, pieces in (("whole", [1000]), ("cut", [13, 500, 1000])):
        file = parquet.ParquetFile(tmp_path / name, rows.schema)
        for start, stop in pairwise([0, *pieces]):
            file.write(rows.slice(start, stop - start).to_batches()[0])
        file.close()
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "cut").read_bytes()


def test_a_row_group_ends_where_its_blobs_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10_000)
    blobs = [tables.Rest(str(i), "|u1", (n,), bytes(n)) for i, n in enumerate((1, 4000, 9000, 20000, 5))]
    file = parquet.ParquetFile(tmp_path / "rest", tables.rest_batch(blobs).schema)
    file.write(tables.rest_batch(blobs))
    file.close()
    groups = pq.ParquetFile(tmp_path / "rest").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [3, 1, 1]


def test_order_of_writing_does_not_show_in_the_files(tmp_path: Path):
    parts = source().parts()
    for name, order in (("one", [0, 1, 2]), ("other", [2, 0, 1])):
        writer = store.create(str(tmp_path / name), HEADER)
        for number in order:
            write_part(writer, parts[number], number)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


# ---- what anything else makes of the files ---------------------------------------------------------------------


EVERY_TYPE = Header(
    steps=(
        *(Column(name=f"{t}/value", dtype=t) for t in ("bool", "int8", "uint16", "int64", "float16", "float32")),
        *(Column(name=f"{t}/tensor", dtype=t, shape=(3,)) for t in ("bool", "uint64", "float16", "float32", "float64")),
        *(Column(name=f"{t}/list", dtype=t, shape=(3,), nullable=True) for t in ("int32", "float32", "float64")),
        Column(name="image", dtype="uint8", shape=(2, 2)),
    )
)


def every_type(rows: int) -> pa.RecordBatch:
    rng = np.random.default_rng(0)
    columns = {c.name: rng.integers(0, 100, (rows, *c.shape)).astype(c.dtype) for c in EVERY_TYPE.steps}
    return tables.steps_batch(EVERY_TYPE, 0, columns)


def ask(question: str) -> list[tuple]:
    """What DuckDB answers."""
    return duckdb.connect().sql(question).fetchall()


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple | list | pl.Series) else value


def test_every_element_type_opens_in_polars_and_duckdb(tmp_path: Path):
    with store.create(str(tmp_path), EVERY_TYPE).part(0) as part:
        part.write_steps(every_type(50))
        part.write_episodes(tables.episodes_table(EVERY_TYPE, [episode(0, 50).row]))
    wanted = every_type(50)
    frame = pl.read_parquet(tmp_path / "steps/*.parquet")
    table = ask(f"select * from '{tmp_path}/steps/*.parquet'")
    for i, name in enumerate(wanted.schema.names):
        column = wanted.column(i)
        values = column.storage if isinstance(column, pa.ExtensionArray) else column
        assert [plain(row[i]) for row in table] == values.to_pylist(), name
        assert [plain(value) for value in frame[name].ext.storage()] == values.to_pylist(), name


def test_tables_open_by_glob_in_polars_and_duckdb(tmp_path: Path):
    store.write(generated([1, 4, 5], 8, episodes_per_part=1), str(tmp_path / "data"))
    for table, rows in (("steps", 12), ("episodes", 3), ("attempts", 8)):
        where = f"{tmp_path}/data/{table}/*.parquet"
        assert pl.scan_parquet(where).select(pl.len()).collect().item() == rows
        assert ask(f"select count(*) from '{where}'") == [(rows,)]
    joined = ask(
        f"select sum(actions[1]) from '{tmp_path}/data/steps/*.parquet' join '{tmp_path}/data/episodes/*.parquet' "
        "using (episode_index) where success"
    )
    assert joined[0][0] == pytest.approx(3 * 0.6)


def test_a_dataset_without_steps_opens_by_glob_too(tmp_path: Path):
    store.write(source(()), str(tmp_path / "data"))
    assert pl.read_parquet(tmp_path / "data/steps/*.parquet").height == 0
    assert ask(f"select * from '{tmp_path}/data/episodes/*.parquet'") == []


# ---- checked at entry ------------------------------------------------------------------------------------------


def test_every_fault_of_a_table_is_reported_at_once(tmp_path: Path):
    batch = next(source().parts()[0].steps())
    wrong = batch.drop_columns(["rewards"]).append_column("wings", pa.array([1] * batch.num_rows))
    wrong = wrong.set_column(1, "frame_index", pa.array(range(batch.num_rows)))
    with pytest.raises(SchemaError) as caught, store.create(str(tmp_path), HEADER).part(7) as part:
        part.write_steps(wrong)
    for words in ("steps of part 7", "rewards: missing", "wings: not expected", "frame_index: wanted int32, got int64"):
        assert words in str(caught.value)


def changed(batch: pa.RecordBatch, **columns: list[int]) -> pa.RecordBatch:
    for name, values in columns.items():
        field = batch.schema.field(name)
        batch = batch.set_column(batch.schema.get_field_index(name), field, pa.array(values, type=field.type))
    return batch


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"frame_index": [0, 2, 3]}, "after episode 0, frame 0 came episode 0, frame 2"),
        ({"frame_index": [1, 2, 3]}, "after episode -1, frame -1 came episode 0, frame 1"),
        ({"episode_index": [1, 1, 0], "frame_index": [0, 1, 0]}, "after episode 1, frame 1 came episode 0, frame 0"),
    ],
)
def test_steps_that_are_out_of_order_are_refused(columns: dict[str, list[int]], words: str, tmp_path: Path):
    with pytest.raises(SchemaError, match=words), store.create(str(tmp_path), HEADER).part(0) as part:
        part.write_steps(changed(next(source((3,)).parts()[0].steps()), **columns))


def test_steps_and_episodes_must_agree(tmp_path: Path):
    parts = source((3, 2, 4), episodes_per_part=3).parts()
    rows = parts[0].episodes().to_pylist()
    wrong = [{**episode(i, row["length"]).row, "length": 9} for i, row in enumerate(rows[:2])]
    writer = store.create(str(tmp_path), HEADER)
    with pytest.raises(SchemaError) as caught, writer.part(0) as part:  # noqa: PT012
        part.write_steps(pa.Table.from_batches(parts[0].steps()))
        part.write_episodes(tables.episodes_table(HEADER, wrong))
    for words in ("episode 0: 3 steps, length 9", "episode 1: 2 steps", "episode 2: 4 steps, but no row in episodes"):
        assert words in str(caught.value)


def test_rows_must_rise(tmp_path: Path):
    writer = store.create(str(tmp_path), HEADER)
    rows = source((0, 0)).parts()[0].episodes()
    with pytest.raises(SchemaError, match="episode_index of part 0 must rise; after 1 came 0"), writer.part(0) as part:
        part.write_episodes(rows.take([1, 0]))


# ---- whole or not at all ---------------------------------------------------------------------------------------


def test_nothing_of_a_part_that_raised_is_there(url: str):
    writer = store.create(url, HEADER)
    part = source().parts()[0]
    write_part(writer, part, 0)
    with pytest.raises(RuntimeError, match="stop"), writer.part(1) as out:  # noqa: PT012
        out.write_steps(next(iter(part.steps())))
        out.add_model(XML)
        raise RuntimeError("stop")
    assert writer.committed() == {0}
    assert store.clean_orphans(url) == []
    assert dict(store.open_store(url).models()) == {}


def test_a_part_is_written_once_unless_it_is_replaced(url: str):
    writer = store.create(url, HEADER)
    one, other, _ = source().parts()
    write_part(writer, one, 0)
    with pytest.raises(OutputExistsError, match="has part 0 already"):
        write_part(writer, other, 0)
    write_part(writer, other, 0, replace=True)
    assert table_of(store.open_store(url), "episodes").column("name").to_pylist() == ["demo_2", "demo_3"]
    assert store.verify(url) == []


def test_files_without_a_commit_are_invisible_and_deleted_on_resume(url: str):
    store.write(source(), url)
    writer = store.resume(url)
    writer.folder.remove("commits", "part-00001.json")
    assert [part.num_episodes for part in store.open_store(url).parts()] == [2, 1]
    writer = store.resume(url)
    assert writer.committed() == {0, 2}
    assert writer.folder.names("steps") == ["part-00000.parquet", "part-00002.parquet"]
    write_part(writer, source().parts()[1], 1)
    assert_same(store.open_store(url), source())


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from in_memory import HEADER, source
    from trajloom import store

    writer = store.create({path!r}, HEADER)
    for number, part in enumerate(source([400] * 10).parts()):
        with writer.part(number) as out:
            for batch in part.steps():
                out.write_steps(batch)
                if number == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
            out.write_episodes(part.episodes())
"""


def test_a_killed_writer_leaves_a_readable_dataset_that_can_be_finished(tmp_path: Path):
    path = str(tmp_path / "data")
    code = textwrap.dedent(KILLED).format(tests=str(Path(__file__).parent), path=path)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert any(name.startswith(".staging-") for name in os.listdir(path))
    left = store.open_store(path)
    assert table_of(left, "episodes").column("episode_index").to_pylist() == list(range(6))
    assert store.verify(path) == []
    writer = store.resume(path)
    assert not any(name.startswith(".staging-") for name in os.listdir(path))
    for number in (3, 4):
        write_part(writer, source([400] * 10).parts()[number], number)
    assert_same(store.open_store(path), source([400] * 10))


class Breaking(MemorySource):
    """A source whose second part cannot be read."""

    def parts(self):
        return [super().parts()[0], None]


def test_a_dataset_that_could_not_be_written_is_not_there(tmp_path: Path):
    with pytest.raises(AttributeError):
        store.write(Breaking(HEADER, source().members), str(tmp_path / "data"))
    assert list(tmp_path.iterdir()) == []


def test_an_old_dataset_stays_until_the_new_one_is_complete(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    with pytest.raises(OutputExistsError, match="is there already"):
        store.write(source((9,)), str(tmp_path / "data"))
    with pytest.raises(AttributeError):
        store.write(Breaking(HEADER, source().members), str(tmp_path / "data"), overwrite=True)
    assert_same(store.open_store(str(tmp_path / "data")), source())
    store.write(source((9,)), str(tmp_path / "data"), overwrite=True)
    assert_same(store.open_store(str(tmp_path / "data")), source((9,)))
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_overwriting_leaves_nothing_of_the_old_one(url: str):
    store.write(source(xml={SHA: XML}), url)
    store.write(source((1,)), url, overwrite=True)
    assert_same(store.open_store(url), source((1,)))
    assert store.clean_orphans(url) == []


@pytest.mark.parametrize("make", [store.create, lambda path, header, **kw: store.write(source(), path, **kw)])
def test_what_is_no_dataset_of_ours_is_never_overwritten(make, tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("ten years")
    with pytest.raises(OutputExistsError, match=r"something else than a dataset of ours: thesis\.tex"):
        make(str(tmp_path), HEADER, overwrite=True)
    with pytest.raises(OutputExistsError, match="is a file"):
        make(str(tmp_path / "thesis.tex"), HEADER, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "ten years"


def test_the_output_is_not_the_input(url: str):
    store.write(source(), url)
    for out in (url, f"{url}/inner"):
        with pytest.raises(SettingsError, match="is the input"):
            store.write(store.open_store(url), out, overwrite=True)
    assert_same(store.open_store(url), source())


def test_progress_counts_episodes(tmp_path: Path):
    seen = []
    store.write(source(), str(tmp_path / "data"), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


# ---- damage ----------------------------------------------------------------------------------------------------


def test_a_header_is_replaced_whole(url: str):
    store.create(url, HEADER)
    store.update_header(url, HEADER.with_(attempts_end=3))
    assert store.read_header(url).attempts_end == 3


def test_what_is_no_dataset_is_said_to_be_none(tmp_path: Path):
    (tmp_path / "note.txt").touch()
    assert not store.is_store(str(tmp_path))
    assert not store.is_store(str(tmp_path / "nowhere"))
    with pytest.raises(LayoutError, match=r"expected dataset\.json, found note\.txt"):
        store.open_store(str(tmp_path))


@pytest.mark.parametrize("keep", [0, 100, -20])
def test_a_damaged_file_is_named_with_its_part(keep: int, tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    file = tmp_path / "data/steps/part-00001.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match=r"steps/part-00001\.parquet \(part 1\)"):
        table_of(store.open_store(str(tmp_path / "data")), "steps")
    assert len(store.verify(str(tmp_path / "data"))) == 1


def test_every_damage_is_found_by_verify(tmp_path: Path):
    wanted = source((2, 2, 2), xml={SHA: XML}, episodes_per_part=1)
    members = [episode(i, 2, model=SHA) for i in range(3)]
    store.write(MemorySource(wanted.header, members, 1, xml={SHA: XML}), str(tmp_path))
    damaged = tmp_path / "episodes/part-00001.parquet"
    data = bytearray(damaged.read_bytes())
    data[30] ^= 1
    damaged.write_bytes(data)
    (tmp_path / "steps/part-00002.parquet").unlink()
    (tmp_path / f"models/{SHA}.xml").write_text("<other/>")
    faults = store.verify(str(tmp_path))
    assert [fault.split(" ")[0] for fault in faults if "part" in fault] == [
        "episodes/part-00001.parquet",
        "steps/part-00002.parquet",
    ]
    assert any("is not what its name says" in fault for fault in faults)
    with pytest.raises(DamagedFileError, match="is not what its name says"):
        store.open_store(str(tmp_path)).models()[SHA]


def test_a_damaged_commit_record_is_named(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    record = tmp_path / "data/commits/part-00001.json"
    record.write_text(json.dumps({"part": 1}))
    with pytest.raises(DamagedFileError, match=r"commits/part-00001\.json is no commit record"):
        _ = store.open_store(str(tmp_path / "data")).commits


# ---- attempts that are hidden ----------------------------------------------------------------------------------


@given(end=st.integers(0, 12), per_part=st.integers(1, 4))
@settings(max_examples=examples(10), deadline=None)
def test_attempts_from_the_end_on_are_hidden(end: int, per_part: int):
    every = generated([1, 3, 4, 9], 12, episodes_per_part=per_part)
    url = "memory://test-store/hidden"
    store.write(every, url, overwrite=True)
    store.update_header(url, every.header.with_(attempts_end=end))
    shown = store.open_store(url)
    successes = [k for k in (1, 3, 4, 9) if k < end]
    assert table_of(shown, "attempts").column("attempt").to_pylist() == list(range(end))
    assert table_of(shown, "episodes").column("episode_index").to_pylist() == successes
    assert table_of(shown, "steps").column("episode_index").to_pylist() == [k for k in successes for _ in range(4)]
    assert sum(part.num_episodes for part in shown.parts()) == len(successes)
    assert sum(part.num_steps for part in shown.parts()) == 4 * len(successes)


# ---- compacting ------------------------------------------------------------------------------------------------


def test_compacting_keeps_the_rows_in_fewer_parts(url: str):
    wanted = source([5] * 9, xml={SHA: XML}, rest_rows=REST)
    store.write(wanted, url)
    store.compact(url)
    compacted = store.open_store(url)
    assert len(compacted.parts()) == 1
    assert_same(compacted, wanted)
    assert store.verify(url) == []
    assert store.clean_orphans(url) == []


def test_compacting_into_another_place_leaves_the_first(tmp_path: Path):
    store.write(source([5] * 9), str(tmp_path / "data"))
    store.compact(str(tmp_path / "data"), str(tmp_path / "out"))
    assert_same(store.open_store(str(tmp_path / "out")), source([5] * 9))
    assert len(store.open_store(str(tmp_path / "data")).parts()) == 5


def test_parts_reach_the_size_aimed_at_and_no_more(tmp_path: Path):
    store.write(source([50] * 12, episodes_per_part=1), str(tmp_path / "data"))
    before = [commit.nbytes for commit in store.open_store(str(tmp_path / "data")).commits]
    store.compact(str(tmp_path / "data"), target_bytes=sum(before[:4]) + 10)
    after = store.open_store(str(tmp_path / "data"))
    assert [part.num_episodes for part in after.parts()] == [4, 4, 4]
    names = files_of(tmp_path / "data")
    store.compact(str(tmp_path / "data"), target_bytes=before[0])
    assert files_of(tmp_path / "data") == names


def test_a_compacted_run_is_final_and_drops_what_was_hidden(url: str):
    every = generated([1, 3, 4, 6], 9, attempts_end=5)
    store.write(every, url)
    writer = store.resume(url)
    store.update_header(url, every.header.with_(attempts_end=None))
    with pytest.raises(SettingsError, match="still being generated"):
        store.compact(url)
    store.update_header(url, every.header)
    shown = [table_of(store.open_store(url), name) for name in ("steps", "episodes", "attempts")]
    store.compact(url)
    assert [table_of(store.open_store(url), name) for name in ("steps", "episodes", "attempts")] == shown
    assert [commit.attempts for commit in writer.commits()] == [(0, 4)]
    with pytest.raises(SettingsError, match="was compacted, which made it final"):
        store.resume(url)


def test_compacting_keeps_what_the_runs_said(tmp_path: Path):
    writer = store.create(str(tmp_path), HEADER)
    for number, part in enumerate(source().parts()):
        write_part(writer, part, number, run={"seconds": number})
    store.compact(str(tmp_path))
    write_part(writer, MemoryPart(HEADER, [episode(5, 2)]), 9, run={"seconds": 3})
    store.compact(str(tmp_path))
    assert [commit.run for commit in writer.commits()] == [{"parts": [{"seconds": n} for n in (0, 1, 2, 3)]}]


def test_hidden_parts_are_dropped_by_compacting(url: str):
    every = generated([1, 3, 4, 6], 9, episodes_per_part=1)
    store.write(every, url)
    store.update_header(url, every.header.with_(attempts_end=2))
    store.compact(url)
    assert store.clean_orphans(url) == []
    assert store.Writer(url, every.header).folder.names("steps") == ["part-00004.parquet"]


def test_compacting_that_is_killed_shows_every_row_once(tmp_path: Path):
    """Whatever file operation is the last one, the rows are those of before, in their order."""
    wanted = source([5] * 5, episodes_per_part=1)
    enough = []
    for stop_after in range(0, 60, 1 if THOROUGH else 5):
        path = str(tmp_path / str(stop_after))
        store.write(wanted, path)
        enough.append(compact_with(path, stop_after))
        assert_same(store.open_store(path), wanted)
        compact_with(path, 1000)
        assert_same(store.open_store(path), wanted)
        assert len(store.open_store(path).parts()) <= 3
        assert store.clean_orphans(path) == []
    assert {enough[0], enough[-1]} == {False, True}
    assert enough == sorted(enough)


def compact_with(path: str, operations: int) -> bool:
    """Compact pairs of parts; whether that many file operations were enough."""
    countdown = iter(range(operations))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("put_json", "publish", "remove"):
            patch.setattr(Folder, name, _failing(getattr(Folder, name), countdown))
        try:
            store.compact(path, target_bytes=14_000)
        except KeyboardInterrupt:
            return False
    return True


def _failing(operation, countdown):
    def run(*args):
        if next(countdown, None) is None:
            raise KeyboardInterrupt
        return operation(*args)

    return run
