"""Making datasets and groups in a file that is being written."""

import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
from h5py import h5d, h5g, h5p, h5s, h5t

from trajloom.errors import TrajloomWarning
from trajloom.formats.hdf5.attrs import write_attr
from trajloom.formats.hdf5.scan import raw, text, unportable
from trajloom.formats.hdf5.storage import created, is_lossy, lossless
from trajloom.formats.hdf5.values import ElementType, read_bytes, rows_of, type_named, write_bytes
from trajloom.tables import Array, Rest

Later = list[Callable[[], None]]
"""What can be written only once all objects are there: references."""


@lru_cache(maxsize=1)
def nested() -> h5p.PropLCID:
    """How links are made: with the groups above them, names in UTF-8."""
    plist = h5p.create(h5p.LINK_CREATE)
    plist.set_create_intermediate_group(True)
    plist.set_char_encoding(h5t.CSET_UTF8)
    return plist


def create(
    owner: h5g.GroupID, path: str, kind: ElementType, shape: tuple[int, ...], storage: Mapping[str, Any]
) -> h5d.DatasetID:
    """A new dataset that lies as described."""
    space, plist = created(storage, shape, kind)
    return h5d.create(owner, raw(path), kind.id, space, plist, nested())


def create_full(
    owner: h5g.GroupID,
    path: str,
    kind: ElementType,
    shape: tuple[int, ...],
    storage: Mapping[str, Any],
    fill: Callable[[h5d.DatasetID], None],
    same: Callable[[h5d.DatasetID], bool],
) -> h5d.DatasetID:
    """A new dataset with its values; a filter that would change them (scale-offset) is left out with a warning."""
    dataset = create(owner, path, kind, shape, storage)
    fill(dataset)
    if not is_lossy(storage):
        return dataset
    dataset.close()  # so that what is read back comes out of the filter
    dataset = h5d.open(owner, raw(path))
    if same(dataset):
        return dataset
    dataset.close()
    owner.unlink(raw(path))
    said = (
        f"{text(owner.name) if hasattr(owner, 'name') else ''}{path}: the scale-offset filter would have changed values"
    )
    warnings.warn(f"{said}; written without it", TrajloomWarning, stacklevel=2)
    dataset = create(owner, path, kind, shape, lossless(storage))
    fill(dataset)
    return dataset


def create_array(
    owner: h5g.GroupID, path: str, kind: ElementType, values: Array, storage: Mapping[str, Any]
) -> h5d.DatasetID:
    """A new dataset that holds an array."""
    values = np.asarray(values, order="C")  # `ascontiguousarray` would make a scalar an array of one

    def same(dataset: h5d.DatasetID) -> bool:
        found = np.empty_like(values)
        dataset.read(h5s.ALL, h5s.ALL, found, kind.id)
        return found.tobytes() == values.tobytes()

    def fill(dataset: h5d.DatasetID) -> None:
        dataset.write(h5s.ALL, h5s.ALL, values, kind.id)

    return create_full(owner, path, kind, values.shape, storage, fill, same)


def put_rows(dataset: h5d.DatasetID, kind: ElementType, values: Array, start: int) -> None:
    """Write rows of a dataset from `start` on."""
    values = np.ascontiguousarray(values)
    space = rows_of(dataset, start, start + len(values))
    dataset.write(h5s.create_simple(values.shape), space, values, kind.id)


def write_attrs(owner: Any, attrs: Mapping[str, Any], later: Later) -> None:
    """Write attributes; those that refer to objects once all are there."""
    for name, attr in attrs.items():
        if type_named(attr["dtype"]).refers:
            later.append(partial(write_attr, owner, name, attr))
        else:
            write_attr(owner, name, attr)


def write_rest(owner: h5g.GroupID, row: Rest, later: Later) -> None:
    """Write a row of `rest` into its demonstration or the file's root."""
    attrs = dict(row.attrs or {})
    room = attrs.pop("", {})
    path = unportable(row.path)
    match row.dtype:
        case "group":
            made: Any = h5g.create(owner, raw(path), nested())
        case "softlink":
            owner.links.create_soft(raw(path), row.data or b"", nested())
            return
        case "type":
            h5t.decode(row.data or b"").commit(owner, raw(path), nested())
            return
        case _:
            made = _write_rest_array(owner, path, row, room, later)
    write_attrs(made, attrs, later)


def _write_rest_array(owner: h5g.GroupID, path: str, row: Rest, room: Mapping[str, Any], later: Later) -> h5d.DatasetID:
    kind, data, storage = type_named(row.dtype), row.data or b"", room.get("storage", {})
    if room.get("null") or row.shape is None:
        return h5d.create(owner, raw(path), kind.id, h5s.create(h5s.NULL), None, nested())
    if "rows" in room:
        start, stop = room["rows"]
        dataset = h5d.open(owner, raw(path)) if start else create(owner, path, kind, row.shape, lossless(storage))
    else:
        start, stop = 0, None
        if not kind.refers:
            fill = partial(_fill, kind=kind, data=data)
            return create_full(
                owner, path, kind, row.shape, storage, fill, lambda dataset: read_bytes(dataset, kind) == data
            )
        dataset = create(owner, path, kind, row.shape, storage)
    if kind.refers:
        later.append(partial(write_bytes, dataset, kind, data, start, stop))
    else:
        write_bytes(dataset, kind, data, start, stop)
    return dataset


def _fill(dataset: h5d.DatasetID, kind: ElementType, data: bytes) -> None:
    write_bytes(dataset, kind, data)


def exists(owner: h5g.GroupID, path: bytes) -> bool:
    """Whether a path leads somewhere; HDF5 itself asks only about its last step."""
    steps = path.split(b"/")
    return all(owner.links.exists(b"/".join(steps[: i + 1])) for i in range(len(steps)))
