"""Writing any dataset as a replay buffer."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trajloom.errors import SchemaError
from trajloom.formats import Part, Progress, Source
from trajloom.formats._aside import AsideWriter
from trajloom.formats._zarr.arrays import put_array, put_node, put_rest, writer
from trajloom.formats._zarr.attrs import env_args_of, plain
from trajloom.formats._zarr.facts import Facts, is_held, one_chunk
from trajloom.formats._zarr.output import appearing, consolidate
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats._zarr.shelf import put_aside
from trajloom.formats.zarr.plan import Plan, plan, with_attrs
from trajloom.formats.zarr.scan import ENDS
from trajloom.formats.zarr.source import read_buffer
from trajloom.schema import Header
from trajloom.tables import filled, rest_rows

BUFFER_BYTES = 64 << 20
"""Rows that wait for a whole file, of all columns together."""


def write_buffer(source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions) -> None:
    """Write a dataset; see `zarr.write`."""
    made = plan(source.header, options)
    with appearing(source, path, overwrite, made.options.version) as draft:
        beside = Path(tempfile.mkdtemp(prefix=".trajloom-", dir=draft.parent))
        try:
            _write(source, draft, beside, made, progress)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _write(source: Source, draft: Path, beside: Path, made: Plan, progress: Progress | None) -> None:
    header, facts = source.header, Facts()
    aside = AsideWriter("zarr", header, beside / "aside", *made.read_as())
    _put_groups(draft, made)
    try:
        _put_columns(source, draft, made, aside, facts, progress)
        aside.finish(source.models())
    finally:
        aside.close()
    _put_ends(draft, made, facts)
    for path, attrs in _attrs(header, made, facts).items():
        node = made.known.get(path)
        if node is None or not node.is_array:
            group = node if node and made.options.keeps(node) else made.options.group(path)
            put_node(draft, with_attrs(group, attrs))
    if header.layout.get("consolidated") and made.exact:
        consolidate(draft)
    if not (made.exact and is_held(lambda: read_buffer(str(draft), quietly=True), header, facts, beside / "aside")):
        put_aside(draft, beside / "aside", made.options)


def _put_groups(draft: Path, made: Plan) -> None:
    paths = {path for path, node in made.known.items() if not node.is_array}
    arrays = [f"data/{path}" for path in (*made.steps.values(), *made.episodes.values())]
    for path in arrays:
        names = path.split("/")
        paths |= {"/".join(names[:n]) for n in range(1, len(names))}
    taken = set(arrays)
    for path in sorted({"", "data", "meta", *paths} - taken):
        node = made.known.get(path)
        put_node(draft, node if node and not node.is_array and made.options.keeps(node) else made.options.group(path))


def _put_columns(
    source: Source, draft: Path, made: Plan, aside: AsideWriter, facts: Facts, progress: Progress | None
) -> None:  # fmt: skip
    parts = list(source.parts())
    steps, episodes = sum(part.num_steps for part in parts), sum(part.num_episodes for part in parts)
    attrs = {path: plain(found) for path, found in source.header.attrs.items()} if made.exact else {}
    room = min(8 << 20, BUFFER_BYTES // max(1, len(made.steps)))
    columns = {c.name: c for c in source.header.steps if c.name in made.steps}
    once = {c.name: c for c in source.header.episodes if c.name in made.episodes}
    nodes = {name: made.array(c, made.steps[name], steps) for name, c in columns.items()}
    nodes_once = {name: made.array(c, made.episodes[name], episodes) for name, c in once.items()}
    writers = {name: writer(draft, with_attrs(n, attrs.get(n.path, {})), room) for name, n in nodes.items()}
    writers_once = {name: writer(draft, with_attrs(n, attrs.get(n.path, {})), 1) for name, n in nodes_once.items()}
    known = {path: with_attrs(node, attrs.get(path, {})) for path, node in made.known.items() if node.is_array}
    taken = {ENDS, *(node.path for node in (*nodes.values(), *nodes_once.values()))}
    others = {path: node for path, node in known.items() if path not in taken}
    for part in parts:
        rows = part.episodes()
        facts.take(rows)
        for name, column in once.items():
            writers_once[name].write(filled(one_chunk(rows.column(name)), column))
        for batch in aside.steps_of(part):
            for name, column in columns.items():
                writers[name].write(filled(batch.column(name), column))
        _put_rest(draft, part, others if made.options.version == _version(made) else {}, facts)
        if progress:
            progress(len(facts.lengths), episodes)
    for name, rows_of in writers.items():
        rows_of.close()
        if rows_of.rows != steps or sum(facts.lengths) != steps:
            raise SchemaError(f"the dataset does not fit together: {name} has {rows_of.rows} rows for {steps} steps")
    for rows_of in writers_once.values():
        rows_of.close()


def _version(made: Plan) -> int:
    return made.known[""].version if "" in made.known else 0


def _put_rest(draft: Path, part: Part, arrays: Mapping[str, Any], facts: Facts) -> None:
    for batch in part.rest():
        for row in rest_rows(batch):
            held = row.episode_index is None and not row.attrs and put_rest(draft, row, arrays)
            facts.rest_held = facts.rest_held and held


def _put_ends(draft: Path, made: Plan, facts: Facts) -> None:
    ends = np.cumsum(np.array(facts.lengths, dtype=np.int64), dtype=np.int64)
    node = made.known.get(ENDS)
    most = 0 if node is None or node.dtype is None else int(np.iinfo(node.dtype).max)
    if node is None or not made.options.keeps(node) or (len(ends) and ends[-1] > most):
        node = made.options.array(ENDS, "int64", ends.shape)
    put_array(draft, node.reshaped(ends.shape), ends)


def _attrs(header: Header, made: Plan, facts: Facts) -> dict[str, dict[str, Any]]:
    """Attributes of the groups."""
    numbered = header.layout.get("numbered", ()) if made.exact else ("success", "seed")
    known = {
        f"{name}_{i}": value
        for name in numbered
        for i, value in enumerate(getattr(facts, name))
        if value is not None
    }  # fmt: skip
    total = sum(facts.lengths)
    if not made.exact:
        env_args = {} if header.env_args is None else {"env_args": json.dumps(header.env_args)}
        return {"": {"success_rate": facts.success_rate()}, "meta": {"total": total, **env_args, **known}}
    attrs = {"" if path == "/" else path: plain(found) for path, found in header.attrs.items()}
    meta = attrs.setdefault("meta", {})
    meta.update(known)
    if meta.get("total") == header.layout.get("steps"):
        meta["total"] = total
    if header.env_args is not None and env_args_of(meta) != header.env_args:
        meta["env_args"] = json.dumps(header.env_args)
    root = attrs.get("", {})
    if "success_rate" in root and len(facts.lengths) != header.layout.get("episodes"):
        root["success_rate"] = facts.success_rate()
    return attrs
