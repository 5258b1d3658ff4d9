"""Success rates from ten expert sources with the reference's default settings, with 95 % Wilson intervals.

The sources' seed is not the generation's. `python benchmarks/bench_success.py [task-variant ...] [--factor 0.1]`
"""

import argparse
import tempfile
from pathlib import Path

import trajloom as tl
from measure import machine, row
from trajloom import query
from trajloom.run import expert, generate

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"

RUNS = {
    "stack-D0": 200,
    "stack-D1": 200,
    "square-D0": 200,
    "stack_three-D0": 100,
    "stack_three-D1": 100,
    "square-D1": 100,
    "square-D2": 100,
    "pick_place-D0": 100,
    "door-D0": 100,
    "lift-D0": 100,
    "lift-human": 100,
}
"""Task and variant -> attempts."""


def sources_for(task: str, variant: str, folder: Path) -> Path:
    """Ten expert episodes of D0, as the paper's sources are of D0; or the ten human ones."""
    path = folder / f"{task}-{variant if variant == 'human' else 'sources'}"
    if path.exists():
        return path
    if variant == "human":
        tl.annotate(HUMAN, path, task=task)
    else:
        expert(task, path, episodes=10, seed=11)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--factor", type=float, default=1.0, help="part of the attempts to make")
    parser.add_argument("--folder", type=Path, default=None, help="where to keep what is made")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    print(machine())
    row("task", "attempts", "success %", "95 % interval", "steps an attempt", "s an attempt", "main causes of failure")
    row(*["---"] * 7)
    for name in options.runs:
        task, variant = name.split("-")
        out = folder / f"out-{name}"
        summary = generate(
            sources_for(task, variant, folder),
            out,
            task=task,
            variant="D0" if variant == "human" else variant,
            attempts=max(5, round(RUNS[name] * options.factor)),
            seed=211,
        )
        data = tl.read(out)
        rate = query.success_rate(data)
        causes = query.failures(data).head(3).collect()
        words = "; ".join(f"{line['attempts']}x {line['reason']}" for line in causes.to_dicts())
        interval = f"{100 * rate.low:.1f} to {100 * rate.high:.1f}"
        workers_seconds = 2 * summary.seconds / max(summary.new_attempts, 1)
        steps = summary.simulated_steps / max(summary.new_attempts, 1)
        row(name, rate.attempts, 100 * rate.rate, interval, steps, workers_seconds, words)


if __name__ == "__main__":
    main()
