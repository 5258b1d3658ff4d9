"""A batch: whole episodes in memory, changed, cut and multiplied without losing count."""

import numpy as np
import pyarrow as pa
import pytest

from in_memory import MemoryEpisode, MemorySource
from trajloom import schema, tables
from trajloom.batch import Batch
from trajloom.errors import SchemaError
from trajloom.schema import Column, Header

HEADER = Header(
    steps=(
        Column(name="actions", dtype="float32", shape=(2,)),
        Column(name="obs/force", dtype="float64", nullable=True),
    ),
    control_hz=20.0,
)


@pytest.fixture
def batch() -> Batch:
    """Episodes 3, 5 and 7 of 2, 0 and 3 steps; the last lacks `obs/force`; 3 and 7 have a row of `rest`."""
    members = []
    for index, length in ((3, 2), (5, 0), (7, 3)):
        row = {"episode_index": index, "name": f"demo_{index}", "length": length, "attrs": "{}"}
        columns = {"actions": np.arange(2 * length, dtype=np.float32).reshape(length, 2) + 10 * index}
        if index == 3:
            columns["obs/force"] = np.array([0.5, 1.5])
        members.append(MemoryEpisode(row, columns))
    rest = [tables.Rest(f"note_{i}", "|S1", (), b"x", episode_index=i) for i in (None, 3, 7)]
    source = MemorySource(HEADER, members, episodes_per_part=3, rest_rows=rest)
    return Batch.of(source.parts()[0], HEADER)


def checked(batch: Batch) -> Batch:
    schema.check(batch.steps, batch.header.steps_schema)
    schema.check(batch.episodes, batch.header.episodes_schema)
    assert batch.steps.column("episode_index").to_pylist() == batch.episode_index[batch.position].tolist()
    assert batch.steps.num_rows == batch.lengths.sum()
    return batch


def test_it_knows_where_episodes_begin_and_which_column_is_where(batch: Batch):
    assert batch.starts.tolist() == [0, 2, 2, 5]
    assert batch.has("obs/force").tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(batch.array("obs/force"), [0.5, 1.5, np.nan, np.nan, np.nan])


def test_other_values_leave_absent_steps_absent(batch: Batch):
    changed = checked(batch.with_arrays({"obs/force": batch.array("obs/force") + 1, "actions": batch.array("actions")}))
    assert changed.steps.column("obs/force").to_pylist() == [1.5, 2.5, None, None, None]
    np.testing.assert_array_equal(changed.array("actions"), batch.array("actions"))


def test_a_new_column_needs_its_description(batch: Batch):
    mask = Column(name="mask", dtype="bool")
    there = checked(batch.with_arrays({"mask": np.ones(5, bool)}, mask))
    assert there.array("mask").all()
    with pytest.raises(SchemaError, match="mask"):
        batch.with_arrays({"mask": np.ones(5, bool)})


def test_steps_are_taken_within_their_episodes(batch: Batch):
    taken = checked(batch.take_steps(np.array([1, 2, 4, 4])))
    assert taken.lengths.tolist() == [1, 0, 3]
    assert taken.steps.column("frame_index").to_pylist() == [0, 0, 1, 2]
    assert taken.steps.column("timestamp").to_pylist() == [0, 0, 0.05, 0.1]
    assert taken.array("actions")[:, 0].tolist() == [32, 70, 74, 74]


def test_episodes_are_taken_more_than_once_under_new_numbers_with_their_rest(batch: Batch):
    taken = checked(batch.take_episodes(np.array([2, 2, 0]), np.array([0, 1, 2])))
    assert taken.lengths.tolist() == [3, 3, 2]
    assert [(row["path"], row["episode_index"]) for row in taken.rest.to_pylist()] == [
        ("note_None", None),
        ("note_7", 0),
        ("note_7", 1),
        ("note_3", 2),
    ]


def test_no_episode_at_all_is_a_batch_too(batch: Batch):
    none = checked(batch.take_episodes(np.array([], int)))
    assert none.starts.tolist() == [0]
    assert none.array("actions").shape == (0, 2)


def test_a_column_can_become_absent_from_some_steps(batch: Batch):
    nullable = Column(name="actions", dtype="float32", shape=(2,), nullable=True)
    there = np.array([True, True, False, False, False])
    less = checked(batch.with_arrays({"actions": batch.array("actions")}, nullable, present={"actions": there}))
    assert less.has("actions").tolist() == there.tolist()
    assert less.steps.column("actions").to_pylist()[:2] == [[30, 31], [32, 33]]


def test_columns_that_a_new_header_lacks_are_left_out(batch: Batch):
    fewer = checked(batch.under(HEADER.with_(steps=HEADER.steps[:1])))
    assert fewer.steps.column_names == ["episode_index", "frame_index", "timestamp", "actions"]


def test_arrays_of_the_rest_with_a_row_a_step_go_with_the_steps(batch: Batch):
    rows = [tables.Rest("odd", ">i4", (2,), b"\0" * 8, episode_index=3), *tables.rest_rows(batch.rest)]
    with_odd = Batch(batch.header, batch.steps, batch.episodes, pa.Table.from_batches([tables.rest_batch(rows)]))
    assert "odd" in with_odd.take_steps(np.array([0, 1, 2])).rest.column("path").to_pylist()
    assert "odd" not in with_odd.take_steps(np.array([1, 2])).rest.column("path").to_pylist()
    assert with_odd.take_steps(np.array([1, 2])).rest.num_rows == 3
