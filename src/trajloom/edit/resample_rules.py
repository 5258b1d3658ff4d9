"""How each column of a dataset gets its value at a new instant."""

from collections.abc import Mapping
from typing import Literal

from trajloom import osc
from trajloom.edit.images import image_of
from trajloom.edit.rotations import rotation_of
from trajloom.errors import SettingsError, UnknownNameError
from trajloom.schema import Column, Header, path_of

Method = Literal["linear", "nearest"]
Rule = Literal["linear", "slerp", "nearest", "previous"]
"""How a column gets its value at a new instant; "previous" is the last one at or before it."""

RULES: tuple[Rule, ...] = ("linear", "slerp", "nearest", "previous")


def rules_of(header: Header, method: Method, chosen: Mapping[str, Rule]) -> dict[str, Rule]:
    """The rule of every data column."""
    known = {column.name for column in header.steps}
    for name, rule in chosen.items():
        if name not in known:
            raise UnknownNameError("column in steps", name, known)
        if rule not in RULES:
            raise UnknownNameError("rule of resampling", rule, RULES)
    rules: dict[str, Rule] = {column.name: _rule(header, column, method) for column in header.steps}
    for column in header.steps:
        if column.name in chosen:
            _check_rule(column, chosen[column.name])
            rules[column.name] = chosen[column.name]
    return rules


def _rule(header: Header, column: Column, method: Method) -> Rule:
    if column.dtype == "bool":
        return "previous"
    if path_of(column.name) == "actions" and is_absolute(header):
        return "previous"
    if method == "nearest" or not column.dtype.startswith("float") or image_of(column):
        return "nearest"
    return "slerp" if rotation_of(column) else "linear"


def _check_rule(column: Column, rule: Rule) -> None:
    what = f"{column.dtype} {column.shape}"
    if rule == "slerp" and not rotation_of(column):
        raise SettingsError(f"{column.name}: slerp needs rotations; {what} under this name are none that we know")
    if rule == "linear" and not column.dtype.startswith("float"):
        raise SettingsError(f"{column.name}: linear needs floats, not {what}; there are: nearest, previous")
    if rule != "nearest" and image_of(column):
        raise SettingsError(f"{column.name} holds images, which are always the nearest, not {rule}")


def is_absolute(header: Header) -> bool:
    """Whether the arm's controller takes target poses."""
    kwargs = (header.env_args or {}).get("env_kwargs")
    config = kwargs.get("controller_configs") if isinstance(kwargs, Mapping) else None
    return isinstance(config, Mapping) and osc.is_absolute(config)
