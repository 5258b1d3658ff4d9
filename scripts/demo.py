"""The main job on real input: ten human Lift demonstrations in, twenty new verified ones out.

Runs the commands that a user would type, prints each, and ends with where things are.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def trajloom(*arguments: str | Path) -> None:
    """Run a command of the command line that lies beside this Python, and show it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ trajloom {shlex.join(words)}", flush=True)
    subprocess.run([str(Path(sys.executable).parent / "trajloom"), *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-output"), help="folder for the results; made anew")
    parser.add_argument("--successes", type=int, default=20, help="episodes to generate")
    options = parser.parse_args()
    out, start = options.out, time.perf_counter()
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)

    trajloom("annotate", HUMAN, out / "annotated.hdf5", "--task", "lift")
    trajloom(
        "generate",
        out / "annotated.hdf5",
        out / "lift",
        "--task",
        "lift",
        "--successes",
        str(options.successes),
        "--seed",
        "7",
    )
    trajloom("convert", out / "lift", out / "lift.hdf5")

    print(f"\nDone in {time.perf_counter() - start:.0f} s.")
    print(f"  {out / 'annotated.hdf5'}  the ten human demonstrations with what generation needs")
    print(f"  {out / 'lift'}  the new episodes: Parquet, readable by anything; try `trajloom stats {out / 'lift'}`")
    print(f"  {out / 'lift.hdf5'}  the same as robomimic HDF5, ready for training, and a source again")


if __name__ == "__main__":
    main()
