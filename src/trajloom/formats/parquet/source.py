"""Parquet files as a dataset."""

import base64
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import DamagedFileError, LayoutError, TrajloomError, TrajloomWarning
from trajloom.formats import OnError, Source, _aside
from trajloom.formats._columnar import PART_BYTES, ColumnarSource, row_bytes
from trajloom.formats.parquet import embedded, roles
from trajloom.formats.parquet.files import OURS, Files, Footer, find, footer, reading
from trajloom.formats.parquet.leaves import Decision, decide
from trajloom.formats.parquet.roles import Episodes, Roles
from trajloom.formats.parquet.rows import ParquetRows, Times
from trajloom.schema import Header


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
