"""Random training windows per second, against robomimic's SequenceDataset and a NumPy memmap gathered by column.

Claims, batches of 256 windows of 10 steps, low-dimensional, float32, as torch tensors: at least 50 times robomimic with
everything in its memory, twice the gather, 1,000 times LeRobotDataset; windows of 84x84x3 images: at least 8 times
robomimic with two workers, 0.7 of the gather; at 100,000 episodes the first batch within 2 s; memory does not grow with
the dataset.

Windows a second are by the processor's clock, each contestant in one process and on one thread if OMP_NUM_THREADS is 1;
only robomimic with two workers, for images, is by the wall's, for its processes are three.

robomimic lives in an environment of its own (made by scripts/interop.sh); where it is absent, the numbers measured
before stand in for it.

    python benchmarks/bench_loader.py [PYTHON OF ROBOMIMIC'S ENVIRONMENT]
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import DataLoader

from measure import anonymous_mb, in_turns, machine, median, ratio, row
from trajloom import store, tables
from trajloom.load import TrajectoryDataset, TrajectoryStream
from trajloom.schema import Column, Header

LENGTH, BATCH, IMAGE_BATCH = 10, 256, 32
SHAPES = {
    "actions": (7,), "rewards": (), "dones": (), "obs/eef_pos": (3,), "obs/eef_quat": (4,), "obs/gripper": (2,),
    "obs/object": (10,),
}  # fmt: skip
IMAGE = {"obs/camera": (84, 84, 3)}
DTYPE = {"float": "float32", "dones": "float32"}
BEFORE = {"low_dim": 9_400, "all": 19_700, "LeRobotDataset": 64, "low_dim, 2 workers, images": 1_712}
"""Windows per second of the peers where each was measured with the machine to itself."""
ROBOMIMIC = """
import sys, time
from torch.utils.data import DataLoader
from robomimic.utils import obs_utils
from robomimic.utils.dataset import SequenceDataset
path, mode, keys, images, workers, batch = sys.argv[1:7]
keys, images = keys.split(","), images.split(",") if images else []
obs_utils.initialize_obs_modality_mapping_from_dict({"low_dim": keys, "rgb": images})
dataset = SequenceDataset(path, keys + images, ("actions", "rewards", "dones"), seq_length=10, hdf5_cache_mode=mode,
                          hdf5_use_swmr=False, load_next_obs=False)
loader = DataLoader(dataset, batch_size=int(batch), shuffle=True, num_workers=int(workers))
batches, count = iter(loader), 0
next(batches)
clock = time.perf_counter if int(workers) else time.process_time
start = clock()
for got in batches:
    count += len(got["actions"])
    if clock() - start > 4:
        break
print("rate", count / (clock() - start))
"""


def write_hdf5(path: Path, episodes: int, steps: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Demonstrations in robomimic's layout: walks, and images, which a little noise keeps from being nothing as PNG."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs.update(total=episodes * steps, env_args='{"env_name": "Lift", "env_kwargs": {"control_freq": 20}}')
        for number in range(episodes):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = steps
            for name, shape in shapes.items():
                values = _images(rng, steps, shape) if len(shape) == 3 else _walk(rng, steps, shape)
                demo.create_dataset(name, data=values.astype(int) if name == "dones" else values)


def _walk(rng: np.random.Generator, steps: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(size=(steps, *shape)).cumsum(0)


def _images(rng: np.random.Generator, steps: int, shape: tuple[int, ...]) -> np.ndarray:
    ramp = np.add.outer(np.arange(shape[0]) * 2, np.arange(shape[1]))[..., None] + np.arange(shape[2]) * 40
    return (ramp + rng.integers(0, 8, (steps, *shape))).astype(np.uint8)


# ---- contestants -----------------------------------------------------------------------------------------------


def memmaps(dataset: TrajectoryDataset, folder: Path) -> Callable[[np.ndarray], list[torch.Tensor]]:
    """What one writes by hand: a memmap a column, gathered by one index of the windows' rows."""
    columns = []
    steps = TrajectoryDataset(dataset._opened.of, columns=dataset.columns, dtype=DTYPE, arrays="numpy")
    for number, name in enumerate(dataset.columns):
        path = folder / f"{number}.npy"
        column = _at(steps.batch(range(1)), name)
        out = np.lib.format.open_memmap(path, "w+", column.dtype, (len(steps), *column.shape[1:]))
        for start in range(0, len(steps), 1000):
            found = _at(steps.batch(range(start, min(start + 1000, len(steps)))), name)
            out[start : start + len(found)] = found
        columns.append(np.load(path, mmap_mode="r"))
    ends, ahead = np.asarray(dataset._records.starts[1:]), np.arange(LENGTH)

    def gather(numbers: np.ndarray) -> list[torch.Tensor]:
        last = ends[np.searchsorted(ends, numbers, side="right")] - 1
        rows = np.minimum(numbers[:, None] + ahead, last[:, None])
        return [torch.from_numpy(np.take(column, rows, axis=0)) for column in columns]

    return gather


def _at(batch: Mapping[str, object], path: str) -> np.ndarray:
    found: object = batch
    for key in path.split("/"):
        found = found[key]  # pyright: ignore[reportIndexIssue]
    return found  # pyright: ignore[reportReturnType]


def copies(dataset: TrajectoryDataset) -> Callable[[np.ndarray], object]:
    """The least that a batch takes: its windows' bytes, copied from where they lie, without padding or columns."""
    rows = [group.array.reshape(len(group.array), -1) for group in dataset._records.groups]
    windows = [
        np.ndarray((len(r) - LENGTH + 1,), np.dtype((np.void, LENGTH * r.strides[0])), r, 0, (r.strides[0],))
        for r in rows
    ]
    return lambda numbers: [each[np.minimum(numbers, len(each) - 1)] for each in windows]


def over(batches: list[np.ndarray], gather: Callable[[np.ndarray], object]) -> None:
    for numbers in batches:
        gather(numbers)


def epoch(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def robomimic(python: str, path: Path, mode: str, images: bool = False) -> float:
    """robomimic's windows per second; NaN where it cannot be run."""
    keys = ",".join(name.removeprefix("obs/") for name in SHAPES if name.startswith("obs/"))
    words = [python, "-c", ROBOMIMIC, str(path), mode, keys, "camera" if images else "", "2" if images else "0",
             str(IMAGE_BATCH if images else BATCH)]  # fmt: skip
    if not Path(python).exists():
        return float("nan")
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return next(float(line.split()[1]) for line in told.splitlines() if line.startswith("rate"))


# ---- claims ----------------------------------------------------------------------------------------------------


def bench_windows(folder: Path, python: str, images: bool) -> None:
    """An epoch a turn, so that what a stream or a DataLoader does once an epoch is shared by as many batches."""
    episodes, steps, batch = (50, 100, IMAGE_BATCH) if images else (300, 150, BATCH)
    path = folder / f"{'images' if images else 'numbers'}.hdf5"
    write_hdf5(path, episodes, steps, SHAPES | (IMAGE if images else {}))
    dataset = TrajectoryDataset(path, LENGTH, columns=list(SHAPES | (IMAGE if images else {})), dtype=DTYPE)
    count = len(dataset) // batch
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, len(dataset), batch) for _ in range(count)]
    folder_of_columns = folder / f"columns-{images}"
    folder_of_columns.mkdir()
    stream = TrajectoryStream(dataset, batch, even="drop")
    packed = TrajectoryDataset(path, LENGTH, columns=dataset.columns, dtype=DTYPE, cached_images="png")
    as_png = {"ours, by number, from PNG": partial(over, batches, packed.gather)} if images else {}
    taken = in_turns(
        {
            "ours, by number": partial(over, batches, dataset.gather),
            "ours, a stream": partial(epoch, stream),
            "ours, a stream's loader": partial(epoch, stream.loader()),
            "ours, a DataLoader": partial(epoch, DataLoader(dataset, batch, shuffle=True, drop_last=True)),
            "memmap by column": partial(over, batches, memmaps(dataset, folder_of_columns)),
            "the bytes alone": partial(over, batches, copies(dataset)),
            **as_png,
        },
        rounds=7 if images else 30,
        clock=time.process_time,
    )
    modes = ["low_dim"] if images else ["low_dim", "all"]
    peers = {mode: robomimic(python, path, mode, images) for mode in modes}
    best = max(peers.values())
    for name, seconds in taken.items():
        rate = batch * count / median(seconds)
        row("images" if images else "low-dim", name, rate, ratio(taken, "memmap by column", name), rate / best)
    for mode, rate in peers.items():
        row("images" if images else "low-dim", f"robomimic, {mode}", rate, "", rate / best)


def bench_first_batch(folder: Path, episodes: int = 100_000, steps: int = 150) -> None:
    """Write a store of so many episodes, and time processes that open it, once to pack it and then from the cache.

    By the processor's clock too, so that the disk, from which the first process of all reads, is not in it.
    """
    columns = tuple(Column(name=name, dtype="float32", shape=SHAPES[name]) for name in ("actions", "obs/object"))
    out, parts = store.create(str(folder / "many"), Header(steps=columns)), 20
    each, rng = episodes // parts, np.random.default_rng(0)
    for part in range(parts):
        with out.part(part) as writer:
            for start in range(0, each, 500):
                numbers = np.arange(part * each + start, part * each + start + 500)
                writer.write_steps(_many_steps(out.header, numbers, steps, rng))
                rows = [
                    {"episode_index": i, "name": f"demo_{i}", "length": steps, "attrs": "{}"} for i in numbers.tolist()
                ]
                writer.write_episodes(tables.episodes_table(out.header, rows))
    for what in ("packing", "cached", "cached", "cached"):
        told = subprocess.run(
            [sys.executable, "-c", FIRST, str(folder / "many")], capture_output=True, text=True, check=True
        )
        row(f"{episodes} episodes of {steps} steps, {what}", *told.stdout.split())


FIRST = """
import sys, time
start = time.process_time()
parts = []
def part():
    global start
    parts.append(f"{time.process_time() - start:.3f}")
    start = time.process_time()
import torch
from torch.utils.data import DataLoader
part()
import trajloom
trajloom.TrajectoryDataset
part()
sys.path.insert(0, "benchmarks")
from measure import anonymous_mb
before, start = anonymous_mb(), time.process_time()
dataset = trajloom.TrajectoryDataset(sys.argv[1], 10)
part()
stream = trajloom.TrajectoryStream(dataset, 256)
next(iter(stream))
part()
for number, batch in enumerate(stream):
    if number == 2000:
        break
more = anonymous_mb() - before
start = time.process_time()
next(iter(DataLoader(dataset, 256, shuffle=True)))
part()
print(*parts, f"{more:.0f}")
"""


def _many_steps(header: Header, numbers: np.ndarray, steps: int, rng: np.random.Generator) -> pa.RecordBatch:
    rows = len(numbers) * steps
    values = {c.name: rng.normal(size=(rows, *c.shape)).astype(np.float32) for c in header.steps}
    return tables.steps_rows(header, np.repeat(numbers, steps), np.tile(np.arange(steps), len(numbers)), values)


def main() -> None:
    python = sys.argv[1] if len(sys.argv) > 1 else ".venv-interop/bin/python"
    print(f"{machine()}, torch {torch.__version__}; peers with a machine to themselves: {BEFORE}\n")
    with tempfile.TemporaryDirectory() as name:
        os.environ["TRAJLOOM_CACHE"] = f"{name}/cache"
        row("windows of 10 steps", "how", "windows/s", "of the memmap's rate", "of robomimic's best")
        row(*["---"] * 5)
        bench_windows(Path(name), python, images=False)
        bench_windows(Path(name), python, images=True)
        print(f"\nAnonymous memory of this process now: {anonymous_mb():.0f} MB\n")
        row("dataset", "import torch, s", "import our loaders, s", "open, s", "first batch of a stream, s",
            "of a shuffling DataLoader, s", "memory more after 2000 batches, MB")  # fmt: skip
        row(*["---"] * 7)
        bench_first_batch(Path(name))


if __name__ == "__main__":
    main()
