"""HDF5 to dataset and back, against h5py merely reading and writing the same arrays; and memory on a large file.

Claims: at most 1.2 times h5py's reading and 1.5 times its writing; anonymous memory under 500 MB on a file of 2 GB.

    python benchmarks/bench_hdf5.py [--memory [GB]]
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from measure import in_turns, median, ratio, rises, row, speed_or_memory
from trajloom import store
from trajloom.formats import Source, hdf5

DEMOS, STEPS = 1000, 150
SHAPES = {"actions": (7,), "states": (45,), "rewards": (), "dones": (), **{f"obs/key{i}": (8,) for i in range(11)}}
"""15 small arrays in each of 1,000 demonstrations of 150 steps: 180 MB, 15,000 datasets."""


def arrays_of(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One demonstration."""
    return {path: rng.normal(size=(STEPS, *shape)) for path, shape in SHAPES.items()}


def write_with_h5py(path: Path, demos: list[dict[str, np.ndarray]]) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(total=len(demos) * STEPS, env_args='{"env_name": "Lift", "env_kwargs": {"control_freq": 20}}')
        for i, arrays in enumerate(demos):
            demo = data.create_group(f"demo_{i}")
            demo.attrs.update(num_samples=STEPS, model_file="<mujoco/>" + " " * 20_000)
            for name, values in arrays.items():
                demo.create_dataset(name, data=values)


def read_with_h5py(path: Path) -> None:
    """What a loader that knows the names does."""
    with h5py.File(path) as file:
        for demo in file["data"].values():
            for name in SHAPES:
                demo[name][()]


def read_tables(path: Path) -> None:
    for part in hdf5.read(path).parts():
        for batch in part.steps():
            batch.validate()
        part.episodes()
        list(part.rest())


def to_parquet(path: Path, folder: Path) -> None:
    store.write(hdf5.read(path), str(folder), overwrite=True)


def from_parquet(folder: Path, path: Path) -> None:
    hdf5.write(store.open_store(str(folder)), path, overwrite=True)


class InMemory:
    """A dataset whose tables are in memory, so that only writing is timed. Implements `formats.Source`."""

    def __init__(self, source: Source):
        self.header, self.models = source.header, source.models
        self._parts = [InMemoryPart(part) for part in source.parts()]

    def parts(self) -> list["InMemoryPart"]:
        return self._parts


class InMemoryPart:
    """A part whose tables are in memory. Implements `formats.Part`."""

    def __init__(self, part):
        self.num_episodes, self.num_steps = part.num_episodes, part.num_steps
        self._steps, self._episodes, self._rest = list(part.steps()), part.episodes(), list(part.rest())
        self.attempts = part.attempts

    def steps(self, columns=None):
        return iter(self._steps)

    def episodes(self):
        return self._episodes

    def rest(self):
        return iter(self._rest)


def speed(folder: Path) -> None:
    rng = np.random.default_rng(0)
    demos = [arrays_of(rng) for _ in range(DEMOS)]
    path, native = folder / "demos.hdf5", folder / "native"
    write_with_h5py(path, demos)
    to_parquet(path, native)
    tables = InMemory(hdf5.read(path))
    taken = in_turns(
        {
            "h5py reads": partial(read_with_h5py, path),
            "HDF5 -> tables": partial(read_tables, path),
            "HDF5 -> Parquet": partial(to_parquet, path, folder / "again"),
            "h5py writes": partial(write_with_h5py, folder / "plain.hdf5", demos),
            "tables -> HDF5": lambda: hdf5.write(tables, folder / "tables.hdf5", overwrite=True),
            "Parquet -> HDF5": partial(from_parquet, native, folder / "back.hdf5"),
        },
        rounds=3,
    )
    assert hdf5.equal(path, folder / "back.hdf5") == []
    row("what", "s", "of h5py's time")
    row(*["---"] * 3)
    for name, seconds in taken.items():
        plain = "h5py reads" if name.startswith(("h5py reads", "HDF5")) else "h5py writes"
        row(name, median(seconds), ratio(taken, name, plain))


def peak(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and how far anonymous memory rose above what it was, in MB."""
    seconds, (rise,) = rises(run)
    return seconds, rise


def memory(folder: Path, gigabytes: float) -> None:
    """Episodes of 500 MB each, images mostly, one of them with an array that is no regular column."""
    path, rng = folder / "large.hdf5", np.random.default_rng(0)
    frames = rng.integers(0, 256, (1000, 256, 256, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = "{}"
        for i in range(max(1, round(gigabytes * 2))):
            demo = data.create_group(f"demo_{i}")
            length = 2500
            demo["actions"] = rng.normal(size=(length, 7))
            images = demo.create_dataset(
                "obs/image", (length, 256, 256, 3), "u1", chunks=(1, 256, 256, 3) if i % 2 else None
            )
            for start in range(0, length, 500):
                images[start : start + 500] = frames[:500]
        file["data/demo_0"].create_dataset("raw", data=rng.normal(size=(200_000, 20)).astype(">f8"))
    del frames
    row("what", "GB", "s", "peak of anonymous memory, MB")
    row(*["---"] * 4)
    size = path.stat().st_size / 1e9
    row("HDF5 -> tables", size, *peak(partial(read_tables, path)))
    row("HDF5 -> Parquet", size, *peak(partial(to_parquet, path, folder / "native")))
    row("Parquet -> HDF5", size, *peak(partial(from_parquet, folder / "native", folder / "back.hdf5")))
    row("HDF5 -> HDF5", size, *peak(lambda: hdf5.write(hdf5.read(path), folder / "copy.hdf5")))
    assert hdf5.equal(path, folder / "copy.hdf5") == []


if __name__ == "__main__":
    speed_or_memory(speed, memory, 2.0)
