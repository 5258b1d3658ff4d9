"""Anonymous memory of every reader and writer, on large datasets: what a process takes beside the page cache.

Claim: under 700 MB, Python and its libraries included, for each reader to the store and the store to each writer at
2 GB of numbers and of images; for one episode of 1,000 steps with three cameras of 480x640 (2.8 GB); and for
HDF5 -> store -> LeRobot at 10 GB. Each conversion runs in a process of its own, which is watched from outside.

    python benchmarks/bench_memory.py [--gb 2] [--frames 1000] [--large 10] [--formats zarr,lerobot]
                                      [--data numbers,camera,long,large] [--cores 16]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import large_inputs
from large_inputs import READ_ONLY, Shape
from measure import machine, row
from trajloom import formats

BAR_MB = 700
CONVERT = """
import json, os, sys, warnings
import trajloom
warnings.simplefilter("ignore")
source, format, output, to, options, cores = sys.argv[1:]
if int(cores):
    os.cpu_count = lambda: int(cores)
trajloom.read(source, format=format).write(output, to=to, **json.loads(options))
"""
VARIANTS: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "lerobot": [("", "", "{}"), (" mp4", "", '{"images": "mp4"}')],
    "parquet": [("", ".parquet", "{}"), (" files", "", '{"files": "episode"}')],
    "zarr": [("", ".zarr", "{}"), (" zip", ".zarr.zip", "{}")],
}
"""Format -> ways to write it: what the table calls it, suffix of the output, options."""
ONE_WAY: Sequence[tuple[str, str, str]] = [("", "", "{}")]


# ---- a process, watched ----------------------------------------------------------------------------------------


def anonymous_mb(process: int) -> float:
    """Anonymous memory of a process and its children, in MB (Linux); 0 once it is gone."""
    try:
        with open(f"/proc/{process}/status") as status:
            own = sum(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return 0.0
    return own + sum(anonymous_mb(int(child)) for child in children)


def watched(*arguments: str) -> tuple[float, float]:
    """Run a conversion: seconds, and its peak of anonymous memory in MB."""
    start, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-c", CONVERT, *arguments, str(asked().cores)]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while running.poll() is None:
        peak = max(peak, anonymous_mb(running.pid))
        time.sleep(0.01)
    if running.returncode:
        assert running.stderr is not None
        sys.exit(f"{' '.join(arguments)}: {running.stderr.read()[-2000:]}")
    return time.perf_counter() - start, peak


# ---- ways through the formats ----------------------------------------------------------------------------------

Found = tuple[str, str, float, float, float]
"""Dataset, conversion, GB of its input, s, MB."""


def through(name: str, shape: Shape, folder: Path, wanted: Sequence[str]) -> Iterator[Found]:
    """HDF5 to the store, the store to each writer, and each reader to the store."""
    store, first = folder / "store", folder / "input.hdf5"
    large_inputs.write_hdf5(first, shape)
    yield name, "hdf5 -> store", size(first), *watched(str(first), "hdf5", str(store), "trajloom", "{}")
    delete(first)
    for kind in wanted:
        if kind in READ_ONLY:
            made = folder / kind
            READ_ONLY[kind](made, shape)
            yield from back(name, kind, kind, made)
        else:
            for said, suffix, options in VARIANTS.get(kind, ONE_WAY):
                yield from both_ways(name, kind, said, store, folder / f"output{suffix}", options)
    delete(store)


def both_ways(name: str, kind: str, said: str, store: Path, made: Path, options: str) -> Iterator[Found]:
    if kind == "mp4" and name == "numbers":
        return
    yield name, f"store -> {kind}{said}", size(store), *watched(str(store), "trajloom", str(made), kind, options)
    if kind in formats.names("read"):
        yield from back(name, kind, f"{kind}{said}", made)
    delete(made)


def back(name: str, kind: str, said: str, made: Path) -> Iterator[Found]:
    """Read a file or folder into a store, and delete both."""
    again = made.with_name("again")
    yield name, f"{said} -> store", size(made), *watched(str(made), kind, str(again), "trajloom", "{}")
    delete(made)
    delete(again)


def large(gigabytes: float, folder: Path) -> Iterator[Found]:
    """HDF5 -> store -> LeRobot, images mostly."""
    yield from through(f"camera, {gigabytes:g} GB", large_inputs.camera(gigabytes), folder, ["lerobot"])


def size(path: Path) -> float:
    """Of a file or folder, in GB."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e9


def delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# ---- the table -------------------------------------------------------------------------------------------------


def asked() -> argparse.Namespace:
    every = [*formats.names("write"), *READ_ONLY]
    parser = argparse.ArgumentParser(description="Anonymous memory of every reader and writer.")
    parser.add_argument("--gb", type=float, default=2.0, help="size of the datasets of numbers and of images")
    parser.add_argument("--frames", type=int, default=1000, help="steps of the one long episode")
    parser.add_argument("--large", type=float, default=10.0, help="GB through HDF5 -> store -> LeRobot")
    parser.add_argument("--formats", default=",".join(every), help="which, beside the store")
    parser.add_argument("--cores", type=int, default=0, help="take as many threads as on a machine of so many cores")
    parser.add_argument("--data", default="numbers,camera,long,large", help="which datasets")
    return parser.parse_args()


def measured(given: argparse.Namespace, folder: Path) -> Iterator[Found]:
    wanted, data = given.formats.split(","), given.data.split(",")
    shapes = {
        "numbers": large_inputs.numbers(given.gb),
        "camera": large_inputs.camera(given.gb),
        "long": large_inputs.long(given.frames),
    }
    for name, shape in shapes.items():
        if name in data:
            yield from through(name, shape, folder, wanted)
    if "large" in data:
        yield from large(given.large, folder)


def main() -> None:
    given = asked()
    print(f"{machine()}; bar {BAR_MB} MB\n")
    row("data", "conversion", "input, GB", "s", "peak of anonymous memory, MB")
    row(*["---"] * 5)
    above: list[Any] = []
    with tempfile.TemporaryDirectory() as name:
        for found in measured(given, Path(name)):
            row(*found[:-1], round(found[-1]))
            above += [found[:2]] if found[-1] > BAR_MB else []
    print(f"\nAbove the bar: {', '.join(' '.join(pair) for pair in above) or 'none'}.", flush=True)


if __name__ == "__main__":
    os.nice(5)
    main()
