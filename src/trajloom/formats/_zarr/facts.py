"""What attributes of Zarr files say of episodes: `env_args`, `total`, `success_<i>`, `seed_<i>`, `success_rate`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def env_args_of(attrs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The environment's arguments, as JSON text or as they are."""
    found = attrs.get("env_args")
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return None
    return dict(found) if isinstance(found, Mapping) else None


def control_hz_of(env_args: Mapping[str, Any] | None) -> float | None:
    """Control steps a second, as the environment's arguments say it."""
    kwargs = (env_args or {}).get("env_kwargs")
    hz = kwargs.get("control_freq") if isinstance(kwargs, Mapping) else None
    return float(hz) if isinstance(hz, int | float) and not isinstance(hz, bool) and hz > 0 else None


def success_rate(success: Sequence[bool | None]) -> float | None:
    """Share of successes among the episodes of which it is known; None (JSON: null) where of none."""
    known = [one for one in success if one is not None]
    return sum(known) / len(known) if known else None
