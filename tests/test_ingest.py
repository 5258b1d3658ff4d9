"""Ingestion: what goes in comes out, or is listed; the same bytes however it is run."""

import datetime
import hashlib
import json
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trajloom as tl
from trajloom.errors import OutputExistsError, RunError, SettingsError, SourceError, TrajloomWarning, UnknownNameError
from trajloom.ingest import (
    DataIngestionInterface,
    IngestedDataset,
    IngestionConfig,
    IteratorAdapter,
    PyTorchDatasetAdapter,
    create_vla_dataset_from_iterator,
    create_vla_dataset_from_pytorch_dataset,
    create_vla_dataset_from_source,
)


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch):
    """However busy the machine is, nothing here takes long enough for a cluster of its own."""
    monkeypatch.setattr("trajloom.ingest.conduct.PATIENCE", float("inf"))


def ingest(source: Any, path: Path, **settings: Any) -> IngestedDataset:
    return create_vla_dataset_from_source(source, str(path), **settings)


def steps(count: int, **more: Any) -> list[dict[str, Any]]:
    """Items that count: a number, a vector, a text."""
    return [{"n": n, "obs": {"x": np.full(3, n, np.float32)}, "task": "lift", **more} for n in range(count)]


def column(dataset: IngestedDataset, name: str) -> list[Any]:
    return [item.get(name) for item in dataset.iter_rows()]


def digest(path: Path) -> dict[str, str]:
    """Every file but the commit records, which say when and where."""
    files = [file for file in path.rglob("*") if file.is_file() and file.parent.name != "commits"]
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# ---- what becomes of items -------------------------------------------------------------------------------------


def test_items_become_steps_of_trajectories(tmp_path: Path):
    dataset = ingest(steps(25), tmp_path / "out", group_size=10)
    episodes = tl.read(tmp_path / "out").episodes().collect()
    assert episodes["name"].to_list() == ["trajectory_000000", "trajectory_000001", "trajectory_000002"]
    assert episodes["length"].to_list() == [10, 10, 5]
    assert dataset.schema() == {"n": "int64 ()", "obs/x": "float32 (3,)", "task": "text"}
    item = dataset.take(12)[11]
    assert (item["n"], item["obs"]["x"].tolist(), item["task"]) == (11, [11.0] * 3, "lift")


def test_long_trajectories_go_on_in_further_ones_and_nothing_is_dropped(tmp_path: Path):
    dataset = ingest(steps(25), tmp_path / "out", group_size=20, max_items_per_trajectory=8)
    assert dataset.dataset.episodes().collect()["length"].to_list() == [8, 8, 4, 5]
    assert column(dataset, "n") == list(range(25))


def test_items_in_are_items_stored_and_items_listed(tmp_path: Path):
    class Picky(DataIngestionInterface):
        def get_data_items(self):
            return range(40)

        def transform_item(self, item: int):
            if item % 10 == 3:
                raise ValueError(f"{item} is odd")
            return {} if item % 10 == 4 else {"n": item, "x": np.zeros(2 if item % 10 == 5 else 3)}

        def group_items_into_trajectories(self, items):
            return [items[:20], items[20:38]]

        def validate_transformed_data(self, data):
            return data["n"] % 10 != 6

        def get_item_metadata(self, item: int):
            return {"camera": f"cam{item % 2}"}

    with pytest.warns(TrajloomWarning, match=r"18 of 40 items were left out .*item 3: ValueError: 3 is odd"):
        dataset = ingest(Picky(), tmp_path / "out")
    left = dataset.left_out()
    assert sorted([*column(dataset, "n"), *left["item"]]) == list(range(40))
    assert left.filter(item=13).select("trajectory", "problem", "reason", "metadata").row(0) == (
        "trajectory_000000", "failed", "ValueError: 13 is odd", '{"camera": "cam1"}',
    )  # fmt: skip
    counts = {"failed": 4, "empty": 4, "invalid": 4, "misfit": 4, "ungrouped": 2}
    assert dataset.get_stats()["left_out"] == counts
    assert (
        left.filter(item=5)["reason"].item()
        == "x is an array of shape (2,); in its trajectory it is an array of shape (3,)"
    )
    assert dataset.peek()["metadata"]["camera"] == "cam0"  # pyright: ignore


def test_a_source_of_which_nothing_can_be_stored_leaves_nothing(tmp_path: Path):
    with pytest.raises(RunError, match=r"none of 3 items could be stored.*ZeroDivisionError"):
        ingest([0, 0, 0], tmp_path / "out", transform_fn=lambda item: {"x": 1 / item})
    with pytest.raises(SourceError, match="no items"):
        ingest([], tmp_path / "out")
    assert column(ingest([1], tmp_path / "out", transform_fn=lambda item: {"x": 1 / item}), "x") == [1.0]


def test_names_are_different_and_known_beforehand(tmp_path: Path):
    named = ingest(steps(4), tmp_path / "a", trajectory_name_fn=lambda items, index: f"run{items[0]['n'] // 2}")
    assert named.dataset.episodes().collect()["name"].to_list() == ["run0", "run0_2", "run1", "run1_2"]
    plain = ingest(steps(2), tmp_path / "b", trajectory_prefix="demo")
    assert plain.dataset.episodes().collect()["name"].to_list() == ["demo_000000", "demo_000001"]
    with pytest.raises(SettingsError, match="trajectory_prefix 'demo' would have no effect"):
        ingest(steps(2), tmp_path / "c", trajectory_prefix="demo", trajectory_name_fn=lambda items, index: "x")


def test_references_open_the_trajectories(tmp_path: Path):
    found = create_vla_dataset_from_source(steps(6), str(tmp_path / "out"), group_size=3, return_vla_dataset=False)
    assert [str(reference) for reference in found] == [f"{tmp_path}/out#trajectory_00000{n}" for n in (0, 1)]
    assert found[1].read()["n"].tolist() == [3, 4, 5]


# ---- values ----------------------------------------------------------------------------------------------------


def test_values_of_all_kinds_come_back_and_none_is_pickled(tmp_path: Path):
    from PIL import Image

    class Tensor:
        """As much of a tensor as is asked of one."""

        def detach(self):
            return self

        cpu = detach

        def numpy(self):
            return np.full((2, 2), 7, np.float32)

    item: dict[str, Any] = {
        "picture": Image.new("RGB", (5, 4), (1, 2, 3)),
        "tensor": Tensor(),
        "list": [1, 2.5],
        "flag": True,
        "big endian": np.arange(3, dtype=">i4"),
        "day": datetime.date(2026, 1, 2),
        "ragged": [[1], [2, 3]],
        "nothing": None,
        "jpeg": b"\xff\x00\x01",
        "none of it": np.zeros((0, 3)),
        "complex": np.array([1j, 2]),
    }
    dataset = ingest([item, item], tmp_path / "out", group_size=2)
    found: Any = dataset.peek()
    assert found["picture"].shape == (4, 5, 3)
    assert found["picture"][0, 0].tolist() == [1, 2, 3]
    assert found["tensor"].tolist() == [[7, 7], [7, 7]]
    assert (found["list"].tolist(), bool(found["flag"]), found["big endian"].tolist()) == ([1, 2.5], True, [0, 1, 2])
    assert (found["day"], found["ragged"]) == ("2026-01-02", [[1], [2, 3]])
    assert (bytes(found["jpeg"]), found["none of it"].shape, found["complex"].tolist()) == (
        b"\xff\x00\x01",
        (0, 3),
        [1j, 2],
    )
    assert "nothing" not in found


def test_objects_that_are_no_data_are_listed(tmp_path: Path):
    with pytest.warns(TrajloomWarning, match="thing is of object, which is no number, array, text or JSON"):
        dataset = ingest([{"x": 1}, {"x": 2, "thing": object()}], tmp_path / "out")
    assert column(dataset, "x") == [1]


def test_texts_that_change_within_a_trajectory_come_back_from_hdf5_too(tmp_path: Path):
    items = [{"x": float(n), "say": f"word {n}", "task": "lift"} for n in range(4)]
    dataset = ingest(items, tmp_path / "out", group_size=4)
    assert column(dataset, "say") == [f"word {n}" for n in range(4)]
    dataset.dataset.write(tmp_path / "out.hdf5")
    again = IngestedDataset(tl.read(tmp_path / "out.hdf5"))
    assert column(again, "say") == column(dataset, "say")
    assert column(again, "task") == ["lift"] * 4


def test_tuples_become_columns_by_number(tmp_path: Path):
    dataset = ingest([(np.zeros(3), 1), (np.ones(3), 2)], tmp_path / "out")
    assert column(dataset, "data_1") == [1, 2]


def test_a_column_widens_and_may_be_absent(tmp_path: Path):
    items: list[dict[str, Any]] = [{"x": n} for n in range(20)]
    items += [{"x": n + 0.5, "late": np.ones(2, np.int8)} for n in range(20, 40)]
    dataset = ingest(items, tmp_path / "out", transform_fn=dict, group_size=5)
    assert {c.name: (c.dtype, c.nullable) for c in dataset.header.steps} == {
        "x": ("float64", False), "late": ("int8", True),
    }  # fmt: skip
    assert column(dataset, "x") == [float(n) for n in range(20)] + [n + 0.5 for n in range(20, 40)]
    assert dataset.dataset.steps().collect()["late"].null_count() == 20
    assert "late" not in dataset.take(1)[0]
    assert not tl.store.verify(str(tmp_path / "out"))  # pyright: ignore


def test_other_shapes_and_numbers_that_would_change_go_to_rest(tmp_path: Path):
    items = (
        [{"x": np.zeros(3), "n": 1}] * 16
        + [{"x": np.arange(4.0), "n": 2**60 + 1}] * 16
        + [{"x": np.zeros(3), "n": 0.5}] * 16
    )
    with pytest.warns(TrajloomWarning, match="is in rest in some trajectories"):
        dataset = ingest(items, tmp_path / "out", transform_fn=dict, group_size=16)
    assert [len(value) for value in column(dataset, "x")] == [3] * 16 + [4] * 16 + [3] * 16
    assert column(dataset, "n") == [1] * 16 + [2**60 + 1] * 16 + [0.5] * 16


def test_a_number_that_a_step_lacks_is_nan_and_a_picture_may_not_be_lacking(tmp_path: Path):
    picture = np.zeros((4, 4, 3), np.uint8)
    items = [{"image": picture, "force": 1}, {"image": picture}, {"force": 3}]
    with pytest.warns(TrajloomWarning, match="item 2: lacks image, which its trajectory has"):
        dataset = ingest(items, tmp_path / "out", group_size=3)
    np.testing.assert_array_equal(column(dataset, "force"), [1.0, np.nan])


# ---- time ------------------------------------------------------------------------------------------------------


def test_timestamps_are_in_their_unit_and_without_them_a_tenth_of_a_second_apart(tmp_path: Path):
    def times(dataset: IngestedDataset) -> list[float]:
        return dataset.dataset.steps().collect()["timestamp"].to_list()

    timed = [{"x": n, "timestamp": 1000 + 50 * n} for n in range(3)]
    assert times(ingest(timed, tmp_path / "ms", group_size=3)) == [1.0, 1.05, 1.1]
    assert times(ingest(timed, tmp_path / "ns", group_size=3, time_unit="ns")) == [1e-6, 1.05e-6, 1.1e-6]
    plain = ingest(steps(3), tmp_path / "plain", group_size=3)
    assert (times(plain), plain.header.control_hz) == ([0.0, 0.1, 0.2], 10.0)
    assert times(ingest(steps(3), tmp_path / "fps", group_size=3, fps=4)) == [0.0, 0.25, 0.5]


def test_time_goes_on_unless_told_otherwise(tmp_path: Path):
    items = [{"x": n, "timestamp": t} for n, t in enumerate([10, 10, 9, 30])]
    with pytest.warns(TrajloomWarning, match="2 timestamps were not after the one before"):
        dataset = ingest(items, tmp_path / "a", group_size=4)
    assert column(dataset, "timestamp") == pytest.approx([0.010, 0.011, 0.012, 0.030])
    assert dataset.load(desired_frequency=100.0)[0]["x"].tolist() == [0.0, 2.0, 3.0]
    kept = ingest(items, tmp_path / "b", group_size=4, enforce_monotonic=False)
    assert column(kept, "timestamp") == pytest.approx([0.010, 0.010, 0.009, 0.030])


def test_an_item_whose_timestamp_is_no_time_is_listed(tmp_path: Path):
    items = [{"x": n, "timestamp": t} for n, t in enumerate([1, float("nan"), "noon", [3], 5])]
    with pytest.warns(TrajloomWarning, match="item 1: timestamp must be a number, got nan"):
        dataset = ingest(items, tmp_path / "out", group_size=5)
    assert column(dataset, "x") == [0, 4]


# ---- whole trajectories ----------------------------------------------------------------------------------------


def test_items_with_one_first_length_are_trajectories(tmp_path: Path):
    items = [
        {"obs": np.zeros((n, 4)), "reward": np.arange(float(n)), "task": f"t{n}", "goal": np.eye(4)} for n in (5, 9)
    ]
    guessed = ingest([{k: v for k, v in item.items() if k != "goal"} for item in items], tmp_path / "a")
    assert (guessed.item, guessed.count(), guessed.dataset.num_steps) == ("trajectory", 2, 14)
    said = ingest(items, tmp_path / "b", item="trajectory")
    last = said.materialize()[1]
    assert (last["reward"].shape, last["task"], last["goal"].tolist()) == ((9,), "t9", np.eye(4).tolist())
    assert [len(batch) for batch in said.iter_batches(2)] == [2]
    pieces = ingest(items, tmp_path / "c", item="trajectory", group_size=2)
    assert pieces.dataset.episodes().collect()["length"].to_list() == [14]


@pytest.mark.parametrize(
    "item",
    [
        {"left": np.zeros((6, 6, 3), np.uint8), "right": np.zeros((6, 6, 3), np.uint8)},
        {"image": np.zeros((6, 6, 3), np.uint8), "depth": np.zeros((6, 6))},
        {"eef": np.eye(4), "cube": np.eye(4)},
        {"state": np.zeros(7), "action": np.zeros(7)},
        {"state": np.zeros((50, 7))},
    ],
    ids=lambda item: " and ".join(item),
)
def test_pairs_of_pictures_poses_or_vectors_are_steps(item: dict[str, Any], tmp_path: Path):
    assert ingest([item, item], tmp_path / "out").item == "step"


# ---- sources ---------------------------------------------------------------------------------------------------


def test_what_a_source_is_is_found_by_what_it_can_do(tmp_path: Path):
    class Iterable:
        def __iter__(self):
            return iter(steps(3))

    class Map:
        def __len__(self):
            return 3

        def __getitem__(self, index: int):
            return {"n": index}

    sources = [steps(3), tuple(steps(3)), iter(steps(3)), Iterable(), Map(), lambda: steps(3), lambda: iter(steps(3))]
    for number, source in enumerate(sources):
        assert column(ingest(source, tmp_path / str(number)), "n") == [0, 1, 2]


def test_a_function_is_called_once(tmp_path: Path):
    calls = []
    ingest(lambda: calls.append(1) or steps(3), tmp_path / "out")
    assert len(calls) == 1


def test_what_is_no_source_is_refused(tmp_path: Path):
    for wrong, said in [
        ("path", "is 'path'"),
        ({"a": 1}, "is {'a': 1}"),
        (3, "is a int"),
        (["a.json"], "needs transform_fn"),
    ]:
        with pytest.raises(SettingsError, match=said):
            ingest(wrong, tmp_path / "out")
    with pytest.raises(SettingsError, match="group_size: IteratorAdapter says that itself"):
        ingest(IteratorAdapter(lambda: iter(steps(3))), tmp_path / "out", group_size=2)


def test_a_dataset_is_divided_into_trajectories(tmp_path: Path):
    dataset = create_vla_dataset_from_pytorch_dataset(steps(10), str(tmp_path / "out"), trajectories_per_dataset=6)
    assert sorted(dataset.dataset.episodes().collect()["length"]) == [1, 1, 2, 2, 2, 2]


def test_items_are_shuffled_by_the_seed(tmp_path: Path):
    orders = [
        column(ingest(source, tmp_path / f"{n}{seed}", shuffle_items=True, seed=seed, shuffle_buffer=8), "n")
        for n, source in enumerate([steps(50), lambda: iter(steps(50))])
        for seed in (1, 2)
    ]
    assert all(sorted(order) == list(range(50)) and order != sorted(order) for order in orders)
    assert orders[0] != orders[1]
    assert column(ingest(steps(50), tmp_path / "again", shuffle_items=True, seed=1), "n") == orders[0]


def test_a_generator_larger_than_memory_is_held_a_few_parts_at_a_time(tmp_path: Path):
    alive = most = 0

    def gone():
        nonlocal alive
        alive -= 1

    def frames():
        nonlocal alive, most
        for n in range(96):
            frame = np.full((1024, 1024), n, np.uint8)
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield {"frame": frame}

    dataset = create_vla_dataset_from_iterator(frames, str(tmp_path / "out"), items_per_trajectory=4)
    assert dataset.count() == 96
    assert most <= 32  # two parts of 16 MB, one that is filled and one whose columns are made


# ---- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"video_codec": "libx264"}, "video_codec 'libx264' cannot be"),
        ({"raw_codec": "rawvideo_pickle"}, "never pickled"),
        ({"codec_options": {"crf": 1}}, "codec_options"),
        ({"ray_init_kwargs": {"num_gpus": 1}}, "ray_init_kwargs num_gpus"),
        ({"time_unit": "h"}, "time_unit must be one of ns, us"),
        ({"num_workers": 0, "fps": 0}, "num_workers must be >= 1, got 0; fps must be > 0"),
        ({"item": "episode"}, "item must be one of"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(settings: dict[str, Any], said: str):
    with pytest.raises(SettingsError, match=said):
        IngestionConfig(output_directory="out", **settings)


def test_an_unknown_setting_is_refused_with_those_that_there_are(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="no setting of an ingestion named 'codec'; there are: batch_size"):
        ingest(steps(1), tmp_path / "out", codec="x")


def test_rays_settings_limit_workers_and_memory():
    given = {"num_cpus": 2, "object_store_memory": 10**9}
    config = IngestionConfig(output_directory="out", num_workers=8, ray_init_kwargs=given)
    assert (config.workers, config.memory) == (2, 10**9)


def test_settings_may_come_in_one_object(tmp_path: Path):
    config = IngestionConfig(str(tmp_path / "out"), fps=5)
    assert create_vla_dataset_from_source(steps(3), config=config).header.control_hz == 5
    with pytest.raises(SettingsError, match="config has all settings"):
        create_vla_dataset_from_source(steps(3), config=config, fps=4)


def test_a_part_has_whole_batches_of_trajectories_and_the_header_the_metadata(tmp_path: Path):
    dataset = ingest(steps(50), tmp_path / "out", group_size=2, batch_size=5, transform_fn=dict, metadata={"lab": "A1"})
    assert [part.num_episodes for part in dataset.dataset.parts()] == [10, 10, 5]
    assert dataset.header.attrs == {"": {"lab": {"dtype": "str", "value": "A1"}}}


# ---- again -----------------------------------------------------------------------------------------------------


class Stops:
    """Transforms items, until it is told to stop."""

    def __init__(self, path: Path):
        self.path = path

    def __call__(self, n: int) -> dict[str, Any]:
        with self.path.open("a") as log:
            log.write(f"{n}\n")
        if n == 70 and self.path.with_suffix(".stop").exists():
            raise KeyboardInterrupt
        return {"n": n, "noise": np.random.normal(size=2)}  # noqa: NPY002  seeded by the ingestion


def test_the_same_call_goes_on_and_gives_the_same_bytes(tmp_path: Path):
    (tmp_path / "log.stop").touch()
    transform = Stops(tmp_path / "log")
    again = {"transform_fn": transform, "group_size": 4}
    with pytest.raises(KeyboardInterrupt):
        ingest(list(range(100)), tmp_path / "out", **again)
    assert not (tmp_path / "out" / "dataset.json").exists()
    (tmp_path / "log.stop").unlink()
    (tmp_path / "log").unlink()
    ingest(list(range(100)), tmp_path / "out", **again)
    assert int((tmp_path / "log").read_text().split()[0]) == 64  # what was stored is not made again
    ingest(list(range(100)), tmp_path / "whole", **again)
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    (tmp_path / "log").unlink()
    assert ingest(list(range(100)), tmp_path / "out", **again).count() == 100
    assert not (tmp_path / "log").exists()


def test_what_your_functions_draw_is_decided_by_seed_and_trajectory(tmp_path: Path):
    def noise(name: str, **settings: Any) -> list[float]:
        draw = lambda n: {"noise": np.random.normal()}  # noqa: E731, NPY002
        return column(ingest(list(range(60)), tmp_path / name, transform_fn=draw, group_size=4, **settings), "noise")

    first = noise("a")
    assert len(set(first)) == 60
    assert noise("b", batch_size=5) == first
    assert noise("c", seed=1) != first


def test_another_ingestion_into_the_same_place_is_refused_with_the_difference(tmp_path: Path):
    ingest(steps(3), tmp_path / "out")
    with pytest.raises(
        SettingsError, match=r"holds another ingestion; fps: 10.0 there, 5 asked for; group_size: 1 there"
    ):
        ingest(steps(3), tmp_path / "out", fps=5, group_size=3)
    with pytest.raises(SettingsError, match=r"source\.iterator_factory"):
        ingest(steps(4), tmp_path / "out")
    with pytest.raises(SettingsError, match=r"source.transform_fn: not said there, '.*lambda> \w+'"):
        ingest(steps(3), tmp_path / "out", transform_fn=lambda item: {"n": item["n"] + 1})
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.tex").touch()
    with pytest.raises(OutputExistsError, match="holds something else than an ingestion: thesis"):
        ingest(steps(3), tmp_path / "else")


# ---- on workers ------------------------------------------------------------------------------------------------


@pytest.mark.cluster
def test_workers_make_the_same_bytes_of_an_ingester_with_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Mine(DataIngestionInterface):
        def __init__(self, count: int, scale: float):
            self.count, self.scale = count, scale

        def get_data_items(self):
            return range(self.count)

        def transform_item(self, item: int):
            if item == 50:
                raise ValueError("fifty")
            more = {"late": self.scale} if item > 90 else {}
            return {"x": self.scale * item + np.random.normal(size=3), **more}  # noqa: NPY002

    for name, patience in (("here", float("inf")), ("there", -1.0)):
        monkeypatch.setattr("trajloom.ingest.conduct.PATIENCE", patience)
        with pytest.warns(TrajloomWarning, match="item 50: ValueError: fifty"):
            ingest(Mine(100, 0.5), tmp_path / name, num_workers=2)
    assert digest(tmp_path / "here") == digest(tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


def test_what_cannot_be_sent_to_workers_is_said_and_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    lock = threading.Lock()
    source = PyTorchDatasetAdapter(steps(40), lambda item: {**item, "locked": lock.locked()})
    with pytest.raises(SettingsError, match="PyTorchDatasetAdapter cannot be sent to workers"):
        ingest(source, tmp_path / "out", client="tcp://nowhere:1")
    monkeypatch.setattr("trajloom.ingest.conduct.PATIENCE", -1.0)
    with pytest.warns(TrajloomWarning, match="working on in this process alone"):
        assert ingest(source, tmp_path / "here").count() == 40


# ---- the result ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> IngestedDataset:
    """Ten trajectories of 10 steps, every second with a force."""
    items = [
        {"n": n, "obs": {"x": np.full(2, n / 2)}, "word": f"w{n % 3}", **({"force": np.ones(3)} if n // 10 % 2 else {})}
        for n in range(100)
    ]
    return ingest(items, tmp_path_factory.mktemp("ten") / "out", group_size=10, fps=20)


def test_batches_are_arrays_of_a_size_and_lists_of_texts(ten: IngestedDataset):
    batches = list(ten.iter_batches(32))
    assert [len(batch["n"]) for batch in batches] == [32, 32, 32, 4]
    assert batches[0]["obs"]["x"].shape == (32, 2)
    assert batches[1]["word"][:3] == ["w2", "w0", "w1"]
    assert np.isnan(batches[0]["force"][:10]).all()
    assert np.concatenate([batch["n"] for batch in batches]).tolist() == list(range(100))


def test_items_are_mapped_and_filtered_lazily(ten: IngestedDataset):
    seen = []
    odd = ten.map(lambda item: seen.append(1) or {"n": item["n"] * 2}).filter(lambda item: item["n"] % 4 == 2)
    assert not seen
    assert odd.take(2) == [{"n": 2}, {"n": 6}]
    assert len(seen) == 4
    assert odd.count() == 50
    assert next(odd.iter_batches(3))["n"].tolist() == [2, 6, 10]
    assert odd.schema() == {"n": "int64 ()"}
    with pytest.raises(SettingsError, match="load gives what is stored"):
        odd.load()


def test_shuffles_and_samples_are_those_of_the_seed(ten: IngestedDataset):
    order = column(ten.shuffle(seed=3), "n")
    assert sorted(order) == list(range(100))
    assert order == column(ten.shuffle(seed=3), "n")
    assert order not in (sorted(order), column(ten.shuffle(seed=4), "n"))
    some = [item["n"] for item in ten.sample(5, seed=1)]
    assert some == [item["n"] for item in ten.sample(5, seed=1)] == sorted(set(some))
    assert len(some) == 5
    assert some != [item["n"] for item in ten.sample(5, seed=2)]


def test_splits_are_of_whole_trajectories(ten: IngestedDataset):
    train, valid = ten.split(0.8, 0.2)
    assert column(train, "n") + column(valid, "n") == list(range(100))
    drawn = ten.split(0.5, 0.5, shuffle=True, seed=1)
    assert sorted(column(drawn[0], "n") + column(drawn[1], "n")) == list(range(100))
    assert column(drawn[0], "n") != list(range(50))
    assert all(n % 10 == at for at, n in enumerate(column(drawn[0], "n")[:10]))
    with pytest.warns(TrajloomWarning, match="no episode is left"):
        assert [len(some) for some in ten.split(1.0, 0.0)] == [100, 0]
    with pytest.raises(SettingsError, match="make 1 together"):
        ten.split(0.8, 0.3)


def test_trajectories_are_loaded_at_another_rate(ten: IngestedDataset):
    slow = ten.load(desired_frequency=10.0)
    assert (len(slow), slow[-1]["n"].tolist()) == (10, [90, 92, 94, 96, 98])
    assert [len(trajectory["n"]) for trajectory in ten.load()] == [10] * 10
    assert "force" not in ten.load()[0]
    with pytest.raises(IndexError, match="no trajectory 10; there are 10"):
        ten.load()[10]


def test_statistics_are_those_of_the_values(ten: IngestedDataset):
    stats = ten.get_stats()
    assert (stats["total_items"], stats["trajectories"], stats["items_ingested"]) == (100, 10, 100)
    n = stats["columns"]["n"]
    assert (n["mean"], n["min"], n["max"]) == (49.5, 0, 99)
    assert n["std"] == pytest.approx(np.std(np.arange(100)))
    assert stats["columns"]["force"]["mean"].tolist() == [1, 1, 1]


def test_a_result_is_found_again_from_its_path(ten: IngestedDataset):
    again = IngestedDataset(tl.read(str(ten.path)))
    assert json.dumps(again.schema()) == json.dumps(ten.schema())
    assert again.left_out().height == 0
