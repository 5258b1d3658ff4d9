"""The files of an output: data and videos, begun anew where one is full and an episode begins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.formats.lerobot.video import VideoWriter
from trajloom.tables import Array

CHUNK_FILES = 1000
DATA_BYTES = 100 << 20
VIDEO_BYTES = 200 << 20
GROUP_BYTES = 16 << 20
MAX_PENDING = 64
"""Tables that wait for a row group to be full before they are joined."""


def place(number: int) -> tuple[int, int]:
    """Chunk and file of the n-th file of a kind."""
    return divmod(number, CHUNK_FILES)


class DataFiles:
    """Writes rows to `data/chunk-000/file-000.parquet` and on."""

    def __init__(self, folder: Path, schema: pa.Schema):
        self.folder, self.schema = folder, schema
        self.number = 0
        self._pending: list[pa.Table] = []
        self._weight = 0
        self._sink: pa.NativeFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self._open()

    @property
    def full(self) -> bool:
        """Whether the next episode belongs into the next file."""
        assert self._sink is not None
        return self._sink.tell() + self._weight >= DATA_BYTES

    def turn(self) -> None:
        """Begin the next file."""
        self.close()
        self.number += 1
        self._open()

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        if table.num_rows:
            self._pending.append(table)
            self._weight += table.nbytes
            if len(self._pending) == MAX_PENDING:
                # NumPy's small arrays, left between frames that are gone, would keep their memory from being used again
                self._pending = [pa.concat_tables(self._pending).combine_chunks()]
        if self._weight >= GROUP_BYTES:
            self._cut()

    def close(self) -> None:
        """Finish the file."""
        self._cut()
        assert self._writer is not None
        assert self._sink is not None
        self._writer.close()
        self._sink.close()

    def _open(self) -> None:
        chunk, file = place(self.number)
        path = self.folder / f"chunk-{chunk:03d}" / f"file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = pa.OSFile(str(path), "wb")
        images = [f.name for f in self.schema if pa.types.is_struct(f.type)]
        whole = [f.name for f in self.schema if pa.types.is_integer(f.type) or pa.types.is_boolean(f.type)]
        # images are packed already
        packing = {f.name: "none" if f.name in images else "snappy" for f in self.schema}
        by_leaf = {_leaf(f): packing[f.name] for f in self.schema}
        by_leaf |= {f"{name}.path": "none" for name in images}
        # False rather than an empty list, which would mean every column
        options: dict[str, Any] = {
            "compression": by_leaf,
            "use_dictionary": whole or False,
            "write_statistics": whole or False,
        }
        self._writer = pq.ParquetWriter(self._sink, self.schema, **options)

    def _cut(self) -> None:
        if self._pending:
            assert self._writer is not None
            table = pa.concat_tables(self._pending).combine_chunks()
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
            self._pending, self._weight = [], 0


def _leaf(field: pa.Field) -> str:
    """Path of the column that Parquet makes of a field."""
    path, kind = field.name, field.type
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        path, kind = f"{path}.list.element", kind.value_type
    return f"{path}.bytes" if pa.types.is_struct(kind) else path


class Cameras:
    """Writes the frames of all cameras to `videos/<feature>/chunk-000/file-000.mp4` and on."""

    def __init__(self, folder: Path, names: Sequence[str], fps: float, codec: str):
        self.folder, self.fps, self.codec = folder, fps, codec
        self.numbers = dict.fromkeys(names, 0)
        self._open: dict[str, VideoWriter] = {}

    def begin(self, length: int) -> Mapping[str, int | float]:
        """Begin an episode, and say where its frames will lie, as `meta/episodes` does."""
        found: dict[str, int | float] = {}
        for name in self.numbers:
            writer = self._open.get(name)
            if writer is not None and writer.path.exists() and writer.path.stat().st_size >= VIDEO_BYTES:
                writer.close()
                del self._open[name]
                self.numbers[name] += 1
            frames = self._open[name].frames if name in self._open else 0
            chunk, file = place(self.numbers[name])
            found[f"videos/{name}/chunk_index"], found[f"videos/{name}/file_index"] = chunk, file
            found[f"videos/{name}/from_timestamp"] = frames / self.fps
            found[f"videos/{name}/to_timestamp"] = (frames + length) / self.fps
        return found

    def write(self, name: str, frames: Array) -> None:
        """Append frames of one camera."""
        if name not in self._open:
            chunk, file = place(self.numbers[name])
            path = self.folder / name / f"chunk-{chunk:03d}" / f"file-{file:03d}.mp4"
            self._open[name] = VideoWriter(path, self.fps, self.codec)
        self._open[name].write(frames)

    def close(self) -> None:
        """Finish all files."""
        for writer in self._open.values():
            writer.close()
        self._open = {}
