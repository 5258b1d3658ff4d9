"""How smooth a movement is, by the spectrum of its speed."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from trajloom.errors import SettingsError
from trajloom.tables import Array


def spectral_arc_length(
    speed: pl.Expr, hz: float, *, cutoff_hz: float = 10.0, threshold: float = 0.05, padding: int = 4
) -> pl.Expr:
    """How smooth a movement is (SPARC), as an expression over the steps of one episode: nearer to 0 is smoother.

    Minus the length of the curve that the speed's amplitude spectrum V, 1 at its largest, draws from 0 up to the
    frequency c, whose own range is scaled to 1:

    `-sum(sqrt((df / c)^2 + dV^2))`, c the highest frequency up to `cutoff_hz` with V >= `threshold`.

    Scale and duration cancel, as long as c is below `cutoff_hz` and half the control rate. A reach of least jerk has
    -1.41; every further movement and tremor lower it, noise beyond c does not. Null where nothing moves, and of fewer
    than 3 speeds.

    Args:
        speed: At even times, in any unit; nulls are left out.
        hz: Times a second.
        cutoff_hz: Frequencies beyond are no movement of an arm; at most half of `hz` counts.
        threshold: Amplitudes below, beyond the last that reaches it, are noise.
        padding: The spectrum has 2^padding times as many frequencies as it needs.

    Raises:
        SettingsError: A setting is out of range.

    Source:
        Balasubramanian, Melendez-Calderon, Roby-Brami, Burdet, On the analysis of movement smoothness, Journal of
        NeuroEngineering and Rehabilitation 12:112 (2015), with its settings.
    """
    if not (hz > 0 and cutoff_hz > 0 and 0 <= threshold < 1 and padding >= 0):
        raise SettingsError(
            "hz and cutoff_hz must be above 0, threshold from 0 to below 1 and padding >= 0, got "
            f"{hz:g}, {cutoff_hz:g}, {threshold:g} and {padding}"
        )
    found = partial(_of_episode, hz=hz, padding=padding, cutoff_hz=cutoff_hz, threshold=threshold)
    return pl.map_groups([speed], found, return_dtype=pl.Float64, returns_scalar=True)


def _of_episode(series: Sequence[pl.Series], *, hz: float, padding: int, **settings: float) -> float | None:
    speed = series[0].drop_nulls().to_numpy().astype(np.float64)
    if len(speed) < 3 or not np.isfinite(speed).all() or not speed.any():
        return None
    count = 1 << (int(np.ceil(np.log2(len(speed)))) + padding)
    return arc_length(np.abs(np.fft.rfft(speed, count)), hz / count, **settings)


def arc_length(amplitude: Array, step_hz: float, cutoff_hz: float, threshold: float) -> float | None:
    """Minus the length of a spectrum's curve, or None where it has but one frequency.

    Args:
        amplitude: (F,). At 0, `step_hz`, 2 `step_hz`, ...
        step_hz: Between two frequencies.
        cutoff_hz: Highest frequency that counts.
        threshold: Share of the largest amplitude, which the last frequency that counts has.
    """
    amplitude = amplitude[: int(cutoff_hz / step_hz + 1e-9) + 1] / amplitude.max()
    seen = np.flatnonzero(amplitude >= threshold)
    if not len(seen) or seen[0] == seen[-1]:
        return None
    curve = amplitude[seen[0] : seen[-1] + 1]
    return -float(np.hypot(1 / (len(curve) - 1), np.diff(curve)).sum())
