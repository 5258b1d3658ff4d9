"""What statistics cost beside one pass of reading the same columns.

python benchmarks/bench_statistics.py [EPISODES]     # 100,000 by default, 150 steps each: 1.9 GB of float64
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from measure import anonymous_mb, in_turns, machine, median, ratio, row
from trajloom import query, store, tables
from trajloom.dataset import Dataset, read
from trajloom.schema import Column, Header

STEPS, PER_PART = 150, 5000
WIDTHS = {"actions": 7, "obs/robot0_eef_pos": 3, "obs/robot0_eef_quat": 4, "obs/robot0_gripper_qpos": 2}
HEADER = Header(
    steps=tuple(Column(name=name, dtype="float64", shape=(width,)) for name, width in WIDTHS.items()), control_hz=20.0
)


def make(path: str, episodes: int) -> None:
    """Walks, and actions of which some stand at their bounds; each part the same, moved a little."""
    rng = np.random.default_rng(0)
    count = min(PER_PART, episodes)
    columns = {name: np.cumsum(rng.normal(size=(count, STEPS, n)) * 0.01, axis=1) for name, n in WIDTHS.items()}
    columns["actions"] = np.clip(rng.normal(size=(count, STEPS, 7)) * 0.4, -1, 1)
    columns["actions"][:, :, 6] = np.where(np.arange(STEPS) > STEPS // 2, 1, -1)
    writer = store.create(path, HEADER)
    for number in range(0, episodes, count):
        own = [{"episode_index": number + i, "name": f"demo_{number + i}", "length": STEPS, "attrs": "{}"}
               for i in range(count)]  # fmt: skip
        with writer.part(number // count) as part:
            part.write_episodes(tables.episodes_table(HEADER, own))
            index, frame = np.repeat(np.arange(count) + number, STEPS), np.tile(np.arange(STEPS), count)
            moved = {
                name: (v + number * 1e-7 * (name != "actions")).reshape(-1, v.shape[-1]) for name, v in columns.items()
            }
            part.write_steps(tables.steps_rows(HEADER, index, frame, moved))


def reading(dataset: Dataset) -> None:
    """One pass: every batch of the columns, as arrays."""
    for part in dataset.parts():
        for batch in part.steps(list(WIDTHS)):
            for column in HEADER.steps:
                tables.to_numpy(batch.column(column.name), column)


def main() -> None:
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        make(str(Path(folder) / "data"), episodes)
        dataset = read(Path(folder) / "data")
        print(f"{machine()}; {dataset.num_steps:,} steps of {sum(WIDTHS.values())} numbers\n")
        before = anonymous_mb()
        asked = partial(query.statistics, dataset)
        taken = in_turns(
            {
                "reading": partial(reading, dataset),
                "mean, std, min, max": asked,
                "and quantiles": partial(asked, quantiles=(0.01, 0.5, 0.99)),
                "and exact quantiles": partial(asked, quantiles=(0.01, 0.5, 0.99), exact=True),
            },
            3,
        )
        row("what", "s", "of reading", "bar")
        row(*["---"] * 4)
        for name, seconds in taken.items():
            row(name, median(seconds), ratio(taken, name, "reading"), "2" if name == "and quantiles" else "")
        print(f"\nAnonymous memory afterwards: {anonymous_mb() - before:.0f} MB more than before.")


if __name__ == "__main__":
    main()
