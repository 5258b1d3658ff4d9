"""What robomimic's layout has no place for, in a root group of its own: `trajloom`.

`trajloom` has the attributes `version` and `header` (JSON: generation settings, sources, versions, and what is known
of each column), and the dataset `attempts` (bytes: an Arrow IPC stream). robomimic looks at `data` and `mask` only.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from h5py import h5d, h5g, h5s, h5t

from trajloom.errors import DamagedFileError
from trajloom.formats.hdf5.layout import MARK
from trajloom.formats.hdf5.scan import opened
from trajloom.formats.hdf5.values import read_attrs, spell, type_of, value_of, write_attr
from trajloom.schema import ATTEMPTS, Column, Header

VERSION = 1
KEPT = ("control_hz", "sources", "generation", "attempts_end", "made_by")
"""Fields of the header that come back as they were."""
ABOUT = ("unit", "frame", "when", "rotation")
"""What is known of a column beyond its values."""


def is_ours(root: h5g.GroupID) -> bool:
    """Whether we exported the file, in a version that we read."""
    group = opened(root, root, MARK.encode())
    if not isinstance(group, h5g.GroupID):
        return False
    attrs = read_attrs(group)
    return value_of(attrs.get("version")) == VERSION and read_fields(root) is not None


def read_fields(root: h5g.GroupID) -> dict[str, Any] | None:
    """What `header_fields` wrote, or None where it is no such thing."""
    attrs = read_attrs(h5g.open(root, MARK.encode()))
    try:
        fields = json.loads(str(value_of(attrs.get("header"))))
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def read_attempts(root: h5g.GroupID) -> pa.Table:
    """The table `attempts`."""
    group = h5g.open(root, MARK.encode())
    dataset = opened(root, group, b"attempts")
    if not isinstance(dataset, h5d.DatasetID) or type_of(dataset.get_type()).column != "uint8":
        return ATTEMPTS.empty_table()
    data = np.empty(dataset.shape, dtype=np.uint8)
    dataset.read(h5s.ALL, h5s.ALL, data)
    try:
        attempts = pa.ipc.open_stream(pa.py_buffer(data.tobytes())).read_all().cast(ATTEMPTS)
        attempts.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedFileError(f"the ledger {MARK}/attempts cannot be read ({error})") from error
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
    return {**{name: values[name] for name in KEPT}, "eefs": list(header.eefs), "columns": columns, "lacking": lacking}


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


def write_group(root: h5g.GroupID, header: Header, attempts: pa.Table) -> None:
    """Write the group."""
    group = h5g.create(root, MARK.encode())
    write_attr(group, "version", spell(VERSION))
    write_attr(group, "header", spell(json.dumps(header_fields(header), sort_keys=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ATTEMPTS) as stream:
        stream.write_table(attempts.combine_chunks().cast(ATTEMPTS))
    data = np.frombuffer(sink.getvalue(), dtype=np.uint8)
    dataset = h5d.create(group, b"attempts", h5t.STD_U8LE, h5s.create_simple(data.shape))
    dataset.write(h5s.ALL, h5s.ALL, data)
