"""Attributes, which in Zarr are JSON, as the typed values of a header, and back."""

import json
from collections.abc import Collection, Mapping
from typing import Any

Typed = dict[str, Any]
_KINDS: Mapping[type, str] = {bool: "|b1", int: "<i8", float: "<f8", str: "str"}


def typed(attrs: Mapping[str, Any] | None) -> dict[str, Typed]:
    """JSON attributes as typed values; what is no plain value has the type "json"."""
    return {name: {"dtype": _KINDS.get(type(value), "json"), "value": value} for name, value in (attrs or {}).items()}


def plain(attrs: Mapping[str, Typed]) -> dict[str, Any]:
    """The inverse of `typed`."""
    return {name: attr.get("value") for name, attr in attrs.items()}


def env_args_of(attrs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The environment's arguments, which lie there as JSON text, or as JSON."""
    value = attrs.get("env_args")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def without(attrs: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Attributes but for some."""
    return {name: value for name, value in attrs.items() if name not in names}
