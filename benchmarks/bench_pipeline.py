"""A pipeline over 1,000 demonstrations, against a plain h5py and NumPy loop, and against what PySpark took.

Claims: HDF5 -> noise -> Parquet at least 4 times as fast as the PySpark platform without the start of its session
(12.6 s, 7.5 GB; its start takes 15 to 26 s more), 10 times with it; -> HDF5 at least 1.5 times; Parquet -> Parquet,
vectorised, at least 6 times as fast as the plain loop; below 1 GB of anonymous memory a worker also at 10,000
demonstrations, and for a global augmentation at most one copy of the dataset a worker and none in the client.

PySpark cannot be installed beside us; its numbers were measured on a machine like the one of the tables.

    python benchmarks/bench_pipeline.py [--memory [DEMOS]]
"""

import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from bench_hdf5 import SHAPES, arrays_of, write_with_h5py
from measure import in_turns, median, ratio, rises, row, speed_or_memory
from trajloom import Augmentation, Pipeline, batch_aug, global_aug, local_aug
from trajloom.run.tasks import cluster

DEMOS, WORKERS = 1000, 2
PYSPARK_S, PYSPARK_START_S = 12.6, 15.0


class Noise(Augmentation):
    """One episode at a time, as a user writes it."""

    @local_aug
    def apply(self, traj):
        noisy = traj.copy()
        noisy["actions"] = traj["actions"] + np.random.normal(0, 0.01, traj["actions"].shape)  # noqa: NPY002
        return noisy


class BatchNoise(Augmentation):
    """The same, a part at a time."""

    @batch_aug
    def apply(self, batch, rng_of):
        width = batch.header.column("actions").shape[0]
        noise = [rng_of(at).normal(0, 0.01, (n, width)) for at, n in enumerate(batch.lengths)]
        return batch.with_arrays({"actions": batch.array("actions") + np.concatenate(noise)})


class FirstActions(Augmentation):
    """All episodes at once; little comes out."""

    @global_aug
    def apply(self, trajs):
        return {"actions": np.stack([traj["actions"][0] for traj in trajs])}


def plain_loop(source: Path, out: Path) -> None:
    """What one writes without any library: the whole file copied, with noise on the actions."""
    rng = np.random.default_rng(0)
    with h5py.File(source) as theirs, h5py.File(out, "w") as ours:
        data = ours.create_group("data")
        data.attrs.update(theirs["data"].attrs)
        for name, demo in theirs["data"].items():
            group = data.create_group(name)
            group.attrs.update(demo.attrs)
            for path in SHAPES:
                values = demo[path][()]
                group.create_dataset(
                    path, data=values + rng.normal(0, 0.01, values.shape) if path == "actions" else values
                )


def through(augmentation: Augmentation, source: Path, out: Path, client=None) -> None:
    Pipeline(client, seed=1, workers=None if client else WORKERS).add(augmentation).run(source).write(
        out, overwrite=True
    )


def speed(folder: Path) -> None:
    rng = np.random.default_rng(0)
    path, native = folder / "demos.hdf5", folder / "demos"
    write_with_h5py(path, [arrays_of(rng) for _ in range(DEMOS)])
    Pipeline(workers=1).run(path).write(native)
    with cluster(workers=WORKERS) as client:
        taken = in_turns(
            {
                "plain loop": partial(plain_loop, path, folder / "plain.hdf5"),
                "HDF5 -> noise -> Parquet, cluster started": partial(through, Noise(), path, folder / "a"),
                "HDF5 -> noise -> Parquet": partial(through, Noise(), path, folder / "a", client),
                "HDF5 -> noise -> HDF5": partial(through, Noise(), path, folder / "b.hdf5", client),
                "Parquet -> noise -> Parquet, vectorised": partial(through, BatchNoise(), native, folder / "c", client),
            },
            rounds=3,
        )
    row("what", "s", "plain loop / ours", "PySpark's 12.6 s / ours", "with its start (27.6 s) / ours")
    row(*["---"] * 5)
    for name, seconds in taken.items():
        ours = median(seconds)
        start = PYSPARK_S + PYSPARK_START_S
        row(name, ours, ratio(taken, "plain loop", name), PYSPARK_S / ours, start / ours)


# ---- memory ----------------------------------------------------------------------------------------------------


def peaks(pids: list[int], run) -> tuple[float, float, float]:
    """Seconds, the highest rise of anonymous memory of this process, and of any worker, in MB."""
    seconds, (own, *workers) = rises(run, ["self", *pids])
    return seconds, own, max(workers)


def memory(folder: Path, demos: int) -> None:
    rng = np.random.default_rng(0)
    path, native = folder / "demos.hdf5", folder / "demos"
    write_with_h5py(path, [arrays_of(rng) for _ in range(min(demos, DEMOS))])
    if demos > DEMOS:
        with h5py.File(path, "a") as file:
            for i in range(DEMOS, demos):
                file.copy(f"data/demo_{i % DEMOS}", file["data"], name=f"demo_{i}")
            file["data"].attrs["total"] = demos * 150
    size = path.stat().st_size / 1e6
    row("what", "dataset, MB", "s", "client, MB", "a worker, MB")
    row(*["---"] * 5)
    with cluster(workers=WORKERS) as client:
        pids = [info["pid"] for info in client.run(_about).values()]
        noise = peaks(pids, lambda: through(Noise(), path, native, client))
        row("HDF5 -> noise -> Parquet", size, *noise)
        vectorised = peaks(pids, lambda: through(BatchNoise(), native, folder / "c", client))
        row("Parquet -> noise -> Parquet, vectorised", size, *vectorised)
        shutil.rmtree(folder / "c")
        first = FirstActions(times=4, keep_original=False, num_workers=WORKERS)
        row("global augmentation, 4 calls", size, *peaks(pids, lambda: through(first, native, folder / "d", client)))


def _about() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}


if __name__ == "__main__":  # workers are processes that import this file
    speed_or_memory(speed, lambda folder, demos: memory(folder, int(demos)), 10_000)
