"""Settings from text, by the types that an augmentation's settings have."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from trajloom.augmentation import Augmentation
from trajloom.errors import SettingsError, UnknownNameError

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Setting:
    """One setting of an augmentation."""

    name: str
    kind: Any
    """Its type."""
    default: Any
    """`inspect.Parameter.empty` where it must be given."""

    @property
    def needed(self) -> bool:
        return self.default is inspect.Parameter.empty

    @property
    def words(self) -> str:
        """Its type as people say it."""
        return _words(self.kind)


def settings_of(kind: type[Augmentation]) -> dict[str, Setting]:
    """The settings of an augmentation, by name, without what only `fit` finds."""
    owner: Any = kind if is_dataclass(kind) else kind.__init__
    hints = typing.get_type_hints(owner)
    fitted = {field.name for field in (fields(kind) if is_dataclass(kind) else ()) if field.metadata.get("fitted")}
    known = inspect.signature(kind).parameters.values()
    return {p.name: Setting(p.name, hints.get(p.name, Any), p.default) for p in known if p.name not in fitted}


def made(name: str, kind: type[Augmentation], text: str) -> Augmentation:
    """An augmentation from `key=value,...`; see `augment.parse`."""
    known, given = settings_of(kind), dict[str, Any]()
    for key, value in _pairs(name, text, known):
        setting, _, inner = key.partition(".")
        if setting not in known:
            raise UnknownNameError(f"setting of {name}", setting, known)
        if inner:
            given.setdefault(setting, {})[inner] = value
        elif setting in given:
            raise SettingsError(f"{name}: {setting} is given twice")
        else:
            given[setting] = value
    missing = [setting.name for setting in known.values() if setting.needed and setting.name not in given]
    if missing:
        raise SettingsError(f"{name} needs {', '.join(missing)}: {name}:{','.join(f'{m}=...' for m in missing)}")
    return kind(**{key: _checked(name, known[key], value) for key, value in given.items()})


def _pairs(name: str, text: str, known: Mapping[str, Setting]) -> list[tuple[str, str]]:
    """Keys and values; a comma before something that is no `key=` belongs to the value."""
    pairs: list[tuple[str, str]] = []
    for word in text.split(",") if text.strip() else ():
        key, sign, value = word.partition("=")
        if sign and key.partition(".")[0].strip().isidentifier():
            pairs.append((key.strip(), value.strip()))
        elif pairs:
            pairs[-1] = pairs[-1][0], f"{pairs[-1][1]},{word}"
        else:
            raise SettingsError(f"{name} takes settings as key=value, got {word!r}; there are: {', '.join(known)}")
    return pairs


def _checked(name: str, setting: Setting, value: Any) -> Any:
    try:
        return _value(setting.kind, value)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{name}: {setting.name} must be {setting.words}, got {value!r}") from error


def _value(wanted: Any, value: Any) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(inner, value)
    if origin is Literal:
        return {str(choice): choice for choice in inner}[value]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _value(inner[1], one) for name, one in value.items()}
    if isinstance(value, dict):
        raise ValueError(value)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        several = inner if origin is tuple else (inner[0], Ellipsis)
        return _several(several, value.split("+") if value else [])
    return _simple(wanted, value)


def _first_that_fits(choices: tuple[Any, ...], value: Any) -> Any:
    if type(None) in choices and value == "none":
        return None
    for choice in choices:
        if choice is not type(None):
            try:
                return _value(choice, value)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    raise ValueError(value)


def _several(inner: tuple[Any, ...], words: list[str]) -> tuple[Any, ...]:
    if inner[1:] == (Ellipsis,):
        return tuple(_value(inner[0], word) for word in words)
    if len(words) != len(inner):
        raise ValueError(words)
    return tuple(_value(kind, word) for kind, word in zip(inner, words, strict=True))


def _simple(wanted: Any, value: str) -> Any:
    if wanted is Any:
        return value
    convert: Callable[[str], Any] = (lambda text: _WORDS[text.lower()]) if wanted is bool else wanted
    return convert(value)


_PLAIN = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Any: "text", type(None): "none"}


def _words(wanted: Any) -> str:
    """A type as people say it."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_words(kind) for kind in inner)
    if origin is Literal:
        return ", ".join(map(str, inner[:-1])) + f" or {inner[-1]}" if inner[1:] else str(inner[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "NAME=value, each as setting.NAME=value"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        both = origin is tuple and inner[1:] != (Ellipsis,)
        return "+".join(_words(kind) for kind in inner) if both else f"{_words(inner[0])}, several with + between"
    return _PLAIN.get(wanted, "a Python object")
