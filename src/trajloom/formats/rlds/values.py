"""Values of a feature as arrays, attributes or raw rows."""

import base64
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats.rlds.example import Feature
from trajloom.formats.rlds.features import Spec
from trajloom.formats.rlds.images import decoded
from trajloom.formats.rlds.proto import tensor
from trajloom.tables import Array, Rest

MAX_ATTR = 256
"""Values of an attribute; what is longer goes to `rest`."""


def steps_in(feature: Feature, spec: Spec) -> int:
    """How many steps a column's feature has, by its count alone; DamagedFileError where it is no whole number."""
    if spec.encoding == "proto":
        return len(_whole_tensor(feature))
    count = feature.count()
    size = 1 if spec.image or spec.encoding in ("bytes", "zlib") else math.prod(n or 1 for n in spec.shape)
    if count % size:
        raise DamagedFileError(f"{spec.name}: {count} numbers are no whole steps of shape {spec.shape}")
    return count // size


def column(feature: Feature, spec: Spec, shape: tuple[int, ...], length: int, start: int, stop: int) -> Array:
    """Values of the steps [start, stop), (stop - start, *shape) of the column's element type.

    Raises:
        DamagedFileError: It has not `length` steps, or values that its type does not hold.
    """
    found = steps_in(feature, spec)
    if found != length:
        raise DamagedFileError(f"{spec.name} has {found} of {length} steps")
    if spec.encoding == "proto":
        values = _whole_tensor(feature)[start:stop]
        if values.shape[1:] != shape:
            raise DamagedFileError(f"{spec.name} has steps of shape {values.shape[1:]} where {shape} was expected")
        return _cast(values, spec)
    if spec.image or spec.encoding in ("bytes", "zlib"):
        values = np.empty((stop - start, *shape), dtype=spec.dtype)
        for row, (first, last) in enumerate(feature.texts()[start:stop]):
            values[row] = _row(bytes(feature.data[first:last]), spec, shape)
        return values
    size = math.prod(shape)
    return _cast(feature.numbers(start * size, stop * size).reshape(stop - start, *shape), spec)


def _row(data: bytes, spec: Spec, shape: tuple[int, ...]) -> Array:
    if spec.image:
        return decoded(data, shape, spec.dtype, spec.name)
    size = math.prod(shape) * np.dtype(spec.dtype).itemsize
    if spec.encoding == "zlib":
        try:
            data = zlib.decompressobj().decompress(data, size + 1)
        except zlib.error as error:
            raise DamagedFileError(f"{spec.name} cannot be unpacked ({error})") from error
    if len(data) != size:
        raise DamagedFileError(f"{spec.name}: {len(data)} bytes where {size} were expected")
    return np.frombuffer(data, dtype=spec.dtype).reshape(shape)


def _whole_tensor(feature: Feature) -> Array:
    texts = feature.texts()
    if len(texts) != 1:
        raise DamagedFileError(f"{len(texts)} values where one serialized tensor was expected")
    found = tensor(feature.data, *texts[0])
    if found is None or not isinstance(found, np.ndarray) or not found.ndim:
        raise DamagedFileError("bytes that are no serialized tensor of numbers with a first dimension")
    return found


def _cast(values: Array, spec: Spec) -> Array:
    """Numbers in their declared type; what it cannot hold is no value that was written."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast = values.astype(spec.dtype)
    whole = values.dtype.kind in "iu" and spec.dtype not in ("uint64", "float64")
    if whole and not np.array_equal(cast.astype(values.dtype), values):
        raise DamagedFileError(f"{spec.name} holds numbers that are no {spec.dtype}")
    return cast


# ---- what is no column -----------------------------------------------------------------------------------------


def strings(feature: Feature) -> list[bytes]:
    """The values of a list of bytes; a serialized tensor of strings is taken apart."""
    found = [bytes(feature.data[start:stop]) for start, stop in feature.texts()]
    if len(found) == 1 and isinstance(inner := tensor(found[0], 0, len(found[0])), list):
        return inner
    return found


def as_attr(feature: Feature, spec: Spec | None) -> dict[str, Any] | None:
    """A feature as a typed attribute; None where it does not fit into one: too long, or bytes that are no text."""
    if feature.kind == "bytes":
        values = set(strings(feature))
        text = _utf8(values.pop()) if len(values) == 1 else None
        return None if text is None or len(text) > 64 * MAX_ATTR else {"dtype": "str", "value": text}
    numbers = feature.numbers()
    if not 0 < len(numbers) <= MAX_ATTR:
        return None
    known = spec if spec is not None and spec.odd is None and spec.dtype != "string" else None
    values = numbers if known is None else _cast(numbers, known)
    head: dict[str, Any] = {"dtype": values.dtype.str}
    if len(values) > 1 or (known is not None and known.shape):
        head["shape"] = [len(values)]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        return {**head, "bytes": base64.b64encode(values.tobytes()).decode()}
    return {**head, "value": values.tolist() if "shape" in head else values.tolist()[0]}


def _utf8(text: bytes) -> str | None:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


def text_of(attr: Mapping[str, Any] | None) -> str | None:
    """A text attribute's value."""
    return attr["value"] if attr is not None and attr["dtype"] == "str" else None


def as_rest(feature: Feature, path: str, episode: int) -> Rest:
    """A feature as it lies: numbers as they are, bytes padded to the longest of them."""
    if feature.kind != "bytes":
        numbers = feature.numbers()
        return Rest(path, numbers.dtype.str, (len(numbers),), numbers.tobytes(), episode)
    values = strings(feature)
    width = max(1, max(map(len, values), default=1))
    if width * len(values) > 1 << 30:
        raise DamagedFileError(f"{path}: {len(values)} values of up to {width:,} bytes are too much for one episode")
    data = b"".join(value.ljust(width, b"\0") for value in values)
    return Rest(path, f"|S{width}", (len(values),), data, episode)
