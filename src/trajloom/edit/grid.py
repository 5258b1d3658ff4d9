"""Instants at a new rate, and where each lies among the instants that there are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SchemaError, SettingsError

MAX_FRAMES = 10_000_000
"""Frames that one episode may have at the new rate: two days at 50 Hz."""
SNAP = 1e-3
"""Of a frame at the higher of the rates. An instant this near to one that there is, is that one: timestamps are
rounded, often to float32."""


@dataclass(frozen=True)
class Grid:
    """N new instants among T old ones."""

    old: int
    """T."""
    times: NDArray[np.float64]
    """(N,) seconds; those that there are keep their value to the bit."""
    before: NDArray[np.intp]
    """(N,). The old frame at, or last before, each new one."""
    fraction: NDArray[np.float64]
    """(N,) in [0, 1). How far towards the next old frame it lies."""

    def __len__(self) -> int:
        return len(self.times)

    @property
    def after(self) -> NDArray[np.intp]:
        """(N,). The old frame after each new one; the same frame where they coincide."""
        return self.before + (self.fraction > 0)

    @property
    def nearest(self) -> NDArray[np.intp]:
        """(N,). The old frame that is nearest; the earlier one of two as near."""
        return self.before + (self.fraction > 0.5)

    @property
    def unchanged(self) -> bool:
        """Whether the new frames are the old ones."""
        return len(self) == self.old and not self.fraction.any()


def grid(times: NDArray[np.float64], hz: float) -> Grid:
    """Instants `hz` a second from the first of an episode's instants to the last.

    The last one is there only where it falls on the new grid: nothing is made up beyond it.

    Args:
        times: (T,) seconds.
        hz: The new rate.

    Raises:
        SchemaError: The instants are not finite, or do not rise; the message begins with the first bad frame.
        SettingsError: There would be more than MAX_FRAMES.
    """
    times = np.asarray(times, dtype=np.float64)
    if not len(times):
        return Grid(0, times, np.zeros(0, dtype=np.intp), times)
    _check(times)
    count = (times[-1] - times[0]) * hz + SNAP
    if count >= MAX_FRAMES:
        raise SettingsError(f"at {hz:g} Hz its {times[-1] - times[0]:g} s are over {MAX_FRAMES:,} frames")
    wanted = times[0] + np.arange(int(count) + 1) / hz
    before = np.searchsorted(times, wanted, side="right") - 1
    # the last instant that there is has no next one: what lies beyond it, within the tolerance, is it
    width = np.diff(times, append=np.inf)[before]
    fraction = np.maximum(wanted - times[before], 0) / width
    near = SNAP * np.minimum(1, 1 / (hz * width))
    on_next = fraction > 1 - near
    fraction[on_next | (fraction < near)] = 0
    before = before + on_next
    return Grid(len(times), np.where(fraction == 0, times[before], wanted), before, fraction)


def _check(times: NDArray[np.float64]) -> None:
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise SchemaError(f"frame {bad[0]}: timestamp {times[bad[0]]} is no instant")
    bad = np.flatnonzero(np.diff(times) <= 0)
    if len(bad):
        at, then = bad[0] + 1, times[bad[0]]
        raise SchemaError(f"frame {at}: timestamp {times[at]} does not come after frame {at - 1}'s, {then}")
