"""Dataset to Zarr and back, against Zarr merely writing and reading the concatenated arrays, cut and packed alike.

Claim: at most 1.3 times Zarr's own time to write.

    python benchmarks/bench_zarr.py
"""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import zarr as library

from bench_hdf5 import InMemory
from measure import in_turns, machine, median, ratio, row
from trajloom import store
from trajloom.formats import zarr

EPISODES, STEPS = 60, 150
NUMBERS = {"data/action": (7,), "data/state": (45,), **{f"data/obs/key{i}": (8,) for i in range(11)}}
CAMERA = "data/obs/camera"
"""13 arrays of float64 and one of 84x84 images, 9,000 steps: 10 MB of numbers, 190 MB of images that pack by half."""


def arrays() -> dict[str, np.ndarray]:
    """A random walk for each number, and images of soft noise."""
    rng, rows = np.random.default_rng(0), EPISODES * STEPS
    found = {path: rng.normal(size=(rows, *shape)).cumsum(0) for path, shape in NUMBERS.items()}
    frames = rng.integers(0, 16, (500, 84, 84, 3), dtype=np.uint8)
    return {**found, CAMERA: np.resize(frames, (rows, *frames.shape[1:]))}


def write_with_zarr(path: Path, values: dict[str, np.ndarray], like: Path) -> None:
    """What a script that has the arrays does, cut as we cut them."""
    root = library.open_group(str(path), mode="w", zarr_format=2)
    for name, array in values.items():
        told = library.open_array(str(like), path=name, mode="r")
        made = root.create_array(
            name, shape=array.shape, chunks=told.chunks, dtype=array.dtype, compressors=told.compressors
        )
        made[:] = array
    root.create_array("meta/episode_ends", data=np.arange(1, EPISODES + 1) * STEPS)


def read_with_zarr(path: Path, names: list[str]) -> None:
    for name in names:
        library.open_array(str(path), path=name, mode="r")[:]


def read_tables(path: Path) -> None:
    for part in zarr.read(str(path)).parts():
        for batch in part.steps():
            batch.validate()
        part.episodes()


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder, values = Path(name), arrays()
        ours, theirs = folder / "ours.zarr", folder / "theirs.zarr"
        first = folder / "first.zarr"
        root = library.open_group(str(first), mode="w", zarr_format=2)
        for path, array in values.items():
            root.create_array(path, data=array, chunks=(1000, *array.shape[1:]))
        root.create_array("meta/episode_ends", data=np.arange(1, EPISODES + 1) * STEPS)
        store.write(zarr.read(str(first)), str(folder / "store"))
        stored = store.open_store(str(folder / "store"))
        held = InMemory(stored)
        options = zarr.WriteOptions(compressor="blosc-zstd")
        zarr.write(held, ours, options=options)
        taken = in_turns(
            {
                "zarr writes": partial(write_with_zarr, theirs, values, ours),
                "tables -> Zarr": partial(zarr.write, held, ours, overwrite=True, options=options),
                "store -> Zarr": partial(zarr.write, stored, ours, overwrite=True, options=options),
                "zarr reads": partial(read_with_zarr, ours, list(values)),
                "Zarr -> tables": partial(read_tables, ours),
            },
            rounds=3,
        )
        row("what", "s", "of Zarr's time")
        row(*["---"] * 3)
        for name, seconds in taken.items():
            plain = "zarr reads" if name in ("zarr reads", "Zarr -> tables") else "zarr writes"
            row(name, median(seconds), ratio(taken, name, plain))


if __name__ == "__main__":
    main()
