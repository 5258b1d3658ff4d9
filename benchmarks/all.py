"""Measure every claim again: run each `bench_*.py` of this folder in a process of its own, one after another."""

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n## {path.name}\n", flush=True)
        subprocess.run([sys.executable, str(path)], check=True)
