"""Ingestion: 100,000 items into 1,000 trajectories, against a plain h5py loop.

The loop writes what one would write by hand: one group a trajectory, one contiguous dataset a feature, stacked from the
items. Both begin with the items in memory and end with closed files.

python benchmarks/bench_ingest.py [ITEMS]
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from measure import anonymous_mb, in_turns, machine, median, ratio, row
from trajloom.ingest import create_vla_dataset_from_source

GROUP = 100
"""Items of a trajectory."""
MEGABYTES = 2000
"""Of the stream whose memory is measured."""


def low_dimensional(count: int) -> list[dict[str, Any]]:
    """Steps of an arm: three observations, an action, a reward."""
    rng = np.random.default_rng(0)
    pose, joints, cube = (np.cumsum(rng.normal(size=(count, n)) * 0.01, axis=0) for n in (7, 9, 10))
    action = rng.normal(size=(count, 7)).astype(np.float32)
    seen = [{"pose": pose[i], "joints": joints[i], "cube": cube[i]} for i in range(count)]
    return [{"obs": seen[i], "action": action[i], "reward": float(i % 100 == 99)} for i in range(count)]


def pictures(count: int) -> list[dict[str, Any]]:
    """Pictures of 32x32 with an action."""
    rng = np.random.default_rng(0)
    gradient = np.add.outer(np.arange(32), np.arange(32))[:, :, None] + np.zeros(3)
    noise = rng.integers(0, 4, (50, 32, 32, 1))
    action = rng.normal(size=(count, 7)).astype(np.float32)
    return [{"image": (gradient + i + noise[i % 50]).astype(np.uint8), "action": action[i]} for i in range(count)]


def by_hand(items: list[dict[str, Any]], path: Path) -> None:
    with h5py.File(path, "w") as file:
        for number, start in enumerate(range(0, len(items), GROUP)):
            some = items[start : start + GROUP]
            group = file.create_group(f"data/demo_{number}")
            for name, values in _features(some):
                group.create_dataset(name, data=np.stack(values))


def _features(items: list[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    found = []
    for name, value in items[0].items():
        if isinstance(value, dict):
            found += [(f"{name}/{inner}", [item[name][inner] for item in items]) for inner in value]
        else:
            found.append((name, [item[name] for item in items]))
    return found


def ours(items: list[dict[str, Any]], path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    create_vla_dataset_from_source(items, str(path), group_size=GROUP)


def memory_of_a_stream(megabytes: int, folder: Path) -> float:
    """Anonymous memory in MB that ingesting a generator of pictures takes at most."""
    before, most = anonymous_mb(), 0.0

    def frames() -> Iterator[dict[str, Any]]:
        nonlocal most
        for number in range(megabytes):
            most = max(most, anonymous_mb() - before)
            yield {"frame": np.full((512, 683, 3), number % 256, np.uint8)}

    create_vla_dataset_from_source(frames, str(folder / "stream"), group_size=10)
    return most


def main(count: int) -> None:
    print(machine())
    row("items", "ours, s", "h5py, s", "h5py / ours (bar 3)", "ours, MB", "h5py, MB")
    row(*["---"] * 6)
    for name, items in (("low-dimensional", low_dimensional(count)), ("32x32 pictures", pictures(count // 10))):
        with tempfile.TemporaryDirectory() as folder:
            theirs, mine = Path(folder) / "loop.hdf5", Path(folder) / "ours"
            taken = in_turns({"ours": partial(ours, items, mine), "h5py": partial(by_hand, items, theirs)})
            sizes = (sum(f.stat().st_size for f in mine.rglob("*") if f.is_file()) / 1e6, theirs.stat().st_size / 1e6)
        seconds = (median(taken["ours"]), median(taken["h5py"]), ratio(taken, "h5py", "ours"))
        row(f"{len(items)} {name}", *seconds, *sizes)
    with tempfile.TemporaryDirectory() as folder:
        print(
            f"\na generator of {MEGABYTES:,} MB: at most {memory_of_a_stream(MEGABYTES, Path(folder)):.0f} MB in memory"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
