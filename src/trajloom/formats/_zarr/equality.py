"""Whether two Zarr hierarchies hold the same, and where they differ."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from trajloom.formats._aside import FOLDER
from trajloom.formats._zarr.container import Arrays
from trajloom.formats._zarr.tree import Node, read_tree

PIECE = 16 << 20


def equal(path_a: str, path_b: str) -> list[str]:
    """Differences between two hierarchies; an empty list where they are equal.

    Equal are: groups and arrays, all that their metadata documents say (shapes, chunks, codecs, order, fill values,
    attributes, whether `.zattrs` is there), and values; NaN equals NaN. What we keep aside does not count, nor do
    consolidated metadata.
    """
    trees = [read_tree(path) for path in (path_a, path_b)]
    nodes = [{p: n for p, n in tree.nodes.items() if p.split("/")[0] != FOLDER} for tree in trees]
    arrays = [
        Arrays(path, {p: n for p, n in found.items() if n.is_array})
        for path, found in zip((path_a, path_b), nodes, strict=True)
    ]
    found = [f"{path}: only in one" for path in sorted(set(nodes[0]) ^ set(nodes[1]))]
    for path in sorted(set(nodes[0]) & set(nodes[1])):
        found += _differences(path, nodes[0][path], nodes[1][path], arrays[0], arrays[1])
    return found


def _differences(path: str, a: Node, b: Node, left: Arrays, right: Arrays) -> Iterator[str]:
    documents = [_plain(node) for node in (a, b)]
    if documents[0] != documents[1]:
        yield f"{path or 'the root'}: {documents[0]} and {documents[1]}"
    elif a.is_array and not a.shape:
        if left.scalar(path).tobytes() != right.scalar(path).tobytes():
            yield f"{path}: values differ"
    elif a.is_array:
        rows = max(1, PIECE // max(1, math.prod(a.shape[1:]) * a.dtype.itemsize))
        for start in range(0, a.shape[0], rows):
            stop = min(start + rows, a.shape[0])
            if not _same(left.read(path, start, stop), right.read(path, start, stop)):
                yield f"{path}: values differ in rows {start} to {stop}"


def _plain(node: Node) -> Any:
    documents = dict(node.documents)
    if "zarr.json" in documents:
        documents["zarr.json"] = {k: v for k, v in documents["zarr.json"].items() if k != "consolidated_metadata"}
    return documents


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.tobytes() == b.tobytes():
        return True
    return a.dtype.kind in "fc" and np.array_equal(a, b, equal_nan=True)
