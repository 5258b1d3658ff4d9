"""Sources that fill the same buffers again and again, and clusters of the user's own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trajloom.ingest import IngestedDataset, create_vla_dataset_from_source
from trajloom.ingest.owned import owned

COUNT = 25


@dataclass(frozen=True)
class Reading:
    """What a driver hands out."""

    x: np.ndarray
    number: int


def driver() -> Iterator[dict[str, Any]]:
    """One buffer for every observation, filled anew at each step."""
    x, image, seen = np.zeros(3), np.zeros((4, 5, 3), np.uint8), {}
    for n in range(COUNT):
        x[:], image[:] = n, n
        seen["x"] = x
        yield {"n": n, "obs": seen, "image": image, "view": x[:2]}


def readings() -> Iterator[Reading]:
    x = np.zeros(3)
    for n in range(COUNT):
        x[:] = n
        yield Reading(x, n)


class Dataset:
    """Items by number, read into one buffer."""

    def __init__(self):
        self.item = {"n": 0, "x": np.zeros(3)}

    def __len__(self):
        return COUNT

    def __getitem__(self, n: int):
        self.item["n"] = n
        self.item["x"][:] = n
        return self.item


def ingest(source: Any, path: Path, *args: Any, **settings: Any) -> IngestedDataset:
    return create_vla_dataset_from_source(source, str(path), *args, **settings)


def assert_every_step_is_its_own(dataset: IngestedDataset) -> None:
    rows = list(dataset.iter_rows())
    assert sorted(row["n"] for row in rows) == list(range(COUNT))
    for row in rows:
        arrays = [row["obs"]["x"], row["image"], row["view"]] if "obs" in row else [row["x"]]
        assert all((array == row["n"]).all() for array in arrays)


@pytest.mark.parametrize("settings", [{}, {"shuffle_items": True}], ids=["in order", "shuffled"])
@pytest.mark.parametrize("source", [driver, Dataset()], ids=["a generator", "a dataset"])
def test_a_buffer_that_is_filled_again_is_not_what_was_drawn_before(source, settings, tmp_path):
    assert_every_step_is_its_own(ingest(source, tmp_path / "out", group_size=10, **settings))


def test_fields_of_dataclasses_are_copied_too(tmp_path):
    made = ingest(readings, tmp_path / "out", lambda one: {"n": one.number, "x": one.x}, group_size=10)
    assert_every_step_is_its_own(made)


def test_a_function_may_give_the_same_dict_for_every_item(tmp_path):
    same: dict[str, Any] = {"x": np.zeros(3)}

    def filled(n: int) -> dict[str, Any]:
        same["n"] = n
        same["x"][:] = n
        return same

    assert_every_step_is_its_own(ingest(list(range(COUNT)), tmp_path / "out", filled, group_size=10))


def test_what_is_owned_is_equal_and_shares_no_memory():
    torch, image = pytest.importorskip("torch"), pytest.importorskip("PIL.Image")
    array = np.arange(4)
    value = {
        "nested": {"a": array}, "list": [array, 1], "tuple": (array, "text"), "reading": Reading(array, 3),
        "tensor": torch.arange(3), "picture": image.new("L", (2, 2)), "bytes": bytearray(b"ab"), "none": None,
    }  # fmt: skip
    found = owned(value)
    array += 1
    value["tensor"] += 1
    value["picture"].putpixel((0, 0), 9)
    value["bytes"][0] = 0
    arrays = (
        found["nested"]["a"],
        found["list"][0],
        found["tuple"][0],
        found["reading"].x,
        found["tensor"].numpy()[:1],
    )
    assert [one[0] for one in arrays] == [0] * 5
    assert (found["list"][1], found["tuple"][1], found["reading"].number, found["none"]) == (1, "text", 3, None)
    assert found["picture"].getpixel((0, 0)) == 0
    assert found["bytes"] == b"ab"
    assert type(found["reading"]) is Reading


# ---- the user's own cluster ------------------------------------------------------------------------------------


@pytest.mark.cluster
def test_a_client_of_the_users_makes_the_same_bytes_and_stays_open(tmp_path):
    distributed = pytest.importorskip("distributed")
    seen = tmp_path / "seen"
    seen.mkdir()

    def counted(n: int) -> dict[str, Any]:
        (seen / str(os.getpid())).touch()
        return {"n": n, "x": np.full(3, n) + np.random.normal(size=3)}  # noqa: NPY002

    ingest(range(100), tmp_path / "here", counted, group_size=5)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        made = ingest(range(100), tmp_path / "there", counted, group_size=5, client=client)
        workers = set(client.run(os.getpid).values())
    assert {int(path.name) for path in seen.iterdir()} == {os.getpid(), *workers}
    assert [row["n"] for row in made.iter_rows()] == list(range(100))
    for name in ("steps", "episodes"):
        here, there = (sorted((tmp_path / where / name).glob("*.parquet")) for where in ("here", "there"))
        assert len(here) > 2
        assert [part.read_bytes() for part in here] == [part.read_bytes() for part in there]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "seen", "there"]
