"""Questions about movement, first poses, and episodes that are there twice."""

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from in_memory import HEADER, MemoryEpisode, MemorySource, episode, source
from trajloom import query, store
from trajloom.dataset import Dataset, read
from trajloom.errors import SchemaError, SettingsError, UnknownNameError
from trajloom.query import by_episode, repeats
from trajloom.schema import Column, Header

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def dataset(columns: dict[str, list[np.ndarray]], about: tuple[Column, ...], **settings: object) -> Dataset:
    """Episodes of these arrays, one a episode and column."""
    members = []
    for i in range(len(next(iter(columns.values())))):
        arrays = {name: values[i] for name, values in columns.items()}
        own = {"episode_index": i, "name": f"demo_{i}", "length": len(next(iter(arrays.values()))), "attrs": "{}"}
        members.append(MemoryEpisode(own, arrays))
    return Dataset(MemorySource(Header(steps=about, control_hz=20.0), members, **settings))  # pyright: ignore


EEF = (Column(name="obs/robot0_eef_pos", dtype="float64", shape=(3,)),)


def moving(*along: np.ndarray, direction: tuple[float, float, float] = (0.3, 0.0, 0.4)) -> Dataset:
    """An arm that goes along a line, half a metre for every 1."""
    return dataset({"obs/robot0_eef_pos": [s[:, None] * np.array(direction) for s in along]}, EEF)


def least_jerk(steps: int) -> np.ndarray:
    t = np.linspace(0, 1, steps)
    return 10 * t**3 - 15 * t**4 + 6 * t**5


# ---- motion ----------------------------------------------------------------------------------------------------


def test_a_reach_of_least_jerk_is_as_smooth_as_the_paper_says():
    found = query.eef_motion(moving(least_jerk(4000))).collect().row(0, named=True)
    assert found["smoothness"] == pytest.approx(-math.log(204.8), abs=0.01)
    assert (found["eef"], found["path_m"], found["reach_m"]) == ("robot0", pytest.approx(0.5), pytest.approx(0.5))
    assert found["top_speed"] == pytest.approx(1.875 * 0.5 * 20 / 3999, rel=1e-3)


def test_smoothness_does_not_depend_on_scale_and_falls_with_tremor_and_stops():
    reach = least_jerk(400)
    tremor = reach + 0.002 * np.sin(np.arange(400))
    stop = np.concatenate([reach, 1 + reach])
    once, large, shaky, stopped = query.eef_motion(moving(reach, 7 * reach, tremor, stop)).collect()["smoothness"]
    assert large == pytest.approx(once)
    assert shaky < stopped < once


def test_smoothness_of_velocities_is_that_of_the_positions_they_add_up_to():
    reach = least_jerk(2000)
    data = dataset({"actions": [np.diff(reach)[:, None]]}, (Column(name="actions", dtype="float64", shape=(1,)),))
    of_actions = query.action_motion(data).collect()["smoothness"].item()
    assert of_actions == pytest.approx(query.eef_motion(moving(reach)).collect()["smoothness"].item(), abs=1e-6)


def spectral(*speeds: np.ndarray, hz: float = 20.0, **settings: float) -> list[float | None]:
    """The spectral arc length of some movements."""
    frame = pl.concat(pl.DataFrame({"movement": i, "speed": speed}) for i, speed in enumerate(speeds))
    asked = query.spectral_arc_length(pl.col("speed"), hz, **settings)  # pyright: ignore
    return frame.group_by("movement", maintain_order=True).agg(found=asked)["found"].to_list()


def speed_of(*reaches: tuple[float, float], seconds: float, hz: float) -> np.ndarray:
    """Reaches of least jerk, each from a time for some seconds, one upon the other."""
    at = [np.clip((np.arange(0, seconds, 1 / hz) - start) / long, 0, 1) for start, long in reaches]
    return sum((30 * t**2 * (1 - t) ** 2 for t in at), np.zeros(len(at[0])))


def test_the_spectral_arc_length_is_that_of_its_authors():
    t = np.arange(-1, 1, 0.01)
    assert spectral(np.exp(-5 * t**2), hz=100.0) == [
        pytest.approx(-1.41403, abs=5e-6)
    ]  # of their own program's example
    reach = speed_of((0, 1), seconds=1, hz=1000)
    assert spectral(reach, hz=1000.0) == [pytest.approx(-1.41, abs=0.01)]


def test_spectral_smoothness_does_not_depend_on_scale_duration_or_rate():
    for hz, seconds in ((100, 1), (100, 3), (20, 2), (500, 0.8)):
        reach = speed_of((0, seconds), seconds=seconds, hz=hz)
        once, large = spectral(reach, 70 * reach, hz=hz)
        assert large == pytest.approx(once)
        assert once == pytest.approx(-1.41, abs=0.02)


def test_every_further_movement_lowers_spectral_smoothness_and_noise_beyond_the_cutoff_does_not():
    hz = 100
    found = spectral(*[speed_of(*[(0.7 * i, 1) for i in range(n)], seconds=4, hz=hz) for n in range(1, 6)], hz=hz)
    assert found == sorted(found, key=lambda value: -float(value or 0))
    assert all(a - b > 0.1 for a, b in pairwise(value or 0.0 for value in found))
    reach = speed_of((0, 1), seconds=1, hz=hz)
    wave = np.sin(2 * np.pi * np.arange(len(reach)) / hz * np.array([[4.0], [30.0]]))
    clean, tremor, hum = spectral(reach, *(reach + 0.3 * wave), hz=hz)
    assert tremor < clean - 0.1
    assert hum == pytest.approx(clean, abs=0.05)


def test_spectral_smoothness_asks_for_a_rate_and_a_movement():
    assert spectral(np.zeros(20), np.ones(2), np.array([np.nan, 1, 2, 1])) == [None, None, None]
    assert spectral(np.ones(3)) == [pytest.approx(-1.698, abs=1e-3)]
    timeless = Dataset(replace(moving(least_jerk(40)).source, header=Header(steps=EEF)))  # type: ignore[type-var]
    found = query.eef_motion(timeless).collect().row(0, named=True)
    assert (found["spectral_smoothness"], found["top_speed"]) == (None, None)
    with pytest.raises(SettingsError, match=r"cutoff_hz must be above 0.*got 20, 0, 0.05 and 4"):
        query.spectral_arc_length(pl.col("speed"), 20, cutoff_hz=0)


def test_an_arm_that_stands_still_or_hardly_begins_has_no_smoothness():
    found = query.eef_motion(moving(np.zeros(50), np.array([0.0, 1.0, 2.0]))).collect()
    assert found["smoothness"].to_list() == [None, None]
    assert found["path_m"].to_list() == [0.0, pytest.approx(1.0)]


def test_motion_is_summed_up_over_episodes_and_is_empty_where_nothing_moves():
    rows = query.motion(read(HUMAN)).collect()
    assert rows.select("of", "measure", "episodes").rows() == [
        *[
            ("robot0", measure, 10)
            for measure in ("path_m", "reach_m", "top_speed", "smoothness", "spectral_smoothness")
        ],
        *[("actions", measure, 10) for measure in ("mean_change", "smoothness", "spectral_smoothness")],
    ]
    assert query.motion(dataset({"x": [np.zeros(3)]}, (Column(name="x", dtype="float64"),))).collect().is_empty()


def test_a_dataset_without_positions_says_which_columns_it_has():
    with pytest.raises(UnknownNameError, match=r"obs/\*_eef_pos'; there are: actions"):
        query.eef_motion(Dataset(source()))
    with pytest.raises(UnknownNameError, match="no end effector named 'left'; there are: robot0"):
        query.eef_motion(moving(least_jerk(9)), eef="left")


def test_what_is_asked_of_each_episode_is_what_polars_answers_for_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(by_episode, "ROWS", 7)
    data = Dataset(source((3, 1, 40, 2, 0, 5), batch_rows=4, episodes_per_part=4))
    last = query.component("actions", 0).last()
    asked = query.per_episode(data, ["actions"], last=last, steps=pl.len()).collect()
    wanted = data.steps().group_by("episode_index", maintain_order=True).agg(last=last, steps=pl.len()).collect()
    assert asked.equals(wanted)
    assert query.per_episode(data, ["actions"], last=last).filter(pl.col("last") > 1).head(1).collect().height == 1


# ---- saturation ------------------------------------------------------------------------------------------------


def test_saturation_counts_steps_at_the_bounds_and_beyond():
    actions = np.array([[1.0, 0.2], [-1.0, 0.3], [3.75, 0.4], [0.5, 0.2]])
    data = dataset({"actions": [actions]}, (Column(name="actions", dtype="float64", shape=(2,)),))
    told = query.saturation(data, low=-1, high=1).collect()
    assert told.select("at_low", "at_high", "share").rows() == [(1, 2, 0.75), (0, 0, 0.0)]
    seen = query.saturation(data).collect()
    assert seen.select("low", "high", "at_low", "at_high").rows() == [(-1, 3.75, 1, 1), (0.2, 0.4, 2, 1)]


def test_bounds_are_those_of_the_controller_where_it_is_known():
    found = query.saturation(read(HUMAN)).collect()
    assert set(found["low"]) == {-1.0}
    assert found["at_high"].to_list()[2] == 42
    assert found["share"].to_list()[6] == 1.0


def test_saturation_asks_for_sensible_bounds():
    with pytest.raises(SettingsError, match="low must be below high, got 1 and -1"):
        query.saturation(Dataset(source()), low=1, high=-1)
    with pytest.raises(SchemaError, match="no column 'wings'"):
        query.saturation(Dataset(source()), "wings")
    assert query.saturation(Dataset(MemorySource(HEADER, []))).collect()["share"].to_list() == [0.0] * 3


# ---- first poses -----------------------------------------------------------------------------------------------


def turned(x: float, y: float, yaw: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    pose[:3, 3] = x, y, 0.8
    return pose


def quat(yaw: float, order: str) -> list[float]:
    values = {"x": 0.0, "y": 0.0, "z": math.sin(yaw / 2), "w": math.cos(yaw / 2)}
    return [values[c] for c in order]


START = (0.1, -0.05, 0.7)


def test_first_poses_are_found_in_the_columns_of_every_kind():
    x, y, yaw = START
    seven = np.array([x, y, 0.8, *quat(yaw, "wxyz")])
    kinds = {
        "datagen_info/object_poses/cube": (turned(*START), None),
        "obs/datagen_info/object_pose/cube": (turned(*START), None),
        "states/rigid_object/cube/root_pose": (seven, "wxyz"),
        "obs/cube_pos": (seven[:3], None),
    }
    for name, (value, order) in kinds.items():
        column = Column(name=name, dtype="float64", shape=value.shape, rotation=order)
        later = np.stack([value, value + 1])
        row = query.initial_poses(dataset({name: [later, later]}, (column,))).collect().row(1, named=True)
        assert (row["object"], row["episode_index"], row["success"]) == ("cube", 1, None)
        assert (row["x"], row["y"], row["z"]) == pytest.approx((x, y, 0.8))
        assert row["yaw"] == (None if name == "obs/cube_pos" else pytest.approx(yaw)), name


def test_first_poses_of_isaac_lab_may_lie_with_the_episodes():
    column = Column(name="initial_state/rigid_object/cube/root_pose", dtype="float64", shape=(1, 7), rotation="xyzw")
    header = Header(steps=HEADER.steps, episodes=(column,))
    x, y, yaw = START
    value = np.array([[x, y, 0.8, *quat(yaw, "xyzw")]])
    plain = episode(3, 2, success=False)
    own = {key: v for key, v in plain.row.items() if "/" not in key}
    found = query.initial_poses(
        Dataset(MemorySource(header, [MemoryEpisode({**own, column.name: value}, plain.columns)]))
    )
    assert found.collect().rows() == [(3, False, "cube", x, y, 0.8, pytest.approx(yaw))]


def test_first_poses_of_robosuites_object_state_are_those_of_its_layout(tmp_path: Path):
    found = query.initial_poses(read(HUMAN)).collect()
    assert set(found["object"]) == {"cube"}
    # Lift samples its cube within 3 cm of the middle of a table of 0.8 m
    assert found.select(pl.col("x", "y").abs().max()).row(0) <= (0.0301, 0.0301)
    assert found["z"].is_between(0.82, 0.84).all()
    read(HUMAN).write(tmp_path / "data")
    assert query.initial_poses(read(tmp_path / "data")).collect().equals(found)


def test_relative_positions_and_those_of_the_robot_are_no_objects():
    names = ("obs/robot0_eef_pos", "obs/gripper_to_cube_pos", "obs/cubeA_to_cubeB_pos", "obs/robot0_joint_pos")
    columns = tuple(Column(name=name, dtype="float64", shape=(3,)) for name in names)
    assert query.initial_poses(dataset({n: [np.zeros((2, 3))] for n in names}, columns)).collect().is_empty()


def test_coverage_counts_successes_and_failures_in_each_cell():
    column = Column(name="datagen_info/object_poses/cube", dtype="float64", shape=(4, 4))
    members = []
    for i, (x, success) in enumerate([(0.001, True), (0.019, False), (0.021, None), (-0.001, True)]):
        own = {"episode_index": i, "name": f"demo_{i}", "length": 1, "success": success, "attrs": "{}"}
        members.append(MemoryEpisode(own, {column.name: turned(x, 0.01, 0.0)[None]}))
    data = Dataset(MemorySource(Header(steps=(column,)), members))
    assert query.coverage(data).collect().select("x", "episodes", "successes", "failures").rows() == [
        (-0.01, 1, 1, 0), (0.01, 2, 1, 1), (0.03, 1, 0, 0)
    ]  # fmt: skip
    ranges = query.initial_ranges(data).collect().row(0, named=True)
    assert (ranges["episodes"], ranges["x_min"], ranges["x_max"]) == (4, -0.001, 0.021)
    with pytest.raises(SettingsError, match="cell_m must be above 0"):
        query.coverage(data, 0)
    assert query.coverage(Dataset(source())).collect().is_empty()


# ---- duplicates ------------------------------------------------------------------------------------------------


def noisy(copies: dict[int, tuple[int, float]], episodes: int = 30, steps: int = 40) -> Dataset:
    """Random walks, of which some are copies of earlier ones with some noise."""
    rng = np.random.default_rng(0)
    walks = [np.cumsum(rng.normal(size=(steps, 4)), axis=0) for _ in range(episodes)]
    for copy, (of, noise) in copies.items():
        walks[copy] = walks[of] + noise * rng.normal(size=(steps, 4))
    return dataset({"actions": walks}, (Column(name="actions", dtype="float64", shape=(4,)),), batch_rows=13)


def test_duplicates_equal_an_earlier_episode_in_every_bit():
    data = noisy({7: (2, 0.0), 20: (2, 0.0), 21: (3, 1e-12)})
    assert query.duplicates(data).collect().rows() == [(7, 2), (20, 2)]


def test_near_duplicates_are_found_with_the_nearest():
    data = noisy({7: (2, 0.0), 20: (2, 0.1), 21: (3, 0.05)})
    found = query.near_duplicates(data).collect()
    assert set(found.select("episode_index", "near").rows()) >= {(7, 2), (21, 3)}
    assert found.height == 3
    assert found.filter(episode_index=7)["distance"].item() == 0
    assert query.near_duplicates(data, tolerance=1e-6).collect().rows() == [(7, 2, 0.0)]


def test_all_that_a_comparison_of_every_pair_finds_is_found():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(300, 6)).astype(np.float32)
    index = rng.permutation(300)
    distance = np.sqrt(((values[:, None] - values[None]) ** 2).mean(axis=2))
    wanted = {max(index[a], index[b]) for a, b in zip(*np.nonzero(np.triu(distance <= 0.4, 1)), strict=True)}
    assert len(wanted) > 20
    assert set(repeats._nearest(index, values, 0.4)["episode_index"]) == wanted


@pytest.mark.parametrize("copies", [300, 2])
def test_crowds_of_equal_episodes_are_found(copies: int):
    data = dataset({"actions": [np.ones((5, 2))] * copies}, (Column(name="actions", dtype="float64", shape=(2,)),))
    assert query.near_duplicates(data).collect().height == copies - 1
    assert query.duplicates(data).collect().height == copies - 1


def test_what_is_compared_can_be_chosen():
    data = Dataset(source((4, 4, 4)))
    assert query.duplicates(data, ["obs/force"]).collect().rows() == [(2, 0)]
    assert query.duplicates(data, ["rewards"]).collect().rows() == [(1, 0), (2, 0)]
    with pytest.raises(SchemaError, match="no column 'wings'"):
        query.duplicates(data, ["wings"])
    with pytest.raises(SettingsError, match="tolerance must be above 0"):
        query.near_duplicates(data, tolerance=0)
    assert query.near_duplicates(Dataset(source((3,)))).collect().is_empty()


def test_questions_are_lazy(tmp_path: Path):
    store.write(source(), str(tmp_path / "data"))
    asked = [f(read(tmp_path / "data")) for f in (query.action_motion, query.duplicates, query.saturation)]
    for file in (tmp_path / "data" / "steps").iterdir():
        file.write_bytes(b"broken")
    for one in asked:
        with pytest.raises(Exception, match="part-"):
            one.collect()
