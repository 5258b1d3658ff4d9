"""Measure every claim again: run each `bench_*.py` of this folder in a process of its own, one after another."""

import os
import subprocess
import sys
from pathlib import Path

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
"""For BLAS, as a worker has it."""

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n## {path.name}\n", flush=True)
        subprocess.run([sys.executable, str(path)], check=True, env={**os.environ, **ONE_THREAD})
