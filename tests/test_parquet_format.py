"""Parquet of others becomes a dataset and the same files again, and what we write any reader of Parquet can read."""

import json
import shutil
import warnings

import duckdb
import fsspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

import any_dataset
import in_memory
from any_dataset import assert_same, rows_of
from conftest import SHARED_DATA, examples
from trajloom import formats, read, store, tables
from trajloom.errors import (
    DamagedFileError,
    HostileFileError,
    LayoutError,
    SettingsError,
    TrajloomError,
    TrajloomWarning,
    UnknownNameError,
)
from trajloom.formats import hdf5, parquet
from trajloom.formats.parquet.names import paths

LENGTHS = (20, 10, 20)
FRAME = np.concatenate([np.arange(n) for n in LENGTHS])


def frame(**more) -> pl.DataFrame:
    """Three episodes, numbered 3, 1 and 7, at 30 Hz, with most of what a column can be."""
    n, rng = sum(LENGTHS), np.random.default_rng(0)
    columns = {
        "traj_id": np.repeat([3, 1, 7], LENGTHS),
        "frame": FRAME,
        "timestamp": (FRAME / 30).astype(np.float32),
        "observation.state": rng.normal(size=(n, 7)),
        "action": pl.Series([list(map(float, x)) for x in rng.normal(size=(n, 4))], dtype=pl.List(pl.Float64)),
        "language_instruction": ["pick"] * 20 + ["place"] * 30,
        "success": [True] * 20 + [False] * 10 + [True] * 20,
        "note": [str(i) for i in range(n)],
        "png": [b"\x89PNG%d" % i for i in range(n)],
        "ragged": [[1] * (i % 3) for i in range(n)],
        "obs": [{"a": float(i), "b": {"c": [i, i]}} for i in range(n)],
        "maybe": [None if i % 5 == 0 else i for i in range(n)],
        "maybe_list": [None if i % 5 == 0 else [1.0, i] for i in range(n)],
        "maybe_struct": [None if i % 7 == 0 else {"x": i} for i in range(n)],
    }
    return pl.DataFrame({**columns, **more})


def quietly(path, **options):
    """A dataset, whatever is odd in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        return formats.read("parquet", str(path), options=options)


def again(path, tmp_path):
    """The files that a dataset becomes once it has been in our store."""
    source = quietly(path)
    store.write(source, str(tmp_path / "store"), overwrite=True)
    target = str(tmp_path / ("again.parquet" if str(path).endswith(".parquet") else "again"))
    parquet.write(store.open_store(str(tmp_path / "store")), target, overwrite=True)
    assert_same(quietly(target), source)
    return target


def by_polars(path, table):
    table.write_parquet(path, row_group_size=16)


def by_duckdb(path, rows):
    duckdb.sql(f"copy (select * from rows) to '{path}' (format parquet)")


def by_pyarrow(path, table):
    pq.write_table(table.to_arrow(), path, row_group_size=7, store_schema=False)


# ---- ours, and back --------------------------------------------------------------------------------------------


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(source=any_dataset.datasets())
def test_any_dataset_comes_back_from_one_file_and_from_a_folder(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parquet")
    for name in ("one.parquet", "folder"):
        parquet.write(source, folder / name)
        assert_same(parquet.read(folder / name), source)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["one.parquet", "folder"])
def test_ledger_lineage_and_sparse_numbers_come_back(name, tmp_path):
    source = in_memory.generated([1, 4, 7, 8, 12], 14, rest_rows=[tables.Rest("a", "<f8", (), bytes(8))])
    parquet.write(source, tmp_path / name)
    assert_same(parquet.read(tmp_path / name), source)


@pytest.mark.parametrize("name", ["one.parquet", "folder"])
def test_a_dataset_without_episodes_comes_back(name, tmp_path):
    source = in_memory.MemorySource(in_memory.HEADER, [])
    parquet.write(source, tmp_path / name)
    with pytest.warns(TrajloomWarning, match="there is no demonstration"):
        assert_same(parquet.read(tmp_path / name), source)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED_DATA.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize("name", ["one.parquet", "folder"])
def test_a_real_hdf5_file_is_equal_after_parquet(name, tmp_path):
    original = SHARED_DATA / "robomimic_lift_ph10_lowdim.hdf5"
    source = hdf5.read(original)
    parquet.write(source, tmp_path / name)
    back = quietly(tmp_path / name)
    assert_same(back, source)
    hdf5.write(back, tmp_path / "back.hdf5")
    assert hdf5.equal(str(original), str(tmp_path / "back.hdf5")) == []


@pytest.mark.parametrize("name", ["one.parquet", "folder"])
def test_polars_and_duckdb_read_what_we_write(name, tmp_path):
    source = in_memory.source()
    parquet.write(source, tmp_path / name)
    steps = rows_of(source, "steps")
    actions = np.stack([a for b in steps.column("actions").chunks for a in b.to_numpy_ndarray()])
    found = pl.read_parquet(tmp_path / name)
    assert found.columns[:6] == ["episode_index", "frame_index", "timestamp", "episode_name", "success", "task"]
    np.testing.assert_array_equal(found["actions"].to_numpy(), actions)
    assert found["obs/pose"].dtype == pl.Array(pl.Float64, (4, 4))
    assert found["obs/force"].to_list() == steps.column("obs/force").to_pylist()
    assert found["obs/image"].to_list() == steps.column("obs/image").to_pylist()
    pattern = tmp_path / name / "*.parquet" if name == "folder" else tmp_path / name
    query = f"select episode_index, frame_index, actions, \"obs/pose\" from '{pattern}' order by all"
    rows = duckdb.connect().execute(query).fetchall()
    assert [row[0] for row in rows] == steps.column("episode_index").to_pylist()
    np.testing.assert_array_equal(np.array([row[2] for row in rows]), actions)


def test_a_folder_has_a_file_for_each_episode(tmp_path):
    parquet.write(in_memory.source((3, 0, 2)), tmp_path / "folder")
    assert [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "folder").iterdir())] == [3, 0, 2]


def test_the_option_says_how_many_files(tmp_path):
    formats.write("parquet", in_memory.source(), str(tmp_path / "x"), options={"files": "one"})
    assert (tmp_path / "x").is_file()
    formats.write("parquet", in_memory.source(), str(tmp_path / "y.parquet"), options={"files": "episode"})
    assert (tmp_path / "y.parquet").is_dir()
    with pytest.raises(SettingsError, match="files must be one or episode, got 'two'"):
        formats.write("parquet", in_memory.source(), str(tmp_path / "z"), options={"files": "two"})


def test_urls_are_read_and_written(tmp_path):
    for url in ("memory://parquet-test/one.parquet", "memory://parquet-test/folder"):
        parquet.write(in_memory.source(), url)
        assert_same(read(url).source, in_memory.source())
    parquet.write(in_memory.source(), tmp_path / "one.parquet")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "one.parquet")
    assert_same(parquet.read(f"zip://one.parquet::{tmp_path}/packed.zip"), in_memory.source())
    fsspec.filesystem("memory").rm("/parquet-test", recursive=True)


def test_a_file_that_another_tool_wrote_anew_is_data_still(tmp_path):
    parquet.write(in_memory.source(), tmp_path / "one.parquet")
    about = pq.read_metadata(tmp_path / "one.parquet").metadata[b"trajloom"]
    pq.write_table(
        pq.read_table(tmp_path / "one.parquet").replace_schema_metadata({"trajloom": about}), tmp_path / "two.parquet"
    )
    found = parquet.read(tmp_path / "two.parquet")
    assert found.header.env_args is None
    episodes = rows_of(found, "episodes")
    assert episodes.column("name").to_pylist() == [f"demo_{i}" for i in range(5)]
    assert rows_of(found, "steps").column("obs/pose").equals(rows_of(in_memory.source(), "steps").column("obs/pose"))


# ---- theirs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [by_polars, by_duckdb, by_pyarrow])
def test_a_file_of_others_is_read_and_equal_after_our_store(writer, tmp_path):
    path = tmp_path / "theirs.parquet"
    writer(path, frame())
    source = quietly(path)
    columns = {c.name: (c.dtype, c.shape, c.nullable) for c in source.header.steps}
    assert columns == {
        "observation/state": ("float64", (7,), False),
        "action": ("float64", (4,), False),
        "obs/a": ("float64", (), False),
        "obs/b/c": ("int64", (2,), False),
        "maybe": ("int64", (), True),
        "maybe_list": ("float64", (2,), True),
    }
    episodes = rows_of(source, "episodes")
    assert episodes.column("name").to_pylist() == ["episode_3", "episode_1", "episode_7"]
    assert episodes.column("task").to_pylist() == ["pick", "place", "place"]
    assert episodes.column("success").to_pylist() == [True, False, True]
    assert source.header.control_hz == 30
    steps = rows_of(source, "steps")
    assert steps.column("frame_index").to_pylist() == FRAME.tolist()
    np.testing.assert_array_equal(steps.column("timestamp"), (FRAME / 30).astype(np.float32))
    assert steps.column("maybe").to_pylist() == frame()["maybe"].to_list()
    assert steps.column("maybe_list").to_pylist() == frame()["maybe_list"].to_list()
    assert rows_of(source, "rest").column("path").to_pylist() == ["note", "png", "ragged", "maybe_struct"] * 3
    target = again(path, tmp_path)
    assert parquet.equal(str(path), target) == []
    assert b"trajloom" not in pq.read_metadata(target).metadata


def test_files_without_an_episode_column_are_an_episode_each_2_before_10(tmp_path):
    (tmp_path / "by").mkdir()
    for i in (10, 2, 1):
        frame().filter(pl.col("traj_id") == 7).drop("traj_id").head(i + 1).write_parquet(
            tmp_path / f"by/ep_{i}.parquet"
        )
    episodes = rows_of(quietly(tmp_path / "by"), "episodes")
    assert episodes.column("name").to_pylist() == ["ep_1", "ep_2", "ep_10"]
    assert episodes.column("length").to_pylist() == [2, 3, 11]
    assert parquet.equal(str(tmp_path / "by"), again(tmp_path / "by", tmp_path)) == []


def test_an_episode_may_span_files(tmp_path):
    (tmp_path / "parts" / "deep").mkdir(parents=True)
    frame()[:25].write_parquet(tmp_path / "parts" / "a.parquet")
    frame()[25:].write_parquet(tmp_path / "parts" / "deep" / "b.parquet")
    assert rows_of(quietly(tmp_path / "parts"), "episodes").column("length").to_pylist() == [20, 10, 20]
    assert parquet.equal(str(tmp_path / "parts"), again(tmp_path / "parts", tmp_path)) == []


def odd_types() -> pa.Table:
    """Types that robots' data seldom has, and names that collide."""
    columns = {
        "episode_id": pa.array(["a", "a", "b"]).dictionary_encode(),
        "step": pa.array([5, 6, 9], pa.int16()),
        "time": pa.array([1, 2, 3], pa.timestamp("ns")),
        "decimal": pa.array([1, 2, 3], pa.decimal128(5, 1)),
        "map": pa.array([[("a", 1)], [], []], pa.map_(pa.string(), pa.int32())),
        "dictionary": pa.array([1.5, 1.5, 2.5]).dictionary_encode(),
        "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(12.0).reshape(3, 2, 2)),
        "large": pa.array([[[1, 2]], [[3, 4]], [[5, 6]]], pa.large_list(pa.list_(pa.int8()))),
        "a.b": [1, 2, 3], "a/b": [1, 2, 3], "a": [1, 2, 3], "": [1, 2, 3], "__proto__": [1, 2, 3],
        "nothing": pa.nulls(3),
        "bytes": pa.array([b"x", b"y", b"z"], pa.binary(1)),
        "date": pa.array([1, 2, 3], pa.date32()),
        "half": pa.array(np.arange(3, dtype=np.float16)),
        "flag": [True, None, False],
        "texts": pa.array([["x"], ["y", "z"], []]),
        "structs": pa.array([[{"q": 1}], [], None]),
    }  # fmt: skip
    return pa.table(columns).replace_schema_metadata({"pandas": '{"x": 1}', "mine": "ü"})


@pytest.mark.parametrize("store_schema", [True, False])
def test_odd_types_and_names_are_kept(store_schema, tmp_path):
    path = tmp_path / "odd.parquet"
    pq.write_table(odd_types(), path, store_schema=store_schema, row_group_size=2)
    source = quietly(path)
    found = {c.name: (c.dtype, c.shape) for c in source.header.steps}
    assert found["tensor"] == ("float64", (2, 2) if store_schema else (4,))
    assert found["large"] == ("int8", (1, 2))
    assert found["time"] == ("int64", ())
    assert {"a/b", "a.b", "a_2", "column", "__proto__"} <= set(found)
    assert parquet.equal(str(path), again(path, tmp_path)) == []


def test_what_was_edited_since_is_written_as_it_is(tmp_path):
    frame().write_parquet(tmp_path / "theirs.parquet")
    source = quietly(tmp_path / "theirs.parquet")
    header = source.header
    steps = tuple(c for c in header.steps if c.name != "obs/a")
    episodes = rows_of(source, "episodes").to_pylist()[:2]
    members = []
    for i, row in enumerate(episodes):
        table = rows_of(source, "steps").filter(pa.compute.equal(rows_of(source, "steps").column("episode_index"), i))
        columns = {c.name: tables.to_numpy(table.column(c.name), c) for c in steps if not c.nullable}
        members.append(in_memory.MemoryEpisode({**row, "seed": 5}, columns))
    edited = in_memory.MemorySource(header.with_(steps=steps), members)
    parquet.write(edited, tmp_path / "edited.parquet")
    written = pl.read_parquet(tmp_path / "edited.parquet")
    assert written["traj_id"].unique(maintain_order=True).to_list() == [3, 1]
    assert written["obs"].struct.fields == ["b"]
    assert written["note"].null_count() == written.height
    assert_same(quietly(tmp_path / "edited.parquet"), edited)


def test_what_was_added_to_rest_since_comes_back(tmp_path):
    pl.DataFrame({"episode": [0, 0, 1], "x": [1, 2, 3]}).write_parquet(tmp_path / "theirs.parquet")
    source = quietly(tmp_path / "theirs.parquet")
    rows = rows_of(source, "episodes").to_pylist()
    column = source.header.column("x")
    members = [in_memory.MemoryEpisode(row, {"x": np.arange(row["length"])}) for row in rows]
    more = in_memory.MemorySource(source.header, members, 2, rest_rows=[tables.Rest("more", "<f8", (), bytes(8), 1)])
    assert column.dtype == "int64"
    parquet.write(more, tmp_path / "more.parquet")
    assert_same(quietly(tmp_path / "more.parquet"), more)


def test_columns_are_named_by_options(tmp_path):
    pl.DataFrame({"who": ["x", "x", "y"], "i": [0, 1, 0], "s": [0.0, 0.5, 0.0], "v": [[1, 2]] * 3}).write_parquet(
        tmp_path / "a.parquet"
    )
    source = quietly(tmp_path / "a.parquet", episode="who", frame="i", time="s", rest="v")
    assert rows_of(source, "episodes").column("name").to_pylist() == ["x", "y"]
    assert source.header.steps == ()
    assert source.header.control_hz == 2
    assert set(rows_of(source, "rest").column("path").to_pylist()) == {"v"}
    with pytest.raises(UnknownNameError, match="named 'whom'; there are: i, s, v, who"):
        quietly(tmp_path / "a.parquet", episode="whom")


def test_names_are_each_there_once_and_none_within_another():
    leaves = [("a.b",), ("a", "b"), ("a/b",), ("a",), ("x..y",), ("",), (".",), ("a_2",)]
    found = paths(leaves)
    assert len(set(found.values())) == len(leaves)
    assert not any(one.startswith(f"{other}/") for one in found.values() for other in found.values())


def test_lerobot_and_our_store_are_none_of_it(tmp_path):
    store.write(in_memory.source(), str(tmp_path / "store"))
    assert not parquet.sniff(str(tmp_path / "store"))
    (tmp_path / "lerobot" / "meta").mkdir(parents=True)
    (tmp_path / "lerobot" / "meta" / "info.json").write_text("{}")
    frame().write_parquet(tmp_path / "lerobot" / "x.parquet")
    assert not parquet.sniff(str(tmp_path / "lerobot"))


# ---- faults ----------------------------------------------------------------------------------------------------


def test_rows_out_of_order_are_said(tmp_path):
    path = tmp_path / "x.parquet"
    frame().sort("frame").write_parquet(path)
    with pytest.raises(LayoutError, match="rows of traj_id 3 do not follow one another; sort the rows"):
        parquet.read(path)
    frame()[::-1].write_parquet(path)
    with pytest.raises(LayoutError, match="row 1: frame falls from 19 to 18 within an episode"):
        parquet.read(path)
    frame(traj_id=pl.Series([None, *[1] * 49])).write_parquet(path)
    with pytest.raises(LayoutError, match="traj_id is null in 1 rows"):
        parquet.read(path)


def test_files_of_different_columns_are_said(tmp_path):
    frame().write_parquet(tmp_path / "a.parquet")
    frame(maybe=pl.Series(["x"] * 50)).drop("obs").write_parquet(tmp_path / "b.parquet")
    with pytest.raises(LayoutError, match=r"obs: struct.* and absent; maybe: int64 and large_string"):
        parquet.read(tmp_path)


def test_lists_that_turn_out_ragged_are_said_with_the_way_out(tmp_path):
    rows = [[1.0, 2.0]] * 90_000 + [[1.0], [1.0, 2.0, 3.0]]
    pq.write_table(pa.table({"episode": [0] * len(rows), "v": rows}), tmp_path / "x.parquet")
    with pytest.raises(DamagedFileError, match=r"x.parquet: v: rows of 1 and of 3 elements.*ReadOptions\(rest='v'\)"):
        rows_of(parquet.read(tmp_path / "x.parquet"), "steps")
    assert rows_of(quietly(tmp_path / "x.parquet", rest="v"), "rest").num_rows == 1


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    frame().write_parquet(tmp_path / "secret.parquet")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.parquet").symlink_to(tmp_path / "secret.parquet")
    with pytest.raises(HostileFileError, match=r"a.parquet is a link that leads out of the folder"):
        parquet.read(tmp_path / "folder")


@pytest.mark.parametrize("name", ["../../out", "/abs", "a/../../b", ".", ""])
def test_names_of_episodes_never_lead_out_of_the_folder(name, tmp_path):
    (tmp_path / "by").mkdir()
    for i in (0, 1):
        pl.DataFrame({"x": [i]}).write_parquet(tmp_path / f"by/{i}.parquet")
    source = quietly(tmp_path / "by")
    rows = rows_of(source, "episodes").to_pylist()
    column = source.header.steps[0]
    members = [in_memory.MemoryEpisode({**row, "name": name}, {"x": np.array([1])}) for row in rows]
    with pytest.raises(SettingsError, match="is no name for a file"):
        parquet.write(in_memory.MemorySource(source.header.with_(steps=(column,)), members), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"by"}


def test_a_layout_that_is_none_is_refused(tmp_path):
    source = in_memory.source()
    odd = in_memory.MemorySource(
        source.header.with_(layout={"format": "parquet", "schema": "AAAA", "one": True}), source.members
    )
    with pytest.raises(TrajloomError, match="no layout of Parquet"):
        parquet.write(odd, tmp_path / "x.parquet")


def test_a_shape_that_contradicts_its_type_is_not_believed(tmp_path):
    said = {"trajloom.shape": json.dumps([1 << 30, 1 << 30])}
    table = pa.table(
        [[b"x"], [[1, 2]]],
        pa.schema([pa.field("i", pa.binary(1), metadata=said), pa.field("v", pa.list_(pa.int8()), metadata=said)]),
    )
    pq.write_table(table, tmp_path / "x.parquet")
    source = quietly(tmp_path / "x.parquet")
    assert source.header.steps == ()
    assert rows_of(source, "rest").num_rows == 2


def read_all(path):
    source = quietly(path)
    for table in ("steps", "episodes", "attempts", "rest"):
        rows_of(source, table)
    dict(source.models())


@pytest.mark.parametrize("cut", [0, 3, 4, 8, 100, -1, -4, -9])
def test_files_cut_short_are_said(cut, tmp_path):
    frame().write_parquet(tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(data[:cut])
    with pytest.raises(TrajloomError, match=r"x.parquet"):
        read_all(tmp_path / "x.parquet")


@pytest.mark.parametrize("theirs", [True, False])
def test_mutated_files_give_errors_of_ours_or_data(theirs, tmp_path):
    path = tmp_path / "x.parquet"
    if theirs:
        by_pyarrow(path, frame())
    else:
        parquet.write(in_memory.generated([1, 2], 3), path)
    data, rng = path.read_bytes(), np.random.default_rng(5)
    refused = 0
    for _ in range(100):
        mutated = bytearray(data)
        where = rng.integers(0, len(data), rng.integers(1, 9))
        if rng.random() < 0.5:  # the footer decides most
            where = len(data) - 1 - where % 3000 % len(data)
        for at in where:
            mutated[at] = rng.integers(0, 256)
        path.write_bytes(bytes(mutated))
        try:
            read_all(path)
        except TrajloomError:
            refused += 1
    assert 10 < refused <= 100


def test_files_that_came_through_demonstrations_of_zarr_are_equal_as_parquet_sees_them(tmp_path_factory):
    pytest.importorskip("zarr")

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(source=any_dataset.datasets(max_episodes=4, gaps=True))
    def law(source):
        folder = tmp_path_factory.mktemp("through")
        first, there, back = (str(folder / name) for name in ("first.parquet", "there.zarr", "back.parquet"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrajloomWarning)
            parquet.write(source, first)
            formats.write("zarr_demos", parquet.read(first), there)
            parquet.write(formats.read("zarr_demos", there), back)
        assert parquet.equal(first, back) == []
        shutil.rmtree(folder)

    law()
