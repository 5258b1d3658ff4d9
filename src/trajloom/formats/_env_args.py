"""What the arguments of an environment say of the data."""

from collections.abc import Mapping
from typing import Any


def control_hz_of(env_args: Mapping[str, Any] | None) -> float | None:
    """Control steps a second, as the environment's arguments say it: robosuite's, or Isaac Lab's simulation's."""
    kwargs, sim = ((env_args or {}).get(name) for name in ("env_kwargs", "sim_args"))
    hz = kwargs.get("control_freq") if isinstance(kwargs, Mapping) else None
    if isinstance(sim, Mapping) and hz is None:
        dt, decimation = sim.get("dt"), sim.get("decimation")
        # rounded: 1 / (0.01 * 2) is to be 50, not 49.99...
        known = _is_positive(dt) and _is_positive(decimation)
        hz = round(1 / (float(str(dt)) * float(str(decimation))), 9) if known else None
    return float(str(hz)) if _is_positive(hz) else None


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
