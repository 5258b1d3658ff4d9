"""Reading and writing arrays of a hierarchy whose metadata is known."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trajloom.errors import HostileFileError, MissingExtraError
from trajloom.formats._zarr.nodes import Node
from trajloom.formats._zarr.tree import Tree
from trajloom.tables import Array, Rest

if TYPE_CHECKING:
    from trajloom.formats._zarr import library

MAX_WHOLE_BYTES = 256 << 20
"""Of an array that is read whole, because it is no column."""
MAX_ROW_BYTES = 64 << 20


def _library() -> Any:
    try:
        from trajloom.formats._zarr import library
    except ImportError as error:
        raise MissingExtraError("reading and writing Zarr", "zarr", str(error)) from error
    return library


def reader(tree: Tree, node: Node) -> "library.ArrayReader":
    """What reads an array; MissingExtraError without Zarr."""
    return _library().ArrayReader(tree, node)


def writer(root: Path, node: Node, block_bytes: int = 4 << 20) -> "library.ArrayWriter":
    """What writes an array's rows in order, about `block_bytes` in one go on all of Zarr's threads."""
    put_node(root, node)
    return _library().ArrayWriter(root, node, block_bytes)


def whole(tree: Tree, node: Node) -> Array:
    """All values of an array that must be small; HostileFileError where it is not."""
    check_whole(tree, node)
    return reader(tree, node).all()


def check_whole(tree: Tree, node: Node) -> None:
    """Raise HostileFileError where an array that is no column is too large for that."""
    if node.nbytes > MAX_WHOLE_BYTES:
        said = f"its shape is {node.shape}, which is {node.nbytes:,} bytes"
        raise HostileFileError(
            f"{tree.url}: {node.path}: {said}; an array that is no column may have at most {MAX_WHOLE_BYTES:,}"
        )


def put_node(root: Path, node: Node) -> None:
    """Write the metadata of a group or an array."""
    for key, content in node.files().items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=4))


def put_array(root: Path, node: Node, values: Array) -> None:
    """Write a small array, metadata and values."""
    put_node(root, node)
    if values.size:
        _library().open_for_writing(root, node)[...] = values


# ---- what is no column -----------------------------------------------------------------------------------------


def rest_of(tree: Tree, node: Node, path: str, episode: int | None = None) -> list[Rest]:
    """An array that is no column: one row with its values, or, where those are not decoded, one for each file."""
    check_whole(tree, node)
    if node.dtype is not None:
        values = whole(tree, node)
        return [Rest(path, values.dtype.str, values.shape, values.tobytes(), episode, {})]
    return [Rest(f"{path}/{name}", "|u1", (len(data),), data, episode, {}) for name, data in _files(tree, node)]


def _files(tree: Tree, node: Node) -> list[tuple[str, bytes]]:
    found, left = [], MAX_WHOLE_BYTES
    for name in _chunk_names(tree, node.path, ""):
        data = tree.read(f"{node.path}/{name}") or b""
        left -= len(data)
        if left < 0:
            raise HostileFileError(f"{tree.url}: {node.path} is no column and has more than {MAX_WHOLE_BYTES:,} bytes")
        found.append((name, data))
    return found


def _chunk_names(tree: Tree, path: str, below: str) -> list[str]:
    names: list[str] = []
    for name, is_folder in sorted(tree.names(f"{path}/{below}".rstrip("/")).items()):
        if is_folder:
            names += _chunk_names(tree, path, f"{below}{name}/")
        elif name not in (".zarray", ".zattrs", ".zgroup", "zarr.json"):
            names.append(f"{below}{name}")
    return names


def put_rest(root: Path, row: Rest, arrays: Mapping[str, Node]) -> bool:
    """Write a row of `rest` where it came from; False where it did not come from here.

    Args:
        root: The folder that is written.
        row: Its path is one of `arrays`, or a file of one whose values are not decoded.
        arrays: Nodes that the source had, by path.
    """
    node = arrays.get(row.path)
    if node is not None and node.dtype is not None:
        if row.shape != node.shape or row.data is None or np.dtype(row.dtype) != node.dtype:
            return False
        put_array(root, node, np.frombuffer(row.data, node.dtype).reshape(node.shape))
        return True
    owner = _owner(row.path, arrays)
    if (
        owner is None
        or row.data is None
        or row.dtype != "|u1"
        or not _is_chunk(row.path.removeprefix(f"{owner.path}/"))
    ):
        return False
    put_node(root, owner)
    target = root / row.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(row.data)
    return True


def _owner(path: str, arrays: Mapping[str, Node]) -> Node | None:
    parts = path.split("/")
    for n in range(len(parts) - 1, 0, -1):
        node = arrays.get("/".join(parts[:n]))
        if node is not None:
            return None if node.dtype is not None else node
    return None


def _is_chunk(name: str) -> bool:
    """Whether a file's name is one that a chunk has: `0.0`, `c/0/0`, `0`."""
    return all(part.isdigit() or part == "c" for part in name.replace(".", "/").split("/"))


# ---- plausibility ----------------------------------------------------------------------------------------------


def absent_files(tree: Tree, node: Node) -> int:
    """How many of an array's files are not there, and so read as its fill value.

    Raises:
        HostileFileError: A row is too large, or the array says that it is far larger than its files can make it.
    """
    where = f"{tree.url}: {node.path}"
    row = node.nbytes // max(1, node.shape[0])
    if row > MAX_ROW_BYTES:
        raise HostileFileError(
            f"{where}: a row of shape {node.shape[1:]} has {row:,} bytes, where {MAX_ROW_BYTES:,} is the most"
        )
    wanted = node.chunk_count()
    found = _count(tree, node.path, wanted)
    if node.nbytes > (1 << 30) and found * 1000 < wanted:
        raise HostileFileError(
            f"{where} says its shape is {node.shape}, which takes {wanted:,} files; {found:,} are there"
        )
    return max(0, wanted - found)


def _count(tree: Tree, path: str, most: int) -> int:
    names = tree.names(path)
    inner = sum(_count(tree, f"{path}/{name}", most) for name, is_folder in names.items() if is_folder)
    return inner + sum(1 for name, folder in names.items() if not folder and not name.startswith((".", "zarr.json")))
