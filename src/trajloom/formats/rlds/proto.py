"""TensorProto: what `tf.io.serialize_tensor` writes."""

import math
from typing import Any

import numpy as np

from trajloom.formats.rlds.wire import BYTES, VARINT, Span, WireError, fields, varint
from trajloom.tables import Array

_DTYPES = {
    1: "<f4", 2: "<f8", 3: "<i4", 4: "|u1", 5: "<i2", 6: "|i1", 9: "<i8", 10: "|b1", 17: "<u2", 19: "<f2", 22: "<u4",
    23: "<u8",
}  # fmt: skip
_STRING = 7
_MAX_DIMENSIONS = 32


def tensor(data: Any, start: int, stop: int) -> Array | list[bytes] | None:
    """The tensor in bytes [start, stop): numbers, or a list of strings; None where these are no tensor."""
    try:
        return _tensor(data, list(fields(data, start, stop)))
    except ValueError:  # WireError, or a shape that NumPy refuses
        return None


def _tensor(data: Any, spans: list[Span]) -> Array | list[bytes] | None:
    known = {(1, VARINT), (2, BYTES), (3, VARINT), (4, BYTES), (8, BYTES)}
    if not spans or any((span.number, span.kind) not in known for span in spans):
        return None
    found = {span.number: span for span in spans}
    if 1 not in found:
        return None
    kind = varint(data, found[1].start, found[1].stop)[0]
    shape = _shape(data, found.get(2))
    if kind == _STRING:
        texts = [bytes(data[span.start : span.stop]) for span in spans if span.number == 8]
        return texts if len(texts) == math.prod(shape) else None
    content = found.get(4, Span(4, BYTES, 0, 0))
    if kind not in _DTYPES or math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize != content.stop - content.start:
        return None
    raw = np.frombuffer(data[content.start : content.stop], dtype=np.uint8)
    values = raw != 0 if kind == 10 else raw.view(_DTYPES[kind])
    return values.reshape(shape)


def _shape(data: Any, span: Span | None) -> tuple[int, ...]:
    if span is None:
        return ()
    dimensions = [inner for inner in fields(data, span.start, span.stop) if inner.number == 2]
    if len(dimensions) > _MAX_DIMENSIONS:
        raise WireError(f"a tensor of {len(dimensions)} dimensions")
    return tuple(_size(data, dimension) for dimension in dimensions)


def _size(data: Any, dimension: Span) -> int:
    if dimension.kind != BYTES:
        raise WireError("a dimension that is no message")
    sizes = [span for span in fields(data, dimension.start, dimension.stop) if (span.number, span.kind) == (1, VARINT)]
    return varint(data, sizes[-1].start, sizes[-1].stop)[0] if sizes else 0
