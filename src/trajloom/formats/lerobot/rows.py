"""Values of features by row: from Parquet read forward, from images in it, and from videos."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import DamagedFileError, TrajloomError
from trajloom.folder import Folder
from trajloom.formats._columnar import Values
from trajloom.formats.lerobot.catalog import UNREADABLE, Place, parquet
from trajloom.formats.lerobot.png import decode, workers
from trajloom.formats.lerobot.video import Frames
from trajloom.reopened import Reopened
from trajloom.schema import Column
from trajloom.tables import Array, Rest

MAX_OPEN = 3
"""Files of one video, or of some columns, kept open between batches: as many parts may be read at the same time."""
BATCH_BYTES = 8 << 20
"""Size of what is decoded of a file at a time: its numbers unpacked, its images packed as they are."""
MAX_BATCH_ROWS = 1024
MAX_TEXT_BYTES = 256 << 20

Piece = tuple[int, int, int]
"""Position of an episode, and the range of its frames."""


@dataclass(frozen=True)
class Held:
    """How one column is held."""

    column: Column
    name: str
    """The feature's."""
    kind: str
    """"number", "image" or "video"."""


class Forward:
    """Rows of some columns of one Parquet file, read forward."""

    def __init__(self, folder: Folder, name: str, columns: Sequence[str], start: int, row_bytes: int):
        self._file: pq.ParquetFile = parquet(folder, name)
        self.where = f"{folder.url}/{name}"
        missing = [column for column in columns if column not in self._file.schema_arrow.names]
        if missing:
            self.close()
            raise DamagedFileError(f"{self.where} has no column {', '.join(missing)}, where others of the dataset have")
        counts = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        ends = np.cumsum(counts)
        group = int(np.searchsorted(ends, start, side="right"))
        self._skip = start - (int(ends[group - 1]) if group else 0)
        stored = self._stored_bytes(group, columns) if group < len(counts) else 0
        rows = min(MAX_BATCH_ROWS, max(1, BATCH_BYTES // max(1, row_bytes, stored)))
        # one row group after the other: pyarrow keeps what it fetched ahead until an iterator ends
        groups = range(group, len(counts))
        self._batches = (b for g in groups for b in self._file.iter_batches(rows, row_groups=[g], columns=[*columns]))
        self._held: pa.RecordBatch | None = None

    def _stored_bytes(self, group: int, columns: Sequence[str]) -> int:
        """Bytes of a row of some columns, in a row group, as the file has them unpacked."""
        inside = tuple(f"{column}." for column in columns)
        try:
            found = self._file.metadata.row_group(group)
            leaves = [found.column(i) for i in range(found.num_columns)]
            sizes = [leaf.total_uncompressed_size for leaf in leaves if f"{leaf.path_in_schema}.".startswith(inside)]
        except UNREADABLE as error:
            raise DamagedFileError(f"{self.where} cannot be read: {error}") from error
        return sum(sizes) // max(1, found.num_rows)

    def take(self, rows: int) -> Mapping[str, pa.Array]:
        """The next rows, column by column."""
        pieces: list[pa.RecordBatch] = []
        while rows:
            held = self._held if self._held is not None and self._held.num_rows else self._next()
            pieces.append(held.slice(0, rows))
            self._held = held.slice(pieces[-1].num_rows)
            rows -= pieces[-1].num_rows
        table = pa.Table.from_batches(pieces)
        return {n: pa.concat_arrays(table.column(n).chunks) for n in table.column_names}

    def _next(self) -> pa.RecordBatch:
        try:
            for batch in self._batches:
                if self._skip >= batch.num_rows:
                    self._skip -= batch.num_rows
                    continue
                batch, self._skip = batch.slice(self._skip), 0
                return batch
        except UNREADABLE as error:
            raise DamagedFileError(f"{self.where} cannot be read: {error}") from error
        raise DamagedFileError(f"{self.where} has fewer rows than it should")

    def close(self) -> None:
        self._file.close()


@dataclass
class LeRobotRows(Reopened):
    """Implements `_columnar.Rows`."""

    url: str
    places: Sequence[Place]
    held: Mapping[str, Held]
    fps: float
    extras: Sequence[Rest] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    """Path in `rest` -> feature of text, which no column of ours can hold."""
    _open: dict[tuple[str, ...], dict[tuple[str, int], Any]] = field(default_factory=dict, init=False)
    """Columns -> file and row (of videos: frame) at which a reader of them stands, those used last."""

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        yield from self.extras if first == 0 else ()
        folder = Folder(self.url)
        for number in range(first, last):
            pieces = [(number, 0, self.places[number].length)]
            for path, name in self.texts.items() if pieces[0][2] else ():
                found = self._read(folder, (name,), pieces)[name]
                yield text_rest(found, path, number, f"{self.url}: {name}")

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        folder, pieces = Folder(self.url), list(self._pieces(start, stop))
        wanted = [self.held[name] for name in columns]
        stored = [h for h in wanted if h.kind != "video"]
        found: dict[str, Values] = {}
        if stored:
            found = self._stored(folder, stored, pieces)
        for held in wanted:
            if held.kind == "video":
                found[held.column.name] = self._frames(folder, held, pieces)
        return found

    def times(self, start: int, stop: int) -> Array:
        """Timestamps (s), exact where they are the frame's number over the rate as the file's type holds it."""
        pieces = list(self._pieces(start, stop))
        given = pa.concat_arrays(self._read(Folder(self.url), ("timestamp",), pieces)["timestamp"])
        values = given.to_numpy(zero_copy_only=False)
        regular = np.concatenate([np.arange(a, b) for _, a, b in pieces] or [np.zeros(0)]) / self.fps
        return np.where(regular.astype(values.dtype) == values, regular, values.astype(np.float64))

    def _pieces(self, start: int, stop: int) -> Iterator[Piece]:
        ends = self._ends
        episode = int(np.searchsorted(ends, start, side="right"))
        while start < stop:
            first = int(ends[episode]) - self.places[episode].length
            end = min(stop, int(ends[episode]))
            if end > start:
                yield episode, start - first, end - first
            start, episode = max(start, end), episode + 1

    @property
    def _ends(self) -> Array:
        return np.cumsum([place.length for place in self.places])

    # ---- Parquet

    def _stored(self, folder: Folder, wanted: Sequence[Held], pieces: Sequence[Piece]) -> dict[str, Values]:
        names = tuple(h.name for h in wanted)
        row_bytes = sum(h.column.nbytes for h in wanted if h.kind == "number")
        arrays = self._read(folder, names, pieces, row_bytes)
        found: dict[str, Values] = {}
        for held in wanted:
            where = f"{self.url}: {held.name}"
            if held.kind == "image":
                with workers() as pool:
                    parts = [images_of(a, held.column, where, pool) for a in arrays[held.name]]
            else:
                parts = [numbers_of(a, held.column, where) for a in arrays[held.name]]
            found[held.column.name] = np.concatenate(parts) if len(parts) != 1 else parts[0]
        return found

    def _read(
        self, folder: Folder, names: tuple[str, ...], pieces: Sequence[Piece], row_bytes: int = 0
    ) -> dict[str, list[pa.Array]]:
        found: dict[str, list[pa.Array]] = {name: [] for name in names}
        for file, start, stop in self._spans(pieces):
            reader = self._at(names, file, start) or Forward(folder, file, names, start, row_bytes)
            for name, values in reader.take(stop - start).items():
                found[name].append(values)
            self._keep(names, file, stop, reader)
        return found

    def _spans(self, pieces: Sequence[Piece]) -> list[tuple[str, int, int]]:
        """Ranges of rows of files; neighbours in one file are one."""
        spans: list[tuple[str, int, int]] = []
        for episode, start, stop in pieces:
            place = self.places[episode]
            first, last = place.start + start, place.start + stop
            if spans and spans[-1][0] == place.file and spans[-1][2] == first:
                spans[-1] = (place.file, spans[-1][1], last)
            else:
                spans.append((place.file, first, last))
        return spans

    def _at(self, names: tuple[str, ...], file: str, row: int) -> Any:
        return self._open.get(names, {}).pop((file, row), None)

    def _keep(self, names: tuple[str, ...], file: str, row: int, reader: Any) -> None:
        known = self._open.setdefault(names, {})
        replaced = known.pop((file, row), None)
        if replaced is not None:
            replaced.close()
        known[file, row] = reader
        while len(known) > MAX_OPEN:
            known.pop(next(iter(known))).close()

    # ---- video

    def _frames(self, folder: Folder, held: Held, pieces: Sequence[Piece]) -> Array:
        shape = held.column.shape
        out = np.zeros((sum(b - a for _, a, b in pieces), *shape), dtype=np.uint8)
        at = 0
        for episode, start, stop in pieces:
            if held.name in self.places[episode].videos:
                file, first = self.places[episode].videos[held.name]
                times = [first + k / self.fps for k in range(start, stop)]
                frame = round(times[0] * self.fps)
                reader = self._at((held.name,), file, frame) or Frames(folder, file, times[0], 0.45 / self.fps)
                out[at : at + stop - start] = reader.take(times, shape)
                self._keep((held.name,), file, frame + stop - start, reader)
            at += stop - start
        return out


def text_rest(values: Sequence[pa.Array], path: str, episode: int, where: str) -> Rest:
    """Texts of an episode's steps as bytes in UTF-8, of equal length; null is empty."""
    try:
        texts = [(text or "").encode() for piece in values for text in piece.to_pylist()]
    except UNREADABLE as error:
        raise DamagedFileError(f"{where} cannot be read: {error}") from error
    longest = max([1, *map(len, texts)])
    if longest * len(texts) > MAX_TEXT_BYTES:
        raise DamagedFileError(f"{where}: {len(texts)} texts of up to {longest:,} bytes are too long")
    array = np.array(texts, dtype=f"S{longest}")
    return Rest(path, array.dtype.str, array.shape, array.tobytes(), episode, {})


def numbers_of(values: pa.Array, column: Column, where: str) -> Array:
    """Numbers in any nesting of lists as an array (n, *shape); DamagedFileError where they are not of that shape."""
    rows, flat = len(values), values
    try:
        if flat.null_count:
            raise DamagedFileError(f"{where}: {flat.null_count} values are null")
        while pa.types.is_nested(flat.type):
            flat = flat.flatten()
            if flat.null_count:
                raise DamagedFileError(f"{where}: {flat.null_count} values within lists are null")
        if len(flat) != rows * math.prod(column.shape):
            raise DamagedFileError(f"{where}: expected {math.prod(column.shape)} numbers a row ({column.shape}), "
                                   f"found {len(flat)} in {rows} rows")  # fmt: skip
        found = flat.to_numpy(zero_copy_only=False)
        if found.dtype != np.dtype(column.dtype):
            raise DamagedFileError(f"{where}: expected {column.dtype}, found {flat.type}")
        return found.reshape(rows, *column.shape)
    except TrajloomError:
        raise
    except UNREADABLE as error:
        raise DamagedFileError(f"{where} cannot be read: {error}") from error


def images_of(values: pa.Array, column: Column, where: str, pool: ThreadPoolExecutor) -> Array:
    """Images' bytes as an array (n, H, W, C). Paths beside them are never followed."""
    data = values.field("bytes") if pa.types.is_struct(values.type) else values
    packed = data.to_pylist()
    if any(not isinstance(item, bytes) for item in packed):
        raise DamagedFileError(f"{where}: {packed.count(None)} images are not in the file, which may name others")
    out = np.empty((len(packed), *column.shape), dtype=np.uint8)
    for number, image in enumerate(pool.map(lambda item: decode(item, column.shape, where), packed)):
        out[number] = image
    return out
