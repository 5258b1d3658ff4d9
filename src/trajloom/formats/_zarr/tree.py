"""What lies in a Zarr hierarchy, from its metadata documents alone; nothing of it is trusted, no codec is made.

Version 2 has `.zgroup`, `.zarray` and `.zattrs` in every folder, version 3 one `zarr.json`.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError
from trajloom.folder import Folder
from trajloom.formats._place import local_file

MAX_DEPTH = 32
MAX_DOCUMENT = 16 << 20
MAX_CHUNK = 1 << 30
ZIP = ".zip"
CODECS = {
    "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2", "bytes", "transpose", "crc32c", "sharding_indexed", "delta",
    "shuffle", "fixedscaleoffset", "astype", "adler32", "crc32", "packbits", "bitround", "quantize", "endian",
    "numcodecs.zlib", "numcodecs.delta", "numcodecs.lz4", "numcodecs.bz2", "numcodecs.lzma", "numcodecs.shuffle",
}  # fmt: skip
"""Codecs of plain numbers. Those of objects (pickle, msgpack, JSON, variable-length text) are not among them."""
V3_TYPES = {"bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)), "float16", "float32",
            "float64", "complex64", "complex128"}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A group or an array."""

    documents: Mapping[str, Any]
    """Name of a metadata document (`.zarray`, `.zattrs`, `zarr.json`, ...) -> its content."""

    @property
    def is_array(self) -> bool:
        return ".zarray" in self.documents or self.documents.get("zarr.json", {}).get("node_type") == "array"

    @property
    def version(self) -> int:
        return 3 if "zarr.json" in self.documents else 2

    @property
    def about(self) -> Mapping[str, Any]:
        return self.documents.get("zarr.json") or self.documents.get(".zarray") or self.documents.get(".zgroup") or {}

    @property
    def attrs(self) -> Mapping[str, Any]:
        found = self.documents["zarr.json"].get("attributes") if self.version == 3 else self.documents.get(".zattrs")
        return found if isinstance(found, Mapping) else {}

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.about["shape"])

    @property
    def chunks(self) -> tuple[int, ...]:
        if self.version == 2:
            return tuple(self.about["chunks"])
        return tuple(self.about["chunk_grid"]["configuration"]["chunk_shape"])

    @property
    def dtype(self) -> np.dtype:
        """Element type, with its byte order."""
        return np.dtype(self.about["data_type"] if self.version == 3 else self.about["dtype"])

    @property
    def column_type(self) -> str | None:
        """Our element type, where it is one: native numbers of a fixed order of bytes."""
        dtype = self.dtype
        plain = dtype.kind in "biuf" and dtype.itemsize <= 8 and dtype.newbyteorder("<") == dtype
        return dtype.name if plain else None


@dataclass
class Tree:
    """A hierarchy."""

    where: str
    nodes: dict[str, Node] = field(default_factory=dict)
    """Path ("" is the root) -> node."""

    def arrays(self, below: str = "") -> Iterator[tuple[str, Node]]:
        """Arrays below a group, by their path from the root."""
        lead = f"{below}/" if below else ""
        yield from ((path, node) for path, node in self.nodes.items() if node.is_array and path.startswith(lead))

    def groups(self, below: str) -> list[str]:
        """Names of the groups directly in a group."""
        lead = f"{below}/"
        found = (path[len(lead) :] for path, node in self.nodes.items() if path.startswith(lead) and not node.is_array)
        return [name for name in found if "/" not in name]


def container(path: str) -> Folder:
    """Where the documents of a Zarr folder or zip file lie; a remote zip file is copied to this machine."""
    return Folder(f"zip://::{local_file(path)}") if is_zip(path) else Folder(path)


def is_zip(path: str) -> bool:
    """Whether a path is that of a zip file."""
    return path.lower().endswith(ZIP) and not Folder(path).fs.isdir(Folder(path).root)


def looks_like_zarr(path: str) -> bool:
    """Whether there is a Zarr group at a path or URL."""
    try:
        folder = container(path)
        return any(folder.fs.isfile(folder.at(name)) for name in (".zgroup", "zarr.json"))
    except Exception:  # whatever fsspec raises on what is no such place
        return False


def read_tree(path: str, skip: str | None = None) -> Tree:
    """Read all metadata documents.

    Args:
        path: Folder, zip file or URL.
        skip: A group of the root that is left out.

    Raises:
        LayoutError: There is no Zarr group.
        DamagedFileError: A document is no JSON, or lacks what it must have.
        HostileFileError: Objects, absurd sizes, links out of the folder, too deep nesting.
    """
    tree = Tree(path)
    try:
        folder = container(path)
        _walk(folder, "", tree, skip, 0)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, NotImplementedError) as error:
        if isinstance(error, (LayoutError, DamagedFileError, HostileFileError)):
            raise
        raise DamagedFileError(f"{path}: its metadata cannot be read ({error!r})") from error
    except Exception as error:
        # zipfile raises its own
        raise DamagedFileError(f"{path} cannot be opened ({error})") from error
    if "" not in tree.nodes or tree.nodes[""].is_array:
        raise LayoutError(f"{path}: expected a Zarr group; there is none")
    return tree


def _walk(folder: Folder, path: str, tree: Tree, skip: str | None, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise HostileFileError(f"{tree.where}: {path}: groups are nested more than {MAX_DEPTH} deep")
    names = folder.names(*_steps(path))
    documents = {
        name: _document(folder, path, name, tree.where)
        for name in (".zgroup", ".zarray", ".zattrs", "zarr.json")
        if name in names
    }
    if not ({".zgroup", ".zarray", "zarr.json"} & set(documents)):
        return
    node = Node(documents)
    if node.is_array:
        _check_array(node, f"{tree.where}: {path}")
        tree.nodes[path] = node
        return
    tree.nodes[path] = node
    for name in names:
        if name.startswith(".") or name == "zarr.json" or (not path and name == skip):
            continue
        if "\\" in name or name in ("", ".", ".."):
            raise HostileFileError(f"{tree.where}: a member is named {name!r}")
        inner = f"{path}/{name}" if path else name
        if folder.local:
            _check_link(folder, inner, tree.where)
        if folder.fs.isdir(folder.at(*_steps(inner))):
            _walk(folder, inner, tree, skip, depth + 1)


def _steps(path: str) -> list[str]:
    return path.split("/") if path else []


def _check_link(folder: Folder, path: str, where: str) -> None:
    if os.path.islink(folder.at(path)):
        raise HostileFileError(f"{where}: {path} is a link, which we do not follow")


def _document(folder: Folder, path: str, name: str, where: str) -> Any:
    place = folder.at(*_steps(path), name)
    if (folder.fs.size(place) or 0) > MAX_DOCUMENT:
        raise HostileFileError(f"{where}: {path}/{name} is larger than any metadata")
    try:
        found = json.loads(folder.fs.cat_file(place))
    except ValueError as error:
        raise DamagedFileError(f"{where}: {path}/{name} is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise DamagedFileError(f"{where}: {path}/{name} is no JSON object")
    return found


def _check_array(node: Node, where: str) -> None:
    about = node.about
    if node.version == 3:
        if about.get("data_type") not in V3_TYPES:
            raise HostileFileError(f"{where}: elements of type {about.get('data_type')!r} are not read; numbers are")
        codecs = [_codec(c) for c in about.get("codecs") or []]
        inner = [
            c.get("configuration", {})
            for c in about["codecs"]
            if isinstance(c, dict) and _codec(c) == "sharding_indexed"
        ]
        codecs += [_codec(c) for conf in inner for key in ("codecs", "index_codecs") for c in conf.get(key, [])]
        if about.get("storage_transformers"):
            raise HostileFileError(f"{where}: storage transformers are not read")
    else:
        if not isinstance(about.get("dtype"), str) or np.dtype(about["dtype"]).kind not in "biufcSUV":
            raise HostileFileError(f"{where}: elements of type {about.get('dtype')!r} are not read; numbers are")
        given = [about.get("compressor"), *(about.get("filters") or [])]
        codecs = [str(c.get("id")) for c in given if c is not None]
    unknown = sorted({c for c in codecs if c.lower() not in CODECS})
    if unknown:
        raise HostileFileError(f"{where}: codec {unknown[0]!r} is not one of those of numbers, and is not run")
    shape, chunks = node.shape, node.chunks
    numbers = [*shape, *chunks]
    if len(shape) != len(chunks) or any(type(n) is not int or n < 0 for n in numbers) or 0 in chunks:
        raise DamagedFileError(f"{where}: shape {shape} and chunks {chunks} do not go together")
    if math.prod(chunks) * node.dtype.itemsize > MAX_CHUNK:
        raise HostileFileError(f"{where}: says that a chunk takes {math.prod(chunks) * node.dtype.itemsize:,} bytes")
    if len(shape) > 32 or math.prod(shape) * node.dtype.itemsize > 1 << 50:
        raise HostileFileError(f"{where}: says that it has the shape {shape}")


def _codec(codec: Any) -> str:
    return str(codec.get("name")) if isinstance(codec, Mapping) else str(codec)
