"""What low-dimensional data takes on disk: our store beside Parquet, Zarr and HDF5 of the same arrays.

python benchmarks/bench_storage.py [FILE.hdf5 ...]
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from zarr.codecs import BloscCodec

from measure import machine, row
from trajloom import store, tables
from trajloom.formats import hdf5
from trajloom.schema import Column, Header

Arrays = Mapping[str, np.ndarray]
CHUNK_ROWS = 4096


def planned(episodes: int = 200, length: int = 150) -> Arrays:
    """What a generator makes, free of noise: straight moves between poses that are drawn for each episode."""
    rng = np.random.default_rng(0)
    found: dict[str, list[np.ndarray]] = {
        name: [] for name in ("actions", "states", "obs/eef_pos", "obs/object", "pose")
    }
    for _ in range(episodes):
        marks = rng.normal(size=(4, 6))
        at = np.linspace(0, 3, length)
        path = np.stack([np.interp(at, range(4), marks[:, i]) for i in range(6)], axis=1)
        pose = np.tile(np.eye(4), (length, 1, 1))
        pose[:, :3, 3] = path[:, 3:]
        gripper = np.where(at > 1.5, 1.0, -1.0)[:, None]
        found["actions"].append(np.hstack([np.diff(path, axis=0, append=path[-1:]), gripper]))
        found["states"].append(np.hstack([path, np.sin(path), np.cos(path), np.tile(marks[0], (length, 1))]))
        found["obs/eef_pos"].append(path[:, :3])
        found["obs/object"].append(np.hstack([path[:, 3:], path[:, :3] - path[:, 3:], gripper]))
        found["pose"].append(pose)
    return {name: np.concatenate(pieces) for name, pieces in found.items()}


def of_file(path: str) -> Arrays:
    """The arrays of a file's demonstrations, but for images."""
    source = hdf5.read(path)
    columns = [c for c in source.header.steps if c.encoding != "image" and not c.nullable]
    steps = [batch for part in source.parts() for batch in part.steps([c.name for c in columns])]
    table = pa.Table.from_batches(steps)
    return {c.name: tables.to_numpy(table.column(c.name), c) for c in columns}


def ours(arrays: Arrays, folder: Path) -> int:
    """Bytes of the steps' files of our store."""
    header = Header(
        steps=tuple(Column(name=n, dtype=str(a.dtype), shape=a.shape[1:]) for n, a in arrays.items())  # type: ignore[arg-type]
    )
    writer = store.create(str(folder / "ours"), header)
    length = len(next(iter(arrays.values())))
    with writer.part(0) as part:
        part.write_steps(tables.steps_batch(header, 0, arrays))
        part.write_episodes(
            tables.episodes_table(header, [{"episode_index": 0, "name": "a", "length": length, "attrs": "{}"}])
        )
    return size(folder / "ours" / "steps")


def parquet_zstd(arrays: Arrays, folder: Path, level: int) -> int:
    """One Parquet file of fixed-size lists, as pyarrow writes it with zstd."""
    flat = {n: a.reshape(len(a), -1) for n, a in arrays.items()}
    columns = {n: pa.FixedSizeListArray.from_arrays(pa.array(a.reshape(-1)), a.shape[1]) for n, a in flat.items()}
    path = folder / f"zstd{level}.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=level)
    return size(path)


def zarr_blosc(arrays: Arrays, folder: Path) -> int:
    """Zarr with Blosc's zstd and its byte shuffle, as diffusion policy's replay buffers are kept."""
    group = zarr.open_group(str(folder / "arrays.zarr"), mode="w")
    for name, values in arrays.items():
        codec = BloscCodec(cname="zstd", clevel=5, shuffle="shuffle")
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=(CHUNK_ROWS, *values.shape[1:]), compressors=codec
        )
        made[:] = values
    return size(folder / "arrays.zarr")


def hdf5_gzip(arrays: Arrays, folder: Path) -> int:
    """HDF5 with gzip and byte shuffle."""
    with h5py.File(folder / "arrays.hdf5", "w") as file:
        for name, values in arrays.items():
            chunks = (min(CHUNK_ROWS, len(values)), *values.shape[1:])
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=True)
    return size(folder / "arrays.hdf5")


def size(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(os.path.getsize(file) for file in files)


def bench(name: str, arrays: Arrays) -> None:
    """One line: megabytes in memory, each one's share of them, and ours against the best of the others."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        mine = ours(arrays, folder)
        others = [
            parquet_zstd(arrays, folder, 1),
            parquet_zstd(arrays, folder, 3),
            zarr_blosc(arrays, folder),
            hdf5_gzip(arrays, folder),
        ]
    raw = sum(values.nbytes for values in arrays.values())
    row(name, raw / 1e6, *(n / raw for n in (mine, *others)), mine / min(others))


def main() -> None:
    print(f"{machine()}, pyarrow {pa.__version__}, zarr {zarr.__version__}, h5py {h5py.__version__}\n")
    row(
        "data",
        "MB in memory",
        "ours",
        "Parquet zstd 1",
        "Parquet zstd 3",
        "Zarr Blosc zstd",
        "HDF5 gzip",
        "ours / best",
    )
    row(*["---"] * 8)
    bench("generated, free of noise", planned())
    for path in sys.argv[1:]:
        bench(Path(path).name, of_file(path))


if __name__ == "__main__":
    main()
