"""What a layout of the family has no place for, in a group of its own: `trajloom`, in the root.

`trajloom` has the attributes `version`, `format` (the layout, where it is not robomimic's) and `header` (JSON:
generation settings, sources, versions, what is known of each column, and which path is which column), the datasets
`attempts` (bytes: an Arrow IPC stream) and `lengths` (steps of each demonstration), and the group `aside` with the
files of `formats._aside`, each an array of bytes. robomimic looks at `data` and `mask` only. Where demonstrations lie
in the root, so that loaders take each of its groups for one, `trajloom` lies in the first of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from h5py import h5d, h5g, h5s

from trajloom.errors import DamagedFileError
from trajloom.formats.hdf5.attrs import read_attr, read_attrs, spell, value_of, write_attr
from trajloom.formats.hdf5.create import create
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.layout import MARK
from trajloom.formats.hdf5.scan import first_line, opened, raw
from trajloom.formats.hdf5.told import Told
from trajloom.formats.hdf5.values import type_named, type_of, write_bytes
from trajloom.schema import Column, Header
from trajloom.tables import Array

VERSION = 1
KEPT = ("control_hz", "sources", "generation", "tries", "attempts_end", "made_by")
"""Fields of the header that come back as they were."""
ABOUT = ("unit", "frame", "when", "rotation")
"""What is known of a column beyond its values."""


def mark_of(root: h5g.GroupID, demos: Sequence[str], dialect: Dialect) -> str | None:
    """Path of the group that says that we exported the file, in a version that we read; None where there is none.

    Where the demonstrations lie in the root, it lies in the first of them: whoever counts them counts no other group.
    """
    if _is_mark(root, opened(root, root, MARK.encode())):
        return MARK
    first = opened(root, root, raw(demos[0])) if demos and not dialect.folder else None
    if isinstance(first, h5g.GroupID) and _is_mark(root, opened(root, first, MARK.encode())):
        return f"{demos[0]}/{MARK}"
    return None


def _is_mark(root: h5g.GroupID, group: Any) -> bool:
    if not isinstance(group, h5g.GroupID):
        return False
    return value_of(read_attr(group, "version")) == VERSION and read_fields(group) is not None


def format_of(root: h5g.GroupID, mark: str) -> str:
    """Name of the format that a file was exported in."""
    return str(value_of(read_attr(h5g.open(root, raw(mark)), "format")) or "hdf5")


def read_fields(group: h5g.GroupID) -> dict[str, Any] | None:
    """What `header_fields` wrote, or None where it is no such thing."""
    attrs = read_attrs(group)
    try:
        fields = json.loads(str(value_of(attrs.get("header"))).encode())  # text that is no UTF-8 is none of ours
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def read_lengths(root: h5g.GroupID, group: h5g.GroupID) -> Array | None:
    """Steps of each episode, as we wrote them; None where we did not."""
    dataset = opened(root, group, b"lengths")
    if not isinstance(dataset, h5d.DatasetID) or type_of(dataset.get_type()).column != "int64":
        return None
    if len(dataset.shape or ()) != 1:
        return None
    values = np.empty(dataset.shape, dtype=np.int64)
    dataset.read(h5s.ALL, h5s.ALL, values)
    return values


def read_attempts(root: h5g.GroupID, group: h5g.GroupID, fields: Mapping[str, Any]) -> pa.Table:
    """The table `attempts`, as the header's fields describe it."""
    schema = Header(tries=bool(fields.get("tries"))).attempts_schema
    dataset = opened(root, group, b"attempts")
    if not isinstance(dataset, h5d.DatasetID) or type_of(dataset.get_type()).column != "uint8":
        return schema.empty_table()
    data = np.empty(dataset.shape, dtype=np.uint8)
    dataset.read(h5s.ALL, h5s.ALL, data)
    try:
        attempts = pa.ipc.open_stream(pa.py_buffer(data.tobytes())).read_all().cast(schema)
        attempts.validate(full=True)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DamagedFileError(f"the ledger of attempts cannot be read ({first_line(error)})") from error
    return attempts


def header_fields(header: Header) -> dict[str, Any]:
    """What of a header is written, as JSON values; `lacking` are columns that episodes may lack and be whole."""
    columns: dict[str, Any] = {}
    for table in ("steps", "episodes"):
        for column in getattr(header, table):
            about = {name: getattr(column, name) for name in ABOUT if getattr(column, name) is not None}
            columns.update({f"{table}:{column.name}": about} if about else {})
    values = header.to_json()
    lacking = [column.name for column in header.steps if column.nullable]
    kept = {name: values[name] for name in KEPT if name in values}
    return {**kept, "eefs": list(header.eefs), "columns": columns, "lacking": lacking}


def restored(header: Header, fields: Mapping[str, Any]) -> Header:
    """A header with what the export kept of it."""
    kept = {name: fields[name] for name in KEPT if name in fields}
    kept = {name: tuple(value) if name == "sources" else value for name, value in kept.items()}
    about = fields.get("columns", {})

    def known(table: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        return tuple(
            replace(c, **{name: about.get(f"{table}:{c.name}", {}).get(name) for name in ABOUT}) for c in columns
        )

    header = replace(header, steps=known("steps", header.steps), episodes=known("episodes", header.episodes))
    there = set(header.eefs)
    return replace(header, **kept, eefs=tuple(eef for eef in fields.get("eefs", ()) if eef in there) or header.eefs)


def write_group(owner: h5g.GroupID, header: Header, attempts: pa.Table, told: Told | None, format_: str) -> h5g.GroupID:
    """Write the group.

    Args:
        owner: The file's root, or the demonstration in which it lies.
        header: The dataset's.
        attempts: All rows.
        told: What lies in the demonstrations; None leaves it to be found out.
        format_: Name of the format that the file is in.
    """
    group = h5g.create(owner, MARK.encode())
    write_attr(group, "version", spell(VERSION))
    fields = header_fields(header) if told is None else {**header_fields(header), "told": told.to_json()}
    write_attr(group, "header", spell(json.dumps(fields, sort_keys=True)))
    if format_ != "hdf5":
        write_attr(group, "format", spell(format_))
    if told is not None and told.lengths is not None:
        kind = type_named("<i8")
        write_bytes(create(group, "lengths", kind, told.lengths.shape, {}), kind, told.lengths.tobytes())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, header.attempts_schema) as stream:
        stream.write_table(attempts.combine_chunks().cast(header.attempts_schema))
    kind, data = type_named("|u1"), np.frombuffer(sink.getvalue(), dtype=np.uint8)
    write_bytes(create(group, "attempts", kind, data.shape, {}), kind, data.tobytes())
    return group
