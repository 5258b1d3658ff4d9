"""Message definitions of ROS 1 and 2: text into a tree of fields."""

import re
from dataclasses import dataclass

import numpy as np

from trajloom.errors import SchemaError

MAX_FIELDS = 10_000
"""Fields of a message with all that is nested in it."""
MAX_DEPTH = 32

_NUMBERS = {f"{kind}{bits}": np.dtype(f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_NUMBERS |= {"float32": np.dtype("f4"), "float64": np.dtype("f8"), "bool": np.dtype("?")}
ROS2_NUMBERS = {**_NUMBERS, "byte": np.dtype("u1"), "char": np.dtype("u1")}
ROS1_NUMBERS = {**_NUMBERS, "byte": np.dtype("i1"), "char": np.dtype("u1")}

_FIELD = re.compile(
    r"^(?P<type>[A-Za-z][\w/]*)(?:<=\d{1,12})?(?P<array>\[(?:<=)?\d{0,12}\])?\s+(?P<name>[A-Za-z]\w*)\b"
)
_CONSTANT = re.compile(r"^[A-Za-z]\w*(<=\d+)?\s+[A-Za-z]\w*\s*=(?!=)")
_STAMPS = {"builtin_interfaces/Time", "builtin_interfaces/Duration"}


@dataclass(frozen=True)
class Field:
    """A field of a message."""

    name: str
    kind: "np.dtype | str | Message"
    """A number, "string", or another message."""
    length: int | None = None
    """None for one value, -1 for a list of any length, else the length of an array."""


@dataclass(frozen=True)
class Message:
    """A message, or one that is nested in it."""

    name: str
    fields: tuple[Field, ...]

    @property
    def steady(self) -> bool:
        """Whether all messages have the same numbers: no list of any length in it."""
        return all(f.length != -1 and (not isinstance(f.kind, Message) or f.kind.steady) for f in self.fields)


def parse(name: str, text: str, ros1: bool = False) -> Message:
    """The definition of a message, with those that it refers to after lines of `=`.

    Raises:
        SchemaError: A line is no field, a message is missing, or one holds itself.
    """
    known = _sections(_short(name), text)
    return _Resolver(known, ROS1_NUMBERS if ros1 else ROS2_NUMBERS).message(_short(name), ())


def _short(name: str) -> str:
    """`sensor_msgs/msg/Image` is `sensor_msgs/Image` too."""
    pieces = name.split("/")
    return f"{pieces[0]}/{pieces[-1]}"


def _sections(name: str, text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {name: []}
    for line in text.splitlines():
        line = line.strip()
        if re.fullmatch(r"={3,}", line):
            name = ""
        elif line.startswith("MSG:"):
            name = _short(line.removeprefix("MSG:").strip())
            sections.setdefault(name, [])
        elif line and not line.startswith("#"):
            sections.setdefault(name, []).append(line)
    return sections


class _Resolver:
    def __init__(self, sections: dict[str, list[str]], numbers: dict[str, np.dtype]):
        self._sections, self._numbers = sections, numbers
        self._fields = 0

    def message(self, name: str, within: tuple[str, ...]) -> Message:
        if name in within or len(within) > MAX_DEPTH:
            raise SchemaError(f"message {name} holds itself: {' > '.join((*within[-3:], name))}")
        if name not in self._sections and name in _STAMPS:
            signed = np.dtype("i4")
            return Message(name, (Field("sec", signed), Field("nanosec", np.dtype("u4"))))
        if name not in self._sections:
            raise SchemaError(f"message {name} is not defined; those that are: {', '.join(self._sections)[:200]}")
        lines = [line for line in self._sections[name] if not _CONSTANT.match(line)]
        return Message(name, tuple(self._field(line, name, within) for line in lines))

    def _field(self, line: str, message: str, within: tuple[str, ...]) -> Field:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise SchemaError(f"message {(*within, message)[0]} has more than {MAX_FIELDS:,} fields")
        found = _FIELD.match(line)
        if not found:
            raise SchemaError(f"in message {message}, this is no field: {line[:80]!r}")
        kind = self._kind(found["type"], message, (*within, message))
        return Field(found["name"], kind, _length(found["array"]))

    def _kind(self, kind: str, message: str, within: tuple[str, ...]) -> "np.dtype | str | Message":
        if kind in self._numbers:
            return self._numbers[kind]
        if kind == "string":
            return kind
        if kind in ("time", "duration"):
            seconds = np.dtype("u4" if kind == "time" else "i4")
            return Message(kind, (Field("sec", seconds), Field("nanosec", seconds)))
        if kind == "wstring":
            raise SchemaError(f"message {message} has a wstring, whose bytes differ between writers")
        if kind == "Header":
            return self.message("std_msgs/Header", within)
        return self.message(_short(kind) if "/" in kind else f"{message.split('/')[0]}/{kind}", within)


def _length(array: str | None) -> int | None:
    if array is None:
        return None
    inside = array[1:-1]
    return -1 if not inside or inside.startswith("<=") else int(inside)
