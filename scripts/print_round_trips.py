"""Print docs/round_trips.md: for every pair of formats, whether A -> B -> A is lossless, and why not where it is not.

Every "yes" is a test (tests/test_round_trips.py).
"""

from pathlib import Path

from trajloom import formats
from trajloom.dataset import NATIVE

WHY_NOT: dict[tuple[str, str], str] = {}
"""(A, B) -> why a dataset of A does not come back from B. Every other pair is lossless."""

WORDS = """# Round trips

Whether a dataset of format A (rows), converted to format B (columns) and back to A, is what it was: values, element
types, shapes, names, attributes, empty groups; NaN equals NaN. What B has no place for is kept aside in the output, in
a folder or group `trajloom` that B's own tools do not see. `convert` names it before it writes.

Written by `scripts/print_round_trips.py`; every "yes" is tested over generated datasets (ragged and empty episodes, all
element types, nested groups, unicode, colliding names, arrays of 0 to 5 dimensions), and over real files from HDF5.

"""


def table() -> str:
    """The page."""
    both = [NATIVE, *(name for name in formats.names("write") if name in formats.names("read"))]
    rows = [f"| A \\ B | {' | '.join(both)} |", "|---" * (len(both) + 1) + "|"]
    for a in both:
        cells = ["" if a == b else "no" if (a, b) in WHY_NOT else "yes" for b in both]
        rows.append(f"| **{a}** | {' | '.join(cells)} |")
    reasons = [f"- {a} -> {b} -> {a}: {why}" for (a, b), why in WHY_NOT.items()]
    only = {
        "Read only": [n for n in formats.names("read") if n not in both],
        "Written only": [n for n in formats.names("write") if n not in both],
    }
    more = [f"{what}: {', '.join(found)}." for what, found in only.items() if found]
    return WORDS + "\n".join([*rows, "", *reasons, *more]) + "\n"


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "round_trips.md"
    page.write_text(table())
    print(page)
