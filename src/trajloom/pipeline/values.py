"""What may stand in an episode's dict, and how what is no regular column lies in the table `rest`."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from trajloom.errors import SchemaError
from trajloom.schema import ELEMENT_TYPES, Header
from trajloom.tables import Array, Rest

SPELLED_AS_HDF5 = (None, "hdf5", "isaaclab", "simscaleai", "dataaug")
"""Formats whose rows of `rest` have element types as HDF5 has them; None is data made in memory."""
TEXTS = ("str", "ascii")


def array_of(row: Rest, header: Header) -> Any:
    """The value of a row of `rest` as h5py would give it, or None where Python has none that comes back the same."""
    if header.layout.get("format") not in SPELLED_AS_HDF5 or row.path.startswith("//"):
        return None
    if row.dtype == "group":
        return {} if not row.attrs else None
    if row.shape is None or row.data is None or (row.attrs or {}).get("", {}).get("rows"):
        return None
    if row.dtype in TEXTS:
        texts = np.array(json.loads(row.data), dtype=object).reshape(row.shape)
        return texts if row.shape else texts.item()
    try:
        values = np.frombuffer(row.data, dtype=np.dtype(row.dtype))
    except (TypeError, ValueError):
        return None
    return values.reshape(row.shape).copy() if values.size == int(np.prod(row.shape)) else None


def rest_of(path: str, value: Array, where: str) -> Rest:
    """The row of `rest` that an array becomes, spelled as HDF5 has it; SchemaError where HDF5 has no such type."""
    if value.dtype.kind in "OU":
        texts = value.reshape(-1).tolist()
        if not all(isinstance(text, str) for text in texts):
            other = next(type(text).__name__ for text in texts if not isinstance(text, str))
            raise SchemaError(f"{where}: {path} holds {other}; arrays hold numbers, booleans and texts")
        return Rest(path, "str", value.shape, json.dumps(texts).encode())
    if value.dtype.kind not in "biufcSV" or value.dtype.fields:
        raise SchemaError(f"{where}: {path} has element type {value.dtype}, which HDF5 does not have")
    return Rest(path, value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())


def column_type(value: Array) -> str | None:
    """The element type of a data column that holds such values; None where there is none.

    It must be a native one, and no dimension beyond the first empty.
    """
    return None if 0 in value.shape[1:] else _native(value.dtype)


@lru_cache(maxsize=1000)
def _native(dtype: np.dtype) -> str | None:
    # NumPy takes five microseconds to put a type's name together
    return dtype.name if dtype.name in ELEMENT_TYPES and dtype.isnative else None


def flat(tree: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[tuple[str, Array | dict[str, Any]]]:
    """Path -> array for everything in an episode's dict; an empty group is an empty dict.

    A list of dicts (an item a step, as MimicGen gives observations) is taken as arrays with a row an item.

    Raises:
        SchemaError: A key is no name, or a value is nothing that an array holds.
    """
    if prefix and not tree:
        yield prefix.rstrip("/"), {}
    for key, value in tree.items():
        if not isinstance(key, str) or not key.strip("/"):
            raise SchemaError(f"{where}: the key {key!r} in {prefix or 'the episode'} is no name")
        path = prefix + key.strip("/")
        value = collated(value, f"{where}: {path}")
        if isinstance(value, Mapping):
            yield from flat(value, where, path + "/")
        else:
            yield path, _array(value, f"{where}: {path}")


def collated(value: Any, where: str) -> Any:
    """A list of dicts (or of MimicGen's records) as a dict of lists; anything else as it is."""
    if hasattr(value, "to_dict"):
        value = _without_nothing(value)
    if not is_list_of_records(value):
        return value
    items = [_without_nothing(item) for item in value]
    keys = list(dict.fromkeys(key for item in items for key in item))
    for number, item in enumerate(items):
        missing = [key for key in keys if key not in item]
        if missing:
            raise SchemaError(f"{where} is a list of dicts; item {number} lacks {', '.join(missing)}")
    return {key: [item[key] for item in items] for key in keys}


def is_list_of_records(value: Any) -> bool:
    """Whether something is a list of dicts, or of objects that can be."""
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_record, value))


def _is_record(value: Any) -> bool:
    return isinstance(value, Mapping) or hasattr(value, "to_dict")


def _without_nothing(record: Any) -> dict[str, Any]:
    """A record as a dict, without what it does not know."""
    values = record.to_dict() if hasattr(record, "to_dict") else record
    return {key: value for key, value in values.items() if value is not None}


def _array(value: Any, where: str) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if value is None:
        raise SchemaError(f"{where} is None, which no array holds; leave it out")
    if isinstance(value, str):
        return np.array(value, dtype=object)
    if _is_texts(value):
        return np.array(value, dtype=object)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise SchemaError(f"{where} is no array: {error}") from error
    if array.dtype == object:
        raise SchemaError(f"{where} is a {type(value).__name__}, which no array holds")
    return array


def _is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], str)
