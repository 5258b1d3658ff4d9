"""Whether two hierarchies are equal."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from trajloom.formats._aside import FOLDER
from trajloom.formats._zarr.arrays import reader, rest_of
from trajloom.formats._zarr.nodes import Node, walk
from trajloom.formats._zarr.tree import Tree, open_tree

BLOCK_BYTES = 16 << 20


def differences(one: str, other: str) -> list[str]:
    """What differs between two hierarchies; see `trajloom.formats.zarr.equal`."""
    trees = open_tree(one), open_tree(other)
    left, right = (walk(tree, without=(FOLDER,)) for tree in trees)
    found = [f"{path or 'the root'}: only in one" for path in sorted(set(left.nodes) ^ set(right.nodes))]
    if left.consolidated != right.consolidated:
        found.append("the metadata is repeated at the root of one alone")
    for path in sorted(set(left.nodes) & set(right.nodes)):
        found += _of_nodes(trees, left.nodes[path], right.nodes[path])
    return found


def _of_nodes(trees: tuple[Tree, Tree], a: Node, b: Node) -> Iterator[str]:
    where = a.path or "the root"
    for key in sorted(set(a.meta) | set(b.meta)):
        if not _same(a.meta.get(key), b.meta.get(key)):
            yield f"{where}: {key} is {a.meta.get(key)!r} and {b.meta.get(key)!r}"
    if not _same(a.attrs, b.attrs):
        yield f"{where}: the attributes are {a.attrs!r} and {b.attrs!r}"
    if a.is_array and b.is_array and a.shape == b.shape and a.dtype == b.dtype and not _same_values(trees, a, b):
        yield f"{where}: the values differ"


def _same(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal, in type too; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return a == b or (a != a and b != b)


def _same_values(trees: tuple[Tree, Tree], a: Node, b: Node) -> bool:
    if a.column_type is None or not a.shape or not a.nbytes:
        left, right = rest_of(trees[0], a, a.path), rest_of(trees[1], b, b.path)
        return [(r.path, r.shape, r.data) for r in left] == [(r.path, r.shape, r.data) for r in right]
    step = max(1, BLOCK_BYTES // max(1, a.nbytes // a.shape[0]))
    readers = reader(trees[0], a), reader(trees[1], b)
    for start in range(0, a.shape[0], step):
        x, y = (found.rows(start, min(start + step, a.shape[0])) for found in readers)
        if np.ascontiguousarray(x).tobytes() != np.ascontiguousarray(y).tobytes():
            return False
    return True
