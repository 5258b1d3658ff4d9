"""From a channel to what reads its messages: ROS 2 (CDR), ROS 1, JSON."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from trajloom.errors import DamagedFileError, SchemaError
from trajloom.formats.mcap.definitions import Message, parse
from trajloom.formats.mcap.images import CompressedImages, RawImages
from trajloom.formats.mcap.records import Channel
from trajloom.formats.mcap.wire import TEXT, UNEVEN, Value, values_of

Described = tuple[np.dtype, tuple[int, ...]] | str
"""Element type and shape of a value, or why it is none."""

ROS = {("cdr", "ros2msg"): False, ("ros1", "ros1msg"): True}
"""Encodings of messages and of their schema -> whether it is ROS 1."""
_IMAGES = {"Image": RawImages, "CompressedImage": CompressedImages}
MAX_JSON_DEPTH = 32


class Decoder(Protocol):
    """Reads messages of one topic. Paths are relative to the topic, "" is the topic itself."""

    steady: bool
    """Whether every message has the same paths, types and shapes, so that one tells of all."""

    def describe(self, data: memoryview) -> Mapping[str, Described]: ...

    def values(self, data: memoryview) -> Mapping[str, Value]: ...


def decoder_of(channel: Channel) -> Decoder:
    """What reads a channel's messages; SchemaError with the reason where nothing does."""
    if channel.encoding == "json":
        return JsonMessages(channel)
    key = (channel.encoding, channel.schema_encoding)
    if key not in ROS:
        raise SchemaError(
            f"messages encoded as {channel.encoding!r} with a schema of {channel.schema_encoding!r}; "
            "those that are read: cdr with ros2msg, ros1 with ros1msg, json"
        )
    message = parse(channel.schema_name, channel.schema.decode("utf-8", "replace"), ROS[key])
    package, _, name = message.name.partition("/")
    if package == "sensor_msgs" and name in _IMAGES and _is_image(message):
        return _IMAGES[name](message, ROS[key])
    return RosMessages(message, ROS[key])


def _is_image(message: Message) -> bool:
    """Whether it has the fields of sensor_msgs, which a definition of the same name need not have."""
    numbers = {f.name for f in message.fields if isinstance(f.kind, np.dtype)}
    texts = {f.name for f in message.fields if f.kind == "string"}
    raw = {"height", "width", "step", "is_bigendian", "data"} <= numbers and "encoding" in texts
    data = any(f.name == "data" and f.kind == np.dtype("u1") and f.length == -1 for f in message.fields)
    return data and (raw if message.name.endswith("/Image") else "format" in texts)


class RosMessages:
    """Decodes by a definition."""

    def __init__(self, message: Message, ros1: bool):
        self._message, self._ros1 = message, ros1
        self.steady = message.steady

    def describe(self, data: memoryview) -> Mapping[str, Described]:
        return described(self.values(data))

    def values(self, data: memoryview) -> Mapping[str, Value]:
        return values_of(self._message, data, self._ros1)


class JsonMessages:
    """Decodes JSON: numbers, booleans, and lists of them of any depth; a schema may say that a number is no integer."""

    steady = False

    def __init__(self, channel: Channel):
        try:
            self._schema = json.loads(channel.schema) if channel.schema_encoding == "jsonschema" else {}
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"the JSON schema cannot be read ({error})") from error

    def describe(self, data: memoryview) -> Mapping[str, Described]:
        return described(self.values(data))

    def values(self, data: memoryview) -> Mapping[str, Value]:
        try:
            message = json.loads(bytes(data))
        except (ValueError, RecursionError) as error:
            raise DamagedFileError(f"it is no JSON ({error})") from error
        found: dict[str, Value] = {}
        _flatten(message, self._schema, "", found, 0)
        return found


def _flatten(value: Any, schema: Any, path: str, found: dict[str, Value], depth: int) -> None:
    schema = schema if isinstance(schema, dict) else {}
    if depth > MAX_JSON_DEPTH:
        raise DamagedFileError(f"it is nested deeper than {MAX_JSON_DEPTH}")
    if isinstance(value, dict):
        inside = schema.get("properties")
        for key, inner in value.items():
            below = inside.get(key) if isinstance(inside, dict) else None
            _flatten(inner, below, f"{path}/{key}" if path else key, found, depth + 1)
    elif value is not None:
        found[path] = _number(value, _is_float(schema))


def _is_float(schema: Mapping[str, Any]) -> bool:
    """Whether a schema, or that of a list's items, says "number"."""
    for _ in range(MAX_JSON_DEPTH):
        inner = schema.get("items")
        if not isinstance(inner, dict):
            break
        schema = inner
    return schema.get("type") == "number"


def _number(value: Any, is_float: bool) -> Value:
    if isinstance(value, str):
        return TEXT
    try:
        array = np.array(value)
    except ValueError:
        return UNEVEN
    if array.dtype.kind == "i" and is_float:
        array = array.astype(np.float64)
    if array.dtype.kind not in "bif":
        return TEXT if array.dtype.kind in "US" else "no numbers, or none that fit 64 bits"
    return array


def described(values: Mapping[str, Value]) -> dict[str, Described]:
    """Types and shapes of values."""
    return {path: v if isinstance(v, str) else (v.dtype, v.shape) for path, v in values.items()}
