"""Make a dataset of your own objects: readings of sensors, in any shape, become trajectories for training."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.ingest import DataIngestionInterface, create_vla_dataset_from_source


class Reading:
    """What a robot's driver might hand you at every step."""

    def __init__(self, number: int):
        rng = np.random.default_rng(number)
        self.time_ms = 50 * number
        self.joints = rng.normal(size=7)
        self.camera = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
        self.command = rng.normal(size=7) if number != 123 else None


def readings() -> Iterator[Reading]:
    """A stream; it may be far larger than memory."""
    return (Reading(number) for number in range(400))


def to_item(reading: Reading) -> dict[str, Any]:
    """One step, as nested dicts of arrays, numbers and texts; workers run this where it takes long."""
    return {
        "timestamp": reading.time_ms,
        "obs": {"joints": reading.joints, "camera": reading.camera},
        "actions": reading.command.astype(np.float32),  # pyright: ignore  number 123 has none: it is listed
        "instruction": "pick up the cube",
    }


class Recordings(DataIngestionInterface):
    """The same with everything in your hands: here an item is a whole recording."""

    def __init__(self, lengths: list[int]):
        self.lengths = lengths

    def get_data_items(self) -> list[int]:
        return self.lengths

    def transform_item(self, item: int) -> dict[str, Any]:
        return {"obs": {"joints": np.random.normal(size=(item, 7))}, "actions": np.zeros((item, 7), np.float32)}  # noqa: NPY002

    def get_trajectory_filename(self, trajectory_group: Any, index: int) -> str:
        return f"recording_{index}"


def main(folder: Path) -> None:
    # A hundred steps a trajectory. The same call again goes on where it was stopped.
    steps = create_vla_dataset_from_source(readings, str(folder / "steps"), to_item, group_size=100)
    print(steps)
    print(steps.left_out())  # nothing is dropped in silence

    # For training: batches of steps, whole trajectories held out.
    train, valid = steps.split(0.75, 0.25, shuffle=True, seed=1)
    for batch in train.shuffle(seed=2).iter_batches(batch_size=64):
        print(batch["obs"]["camera"].shape, batch["actions"].dtype, batch["instruction"][0])
        break
    print(len(valid.load(desired_frequency=10.0)[0]["actions"]), "steps at 10 Hz")

    # It is a dataset like any other: tables for Polars, every format to write.
    steps.dataset.write(folder / "steps.hdf5")
    recordings = create_vla_dataset_from_source(Recordings([30, 50]), str(folder / "recordings"))
    print(recordings.dataset.episodes().select("name", "length").collect())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
