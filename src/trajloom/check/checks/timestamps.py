"""Time that does not rise, stands still for long, or runs at another rate than the header says."""

from collections.abc import Iterator

import numpy as np

from trajloom.check.checks import Check
from trajloom.check.rows import Places, Rows
from trajloom.findings import Finding, Severity
from trajloom.schema import Header
from trajloom.tables import Array

GAP = 1.5
"""Periods from which on two steps have a gap between them."""
RATE = 0.01
"""Share by which an episode's rate may be another one than `control_hz`."""


class Timestamps(Check):
    """Looks at each episode's times once they are all there."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._episode: int | None = None
        self._times: list[Array] = []
        self._falling, self._gaps, self._rates = Places(), Places(), Places()
        self._longest, self._rate = 0.0, 0.0

    def steps(self, rows: Rows) -> None:
        for index, times in rows.of_spans("timestamp"):
            if index != self._episode:
                self.end_part()
                self._episode = index
            self._times.append(times)

    def end_part(self, whole: bool = True) -> None:
        if self._times and self._episode is not None:
            self._judge(self._episode, np.concatenate(self._times))
        self._times, self._episode = [], None

    def _judge(self, index: int, times: Array) -> None:
        name, apart = self.names.get(index, f"episode {index}"), np.diff(times)
        falling = np.flatnonzero(~(apart > 0))  # NaN too
        if len(falling):
            self._falling.rows += len(falling)
            self._falling.add_episode(name, int(falling[0]) + 1)
            self.untimely.append(index)
        rising = apart[apart > 0]
        if not len(rising):
            return
        period = float(np.median(rising))
        gaps = np.flatnonzero(apart > GAP * period)
        if len(gaps):
            self._gaps.rows += len(gaps)
            self._gaps.add_episode(name, int(gaps[0]) + 1)
            self._longest = max(self._longest, float(apart[gaps].max()))
        if self.header.control_hz and abs(period * self.header.control_hz - 1) > RATE:
            self._rate = self._rate or 1 / period
            self._rates.add_episode(name)

    def findings(self) -> Iterator[Finding]:
        again = "--retime computes it from control_hz" if self.header.control_hz else "control_hz is unknown"
        said = f"time does not rise at {self._falling.rows} steps of {self._falling.episodes} episodes ({again})"
        yield from _of("error", "time_falls", said, self._falling, fixable=bool(self.header.control_hz))
        said = f"{self._gaps.rows} gaps of over {GAP} periods in {self._gaps.episodes} episodes"
        yield from _of("warning", "time_gap", f"{said}; the longest takes {self._longest:.4g} s", self._gaps)
        said = f"{self._rates.episodes} episodes run at {self._rate:.4g} Hz or so; control_hz says"
        yield from _of("warning", "rate", f"{said} {self.header.control_hz}", self._rates)


def _of(severity: Severity, code: str, what: str, places: Places, fixable: bool = False) -> Iterator[Finding]:
    if places.episodes:
        yield Finding(
            severity=severity, code=code, what=what, episode=places.episode, column="timestamp", frame=places.frame,
            fixable=fixable,
        )  # fmt: skip


CHECK = Timestamps
