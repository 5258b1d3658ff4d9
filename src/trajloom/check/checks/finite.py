"""NaN and infinity in columns of floats."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from trajloom.check.checks import Check
from trajloom.check.rows import Places, Rows
from trajloom.findings import Finding
from trajloom.schema import Column, Header
from trajloom.tables import Array, to_numpy

LEARNED = ("actions", "states", "obs/", "next_obs/")
"""Columns that training or replay reads, where such a value is an error."""


class Finite(Check):
    """Counts by column."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._places: dict[str, Places] = {}
        self._counts: dict[str, tuple[int, int]] = {}

    def begin_part(self, episodes: pa.Table) -> None:
        for column in filter(_is_float, self.header.episodes):
            values = episodes.column(column.name)
            valid = values.is_valid().to_numpy()
            found = self._find(column.name, to_numpy(values.filter(pa.array(valid)), column))
            for row in np.flatnonzero(valid)[found]:
                self._places[column.name].add_episode(episodes.column("name")[int(row)].as_py())

    def steps(self, rows: Rows) -> None:
        for column in filter(_is_float, self.header.steps):
            values, at = rows.valid(column.name)
            found = self._find(column.name, values)
            if len(found):
                self._places[column.name].add(rows, found if at is None else at[found])

    def _find(self, name: str, values: Array) -> Array:
        """Rows that are not finite, which are counted."""
        finite = np.isfinite(values)
        if finite.all():
            return np.empty(0, dtype=np.int64)
        nan = int(np.isnan(values).sum())
        before = self._counts.get(name, (0, 0))
        self._counts[name] = before[0] + nan, before[1] + int((~finite).sum()) - nan
        self._places.setdefault(name, Places())
        return np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))

    def findings(self) -> Iterator[Finding]:
        for name, places in self._places.items():
            counts = zip(self._counts[name], ("NaN", "infinite"), strict=True)
            said = " and ".join(
                f"{count} {'value is' if count == 1 else 'values are'} {kind}" for count, kind in counts if count
            )
            yield Finding(
                severity="error" if name.startswith(LEARNED) else "warning",
                code="not_finite",
                what=f"{said}, in {places.episodes} episodes",
                episode=places.episode,
                column=name,
                frame=places.frame,
            )


def _is_float(column: Column) -> bool:
    return column.dtype.startswith("float")


CHECK = Finite
