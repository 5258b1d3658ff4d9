"""HDF5 element types and values, written down so that they come back exactly.

A type has a name: NumPy's type string with byte order (`<f8`, `>i4`, `|S6`, `|b1` for h5py's enum of FALSE and TRUE),
`str` and `ascii` for h5py's variable-length strings, and `hdf5:<base64>` (HDF5's own encoding) for all else.
"""

import base64
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5r, h5s, h5t

from trajloom.schema import ELEMENT_TYPES

SPELLED = {"str": h5py.string_dtype("utf-8"), "ascii": h5py.string_dtype("ascii")}


@dataclass(frozen=True)
class ElementType:
    """An HDF5 element type and what we call it."""

    name: str
    id: h5t.TypeID = field(compare=False)

    @cached_property
    def dtype(self) -> np.dtype:
        """The NumPy type that h5py gives it."""
        return SPELLED.get(self.name) or self.id.dtype

    @cached_property
    def size(self) -> int:
        """Bytes of an element in the file."""
        return int(self.id.get_size())

    @cached_property
    def flat(self) -> bool:
        """Whether its values lie in the dataset itself: no variable length, no references."""
        return not _has_pointers(self.id)

    @cached_property
    def refers(self) -> bool:
        """Whether it holds references to objects."""
        return bool(self.id.detect_class(h5t.REFERENCE))

    @cached_property
    def column(self) -> str | None:
        """The element type of a data column that holds it as it is, or None."""
        if self.name.startswith("hdf5:") or self.name in SPELLED:
            return None
        dtype = np.dtype(self.name)
        return dtype.name if dtype.name in ELEMENT_TYPES and dtype.isnative else None


_by_encoding: dict[bytes, ElementType] = {}
_by_name: dict[str, ElementType] = {}


def type_of(type_id: h5t.TypeID) -> ElementType:
    """The element type of a dataset or an attribute."""
    encoding = type_id.encode()
    known = _by_encoding.get(encoding)
    if known is None:
        own = h5t.decode(encoding)
        known = _by_encoding[encoding] = ElementType(_name_of(own, encoding), own)
        _by_name.setdefault(known.name, known)
    return known


def type_named(name: str) -> ElementType:
    """The element type of this name."""
    if name not in _by_name:
        if name.startswith("hdf5:"):
            own = h5t.decode(base64.b64decode(name.removeprefix("hdf5:")))
        else:
            own = h5t.py_create(SPELLED.get(name) or np.dtype(name), logical=True)
        _by_name[name] = ElementType(name, own)
    return _by_name[name]


def _name_of(type_id: h5t.TypeID, encoding: bytes) -> str:
    for name, dtype in SPELLED.items():
        own = h5t.py_create(dtype, logical=True)
        # HDF5 calls variable-length strings equal whatever their character set
        if type_id == own and type_id.get_cset() == own.get_cset():
            return name
    try:
        dtype = type_id.dtype
        if dtype.kind in "biufcSV" and not dtype.fields and not dtype.shape:
            name = dtype.str
            if type_id == h5t.py_create(np.dtype(name), logical=True):
                return name
    except (TypeError, ValueError, NotImplementedError):
        pass  # h5py has no NumPy type for it
    return "hdf5:" + base64.b64encode(encoding).decode()


def _has_pointers(type_id: h5t.TypeID) -> bool:
    match type_id.get_class():
        case h5t.VLEN | h5t.REFERENCE:
            return True
        case h5t.STRING:
            return bool(type_id.is_variable_str())
        case h5t.COMPOUND:
            return any(_has_pointers(type_id.get_member_type(i)) for i in range(type_id.get_nmembers()))
        case h5t.ARRAY:
            return _has_pointers(type_id.get_super())
    return False


# ---- values as bytes -------------------------------------------------------------------------------------------


def read_bytes(dataset: h5d.DatasetID, kind: ElementType, start: int = 0, stop: int | None = None) -> bytes:
    """Values of rows [start, stop) of a dataset as they lie in the file; JSON where they hold pointers."""
    shape, memory, file = _selected(dataset, start, stop)
    if 0 in shape:
        return b"" if kind.flat else b"[]"
    if kind.flat:
        values = np.empty(shape, dtype=f"V{kind.size}")
        dataset.read(memory, file, values, kind.id)
        return values.tobytes()
    values = np.empty(shape, dtype=kind.dtype)
    dataset.read(memory, file, values)
    return json.dumps(as_plain(values, dataset)).encode()


def write_bytes(
    dataset: h5d.DatasetID, kind: ElementType, data: bytes, start: int = 0, stop: int | None = None
) -> None:
    """The inverse of `read_bytes`."""
    shape, memory, file = _selected(dataset, start, stop)
    if 0 in shape:
        return
    if kind.flat:
        dataset.write(memory, file, np.frombuffer(data, dtype=f"V{kind.size}").reshape(shape), kind.id)
    else:
        dataset.write(memory, file, from_plain(json.loads(data), shape, kind.dtype, dataset))


def _selected(dataset: h5d.DatasetID, start: int, stop: int | None) -> tuple[tuple[int, ...], Any, Any]:
    """Shape of the rows [start, stop), and their spaces in memory and in the file; all rows where `stop` is None."""
    shape = dataset.shape
    if not shape or stop is None:
        return shape, h5s.ALL, h5s.ALL
    shape = (stop - start, *shape[1:])
    return shape, h5s.create_simple(shape), rows_of(dataset, start, stop)


def rows_of(dataset: h5d.DatasetID, start: int, stop: int) -> h5s.SpaceID:
    """A selection of the rows [start, stop)."""
    space = dataset.get_space()
    rest = dataset.shape[1:]
    space.select_hyperslab((start, *(0 for _ in rest)), (stop - start, *rest))
    return space


def as_plain(values: np.ndarray, where: Any) -> list[Any]:
    """Values that hold pointers, one after the other, as JSON holds them; `where` is what they are read from."""
    return [_plain(value, values.dtype, where) for value in values.reshape(-1)]


def _plain(value: Any, dtype: np.dtype, where: Any) -> Any:
    if h5py.check_string_dtype(dtype) is not None and dtype.kind == "O":
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value or "")
    if h5py.check_ref_dtype(dtype) is not None:
        name = h5r.get_name(value, where) if value else None
        return None if name is None else name.decode("utf-8", "surrogateescape")
    base = h5py.check_vlen_dtype(dtype)
    if base is not None:
        return _packed(np.asarray(value, dtype=base), where)
    if dtype.fields:
        return [_plain(value[name], dtype[name], where) for name in dtype.names or ()]
    if dtype.subdtype:
        return _packed(np.asarray(value, dtype=dtype.base), where)
    return base64.b64encode(np.asarray(value, dtype=dtype).tobytes()).decode()


def _packed(values: np.ndarray, where: Any) -> Any:
    if values.dtype.hasobject or values.dtype.fields:
        return as_plain(values, where)
    return base64.b64encode(values.tobytes()).decode()


def _unpacked(plain: Any, dtype: np.dtype, where: Any) -> np.ndarray:
    if isinstance(plain, str):
        return np.frombuffer(base64.b64decode(plain), dtype=dtype)
    return from_plain(plain, (len(plain),), dtype, where)


def from_plain(plain: list[Any], shape: tuple[int, ...], dtype: np.dtype, where: Any) -> np.ndarray:
    """The inverse of `as_plain`."""
    values = np.empty(len(plain), dtype=dtype)
    for i, value in enumerate(plain):
        values[i] = _value(value, dtype, where)
    return values.reshape(shape)


def _value(plain: Any, dtype: np.dtype, where: Any) -> Any:
    if h5py.check_string_dtype(dtype) is not None and dtype.kind == "O":
        return plain.encode("utf-8", "surrogateescape")
    if h5py.check_ref_dtype(dtype) is not None:
        return _reference(plain, where)
    base = h5py.check_vlen_dtype(dtype)
    if base is not None:
        return _unpacked(plain, base, where)
    if dtype.fields:
        return tuple(_value(p, dtype[name], where) for p, name in zip(plain, dtype.names or (), strict=True))
    if dtype.subdtype:
        return _unpacked(plain, dtype.base, where).reshape(dtype.shape)
    return np.frombuffer(base64.b64decode(plain), dtype=dtype)[0]


def _reference(path: str | None, where: Any) -> h5r.Reference:
    try:
        return h5r.create(where, path.encode("utf-8", "surrogateescape"), h5r.OBJECT) if path else h5r.Reference()
    except (KeyError, ValueError, RuntimeError):  # what it pointed to is not in this dataset any more
        return h5r.Reference()
