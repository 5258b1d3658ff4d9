"""Settings from text, by the types that an augmentation's fields have."""

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from trajloom.augmentation import Augmentation
from trajloom.errors import SettingsError, UnknownNameError

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def made(name: str, kind: type[Augmentation], text: str) -> Augmentation:
    """An augmentation from `key=value,...`; see `augment.parse`."""
    if not is_dataclass(kind):
        raise SettingsError(f"{name} takes objects as settings, which text cannot say; make it in Python")
    known = {field.name: field for field in fields(kind) if not field.metadata.get("fitted")}
    types_of = typing.get_type_hints(kind)
    given: dict[str, Any] = {}
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
    missing = [key for key, field in known.items() if key not in given and not _has_default(field)]
    if missing:
        raise SettingsError(f"{name} needs {', '.join(missing)}: {name}:{','.join(f'{m}=...' for m in missing)}")
    return kind(**{key: _setting(name, key, types_of[key], value) for key, value in given.items()})


def _pairs(name: str, text: str, known: Mapping[str, Field[Any]]) -> list[tuple[str, str]]:
    """Keys and values; a comma before something that is no `key=` belongs to the value."""
    pairs: list[tuple[str, str]] = []
    for word in text.split(",") if text.strip() else ():
        key, sign, value = word.partition("=")
        is_key = sign and key.strip().replace(".", "_").replace("/", "_").replace("*", "_").isidentifier()
        if is_key:
            pairs.append((key.strip(), value.strip()))
        elif pairs:
            pairs[-1] = pairs[-1][0], f"{pairs[-1][1]},{word}"
        else:
            raise SettingsError(f"{name} takes settings as key=value, got {word!r}; there are: {', '.join(known)}")
    return pairs


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _setting(name: str, key: str, wanted: Any, value: Any) -> Any:
    try:
        return _value(wanted, value)
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{name}: {key} must be {_words(wanted)}, got {value!r}") from error


def _value(wanted: Any, value: Any) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(inner, value)
    if origin is Literal:
        return {str(choice): choice for choice in inner}[value]
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {name: _value(inner[1], one) for name, one in value.items()}
    if isinstance(value, dict):
        raise ValueError(value)
    if origin is tuple:
        return _several(inner, value.split("+") if value else [])
    return _simple(wanted, value)


def _first_that_fits(choices: tuple[Any, ...], value: Any) -> Any:
    if type(None) in choices and value == "none":
        return None
    for choice in choices:
        if choice is not type(None):
            try:
                return _value(choice, value)
            except (ValueError, KeyError, TypeError):
                continue
    raise ValueError(value)


def _several(inner: tuple[Any, ...], words: list[str]) -> tuple[Any, ...]:
    if inner[1:] == (Ellipsis,):
        return tuple(_value(inner[0], word) for word in words)
    if len(words) != len(inner):
        raise ValueError(words)
    return tuple(_value(kind, word) for kind, word in zip(inner, words, strict=True))


def _simple(wanted: Any, value: str) -> Any:
    convert: Callable[[str], Any] = (lambda text: _WORDS[text.lower()]) if wanted is bool else wanted
    return convert(value)


def _words(wanted: Any) -> str:
    """A type as people say it."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if kind is type(None) else _words(kind) for kind in inner)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin is tuple:
        return f"{_words(inner[0])} +..." if inner[1:] == (Ellipsis,) else "+".join(map(_words, inner))
    if inner:
        return "name.NAME=value"
    return {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}.get(
        getattr(wanted, "__name__", ""), str(wanted)
    )
