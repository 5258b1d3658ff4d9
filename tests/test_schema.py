"""The contract of the tables: names, columns, the header, and checks that name every fault."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajloom.errors import SchemaError
from trajloom.schema import (
    ELEMENT_TYPES,
    EPISODES,
    STEPS,
    TABLES,
    Column,
    Header,
    check,
    is_own_step,
    lineage_columns,
    path_of,
    stored_name,
)

PATHS = st.one_of(
    st.sampled_from([*STEPS.names, *EPISODES.names, "data", "data/x", "data/data/x", "obs/x"]),
    st.sampled_from(["subtask/robot0", "source_frame", "source_episode/a"]),
    st.text(min_size=1, max_size=12),
)  # fmt: skip
COLUMNS = st.builds(
    Column,
    name=st.sampled_from(["actions", "obs/x", "data/name"]),
    dtype=st.sampled_from(ELEMENT_TYPES),
    shape=st.lists(st.integers(1, 4), max_size=4).map(tuple),
    nullable=st.booleans(),
    unit=st.sampled_from([None, "m"]),
    frame=st.sampled_from([None, "world"]),
    when=st.sampled_from([None, "before", "after"]),
)


# ---- names -----------------------------------------------------------------------------------------------------


@given(path=PATHS, table=st.sampled_from(["steps", "episodes"]))
def test_a_path_comes_back_from_its_column(path, table):
    assert path_of(stored_name(path, table)) == path


@given(paths=st.lists(PATHS, unique=True), table=st.sampled_from(["steps", "episodes"]))
def test_two_paths_are_never_one_column(paths, table):
    assert len({stored_name(path, table) for path in paths}) == len(paths)


@given(path=PATHS)
def test_data_never_takes_a_name_of_ours(path):
    assert not is_own_step(stored_name(path, "steps"))
    assert stored_name(path, "episodes") not in EPISODES.names


def test_nothing_is_renamed_that_need_not_be():
    assert [stored_name(path) for path in ("actions", "obs/x", "name")] == ["actions", "obs/x", "name"]
    assert [stored_name(path, "episodes") for path in ("timestamp", "name")] == ["timestamp", "data/name"]


# ---- columns ---------------------------------------------------------------------------------------------------


@given(column=COLUMNS)
def test_a_column_comes_back_from_json(column):
    assert Column.from_json(json.loads(json.dumps(column.to_json()))) == column


@pytest.mark.parametrize(
    ("dtype", "shape", "nullable", "encoding"),
    [
        ("float64", (), False, "value"),
        ("float64", (3,), False, "tensor"),
        ("float64", (3,), True, "list"),
        ("uint8", (84, 84, 3), False, "image"),
        ("uint8", (84, 84, 3), True, "image"),
        ("uint8", (5,), False, "tensor"),
    ],
)
def test_a_row_is_kept_as_what_suits_it(dtype, shape, nullable, encoding):
    assert Column(name="x", dtype=dtype, shape=shape, nullable=nullable).encoding == encoding


@given(column=COLUMNS)
def test_a_row_weighs_what_its_array_weighs(column):
    assert column.nbytes == np.zeros(column.shape, column.dtype).nbytes


def test_columns_that_arrow_cannot_hold_are_refused():
    with pytest.raises(SchemaError, match="no element type 'complex128'; there are: bool, int8"):
        Column(name="x", dtype="complex128")
    with pytest.raises(SchemaError, match=r"shape \(3, 0\) has a dimension below 1"):
        Column(name="x", dtype="float64", shape=(3, 0))


# ---- the header ------------------------------------------------------------------------------------------------


def header() -> Header:
    return Header(
        steps=(Column(name="actions", dtype="float64", shape=(7,)), Column(name="rewards", dtype="float32")),
        episodes=(Column(name="initial_state/x", dtype="int64", shape=(2,), nullable=True),),
        eefs=("left", "right"),
        control_hz=20.0,
        env_args={"env_name": "Lift"},
        sources=({"id": "a"},),
        warnings=("odd",),
        attempts_end=7,
    )


def test_a_header_comes_back_from_json():
    assert Header.from_json(json.loads(json.dumps(header().to_json()))) == header()


def test_headers_that_we_do_not_read_say_why():
    values = header().to_json()
    with pytest.raises(SchemaError, match=r"expected format 'trajloom', version 1; found .*99"):
        Header.from_json({**values, "version": 99})
    with pytest.raises(SchemaError, match=r"unknown keys \['colour'\]"):
        Header.from_json({**values, "colour": "red"})


def test_every_table_has_a_schema_with_our_columns_first():
    assert header().steps_schema.names[:3] == STEPS.names
    assert header().steps_schema.names[3:9] == [field.name for field in lineage_columns(["left", "right"])]
    assert header().steps_schema.names[9:] == ["actions", "rewards"]
    assert header().episodes_schema.names == [*EPISODES.names, "initial_state/x"]
    assert all(isinstance(header().schema_of(table), pa.Schema) for table in TABLES)


def test_a_column_that_is_not_there_is_told_with_those_that_are():
    assert header().column("rewards").dtype == "float32"
    with pytest.raises(SchemaError, match="no column 'reward' in steps; there are: actions, rewards"):
        header().column("reward")


# ---- checking --------------------------------------------------------------------------------------------------

WANTED = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.float64())])


def test_a_table_that_fits_passes():
    check(pa.table({"a": [1], "b": [None]}, schema=WANTED), WANTED)


def test_every_fault_is_named_at_once():
    wrong = pa.table({"b": pa.array([1], pa.float32()), "c": [1], "d": [2]})
    said = r"steps does not match the schema; a: missing; c: not expected; d: not expected; b: wanted double, got float"
    with pytest.raises(SchemaError, match=said):
        check(wrong, WANTED, "steps")


def test_nulls_where_none_may_be_are_a_fault():
    with pytest.raises(SchemaError, match="a: 2 nulls where none may be"):
        check(pa.table({"a": pa.array([None, 1, None], pa.int64()), "b": [1.0, 2.0, 3.0]}), WANTED)


def test_a_column_that_is_there_twice_is_a_fault():
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([1.0]), pa.array([2.0])], names=["a", "b", "b"])
    with pytest.raises(SchemaError, match="b: there twice"):
        check(twice, WANTED)
