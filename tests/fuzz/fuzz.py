"""Damage real and made files in every format, thousands of times: only errors of ours may come out. Run by `make fuzz`.

    python tests/fuzz/fuzz.py [--cases 2000] [--formats hdf5 zarr ...] [--seed 0]

Each case copies a small file or folder, changes some bytes of it (flips, zeroes, cuts, repeats, numbers at their
limits), and reads all that can be read. A case that raises anything else than a `TrajloomError`, ends the process,
takes longer than 20 s or more than 2 GB of memory is printed with what makes it again, and the exit status is 1.
"""

import argparse
import multiprocessing as mp
import queue
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from samples import samples

from conftest import SHARED_DATA
from trajloom import formats
from trajloom.dataset import NATIVE, read
from trajloom.errors import TrajloomError

BATCH = 50
MEMORY = 2 << 30
SECONDS = 20
NUMBERS = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\x80", b"\xff" * 8)


def mutate(path: Path, rng: np.random.Generator) -> None:
    """Change some bytes of a file, or of one file of a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    target = files[int(rng.integers(len(files)))]
    data = bytearray(target.read_bytes())
    for _ in range(int(rng.integers(1, 4))):
        _change(data, rng)
    target.write_bytes(data)


def _change(data: bytearray, rng: np.random.Generator) -> None:
    if not data:
        return
    # headers, where numbers are, are hit as often as all the rest
    reach = len(data) if rng.random() < 0.5 else min(len(data), 4096)
    at = int(rng.integers(reach))
    many = int(rng.integers(1, 65))
    match int(rng.integers(7)):
        case 0:
            data[at] ^= 1 << int(rng.integers(8))
        case 1:
            data[at : at + many] = rng.bytes(min(many, len(data) - at))
        case 2:
            data[at : at + many] = bytes(min(many, len(data) - at))
        case 3:
            del data[at:]
        case 4:
            del data[at : at + many]
        case 5:
            data[at:at] = data[at : at + many]
        case _:
            number = NUMBERS[int(rng.integers(len(NUMBERS)))]
            data[at : at + len(number)] = number


def exercise(name: str, path: Path) -> None:
    """Read all of a dataset, ours or not, as its format and as what it looks like, and ask what is wrong with it."""
    for given in (name, None):
        try:
            data = read(str(path), format=given)
            for part in data.parts():
                part.episodes().validate()
                part.attempts().validate()
                for batch in part.steps():
                    batch.validate()
                for batch in part.rest():
                    batch.validate()
            dict(data.models())
            if (ask := getattr(formats.get(name), "findings", None) if name != NATIVE else None) is not None:
                list(ask(str(path)))
        except (TrajloomError, FileNotFoundError):
            pass


def work(name: str, sample: str, seed: int, cases: list[int], out: "mp.Queue") -> None:
    """Run some cases in a process of their own; says before each which it is."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _late)
    warnings.simplefilter("ignore")
    for case in cases:
        out.put(("began", case, ""))
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / Path(sample).name
            (shutil.copytree if Path(sample).is_dir() else shutil.copy)(sample, target)
            mutate(target, np.random.default_rng([seed, case]))
            signal.alarm(SECONDS)
            try:
                exercise(name, target)
            except BaseException:
                out.put(("failed", case, traceback.format_exc(limit=-6)))
            signal.alarm(0)
    out.put(("done", -1, ""))


def _late(*_: object) -> None:
    raise TimeoutError(f"took more than {SECONDS} s")


def fuzz(name: str, sample: str, seed: int, cases: int) -> list[tuple[int, str]]:
    """Cases that went wrong, with what happened."""
    wrong: list[tuple[int, str]] = []
    left = list(range(cases))
    while left:
        out: mp.Queue = mp.get_context("fork").Queue()
        batch, left = left[:BATCH], left[BATCH:]
        process = mp.get_context("fork").Process(target=work, args=(name, sample, seed, batch, out))
        process.start()
        last = -1
        while True:
            try:
                kind, case, said = out.get(timeout=SECONDS + 10)
            except queue.Empty:
                # a library that loops in compiled code hears no alarm
                wrong.append((last, "did not end" if process.is_alive() else f"ended with {process.exitcode}"))
                left = [c for c in batch if c > last] + left
                break
            if kind == "done":
                break
            last = case
            if kind == "failed":
                wrong.append((case, said))
        process.kill()
        process.join()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000, help="cases for each format")
    parser.add_argument("--formats", nargs="*", default=[NATIVE, *formats.names("read")])
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in given.formats:
            files = samples(name, Path(folder), SHARED_DATA)
            each = -(-given.cases // max(1, len(files)))
            for sample in files:
                found = fuzz(name, sample, given.seed, each)
                print(f"{name}: {Path(sample).name}: {each} cases, {len(found)} went wrong", flush=True)
                for case, said in found[:5]:
                    print(f"  seed {given.seed}, case {case}:\n{said}")
                wrong += len(found)
    print(f"{wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
