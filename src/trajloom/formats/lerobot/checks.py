"""What `doctor` finds in a LeRobot folder beyond its data: totals and statistics that the data does not bear out."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from trajloom.errors import TrajloomWarning
from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.formats.lerobot.info import read_json
from trajloom.formats.lerobot.rows import Held
from trajloom.formats.lerobot.scan import Scan
from trajloom.formats.lerobot.source import decided
from trajloom.formats.lerobot.statistics import Stats, Total, of_numbers

ROWS = 4096
TOLERANCE = 1e-3
"""By how much of a feature's range its stated mean may be off."""


def found_in(path: str) -> Iterator[Finding]:
    """Totals, lengths, cameras and statistics that are not what the data says; reads all numbers once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        scan = decided(Folder(path), "skip")
    for said in scan.oddities:
        totals = said.startswith("info.json says total_")
        yield Finding(
            severity="warning", code="wrong_total" if totals else "odd_metadata", what=said, fixable=totals
        )  # fmt: skip
    if not scan.folder.fs.isfile(scan.folder.at("meta", "stats.json")):
        yield Finding(severity="info", code="no_statistics", what="it has no meta/stats.json", fixable=True)
        return
    stated = read_json(scan.folder, "meta", "stats.json")
    yield from _stale(scan, stated if isinstance(stated, dict) else {})


def _stale(scan: Scan, stated: Mapping[str, Any]) -> Iterator[Finding]:
    for name, held in scan.held.items():
        about = stated.get(held.name)
        if held.kind != "number" or not isinstance(about, dict):
            continue
        wrong = _differing(about, _computed(scan, held))
        if wrong:
            what = f"meta/stats.json says another {', '.join(wrong)} of {held.name} than its values have"
            yield Finding(severity="warning", code="stale_statistics", what=what, column=name, fixable=True)


def _computed(scan: Scan, held: Held) -> Stats | None:
    total, rows, count = Total(), scan.rows(), sum(place.length for place in scan.places)
    for start in range(0, count, ROWS):
        values = rows.steps([held.column.name], start, min(start + ROWS, count))[held.column.name]
        total.add(of_numbers(np.asarray(values)))
    return total.stats() if count else None


def _differing(stated: Mapping[str, Any], computed: Stats | None) -> list[str]:
    if computed is None:
        return []
    scale = np.maximum(computed["max"].astype(np.float64) - computed["min"], 1e-6)
    wrong = []
    for kind in ("min", "max", "mean"):
        try:
            said = np.asarray(stated[kind], dtype=np.float64).reshape(computed[kind].shape)
        except (KeyError, ValueError, TypeError):
            continue
        if not (np.abs(said - computed[kind]) <= TOLERANCE * scale).all():
            wrong.append(kind)
    return wrong
