"""What tests of runs have in common."""

from hashlib import sha256
from pathlib import Path

HUMAN = Path(__file__).parents[1] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def hashes(out: Path) -> dict[str, str]:
    """Every file of a dataset that must not depend on who made it."""
    kept = [*out.glob("*/*.parquet"), *out.glob("models/*"), out / "dataset.json"]
    return {str(path.relative_to(out)): sha256(path.read_bytes()).hexdigest() for path in kept}
