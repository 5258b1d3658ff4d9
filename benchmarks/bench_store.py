"""What the store costs: bytes and seconds by encoding, and seconds a part.

python benchmarks/bench_store.py [STEPS]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from measure import in_turns, machine, median, row
from trajloom import store, tables
from trajloom.parquet import ParquetFile
from trajloom.schema import Column, Header

LOWDIM = Header(
    steps=(
        *(
            Column(name=name, dtype="float64", shape=(n,))
            for name, n in (("actions", 7), ("states", 45), ("obs/o", 30))
        ),
        Column(name="datagen_info/object_poses/cube", dtype="float64", shape=(4, 4)),
        Column(name="rewards", dtype="float64"),
    )
)
IMAGES = Header(steps=(Column(name="obs/agentview_image", dtype="uint8", shape=(84, 84, 3)),))
LENGTH = 100


def steps(header: Header, rows: int) -> pa.Table:
    """Smooth walks, and images of a gradient that moves under some noise."""
    rng = np.random.default_rng(0)
    columns = {c.name: np.cumsum(rng.normal(size=(rows, *c.shape)) * 0.01, axis=0) for c in header.steps[:5]}
    if header is IMAGES:
        gradient = np.add.outer(np.arange(84), np.arange(84))[None, :, :, None] + np.zeros(3)
        moved = gradient + np.arange(rows)[:, None, None, None] + rng.integers(0, 4, (rows, 84, 84, 1))
        columns = {header.steps[0].name: moved.astype(np.uint8)}
    return pa.Table.from_batches([tables.steps_batch(header, 0, columns)])


def ours(table: pa.Table, path: Path) -> None:
    file = ParquetFile(path, table.schema)
    for batch in table.to_batches(max_chunksize=LENGTH):
        file.write(batch)
    file.close()


def bench_encodings(folder: Path, name: str, table: pa.Table) -> None:
    writers = {
        "ours": lambda: ours(table, folder / "ours"),
        "zstd alone": lambda: pq.write_table(table, folder / "zstd alone", compression="zstd", use_dictionary=False),
        "pyarrow's defaults": lambda: pq.write_table(table, folder / "pyarrow's defaults"),
    }
    written = in_turns(writers, 3)
    read = in_turns({w: lambda w=w: pq.read_table(folder / w) for w in writers}, 3)
    megabytes = table.nbytes / 1e6
    for writer in writers:
        share = (folder / writer).stat().st_size / table.nbytes
        row(name, writer, share, megabytes / median(written[writer]), megabytes / median(read[writer]))


def bench_parts(folder: Path) -> None:
    """Seconds to check, write, hash and commit a part of one short episode: what a unit of generation pays."""
    table = steps(LOWDIM, LENGTH)
    episode = {"episode_index": 0, "name": "demo_0", "length": LENGTH, "attrs": "{}"}
    rows = tables.episodes_table(LOWDIM, [episode])
    writer = store.create(str(folder / "data"), LOWDIM)
    numbers = iter(range(1000))

    def part() -> None:
        with writer.part(next(numbers)) as out:
            out.write_steps(table)
            out.write_episodes(rows)

    took = in_turns({"part": part}, 30)["part"]
    print(f"\nA part of one episode of {LENGTH} steps: {1000 * median(took):.1f} ms.")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"{machine()}, pyarrow {pa.__version__}\n")
    row("steps", "written as", "size (1 = in memory)", "write MB/s", "read MB/s")
    row(*["---"] * 5)
    with tempfile.TemporaryDirectory() as name:
        bench_encodings(Path(name), "low-dimensional", steps(LOWDIM, rows))
        bench_encodings(Path(name), "images", steps(IMAGES, rows // 8))
        bench_parts(Path(name))


if __name__ == "__main__":
    main()
