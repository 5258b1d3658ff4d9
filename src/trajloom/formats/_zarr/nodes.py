"""Groups and arrays of a hierarchy, from their metadata alone, judged before anything is decoded."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError
from trajloom.formats._zarr.tree import Tree
from trajloom.schema import ELEMENT_TYPES

Json = dict[str, Any]

MAX_DEPTH, MAX_NODES, MAX_JSON_BYTES = 32, 2_000_000, 64 << 20
MAX_CHUNK_BYTES = 512 << 20
MAX_ELEMENTS = 1 << 62
UNSAFE_CODECS = ("pickle", "numcodecs.pickle")
KNOWN_CODECS = frozenset(
    ["blosc", "zstd", "gzip", "zlib", "bz2", "lz4", "lzma", "shuffle", "delta", "fixedscaleoffset", "quantize",
     "bitround", "packbits", "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3", "astype", "bytes",
     "transpose", "sharding_indexed"]
)  # fmt: skip
"""Compressors, filters and codecs that Zarr is asked for; none of them can do more than compute."""
DECODED_KINDS = "biufcSU"


@dataclass(frozen=True)
class Node:
    """A group, or an array."""

    path: str
    meta: Json
    """What its metadata file says, without the attributes."""
    attrs: Json | None
    """Its attributes; None where it has no place for any."""

    @property
    def version(self) -> int:
        return self.meta["zarr_format"]

    @property
    def is_array(self) -> bool:
        return "shape" in self.meta

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.meta["shape"])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of what one file holds."""
        grid = self.meta["chunks"] if self.version == 2 else self.meta["chunk_grid"]["configuration"]["chunk_shape"]
        return tuple(grid)

    @cached_property
    def dtype(self) -> np.dtype | None:
        """Its element type, or None where that is none whose values are decoded."""
        return dtype_of(self.meta)

    @property
    def column_type(self) -> str | None:
        """The element type of a data column that holds its values, or None."""
        name = None if self.dtype is None else self.dtype.name
        return name if name in ELEMENT_TYPES else None

    @property
    def nbytes(self) -> int:
        """Of its values, where they are decoded."""
        return math.prod(self.shape) * (self.dtype.itemsize if self.dtype else 1)

    @property
    def is_blosc(self) -> bool:
        """Whether its files are Blosc's, with nothing around."""
        if self.version == 2:
            return (self.meta.get("compressor") or {}).get("id") == "blosc"
        last = self.meta["codecs"][-1] if self.meta["codecs"] else None
        return isinstance(last, dict) and last.get("name") == "blosc"

    def chunk_count(self) -> int:
        """How many files its values take."""
        return math.prod(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    def reshaped(self, shape: Sequence[int]) -> "Node":
        """The same array of another length."""
        return replace(self, meta={**self.meta, "shape": list(shape)})

    def files(self) -> dict[str, Json]:
        """Key -> content of its metadata files."""
        prefix = f"{self.path}/" if self.path else ""
        if self.version == 3:
            own = {} if self.attrs is None else {"attributes": self.attrs}
            return {f"{prefix}zarr.json": {**self.meta, **own}}
        found = {f"{prefix}{'.zarray' if self.is_array else '.zgroup'}": self.meta}
        return found if self.attrs is None else {**found, f"{prefix}.zattrs": self.attrs}


def dtype_of(meta: Json) -> np.dtype | None:
    """The NumPy type of an array whose values we decode; None for objects, records, dates and the like."""
    if meta["zarr_format"] == 3:
        name = meta["data_type"]
        return np.dtype(name) if isinstance(name, str) and name in ELEMENT_TYPES else None
    name = meta["dtype"]
    if not isinstance(name, str):
        return None
    dtype = np.dtype(name)
    return dtype if dtype.kind in DECODED_KINDS and dtype.itemsize else None


# ---- the walk --------------------------------------------------------------------------------------------------


@dataclass
class Hierarchy:
    """All nodes by path, parents first; the root is ""."""

    nodes: dict[str, Node] = field(default_factory=dict)
    consolidated: bool = False
    """Whether all metadata is repeated at the root. The repetition is never read: it may be stale."""

    def arrays(self, under: str) -> dict[str, Node]:
        """Arrays below a group, by path relative to it."""
        prefix = f"{under}/"
        return {p.removeprefix(prefix): n for p, n in self.nodes.items() if p.startswith(prefix) and n.is_array}


def walk(tree: Tree, without: Sequence[str] = ()) -> Hierarchy:
    """Read all metadata.

    Args:
        tree: The files.
        without: Groups at the root to leave out.

    Raises:
        LayoutError: There is no Zarr hierarchy, or an array of which we cannot say what it is.
        DamagedFileError: Metadata is no JSON, or not what metadata must be.
        HostileFileError: It asks for objects to be unpickled, or for absurd sizes, or leads out of itself.
    """
    found = Hierarchy()
    for node in _walk(tree, "", 0, without):
        if len(found.nodes) >= MAX_NODES:
            raise HostileFileError(f"{tree.url} has more than {MAX_NODES:,} groups and arrays")
        found.nodes[node.path] = node
    if "" not in found.nodes:
        raise LayoutError(f"{tree.url} is no Zarr hierarchy: it has neither .zgroup nor zarr.json")
    root = found.nodes[""]
    found.consolidated = tree.size(".zmetadata") is not None or bool(root.meta.get("consolidated_metadata"))
    found.nodes[""] = replace(root, meta={k: v for k, v in root.meta.items() if k != "consolidated_metadata"})
    return found


def below(tree: Tree, path: str) -> list[Node]:
    """The nodes at and below a path."""
    return list(_walk(tree, path, path.count("/") + 1, ()))


def _walk(tree: Tree, path: str, depth: int, without: Sequence[str]) -> Iterator[Node]:
    if depth > MAX_DEPTH:
        raise HostileFileError(f"{tree.url}: {path[:200]} lies more than {MAX_DEPTH} groups deep")
    names = tree.names(path)
    node = read_node(tree, path, names)
    if node is not None:
        yield node
    if node is None or node.is_array:
        return
    for name in sorted(name for name, is_folder in names.items() if is_folder):
        inner = f"{path}/{name}" if path else name
        if inner not in without:
            yield from _walk(tree, inner, depth + 1, without)


def read_node(tree: Tree, path: str, names: Mapping[str, bool] | None = None) -> Node | None:
    """The group or array at a path, or None where there is none."""
    names = tree.names(path) if names is None else names
    prefix = f"{path}/" if path else ""
    if "zarr.json" in names:
        meta = _json(tree, f"{prefix}zarr.json")
        attrs = meta.get("attributes")
        meta = {key: value for key, value in meta.items() if key != "attributes"}
        wanted = {"array": True, "group": False}.get(str(meta.get("node_type")))
        node = Node(path, meta, attrs)
        if meta.get("zarr_format") != 3 or wanted is None or wanted != node.is_array:
            raise DamagedFileError(f"{tree.url}: {prefix}zarr.json is no metadata of a group or an array of Zarr 3")
    elif ".zarray" in names or ".zgroup" in names:
        name = ".zarray" if ".zarray" in names else ".zgroup"
        meta = _json(tree, f"{prefix}{name}")
        attrs = _json(tree, f"{prefix}.zattrs") if ".zattrs" in names else None
        node = Node(path, meta, attrs)
        if meta.get("zarr_format") != 2 or node.is_array != (name == ".zarray"):
            raise DamagedFileError(f"{tree.url}: {prefix}{name} is no metadata of Zarr 2")
    else:
        return None
    if attrs is not None and not isinstance(attrs, dict):
        raise DamagedFileError(f"{tree.url}: the attributes of {path or 'the root'} are no JSON object")
    if node.is_array:
        _check_array(node, f"{tree.url}: {path or 'the root'}")
    return node


def _json(tree: Tree, key: str) -> Json:
    if (tree.size(key) or 0) > MAX_JSON_BYTES:
        raise HostileFileError(f"{tree.url}: {key} has more than {MAX_JSON_BYTES:,} bytes of JSON")
    try:
        value = _parsed(tree.read(key) or b"")
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{tree.url}: {key} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise DamagedFileError(f"{tree.url}: {key} is no JSON object")
    return value


@lru_cache(maxsize=1024)
def _parsed(text: bytes) -> Any:
    """JSON; of a thousand arrays alike the metadata is in memory once. Nobody may change it."""
    return json.loads(text)


# ---- is it what an array may be? -------------------------------------------------------------------------------


def _check_array(node: Node, where: str) -> None:
    try:
        shape, chunks = node.shape, node.chunks
        sizes = [*shape, *chunks]
        if any(type(n) is not int for n in sizes) or len(shape) != len(chunks) or len(shape) > 32:
            raise ValueError(f"shape {shape} in chunks of {chunks}")
        codecs = list(_codecs(node.meta))
        dtype = node.dtype
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(f"{where}: its metadata is not what an array's must be ({error!r})") from error
    if any(codec.lower() in UNSAFE_CODECS for codec in codecs):
        raise HostileFileError(f"{where} holds pickled objects, which are never loaded")
    if any(n < 0 for n in shape) or any(n < 1 for n in chunks) or math.prod(shape) > MAX_ELEMENTS:
        raise HostileFileError(f"{where} has the absurd shape {shape} in chunks of {chunks}")
    if math.prod(chunks) * (dtype.itemsize if dtype else 1) > MAX_CHUNK_BYTES:
        raise HostileFileError(f"{where} has chunks of {chunks}, which is more than {MAX_CHUNK_BYTES:,} bytes each")
    unknown = [codec for codec in codecs if codec.removeprefix("numcodecs.").lower() not in KNOWN_CODECS]
    if unknown and dtype is not None:
        known = ", ".join(sorted(KNOWN_CODECS))
        raise LayoutError(f"{where} is encoded with {', '.join(unknown)}, which we do not read; we do: {known}")


def _codecs(meta: Json) -> Iterator[str]:
    """Names of all that its chunks go through."""
    if meta["zarr_format"] == 2:
        codecs: list[Json] = [*(meta.get("filters") or ()), meta.get("compressor") or {"id": "bytes"}]
        yield from (str(codec["id"]) for codec in codecs)
        return
    codec: Json | str
    for codec in meta["codecs"]:
        codec = {"name": codec} if isinstance(codec, str) else codec
        yield str(codec["name"])
        if codec["name"] == "sharding_indexed":
            inner: Any = codec["configuration"]
            yield from _codecs({"zarr_format": 3, "codecs": [*inner["codecs"], *inner.get("index_codecs", ())]})
