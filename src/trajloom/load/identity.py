"""What a dataset is, as a hash: packed records are found by it, and made anew when it is another."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trajloom import tables
from trajloom.folder import Folder
from trajloom.formats import Source
from trajloom.load.groups import VERSION
from trajloom.schema import Header
from trajloom.store import StoredDataset

KEY_LENGTH = 24
"""Hex digits of a key, of the 64 of a SHA-256."""


def of_store(source: StoredDataset) -> str:
    """From the header and the hashes of the parts' files; reads no part."""
    parts = [[commit.part, commit.place, dict(commit.tables)] for commit in source.commits]
    return _digest({"store": _rows_of(source.header), "parts": parts})


def of_files(path: str, options: Mapping[str, Any]) -> str | None:
    """From the place, size and time of change of the files of another format, and how they are read; opens none.

    None where there is nothing.
    """
    folder = Folder(path)
    if not folder.fs.exists(folder.root):
        return None
    place = os.path.realpath(folder.root) if folder.local else folder.url
    return _digest({"files": place, "found": _found(folder), "options": {k: repr(v) for k, v in options.items()}})


def _found(folder: Folder) -> list[list[Any]]:
    """Name, size and time or tag of each file."""
    if folder.local and os.path.isfile(folder.root):
        return [["", *_stamp(os.stat(folder.root))]]
    if folder.local:
        walked = sorted((where, sorted(names)) for where, _, names in os.walk(folder.root))
        return [[os.path.join(w, n), *_stamp(os.stat(os.path.join(w, n)))] for w, names in walked for n in names]
    details: Any = folder.fs.find(folder.root, detail=True)
    return [
        [name, info.get("size"), *(str(info.get(tag)) for tag in ("mtime", "ETag", "LastModified", "last_modified"))]
        for name, info in sorted(details.items())
    ]


def _stamp(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns


def of_content(source: Source, columns: Sequence[str]) -> str:
    """From the rows themselves, for a dataset that exists in memory alone: reads the columns once."""
    sha = hashlib.sha256(_digest({"content": _rows_of(source.header)}).encode())
    wanted = [source.header.column(name) for name in columns]
    for part in source.parts():
        episodes = part.episodes().select(["episode_index", "name", "length", "splits"])
        sha.update(repr(episodes.to_pylist()).encode())
        for batch in part.steps(list(columns)) if columns else ():
            for column in wanted:
                sha.update(tables.filled(batch.column(column.name), column).tobytes())
    return sha.hexdigest()[:KEY_LENGTH]


def _rows_of(header: Header) -> dict[str, Any]:
    """What a header says of the rows, and of the names that they came under."""
    values = header.to_json()
    return {name: values[name] for name in ("version", "steps", "attempts_end")} | {
        "names": {key: header.layout.get(key) for key in ("format", "renamed", "names")}
    }


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps({**values, "layout": VERSION}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
