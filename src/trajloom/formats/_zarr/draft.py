"""Making a Zarr hierarchy on this machine's disk."""

import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from trajloom.errors import SettingsError
from trajloom.formats._aside import FOLDER
from trajloom.formats._zarr.container import library
from trajloom.tables import Array

CHUNK_BYTES = 2 << 20
IMAGE_CHUNK_BYTES = 1 << 20
SHAPE_IN = {2: ".zarray", 3: "zarr.json"}
EPISODE = {"trajloom": "one an episode"}
"""Attribute of arrays that have a row for each episode."""


@dataclass(frozen=True, kw_only=True)
class WriteOptions:
    """How Zarr is written."""

    zarr_version: int = 2
    """Version of the format: 2, which diffusion_policy's zarr 2 reads, or 3."""
    compressor: str = "zstd"
    """Codec inside Blosc, with bytes shuffled: zstd, lz4 or zlib; or none."""

    def __post_init__(self) -> None:
        if self.zarr_version not in (2, 3):
            raise SettingsError(f"zarr_version must be 2 or 3, got {self.zarr_version}")
        if self.compressor not in ("zstd", "lz4", "zlib", "none"):
            raise SettingsError(f"compressor must be zstd, lz4, zlib or none, got {self.compressor!r}")


Documents = Mapping[str, Any]


@dataclass
class Draft:
    """A hierarchy in a new folder."""

    folder: Path
    version: Literal[2, 3]
    compressor: str

    def __post_init__(self) -> None:
        zarr = library()
        self.store = zarr.storage.LocalStore(str(self.folder))

    def group(self, path: str, attrs: Mapping[str, Any] | None = None, documents: Documents | None = None) -> None:
        """Make a group; `documents` are those that it had."""
        if documents is None:
            if self.version == 3:
                documents = {"zarr.json": {"zarr_format": 3, "node_type": "group", "attributes": dict(attrs or {})}}
            else:
                documents = {".zgroup": {"zarr_format": 2}, **({".zattrs": dict(attrs)} if attrs else {})}
        self._write(path, documents)

    def groups_above(self, path: str) -> None:
        """Make the groups that a path lies in, where they are not there yet."""
        steps = path.split("/")[:-1]
        for i in range(len(steps)):
            above = "/".join(steps[: i + 1])
            if not any((self.folder / above / name).exists() for name in (".zgroup", "zarr.json")):
                self.group(above)

    def array(
        self,
        path: str,
        shape: tuple[int, ...],
        dtype: Any,
        *,
        attrs: Mapping[str, Any] | None = None,
        documents: Documents | None = None,
    ) -> Any:
        """Make an array; `documents` are those that it had, but for the shape."""
        zarr = library()
        self.groups_above(path)
        if documents is not None and self._suits(documents):
            name = SHAPE_IN[self.version]
            self._write(path, {**documents, name: {**documents[name], "shape": list(shape)}})
            return zarr.open_array(self.store, path=path, mode="r+", zarr_format=self.version)
        return zarr.create_array(
            self.store,
            name=path,
            shape=shape,
            dtype=np.dtype(dtype),
            chunks=chunks_of(shape, np.dtype(dtype)),
            compressors=self._compressors(),
            attributes=dict(attrs or {}) or None,
            zarr_format=self.version,
            fill_value=None if self.version == 2 else 0,
        )

    def bytes(self, path: str, file: Path) -> None:
        """Put a file's bytes into an array."""
        size = file.stat().st_size
        self.groups_above(path)
        array = library().create_array(
            self.store,
            name=path,
            shape=(size,),
            dtype="uint8",
            chunks=(min(max(size, 1), CHUNK_BYTES),),
            compressors=None,
            zarr_format=self.version,
        )
        with file.open("rb") as data:
            for start in range(0, size, 4 * CHUNK_BYTES):
                piece = np.frombuffer(data.read(4 * CHUNK_BYTES), dtype=np.uint8)
                array[start : start + len(piece)] = piece

    def aside(self, folder: Path) -> None:
        """Put the files that are kept aside into arrays of bytes."""
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            self.bytes(f"{FOLDER}/{file.relative_to(folder).as_posix()}", file)

    def _suits(self, documents: Documents) -> bool:
        return SHAPE_IN[self.version] in documents

    def _write(self, path: str, documents: Documents) -> None:
        place = self.folder / path if path else self.folder
        place.mkdir(parents=True, exist_ok=True)
        for name, content in documents.items():
            (place / name).write_text(json.dumps(content, indent=4))

    def _compressors(self) -> Any:
        if self.compressor == "none":
            return None
        if self.version == 3:
            from zarr.codecs import BloscCodec

            return BloscCodec(cname=self.compressor, clevel=5, shuffle="shuffle")  # type: ignore[arg-type]
        from numcodecs import Blosc

        return Blosc(cname=self.compressor, clevel=5, shuffle=Blosc.SHUFFLE)


def chunks_of(shape: tuple[int, ...], dtype: np.dtype) -> tuple[int, ...]:
    """Chunks of about 2 MB along the first axis, of 1 MB for images, of which training reads few at a time."""
    if not shape:
        return ()
    row = max(1, math.prod(shape[1:]) * dtype.itemsize)
    most = IMAGE_CHUNK_BYTES if len(shape) >= 3 and dtype == np.uint8 else CHUNK_BYTES
    sizes = [max(n, 1) for n in shape]
    return (max(1, min(most // row, sizes[0])), *sizes[1:])


@dataclass
class Column:
    """An array that is written row by row; whole chunks at a time, so that none is packed twice."""

    array: Any
    pending: list[Array] = field(default_factory=list)
    rows: int = 0
    written: int = 0

    def write(self, values: Array) -> None:
        """Add rows."""
        self.pending.append(values)
        self.rows += len(values)
        step = self.array.chunks[0]
        stop = self.rows // step * step
        if stop > self.written:
            self._flush(stop)

    def close(self) -> None:
        """Write what is left."""
        if self.rows > self.written:
            self._flush(self.rows)

    def _flush(self, stop: int) -> None:
        values = self.pending[0] if len(self.pending) == 1 else np.concatenate(self.pending)
        count = stop - self.written
        self.array[self.written : stop] = values[:count]
        self.pending = [values[count:].copy()] if len(values) > count else []
        self.written = stop


def pack(folder: Path, file: Path) -> None:
    """Make a zip file of a folder, without packing its bytes again; the same content gives the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as out:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            with path.open("rb") as data, out.open(entry, "w", force_zip64=True) as target:
                while piece := data.read(1 << 20):
                    target.write(piece)
