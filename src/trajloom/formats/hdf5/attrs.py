"""Attributes of groups and datasets: their types and values, as JSON and back."""

import base64
from typing import Any

import numpy as np
from h5py import h5a, h5s

from trajloom.formats.hdf5.values import ElementType, as_plain, from_plain, type_named, type_of

Typed = dict[str, Any]
"""An attribute as JSON: `dtype`, `shape` where it is an array, and `value` (flat) or `bytes` (base64)."""


def read_attrs(owner: Any) -> dict[str, Typed]:
    """All attributes of a group or a dataset, typed."""
    found: dict[str, Typed] = {}
    for index in range(h5a.get_num_attrs(owner)):
        attr = h5a.open(owner, index=index)
        found[attr.name.decode("utf-8", "surrogateescape")] = typed(attr)
    return dict(sorted(found.items()))


def read_attr(owner: Any, name: str) -> Typed | None:
    """One attribute, or None."""
    raw = name.encode()
    return typed(h5a.open(owner, raw)) if h5a.exists(owner, raw) else None


def typed(attr: h5a.AttrID) -> Typed:
    """An attribute's type and value."""
    kind = type_of(attr.get_type())
    if attr.get_space().get_simple_extent_type() == h5s.NULL:
        return {"dtype": kind.name, "empty": True}
    shape = attr.shape
    head: Typed = {"dtype": kind.name, "shape": list(shape)} if shape else {"dtype": kind.name}
    if 0 in shape:
        return {**head, "value": []}
    if kind.flat:
        values = np.empty(shape, dtype=f"V{kind.size}")
        attr.read(values, mtype=kind.id)
        return {**head, **_readable(values.tobytes(), kind, shape)}
    values = np.empty(shape, dtype=kind.dtype)
    attr.read(values)
    plain = as_plain(values, attr)
    return {**head, "value": plain if shape else plain[0]}


def _readable(raw: bytes, kind: ElementType, shape: tuple[int, ...]) -> Typed:
    if not kind.name.startswith("hdf5:"):
        values = np.frombuffer(raw, dtype=kind.name)
        if values.dtype.kind in "biu" or (values.dtype.kind == "f" and kind.size <= 8 and np.isfinite(values).all()):
            return {"value": values.tolist() if shape else values.tolist()[0]}
        if values.dtype.kind == "S" and raw.isascii():
            texts = [value.decode("ascii") for value in values.tolist()]
            return {"value": texts if shape else texts[0]}
    return {"bytes": base64.b64encode(raw).decode()}


def value_of(attr: Typed | None) -> Any:
    """An attribute's plain value, or None where it has none that JSON can hold."""
    return None if attr is None else attr.get("value")


def spell(value: Any) -> Typed:
    """A plain value typed as h5py would write it."""
    match value:
        case bool():
            return {"dtype": "|b1", "value": value}
        case int():
            return {"dtype": "<i8", "value": value}
        case float():
            return {"dtype": "<f8", "value": value}
    return {"dtype": "str", "value": str(value)}


def write_attr(owner: Any, name: str, attr: Typed) -> None:
    """The inverse of `typed`; an attribute of this name that is there already is replaced."""
    kind, raw_name = type_named(attr["dtype"]), name.encode("utf-8", "surrogateescape")
    if h5a.exists(owner, raw_name):
        h5a.delete(owner, raw_name)
    if attr.get("empty"):
        h5a.create(owner, raw_name, kind.id, h5s.create(h5s.NULL))
        return
    shape = tuple(attr.get("shape", ()))
    created = h5a.create(owner, raw_name, kind.id, _space(shape))
    if 0 in shape:
        return
    if "bytes" in attr:
        raw = np.frombuffer(base64.b64decode(attr["bytes"]), dtype=f"V{kind.size}").reshape(shape)
        created.write(raw, mtype=kind.id)
    elif kind.flat:
        created.write(np.asarray(attr["value"], dtype=kind.name).reshape(shape), mtype=kind.id)
    else:
        plain = attr["value"] if shape else [attr["value"]]
        created.write(from_plain(plain, shape, kind.dtype, created))


def _space(shape: tuple[int, ...]) -> h5s.SpaceID:
    return h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
