"""How Zarr is written: version, compressor, and how rows are cut into files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trajloom.errors import SettingsError
from trajloom.formats._zarr.nodes import Node

BLOCK_BYTES, IMAGE_BYTES = 2 << 20, 512 << 10
COMPRESSORS = ("blosc-zstd", "none")


@dataclass(frozen=True)
class WriteOptions:
    """Settings for arrays that the source did not have in Zarr; those that it had are written as they were."""

    zarr_version: int | None = None
    """2 or 3; None is what the source had, else 2: diffusion_policy and most training code of the field pin the library
    Zarr 2, which reads 2 alone."""
    compressor: str | None = None
    """"blosc-zstd" (level 5, as diffusion_policy has it) or "none"; None is what the source had, else blosc-zstd."""

    def __post_init__(self) -> None:
        if self.zarr_version not in (None, 2, 3):
            raise SettingsError(f"zarr_version must be 2 or 3, got {self.zarr_version}")
        if self.compressor not in (None, *COMPRESSORS):
            raise SettingsError(f"compressor must be one of {', '.join(COMPRESSORS)}, got {self.compressor!r}")

    @property
    def version(self) -> int:
        return self.zarr_version or 2

    @property
    def packed(self) -> bool:
        return self.compressor != "none"

    def of(self, known: Mapping[str, Node]) -> "WriteOptions":
        """The same for a source whose nodes are known: what was not chosen is as it was."""
        return replace(self, zarr_version=self.zarr_version or (known[""].version if "" in known else 2))

    def keeps(self, node: Node) -> bool:
        """Whether a node that the source had may be written as it was."""
        return node.version == self.version and not (node.is_array and self.compressor)

    def group(self, path: str, attrs: dict[str, Any] | None = None) -> Node:
        """A new group."""
        kind = {} if self.version == 2 else {"node_type": "group"}
        return Node(path, {"zarr_format": self.version, **kind}, attrs or {})

    def array(self, path: str, dtype: str, shape: tuple[int, ...], attrs: dict[str, Any] | None = None) -> Node:
        """A new array, which has an axis and is cut along the first."""
        kind = np.dtype(dtype)
        chunks = [chunk_rows(kind, shape), *shape[1:]]
        meta = _version_2(kind, chunks, self) if self.version == 2 else _version_3(kind, chunks, self)
        return Node(path, {**meta, "shape": list(shape)}, attrs or {})


def chunk_rows(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    """Rows of one file: about 2 MB of numbers, but of images only 512 KB.

    Loaders read short windows at random: each decodes the whole files that it touches, so a file of images holds few
    frames; one alone would make as many files as frames, which no file system likes.
    """
    rows, *inner = shape
    image = dtype == np.uint8 and len(inner) >= 2
    row = dtype.itemsize * math.prod(inner)
    return max(1, min(rows, (IMAGE_BYTES if image else BLOCK_BYTES) // max(1, row)))


def _version_2(dtype: np.dtype, chunks: list[int], options: WriteOptions) -> dict[str, Any]:
    # bits are shuffled rather than bytes, as in diffusion_policy's own files
    blosc = {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0}
    return {
        "zarr_format": 2,
        "chunks": chunks,
        "dtype": dtype.str,
        "compressor": blosc if options.packed else None,
        "fill_value": _fill(dtype),
        "filters": None,
        "order": "C",
    }


def _version_3(dtype: np.dtype, chunks: list[int], options: WriteOptions) -> dict[str, Any]:
    blosc = {"cname": "zstd", "clevel": 5, "shuffle": "bitshuffle", "typesize": dtype.itemsize, "blocksize": 0}
    packed = [{"name": "blosc", "configuration": blosc}] if options.packed else []
    return {
        "zarr_format": 3,
        "node_type": "array",
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill(dtype),
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, *packed],
    }


def _fill(dtype: np.dtype) -> Any:
    return {"b": False, "f": 0.0}.get(dtype.kind, 0)
