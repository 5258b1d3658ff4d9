"""Quantiles of more numbers than memory holds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from conftest import examples
from in_memory import HEADER, MemoryEpisode, MemorySource, source
from trajloom import query
from trajloom.dataset import Dataset
from trajloom.errors import SettingsError
from trajloom.query import quantiles as sketches
from trajloom.query.gathering import groups
from trajloom.query.quantiles import CHUNK, Bracket, Sketch, ordered
from trajloom.schema import Column, Header

SHARES = (0.0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0)
ROWS = 12 * CHUNK + 77
ORDERS = {
    "rising": np.arange(ROWS, dtype=float),
    "falling": -np.arange(ROWS, dtype=float),
    "organ pipe": -np.abs(np.arange(ROWS) - ROWS / 2),
    "in turns": np.where(np.arange(ROWS) % 2, 1.0, -1.0) * np.arange(ROWS),
    "two numbers": (np.arange(ROWS) % 7 == 0).astype(float),
    "one number": np.full(ROWS, -0.25),
    "skewed": np.random.default_rng(0).lognormal(0, 9, ROWS),
    "growing": np.random.default_rng(1).normal(size=ROWS) * np.arange(ROWS),
    "clipped": np.clip(np.random.default_rng(2).normal(size=ROWS), -1, 1),
    "moved once": np.random.default_rng(3).normal(size=ROWS) + 9 * (np.arange(ROWS) > ROWS / 3),
    "narrowed": np.random.default_rng(4).normal(size=ROWS) * np.where(np.arange(ROWS) < ROWS / 4, 1, 1e-5),
    "infinite": np.where(np.arange(ROWS) % 3, np.random.default_rng(5).normal(size=ROWS), -np.inf),
    "huge": np.random.default_rng(6).uniform(-1, 1, ROWS) * 1.7e308,
    "tiny": np.random.default_rng(7).integers(-9, 9, ROWS) * 5e-324,
}


def rank_error(values: np.ndarray, shares: tuple[float, ...], found: np.ndarray) -> float:
    """How far the ranks of numbers are from those asked for, at most, in shares of all."""
    rising = np.sort(values)
    first, last = np.searchsorted(rising, found), np.searchsorted(rising, found, side="right") - 1
    wanted = np.array(shares) * (len(values) - 1)
    return float(np.maximum(np.maximum(first - wanted, wanted - last), 0).max()) / len(values)


@pytest.mark.parametrize("order", ORDERS)
def test_ranks_are_within_a_thousandth_and_within_what_the_sketch_says(order: str):
    sketch = Sketch()
    for piece in np.array_split(ORDERS[order], 9):
        sketch.add(piece)
    found = sketch.quantiles(SHARES)
    assert np.isin(found, ORDERS[order]).all()
    assert rank_error(ORDERS[order], SHARES, found) <= min(sketch.bound, 0.001)


def test_numbers_that_spread_are_counted_and_few_of_them_sorted():
    sketch, values = Sketch(), np.random.default_rng(0).normal(size=40 * CHUNK)
    sketch.add(values)
    counted = sum(int(grid.weighted()[1].sum()) for grid in sketch._grids)
    assert len(sketch._grids) == 1
    assert counted > 0.9 * sketch.count
    assert sketch.weighted()[1].sum() == sketch.count
    assert sketch.bound < 0.0005


def test_a_sketch_of_two_is_as_good_as_one_of_all():
    values = ORDERS["growing"]
    one, other = Sketch(), Sketch()
    one.add(values[: ROWS // 3])
    other.add(values[ROWS // 3 :])
    one.merge(other)
    assert one.count == ROWS
    assert rank_error(values, SHARES, one.quantiles(SHARES)) <= one.bound <= 0.001


def test_the_bound_grows_with_the_logarithm_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sketches, "CHUNK", 64)
    monkeypatch.setattr(sketches, "KEPT", 16)
    rng, sketch, bounds = np.random.default_rng(0), Sketch(), []
    values = rng.normal(size=64 * 8**3)
    for piece in values.reshape(-1, 64):
        sketch.add(piece)
        bounds.append(sketch.bound)
    assert [bounds[8**i - 1] for i in range(4)] == pytest.approx([(i + 1) / 32 for i in range(4)])
    assert rank_error(values, SHARES[1:-1], sketch.quantiles(SHARES[1:-1])) <= sketch.bound


def test_few_numbers_are_all_kept():
    sketch = Sketch()
    sketch.add(np.array([3.0, 1.0, 2.0]))
    assert sketch.quantiles([0, 0.5, 1]).tolist() == [1, 2, 3]
    assert sketch.bound == 0
    assert np.isnan(Sketch().quantiles([0.5])).all()


ANY = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0]))


@settings(deadline=None, max_examples=examples(40))
@given(values=ANY)
def test_order_is_that_of_numpy_for_any_bits(values: np.ndarray):
    np.testing.assert_array_equal(ordered(values), np.sort(values))


@settings(deadline=None, max_examples=examples(40))
@given(values=ANY | arrays.arrays(np.float64, st.integers(1, 200), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0])))
def test_a_second_look_finds_quantiles_exactly(values: np.ndarray):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketches, "CHUNK", 16)
        patch.setattr(sketches, "KEPT", 4)
        sketch = Sketch()
        sketch.add(values)
        brackets = [(share, Bracket(sketch, share)) for share in (0.0, 0.1, 0.5, 0.93, 1.0)]
    for share, bracket in brackets:
        for piece in np.array_split(values, 3):
            bracket.add(np.sort(piece))
        rising, rank = np.sort(values), share * (len(values) - 1)
        low, high = (float(rising[int(r)]) for r in (math.floor(rank), math.ceil(rank)))
        wanted = low if low == high else low + (high - low) * (rank - math.floor(rank))
        assert np.array_equal(bracket.value(), wanted, equal_nan=True)  # between infinity and a number is no number


def test_a_bracket_collects_a_small_part_of_the_numbers():
    sketch, values = Sketch(), ORDERS["growing"]
    sketch.add(values)
    bracket = Bracket(sketch, 0.5)
    bracket.add(np.sort(values))
    assert sum(map(len, bracket._between)) < 0.003 * ROWS
    assert bracket.value() == pytest.approx(np.quantile(values, 0.5))


# ---- of datasets -----------------------------------------------------------------------------------------------


def one_column(column: Column, values: np.ndarray, batch_rows: int = 1000) -> Dataset:
    row = {"episode_index": 0, "name": "a", "length": len(values), "attrs": "{}"}
    member = MemoryEpisode(row, {column.name: values})
    return Dataset(MemorySource(Header(steps=(column,)), [member], batch_rows=batch_rows))


@pytest.mark.parametrize("exact", [False, True])
def test_statistics_have_quantiles_of_the_numbers_that_are_there(exact: bool):
    values = np.random.default_rng(0).normal(size=(CHUNK + 9, 2))
    values[::5, 1] = -np.nan
    found = query.statistics(
        one_column(Column(name="x", dtype="float64", shape=(2,)), values), quantiles=(0.5, 0.999), exact=exact
    )
    assert found.columns[-2:] == ["q50", "q99.9"]
    assert found["nan"].to_list() == [0, math.ceil(len(values) / 5)]
    for i, row in enumerate(found.iter_rows(named=True)):
        there = values[:, i][~np.isnan(values[:, i])]
        wanted = np.quantile(there, (0.5, 0.999))
        if exact:
            assert [row["q50"], row["q99.9"]] == pytest.approx(list(wanted))
        assert rank_error(there, (0.5, 0.999), np.array([row["q50"], row["q99.9"]])) <= 0.001


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (4, 5, 3)), ("int8", (2,)), ("bool", ()), ("uint8", (6,))])
def test_numbers_of_small_types_are_counted_exactly(dtype: str, shape: tuple[int, ...]):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (50, *shape)).astype(bool) if dtype == "bool" else rng.integers(
        -100 if dtype == "int8" else 0, 100, (50, *shape)
    ).astype(dtype)  # fmt: skip
    found = query.statistics(one_column(Column(name="x", dtype=dtype, shape=shape), values, 7), quantiles=(0.3,))
    flat = values.reshape(-1, shape[-1] if shape else 1).astype(float)
    for name, wanted in (
        ("mean", flat.mean(axis=0)), ("std", flat.std(axis=0)), ("min", flat.min(axis=0)), ("max", flat.max(axis=0)),
        ("q30", np.quantile(flat, 0.3, axis=0)),
    ):  # fmt: skip
        assert found[name].to_list() == pytest.approx(list(wanted)), name


def test_a_depth_image_is_one_component():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    found = query.statistics(one_column(Column(name="obs/front_depth", dtype="float32", shape=(3, 4)), values))
    assert found.select("index", "count", "mean").rows() == [([0], 24, 11.5)]


def test_wide_columns_are_followed_some_components_at_a_time():
    columns = [Column(name="a", dtype="float64", shape=(5,)), Column(name="b", dtype="float64", shape=(2,))]
    cut = [[(few.column.name, few.first, few.stop) for few in group] for group in groups(columns, 2)]
    assert cut == [[("a", 0, 2)], [("a", 2, 4)], [("a", 4, 5)], [("b", 0, 2)]]
    values = np.random.default_rng(0).normal(size=(40, 130))
    data = one_column(Column(name="x", dtype="float64", shape=(130,)), values)
    for found in (query.statistics(data, quantiles=(0.5,)), query.statistics(data, quantiles=(0.5,), exact=True)):
        assert found["index"].to_list() == [[i] for i in range(130)]
        assert found["mean"].to_list() == pytest.approx(list(values.mean(axis=0)))


def test_quantiles_are_shares():
    with pytest.raises(SettingsError, match=r"quantiles lie between 0 and 1, got 50"):
        query.statistics(Dataset(source()), quantiles=(0.5, 50))
    assert query.statistics(Dataset(MemorySource(HEADER, [])), quantiles=(0.5,)).is_empty()
