"""Ten human demonstrations in, new verified ones out: annotate, generate, look at the ledger, write for robomimic."""

import sys
import tempfile
from pathlib import Path

import trajloom as tl

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def main(folder: Path) -> None:
    # Object poses, subtask signals and target poses, by replaying the stored states.
    tl.annotate(HUMAN, folder / "annotated.hdf5", task="lift")

    # Three episodes that solve the task; the same seed gives the same bytes on any number of workers.
    summary = tl.generate(folder / "annotated.hdf5", folder / "lift", task="lift", successes=3, seed=7)
    print(f"{summary.successes} of {summary.attempts} attempts succeeded, {summary.simulated_steps} steps simulated")

    # Asked for more, the same run only makes what is missing.
    more = tl.generate(folder / "annotated.hdf5", folder / "lift", task="lift", successes=4, seed=7)
    print(f"{more.new_attempts} more attempts were needed for 4 successes")

    # Every attempt is a row, and every step knows its source.
    lift = tl.read(folder / "lift")
    print(lift.attempts().select("attempt", "success", "steps", "reason").collect())
    print(lift.steps().group_by("source_episode/robot0").len().sort("len", descending=True).collect())
    lift.write(folder / "lift.hdf5")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
