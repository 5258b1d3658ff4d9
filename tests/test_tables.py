"""Arrays into Arrow and back: nothing is lost, nothing is copied that need not be."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import examples
from trajloom.errors import SchemaError, ShapeError
from trajloom.schema import ELEMENT_TYPES, Column, Header, check
from trajloom.tables import (
    Rest,
    columns_of,
    episodes_table,
    filled,
    nest,
    rest_batch,
    rest_rows,
    steps_batch,
    steps_rows,
    to_arrow,
    to_numpy,
)


@st.composite
def columns_with_values(draw: st.DrawFn) -> tuple[Column, np.ndarray]:
    """A column of any kind and 0 to 6 rows of random bits, NaN among them."""
    dtype = np.dtype(draw(st.sampled_from(ELEMENT_TYPES)))
    shape = draw(st.lists(st.integers(1, 3), max_size=3).map(tuple))
    rows = draw(st.integers(0, 6))
    column = Column(name="x", dtype=dtype.name, shape=shape, nullable=draw(st.booleans()))
    raw = draw(st.binary(min_size=rows * column.nbytes, max_size=rows * column.nbytes))
    bits = np.frombuffer(raw, np.uint8)
    values = (bits % 2 if dtype.kind == "b" else bits).view(dtype).reshape(rows, *shape)
    return column, values


@given(given_=columns_with_values())
def test_arrays_come_back_bit_for_bit(given_):
    column, values = given_
    arrow = to_arrow(values, column)
    assert arrow.type == column.arrow_type
    assert to_numpy(arrow, column).tobytes() == values.tobytes()
    assert to_numpy(arrow, column).dtype == values.dtype


@given(given_=columns_with_values(), start=st.integers(0, 6), length=st.integers(0, 6))
def test_slices_and_chunks_come_back_too(given_, start, length):
    column, values = given_
    arrow = to_arrow(values, column)
    assert to_numpy(arrow.slice(start, length), column).tobytes() == values[start : start + length].tobytes()
    chunked = pa.chunked_array([arrow.slice(0, start), arrow.slice(start)], type=arrow.type)
    assert to_numpy(chunked, column).tobytes() == values.tobytes()


@settings(deadline=None, max_examples=examples(15))
@given(given_=columns_with_values())
def test_parquet_and_ipc_keep_every_bit(given_):
    column, values = given_
    table = pa.table([to_arrow(values, column)], schema=pa.schema([pa.field("x", column.arrow_type)]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_compliant_nested_type=False, store_schema=True)
    back = pq.read_table(pa.BufferReader(sink.getvalue())).column("x")
    assert to_numpy(back, column).tobytes() == values.tobytes()


def test_numbers_reach_arrow_and_come_back_without_a_copy():
    for column in (Column(name="x", dtype="float64", shape=(3,)), Column(name="x", dtype="uint8", shape=(3, 3))):
        values = np.zeros((5, *column.shape), column.dtype)
        assert np.shares_memory(to_numpy(to_arrow(values, column), column), values)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_what_an_episode_lacks_is_null_and_no_array(dtype, shape):
    column = Column(name="x", dtype=dtype, shape=shape, nullable=True)
    nulls = to_arrow(None, column, 3)
    assert (len(nulls), nulls.null_count, nulls.type) == (3, 3, column.arrow_type)
    with pytest.raises(SchemaError, match="x has 3 nulls"):
        to_numpy(nulls, column)


def test_arrays_that_do_not_fit_their_column_are_refused():
    column = Column(name="actions", dtype="float64", shape=(7,))
    with pytest.raises(ShapeError, match=r"actions must have shape \(T, 7\), got \(3, 6\)"):
        to_arrow(np.zeros((3, 6)), column)
    with pytest.raises(SchemaError, match="actions must have element type float64, got float32"):
        to_arrow(np.zeros((3, 7), "f4"), column)
    with pytest.raises(SchemaError, match="element type float64, got >f8"):
        to_arrow(np.zeros((3, 7), ">f8"), column)


# ---- steps -----------------------------------------------------------------------------------------------------

HEADER = Header(
    steps=(
        Column(name="actions", dtype="float64", shape=(2,)),
        Column(name="obs/x", dtype="float32", nullable=True),
        Column(name="data/episode_index", dtype="int64"),
    ),
    episodes=(Column(name="initial", dtype="float64", shape=(3,), nullable=True),),
    eefs=("robot0",),
    control_hz=20.0,
)


def arrays(rows: int) -> dict[str, np.ndarray]:
    return {"actions": np.arange(2.0 * rows).reshape(rows, 2), "data/episode_index": np.arange(rows)}


def test_steps_are_counted_and_timed_from_where_they_start():
    batch = steps_batch(HEADER, 7, arrays(3), start=10)
    check(batch, HEADER.steps_schema)
    assert batch.column("episode_index").to_pylist() == [7, 7, 7]
    assert batch.column("frame_index").to_pylist() == [10, 11, 12]
    assert batch.column("timestamp").to_pylist() == [0.5, 0.55, 0.6]
    assert batch.column("obs/x").null_count == 3
    assert batch.column("subtask/robot0").null_count == 3


def test_steps_of_several_episodes_are_those_of_each():
    together = steps_rows(HEADER, np.array([1, 1, 2]), np.array([0, 1, 0]), arrays(3))
    first = steps_batch(HEADER, 1, {name: values[:2] for name, values in arrays(3).items()})
    second = steps_batch(HEADER, 2, {name: values[2:] for name, values in arrays(3).items()})
    assert pa.Table.from_batches([together]).equals(pa.Table.from_batches([first, second]).combine_chunks())


def test_the_time_is_unknown_where_the_rate_is():
    assert steps_batch(HEADER.with_(control_hz=None), 0, arrays(2)).column("timestamp").null_count == 2


def test_steps_come_back_as_arrays_without_what_they_lack():
    lineage = {"subtask/robot0": np.array([0, 1], "i1")}
    back = columns_of(steps_batch(HEADER, 0, {**arrays(2), **lineage}), HEADER)
    assert sorted(back) == ["actions", "data/episode_index", "subtask/robot0"]
    assert all(np.array_equal(back[name], values) for name, values in {**arrays(2), **lineage}.items())


def test_no_rows_are_arrays_without_rows():
    back = columns_of(HEADER.steps_schema.empty_table(), HEADER)
    assert back["actions"].shape == (0, 2)
    assert back["actions"].dtype == np.float64
    column = Column(name="x", dtype="uint8", shape=(2, 2))
    assert to_numpy(pa.chunked_array([], type=column.arrow_type), column).shape == (0, 2, 2)


def test_the_nested_view_is_as_it_would_lie_in_hdf5():
    nested = nest(
        {"actions": np.zeros(1), "obs/x": np.ones(1), "obs/y/z": np.ones(2), "data/episode_index": np.zeros(3)}
    )
    assert sorted(nested) == ["actions", "episode_index", "obs"]
    assert nested["obs"]["y"]["z"].shape == (2,)


# ---- episodes and rest -----------------------------------------------------------------------------------------


def test_episodes_hold_arrays_beside_our_own_columns():
    own = {"name": "demo_0", "length": 3, "attrs": "{}"}
    rows = [{**own, "episode_index": 0, "initial": np.arange(3.0), "splits": ["train"]}, {**own, "episode_index": 1}]
    table = episodes_table(HEADER, rows)
    check(table, HEADER.episodes_schema)
    assert table.column("initial").to_pylist() == [[0.0, 1.0, 2.0], None]
    assert table.column("splits").to_pylist() == [["train"], []]
    assert table.column("success").to_pylist() == [None, None]
    assert episodes_table(HEADER, []).num_rows == 0


@given(
    rows=st.lists(
        st.builds(
            Rest,
            path=st.text(max_size=5),
            dtype=st.sampled_from(["<f8", ">i4", "group"]),
            shape=st.none() | st.lists(st.integers(0, 3), max_size=3).map(tuple),
            data=st.none() | st.binary(max_size=9),
            episode_index=st.none() | st.integers(0, 2**40),
            attrs=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        )
    )
)
def test_rest_comes_back(rows):
    assert rest_rows(rest_batch(rows)) == rows


FILLS = [("float32", True, np.nan), ("float32", False, 0), ("int64", True, 0)]


@pytest.mark.parametrize(("dtype", "nan", "empty"), FILLS)
def test_nulls_are_filled(dtype, nan, empty):
    column = Column(name="obs/x", dtype=dtype, shape=(2,), nullable=True)
    values = to_arrow(np.arange(6, dtype=dtype).reshape(3, 2), column).take(pa.array([2, None, 0]))
    wanted = np.array([[4, 5], [empty, empty], [0, 1]]).astype(dtype)
    np.testing.assert_array_equal(filled(values, column, nan=nan), wanted)
    np.testing.assert_array_equal(filled(values.drop_null(), column), wanted[[0, 2]])
