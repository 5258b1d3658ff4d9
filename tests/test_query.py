"""Questions that people ask of a dataset."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conftest import examples
from in_memory import HEADER, MemoryEpisode, MemorySource, episode, generated, source
from trajloom import query, store
from trajloom.dataset import Dataset, read
from trajloom.errors import SchemaError, ShapeError
from trajloom.query import Moments
from trajloom.schema import Column, Header

# ---- success ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "attempts", "low", "high"),
    # the values of R's binom::binom.wilson
    [(88, 100, 0.8019, 0.9300), (5, 10, 0.2366, 0.7634), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_intervals_are_wilsons(successes: int, attempts: int, low: float, high: float):
    assert query.wilson(successes, attempts) == pytest.approx((low, high), abs=5e-5)


@given(attempts=st.integers(1, 1000), share=st.floats(0, 1))
def test_an_interval_holds_its_rate_and_is_symmetric(attempts: int, share: float):
    successes = round(share * attempts)
    low, high = query.wilson(successes, attempts)
    assert 0 <= low <= successes / attempts <= high <= 1
    assert query.wilson(attempts - successes, attempts) == pytest.approx((1 - high, 1 - low))


def test_success_is_counted_over_attempts_where_there_are_any():
    outcome = query.success_rate(Dataset(generated([1, 3, 4], 8)))
    assert (outcome.successes, outcome.attempts, outcome.rate) == (3, 8, 3 / 8)
    assert (outcome.low, outcome.high) == query.wilson(3, 8)
    assert outcome.steps_per_success == 32 / 3


def test_success_of_recorded_data_is_that_of_the_episodes_that_say_it():
    members = [episode(0, 3), episode(1, 2, success=False), episode(2, 9, success=None)]
    outcome = query.success_rate(Dataset(MemorySource(HEADER, members)))
    assert (outcome.successes, outcome.attempts, outcome.steps) == (1, 2, 5)


def test_nothing_tried_has_no_rate():
    outcome = query.success_rate(Dataset(source(())))
    assert math.isnan(outcome.rate)
    assert outcome.steps_per_success == math.inf
    assert (outcome.low, outcome.high) == (0, 1)


def test_failures_are_counted_by_their_kind_and_subtask():
    found = query.failures(Dataset(generated([1, 3, 4], 8))).collect()
    assert found.rows() == [("cube was dropped", 0, 3, 3 / 8, 0), ("cube was dropped", 1, 2, 2 / 8, 5)]
    assert query.failures(Dataset(source())).collect().is_empty()


def test_successes_are_counted_by_source_and_subtask():
    found = query.successes_by_source(Dataset(generated([1, 3, 4], 8))).collect()
    counts = found.select("subtask", "source_episode", "attempts", "successes").rows()
    assert counts == [(s, i, n, k) for s in (0, 1) for i, n, k in ((0, 3, 1), (1, 3, 2), (2, 2, 0))]
    for row in found.iter_rows(named=True):
        interval = query.wilson(row["successes"], row["attempts"])
        assert (row["low"], row["high"]) == pytest.approx(interval)


def test_attempts_without_choices_are_no_source():
    wanted = generated([1], 3)
    rows = [{**row, "choices": []} for row in wanted.attempt_rows]
    dataset = Dataset(MemorySource(wanted.header, wanted.members, attempt_rows=rows))
    assert query.successes_by_source(dataset).collect().is_empty()
    assert query.success_rate(dataset).attempts == 3


def test_lengths_of_successes_and_failures_are_apart():
    members = [episode(i, n, success=s) for i, (n, s) in enumerate([(2, True), (4, True), (9, False), (6, True)])]
    found = query.lengths(Dataset(MemorySource(HEADER, members))).collect()
    assert found.select("success", "episodes", "steps", "mean", "min", "median", "max").rows() == [
        (True, 3, 12, 4.0, 2, 4.0, 6),
        (False, 1, 9, 9.0, 9, 9.0, 9),
    ]


# ---- info ------------------------------------------------------------------------------------------------------


def test_info_says_what_a_dataset_holds(tmp_path: Path):
    wanted = generated([1, 3, 4], 8, attempts_end=4)
    store.write(wanted, str(tmp_path / "data"))
    found = query.info(read(tmp_path / "data"))
    assert (found.format, found.episodes, found.steps, found.attempts, found.parts) == ("trajloom", 2, 8, 4, 1)
    assert (found.env, found.tasks, found.control_hz, found.duration) == ("Lift", ("lift",), 20.0, 0.4)
    assert found.generation == {"seed": 7, "task": "lift"}
    pose = found.columns.row(3, named=True)
    assert pose == {
        "table": "steps", "name": "obs/pose", "dtype": "float64", "shape": [4, 4], "nullable": False, "unit": "m",
        "frame": "world", "when": "before", "bytes": 128,
    }  # fmt: skip


def test_size_is_that_of_the_files(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    files = list((tmp_path / "data").rglob("*.parquet"))
    assert query.info(read(tmp_path / "data")).nbytes == sum(p.stat().st_size for p in files)
    assert query.info(Dataset(source())).nbytes is None


def test_splits_are_counted():
    members = [episode(i, 1, splits=s) for i, s in enumerate((["train"], ["train", "20_percent"], [], ["valid"]))]
    assert query.info(Dataset(MemorySource(HEADER, members))).splits == {"20_percent": 1, "train": 2, "valid": 1}


# ---- statistics ------------------------------------------------------------------------------------------------

NUMBERS = arrays.arrays(
    np.float64, st.tuples(st.integers(0, 30), st.just(3)), elements=st.floats(-1e6, 1e6) | st.just(math.nan)
)


@given(values=NUMBERS, cuts=st.lists(st.integers(0, 30), max_size=4))
def test_moments_of_pieces_are_those_of_the_whole(values: np.ndarray, cuts: list[int]):
    whole = Moments.of(values)
    pieces = [Moments.of(piece) for piece in np.split(values, sorted(cuts))]
    merged = pieces[0]
    for piece in pieces[1:]:
        merged = merged.merge(piece)
    np.testing.assert_array_equal(merged.count, whole.count)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(merged.std, whole.std, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(merged.low, whole.low)
    np.testing.assert_array_equal(merged.high, whole.high)


@settings(max_examples=examples(8), deadline=None)
@given(values=NUMBERS, batch_rows=st.integers(1, 40))
def test_statistics_are_those_of_all_rows(values: np.ndarray, batch_rows: int):
    header = Header(steps=(Column(name="x", dtype="float64", shape=(3,), unit="m"),))
    row = {"episode_index": 0, "name": "a", "length": len(values), "attrs": "{}"}
    found = query.statistics(Dataset(MemorySource(header, [MemoryEpisode(row, {"x": values})], batch_rows=batch_rows)))
    for i, component in enumerate(found.iter_rows(named=True)):
        there = values[:, i][~np.isnan(values[:, i])]
        assert (component["index"], component["unit"]) == ([i], "m")
        assert (component["count"], component["nan"]) == (len(there), len(values) - len(there))
        if len(there):
            wanted = (there.mean(), there.std(), there.min(), there.max())
            assert [component[k] for k in ("mean", "std", "min", "max")] == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_statistics_leave_out_rows_that_are_null_and_take_images_by_channel(tmp_path: Path):
    store.write(source((2, 5)), str(tmp_path / "data"))
    found = query.statistics(read(tmp_path / "data"), ["obs/force", "obs/image"])
    images = np.concatenate([member.columns["obs/image"] for member in source((2, 5)).members])
    assert found.filter(column="obs/force")["count"].to_list() == [2, 2]
    channels = found.filter(column="obs/image")
    assert channels["index"].to_list() == [[0], [1], [2]]
    assert channels["mean"].to_list() == pytest.approx(images.reshape(-1, 3).mean(axis=0))


def test_statistics_of_numbers_that_are_not_finite_raise_nothing():
    header = Header(steps=(Column(name="x", dtype="float64"),))
    members = [
        MemoryEpisode({"episode_index": i, "name": "a", "length": 2, "attrs": "{}"}, {"x": np.array(values)})
        for i, values in enumerate([[math.inf, 1.0], [math.nan, math.nan], [-math.inf, math.inf]])
    ]
    row = query.statistics(Dataset(MemorySource(header, members))).row(0, named=True)
    assert (row["count"], row["nan"], row["min"], row["max"]) == (4, 2, -math.inf, math.inf)


def test_statistics_of_no_rows_are_empty():
    assert query.statistics(Dataset(source(()))).is_empty()
    assert query.statistics(Dataset(source()), []).is_empty()
    with pytest.raises(SchemaError, match="no column 'wings' in steps; there are: actions"):
        query.statistics(Dataset(source()), ["wings"])


# ---- components ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [(4, 0), (0,), (-1, 0), (0, 0, 0)])
def test_a_component_that_is_not_there_is_refused(index: tuple[int, ...]):
    with pytest.raises(ShapeError, match=r"obs/pose is of shape \(4, 4\)"):
        query.component(HEADER.column("obs/pose"), *index)


def test_images_have_no_components():
    with pytest.raises(ShapeError, match="obs/image is an image"):
        query.component(HEADER.column("obs/image"), 0, 0, 0)


def test_a_name_alone_takes_the_place_in_the_flattened_row():
    frame = Dataset(source((2,))).steps().select(query.component("obs/pose", 3)).collect()
    assert frame.to_series().to_list() == [0.0, 0.01]
    with pytest.raises(ShapeError, match="takes one index"):
        query.component("obs/pose", 0, 3)
