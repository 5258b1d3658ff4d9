"""What both sides of the comparison with robomimic's items share."""

from typing import Any

KEYS = ("object", "robot0_eef_pos")


def flat(item: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested items by path."""
    found: dict[str, Any] = {}
    for name, value in item.items():
        found |= flat(value, f"{above}{name}/") if isinstance(value, dict) else {f"{above}{name}": value}
    return found
