"""Parquet files as a dataset."""

import base64
import hashlib
import io
import json
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError, LayoutError, SchemaError, TrajloomError, TrajloomWarning
from trajloom.formats import OnError, Source, _aside
from trajloom.formats._columnar import PART_BYTES, ColumnarSource, Values, row_bytes
from trajloom.formats.parquet import embedded, kinds, roles
from trajloom.formats.parquet.files import OURS, Files, Footer, find, footer, reading
from trajloom.formats.parquet.leaves import Decision, decide, extract
from trajloom.formats.parquet.names import Leaf
from trajloom.formats.parquet.roles import Episodes, Roles
from trajloom.reopened import Reopened
from trajloom.schema import Column, Header
from trajloom.tables import Array, Rest

ARROW = "arrow"
"""Encoding of the rows of `rest` that hold a column's rows of one episode: an Arrow IPC stream, compressed."""
MAX_CURSORS = 4


def read_source(path: str, on_error: OnError, wanted: Mapping[str, str | None], to_rest: Sequence[str]) -> Source:
    """Scan files and return them as a dataset."""
    footers, oddities = _footers(path, on_error)
    _check_schemas(footers)
    files = Files(tuple(f.file for f in footers))
    about = embedded.said(footers[-1].metadata)
    with reading(path):
        played = _roles(footers[0].schema, wanted, about, path)
        episodes = roles.scan(files, played, path)
        played = _playing(played, episodes)
        data = [name for name in footers[0].schema.names if name not in played.used()]
        decision = decide(files, footers, data, to_rest)
        shelf = embedded.shelf(footers[-1].file.url, about)
    if shelf.files:
        _insert_empty(episodes, about.get("empty"))
    native = _source(path, files, footers, played, episodes, decision, oddities)
    found = _aside.restored(native, shelf, path)
    if found.header.warnings or not len(episodes.starts):
        _warn(path, found.header, not len(episodes.starts))
    return found


def _warn(path: str, header: Header, is_empty: bool) -> None:
    said = list(header.warnings)
    if is_empty and not any("no demonstration" in what for what in said):
        said.append("there is no demonstration in it")
    warnings.warn(f"{path}: " + "; ".join(said), TrajloomWarning, stacklevel=4)


def _footers(path: str, on_error: OnError) -> tuple[list[Footer], list[str]]:
    found, oddities = [], []
    for url, name in find(path):
        try:
            found.append(footer(url, name))
        except TrajloomError as error:
            if on_error == "raise":
                raise
            oddities.append(f"skipped: {error}")
    if not found:
        raise DamagedFileError(f"{path}: " + "; ".join(oddities))
    return found, oddities


def _check_schemas(footers: Sequence[Footer]) -> None:
    first = footers[0]
    for other in footers[1:]:
        if other.schema.equals(first.schema):
            continue
        mine, theirs = ({f.name: str(f.type) for f in found.schema} for found in (first, other))
        differ = [
            f"{name}: {mine.get(name, 'absent')} and {theirs.get(name, 'absent')}"
            for name in dict.fromkeys([*mine, *theirs])
            if mine.get(name) != theirs.get(name)
        ]
        said = "; ".join(differ) or "the order of the columns, or which may be null"
        raise LayoutError(f"{first.file.url} and {other.file.url} have different columns: {said}")


def _roles(schema: pa.Schema, wanted: Mapping[str, str | None], about: Mapping[str, Any], path: str) -> Roles:
    said = about.get("roles")
    if isinstance(said, dict) and not any(wanted.values()):
        known = {role: said.get(role) for role in asdict(Roles())}
        if all(name is None or name in schema.names for name in known.values()) and known["episode"]:
            return Roles(**known)
    return roles.find(schema, wanted, path)


def _playing(played: Roles, episodes: Episodes) -> Roles:
    """Without columns that turned out to be data."""
    facts = {role: getattr(played, role) if role in episodes.facts else None for role in ("task", "success", "name")}
    frame = played.frame if episodes.counted else None
    return replace(played, frame=frame, time=played.time if episodes.timed else None, **facts)


def _insert_empty(episodes: Episodes, said: Any) -> None:
    """Put episodes without rows where we said that they were when we wrote the file."""
    for at in sorted(n for n in said or () if type(n) is int):
        if not 0 <= at <= len(episodes.starts):
            return
        episodes.starts.insert(at, episodes.starts[at] if at < len(episodes.starts) else episodes.rows)
        episodes.ids.insert(at, "")
        for values in episodes.facts.values():
            values.insert(at, None)


def _source(
    path: str, files: Files, footers: Sequence[Footer], played: Roles, episodes: Episodes, decision: Decision,
    oddities: Sequence[str],
) -> ColumnarSource:  # fmt: skip
    said = [*oddities, *([f"kept in `rest`: {', '.join(decision.rest)}"] if decision.rest else [])]
    if not len(episodes.starts):
        said.append("there is no demonstration in it")
    layout = _layout(files, footers, played, episodes, decision)
    header = Header(steps=tuple(decision.header), control_hz=episodes.control_hz, layout=layout, warnings=tuple(said))
    rows = ParquetRows(
        path, files, {c.name: c for c in decision.header}, decision, np.array(episodes.starts), episodes.rows
    )
    own: dict[str, Sequence[Any]] = {"name": _names(episodes), **episodes.facts}
    if "name" in episodes.facts:
        own["name"] = [a or b for a, b in zip(episodes.facts["name"], _names(episodes), strict=True)]
    share = max(1, sum(f.row_bytes * f.rows for f in files.files) // max(1, files.rows)) / row_bytes(header)
    source = ColumnarSource(
        path, header, episodes.lengths, rows, own,
        times=None if played.time is None else Times(rows, played.time),
        part_bytes=max(1 << 16, int(PART_BYTES / max(1.0, share))),
    )  # fmt: skip
    return replace(source, header=header.with_(layout={**layout, "as_read": digest(source)}))


def digest(source: Source) -> str:
    """Of all that a dataset says beside its steps and `rest`: where it is as when read, nothing need be kept aside."""
    header = {key: value for key, value in source.header.to_json().items() if key != "layout"}
    sha = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for part in source.parts():
        sha.update("".join(map(repr, part.episodes().to_pylist())).encode())
        sha.update(b"+" if part.attempts().num_rows else b"")
    return sha.hexdigest()


def _names(episodes: Episodes) -> list[str]:
    return [name if isinstance(name, str) else f"episode_{name}" for name in episodes.ids]


def _layout(
    files: Files, footers: Sequence[Footer], played: Roles, episodes: Episodes, decision: Decision
) -> dict[str, Any]:
    """What is needed to write the files again."""
    metadata = [{_text(k): _text(v) for k, v in f.metadata.items() if k != OURS} for f in footers]
    unique = {json.dumps(m, sort_keys=True): m for m in metadata}
    order = list(unique)
    return {
        "format": "parquet",
        "one": len(files.files) == 1,
        "by": "file" if played.episode is None else "column",
        "files": [] if played.episode is None or len(files.files) == 1 else [[f.name, f.rows] for f in files.files],
        "schema": _text(footers[0].schema.serialize().to_pybytes()),
        "metadata": list(unique.values()),
        "metadata_of": [order.index(json.dumps(m, sort_keys=True)) for m in metadata] if len(order) > 1 else [],
        "roles": asdict(played),
        "columns": [[list(leaf), name] for name, leaf in decision.columns.items()],
        "rest": [[list(leaf), path] for path, leaf in decision.rest.items()],
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---- rows ------------------------------------------------------------------------------------------------------


class Cursor:
    """Rows of some columns as they are asked for, in order."""

    def __init__(self, files: Files, columns: Sequence[str], start: int):
        self.at = start
        self._batches = files.batches(columns, start)
        self._left: pa.RecordBatch | None = None

    def take(self, rows: int) -> list[pa.RecordBatch]:
        pieces = []
        while rows:
            batch = self._left if self._left is not None and self._left.num_rows else next(self._batches, None)
            if batch is None:
                break
            pieces.append(batch.slice(0, rows))
            self._left = batch.slice(pieces[-1].num_rows)
            rows -= pieces[-1].num_rows
            self.at += pieces[-1].num_rows
        return pieces


@dataclass(frozen=True)
class ParquetRows(Reopened):
    """Values of the columns of some files. Implements `_columnar.Rows`."""

    path: str
    files: Files
    columns: Mapping[str, Column]
    decision: Decision
    starts: Array
    """(E,). First row of each episode."""
    rows: int
    _cursors: dict[tuple[str, ...], Cursor] = field(default_factory=dict, init=False, compare=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, compare=False, repr=False)

    def raw(self, tops: Sequence[str], start: int, stop: int) -> list[pa.RecordBatch]:
        """Rows [start, stop) of top-level columns; quick where they follow those asked for last."""
        key = tuple(dict.fromkeys(tops))
        if start == stop or not key:
            return []
        with self._lock:
            cursor = self._cursors.pop(key, None)
        if cursor is None or cursor.at != start:
            cursor = Cursor(self.files, key, start)
        found = cursor.take(stop - start)
        with self._lock:
            if stop < self.rows:
                self._cursors[key] = cursor
            while len(self._cursors) > MAX_CURSORS:
                del self._cursors[next(iter(self._cursors))]
        if sum(batch.num_rows for batch in found) != stop - start:
            raise DamagedFileError(f"{self.path}: {', '.join(key)}: rows {start:,} to {stop:,} are not all there")
        return found

    def steps(self, columns: Sequence[str], start: int, stop: int) -> Mapping[str, Values]:
        leaves = {name: self.decision.columns[name] for name in columns}
        batches = self.raw([leaf[0] for leaf in leaves.values()], start, stop)
        found: dict[str, Values] = {}
        with reading(self.path):
            for name, leaf in leaves.items():
                column = self.columns[name]
                pieces = [kinds.read(extract(batch, leaf), column, self.path) for batch in batches]
                found[name] = pa.concat_arrays(pieces) if pieces else pa.nulls(0, column.arrow_type)
        return found

    def episodes(self, columns: Sequence[str], first: int, last: int) -> Mapping[str, Values]:
        return {}

    def rest(self, first: int, last: int) -> Iterator[Rest]:
        if not self.decision.rest:
            return
        ends = [*self.starts.tolist(), self.rows]
        tops = [leaf[0] for leaf in self.decision.rest.values()]
        for episode in range(first, last):
            batches = self.raw(tops, ends[episode], ends[episode + 1])
            for path, leaf in self.decision.rest.items():
                if batches:
                    yield packed(path, [extract(batch, leaf) for batch in batches], episode)


@dataclass(frozen=True)
class Times:
    """Timestamps from a column."""

    rows: ParquetRows
    column: str

    def __call__(self, start: int, stop: int) -> Array:
        pieces = [batch.column(0).to_numpy(zero_copy_only=False) for batch in self.rows.raw([self.column], start, stop)]
        return np.concatenate([np.empty(0), *pieces]).astype(np.float64)


def packed(path: str, pieces: Sequence[pa.Array], episode: int | None) -> Rest:
    """Values of any type as a row of `rest`."""
    values = _as_made_anew(pa.concat_arrays(list(pieces)))
    sink = io.BytesIO()
    schema = pa.schema([pa.field("values", values.type)])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(pa.record_batch([values], schema=schema))
    data = sink.getvalue()
    attrs = {"encoding": {"dtype": "str", "value": ARROW}}
    return Rest(path, "|u1", (len(data),), data, episode, attrs)


def _as_made_anew(values: pa.Array) -> pa.Array:
    """The same values in memory of their own, so that equal values give equal bytes however they were read."""
    if isinstance(values, pa.DictionaryArray):
        values = values.dictionary_decode().dictionary_encode().cast(values.type)
    return values.take(pa.array(np.arange(len(values))))


def unpacked(data: bytes, where: str) -> pa.Array:
    """The inverse of `packed`; SchemaError where it is none."""
    try:
        table = pa.ipc.open_stream(data).read_all()
        table.validate(full=True)
        pieces = table.column("values").chunks
        return pa.concat_arrays(pieces) if pieces else pa.nulls(0, table.schema.field(0).type)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise SchemaError(f"{where}: its bytes are no column of Parquet: {error}") from error


def leaf_of(said: Any) -> Leaf:
    return tuple(str(name) for name in said)
