"""tf.train.Example and SequenceExample: name -> list of bytes, of float32 or of int64."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from trajloom.formats.rlds.wire import BYTES, FIXED32, VARINT, Span, Varints, WireError, fields
from trajloom.tables import Array

Kind = Literal["bytes", "float", "int"]
_KINDS: Mapping[int, Kind] = {1: "bytes", 2: "float", 3: "int"}


@dataclass(frozen=True)
class Feature:
    """The values under one name, not yet decoded."""

    data: Any
    kind: Kind | None
    """None where the list is empty and does not say."""
    lists: tuple[tuple[int, int], ...]
    """Bytes [start, stop) of each list; one in an Example."""

    def numbers(self, first: int = 0, last: int | None = None) -> Array:
        """Numbers `first` to `last` - 1, (n,) float32 or int64; no others are decoded."""
        last = self.count() if last is None else last
        pieces, at = [np.empty(0, dtype="<f4" if self.kind == "float" else "<i8")], 0
        for packed in self._packed:
            a, b = max(first - at, 0), min(last - at, len(packed))
            if a < b:
                pieces.append(packed.between(a, b) if isinstance(packed, Varints) else packed[a:b])
            at += len(packed)
        return pieces[1] if len(pieces) == 2 else np.concatenate(pieces)

    @cached_property
    def _packed(self) -> list[Array | Varints]:
        return [self._numbers_in(span) for start, stop in self.lists for span in _values(self.data, start, stop)]

    def _numbers_in(self, span: Span) -> Array | Varints:
        if self.kind == "float" and span.kind in (BYTES, FIXED32):
            if (span.stop - span.start) % 4:
                raise WireError(f"{span.stop - span.start} bytes are no float32 numbers")
            return np.frombuffer(self.data[span.start : span.stop], dtype="<f4")
        if self.kind == "int" and span.kind in (BYTES, VARINT):
            return Varints(self.data, span.start, span.stop)
        raise WireError(f"a list of {self.kind} holds a field of kind {span.kind}")

    def texts(self) -> list[tuple[int, int]]:
        """Bytes [start, stop) of each value of a list of bytes."""
        found = [span for start, stop in self.lists for span in _values(self.data, start, stop)]
        if any(span.kind != BYTES for span in found):
            raise WireError("a list of bytes holds a number")
        return [(span.start, span.stop) for span in found]

    def count(self) -> int:
        """How many values there are; decodes none."""
        return len(self.texts()) if self.kind == "bytes" else sum(map(len, self._packed))


def _values(data: Any, start: int, stop: int) -> list[Span]:
    return [span for span in fields(data, start, stop) if span.number == 1]


def features(data: Any, start: int, stop: int) -> dict[str, Feature]:
    """What an Example in bytes [start, stop) holds by name; of a name that is there twice, the last.

    Raises:
        WireError: It is no Example.
    """
    found: dict[str, Feature] = {}
    for span in _messages(data, start, stop):
        if span.number in (1, 2):
            for entry in _messages(data, span.start, span.stop):
                name, value = _entry(data, entry)
                found[name] = _feature(data, value) if span.number == 1 else _feature_list(data, value)
    return found


def _messages(data: Any, start: int, stop: int) -> list[Span]:
    spans = list(fields(data, start, stop))
    if any(span.kind != BYTES for span in spans):
        raise WireError(f"a number where a message was expected, in bytes {start} to {stop}")
    return spans


def _entry(data: Any, entry: Span) -> tuple[str, Span]:
    name, value = "", Span(2, BYTES, entry.stop, entry.stop)
    for span in _messages(data, entry.start, entry.stop):
        if span.number == 1:
            name = _text(data, span)
        elif span.number == 2:
            value = span
    return name, value


def _text(data: Any, span: Span) -> str:
    try:
        return bytes(data[span.start : span.stop]).decode()
    except UnicodeDecodeError as error:
        raise WireError(f"a name at byte {span.start} is no UTF-8") from error


def _feature(data: Any, value: Span) -> Feature:
    kind, lists = None, ()
    for span in _messages(data, value.start, value.stop):
        if span.number in _KINDS:
            kind, lists = _KINDS[span.number], ((span.start, span.stop),)
    return Feature(data, kind, lists)


def _feature_list(data: Any, value: Span) -> Feature:
    members = [_feature(data, span) for span in _messages(data, value.start, value.stop) if span.number == 1]
    kinds: set[Kind] = {member.kind for member in members if member.kind is not None}
    if len(kinds) > 1:
        raise WireError(f"a list of features mixes {', '.join(sorted(kinds))}")
    return Feature(data, kinds.pop() if kinds else None, tuple(span for member in members for span in member.lists))
