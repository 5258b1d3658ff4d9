"""Whether two HDF5 files hold the same, and where they differ."""

import os
from collections.abc import Iterator

import numpy as np
from h5py import h5g, h5o

from trajloom.formats.hdf5.attrs import read_attrs
from trajloom.formats.hdf5.file import Hdf5File
from trajloom.formats.hdf5.rest import rows_together
from trajloom.formats.hdf5.scan import Walker, raw
from trajloom.formats.hdf5.storage import Signature
from trajloom.formats.hdf5.values import read_bytes, type_of


def equal(file_a: str | os.PathLike[str], file_b: str | os.PathLike[str]) -> list[str]:
    """Differences between two HDF5 files; an empty list where they are equal.

    Equal are: paths, groups also where empty, element types with byte order, shapes, bytes, scalar against array,
    attributes with their HDF5 types, chunks, filters, maximal shapes and fill values. NaN equals NaN. The order in
    which things were made, and padding inside the file, do not count; soft links are followed.
    """
    with Hdf5File(os.fspath(file_a)) as a, Hdf5File(os.fspath(file_b)) as b:
        return list(_differences(a, b))


def _differences(a: Hdf5File, b: Hdf5File) -> Iterator[str]:
    trees = [Walker(file.root, file.stamp[0]).walk(file.root) for file in (a, b)]
    found = [{path: signature for path, signature, _ in tree.datasets} for tree in trees]
    groups = [set(tree.groups) for tree in trees]
    others = [{(path, kind, content) for path, kind, content in tree.others} for tree in trees]
    paths = [{*found[i], *groups[i], *(path for path, _, _ in others[i])} for i in (0, 1)]
    yield from (f"{path}: only in the first" for path in sorted(paths[0] - paths[1]))
    yield from (f"{path}: only in the second" for path in sorted(paths[1] - paths[0]))
    yield from (f"{path}: {kind} {content!r}" for path, kind, content in sorted(others[0] ^ others[1]))
    yield from (f"{path} {said}" for tree in trees for path, said in tree.faults)
    yield from _attrs("/", a.root, b.root)
    for path in sorted(paths[0] & paths[1]):
        if path in groups[0] and path in groups[1]:
            yield from _attrs(path, h5g.open(a.root, raw(path)), h5g.open(b.root, raw(path)))
        elif path in found[0] and path in found[1]:
            yield from _datasets(path, found[0][path], found[1][path], a, b)
        elif path in groups[0] or path in groups[1]:
            yield f"{path}: a group in one, none in the other"


def _attrs(path: str, a: object, b: object) -> Iterator[str]:
    left, right = read_attrs(a), read_attrs(b)
    for name in sorted({*left, *right}):
        if left.get(name) != right.get(name):
            yield f"{path}@{name}: {str(left.get(name))[:200]} and {str(right.get(name))[:200]}"


def _datasets(path: str, left: Signature, right: Signature, a: Hdf5File, b: Hdf5File) -> Iterator[str]:
    for name in ("kind", "shape", "storage", "null"):
        if getattr(left, name) != getattr(right, name):
            yield f"{path}: {name} {getattr(left, name)} and {getattr(right, name)}"
    one, other = (h5o.open(file.root, raw(path)) for file in (a, b))
    yield from _attrs(path, one, other)
    if left.kind != right.kind or left.shape != right.shape or left.null or right.null:
        return
    kind, rows = type_of(one.get_type()), left.shape[0] if left.shape else None
    step = rows_together(left)
    for start in range(0, rows or 1, step):
        stop = None if rows is None or rows <= step else min(start + step, rows)
        same = read_bytes(one, kind, start, stop), read_bytes(other, kind, start, stop)
        if same[0] != same[1] and not _equal_but_for_nan(*same, kind.name):
            yield f"{path}: values differ" + ("" if stop is None else f" in rows {start} to {stop}")


def _equal_but_for_nan(a: bytes, b: bytes, name: str) -> bool:
    if name.startswith("hdf5:") or np.dtype(name).kind not in "fc":
        return False
    left, right = np.frombuffer(a, dtype=name), np.frombuffer(b, dtype=name)
    differ = left.view(f"V{left.itemsize}") != right.view(f"V{left.itemsize}")
    return bool((np.isnan(left[differ]) & np.isnan(right[differ])).all())
