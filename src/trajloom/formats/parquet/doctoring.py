"""What the doctor asks of Parquet: statistics and side files that lie, by which engines skip rows unread."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trajloom.errors import TrajloomError
from trajloom.findings import Finding
from trajloom.folder import Folder
from trajloom.formats.parquet import roles, thrift
from trajloom.formats.parquet.files import OURS, UNREADABLE, Files, Footer, find, footer, opened, reading
from trajloom.tables import Array

SIDE_FILE = "_metadata"


def findings(path: str) -> Iterator[Finding]:
    """Row groups whose statistics lie, a `_metadata` that is stale, and a frame column that does not count."""
    footers = list(_footers(path))
    for one in footers:
        try:
            yield from _lying(one)
        except UNREADABLE:
            continue  # the reader says so
    yield from _side_file(path, sum(one.file.rows for one in footers))
    if footers and not any(OURS in one.metadata for one in footers):
        yield from _frames(footers, path)


def _footers(path: str) -> Iterator[Footer]:
    for url, name in find(path):
        try:
            yield footer(url, name)
        except TrajloomError:
            continue  # the reader leaves it out, and says so


def _lying(one: Footer) -> Iterator[Finding]:
    """Columns whose values lie outside of what the statistics of their row group say; reads those columns."""
    with reading(one.file.url), opened(one.file.url) as data:
        data.seek(0, 2)
        said = thrift.bounds(data, data.tell())
        plain = {f.name: f.type for f in one.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)}
        file = pq.ParquetFile(data, pre_buffer=False)
        wrong: dict[str, int] = {}
        for group, bounds in enumerate(said):
            for name in plain.keys() & bounds.keys() - wrong.keys():
                values = file.read_row_group(group, columns=[name], use_threads=False).column(0)
                if _is_outside(values, *bounds[name]):
                    wrong[name] = group
    for name, group in sorted(wrong.items()):
        what = (
            f"{one.file.url}: statistics of {name} lie in row group {group}: its values go beyond them, so that "
            "engines which trust them miss rows"
        )
        yield Finding(severity="warning", code="stale_statistics", what=what, column=name, fixable=True)


def _is_outside(values: pa.ChunkedArray, low: bytes, high: bytes) -> bool:
    dtype = pa.nulls(0, values.type).to_numpy(zero_copy_only=False).dtype
    if dtype.kind in "iu" and dtype.itemsize < 4:  # as Parquet has them
        dtype = np.dtype(f"{dtype.kind}4")
    found: Array = values.drop_null().to_numpy()
    found = found[found == found]  # NaN is in no order
    if not len(found) or len(low) != dtype.itemsize or len(high) != dtype.itemsize:
        return bool(len(found))
    bounds = [np.frombuffer(value, dtype)[0] for value in (low, high)]
    return bool(found.min() < bounds[0] or found.max() > bounds[1])


def _side_file(path: str, rows: int) -> Iterator[Finding]:
    place = Folder(path)
    if place.fs.isfile(place.root) or not place.exists(SIDE_FILE):
        return
    try:
        with place.fs.open(place.at(SIDE_FILE), "rb") as file:
            file.seek(0, 2)
            said: Any = thrift.rows(file, file.tell())
    except (OSError, ValueError):
        said = None
    if said != rows:
        counted = "cannot be read" if said is None else f"counts {said:,} rows"
        what = f"{SIDE_FILE} {counted}, where the files have {rows:,}; engines that trust it miss the others"
        yield Finding(severity="warning", code="stale_metadata", what=what, fixable=True)


def _frames(footers: list[Footer], path: str) -> Iterator[Finding]:
    """Whether the frame column counts 0, 1, 2, ... in every episode."""
    files = Files(tuple(one.file for one in footers))
    try:
        with reading(path):
            played = roles.find(footers[0].schema, {}, path)
            counted = roles.scan(files, played, path).counted
    except TrajloomError:
        return  # the reader says so
    if played.frame is not None and not counted:
        what = f"{played.frame} does not count 0, 1, 2, ... in every episode: frames are missing; it is kept as data"
        yield Finding(severity="warning", code="frames_missing", what=what, column=played.frame)
