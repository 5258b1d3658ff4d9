"""Writing any dataset as a hierarchy of demonstrations."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.errors import SchemaError
from trajloom.formats import Part, Progress, Source
from trajloom.formats._aside import FOLDER, AsideWriter
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats._zarr.arrays import put_array, put_node, put_rest, writer
from trajloom.formats._zarr.attrs import env_args_of, plain
from trajloom.formats._zarr.facts import Facts, is_held, one_chunk
from trajloom.formats._zarr.nodes import Json, Node
from trajloom.formats._zarr.output import appearing, consolidate
from trajloom.formats._zarr.settings import WriteOptions
from trajloom.formats._zarr.shelf import put_aside
from trajloom.formats.zarr_demos.metadata import ROOM
from trajloom.formats.zarr_demos.plan import Plan, demo_names, plan
from trajloom.formats.zarr_demos.source import read_demos
from trajloom.schema import Column, Header
from trajloom.tables import Rest, filled, rest_rows

BLOCK_BYTES = 2 << 20


@dataclass
class Demo:
    """A demonstration that is being written."""

    name: str
    length: int
    room: Mapping[str, Json]
    attrs: Mapping[str, Any]
    """Attributes of what lies in it, by path."""
    rows: int = 0
    writers: dict[str, Any] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    """Those that are written."""


def write_demos(source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions) -> None:
    """Write a dataset; see `zarr_demos.write`."""
    made = plan(source.header, options)
    with appearing(source, path, overwrite, made.options.version) as draft:
        beside = Path(tempfile.mkdtemp(prefix=".trajloom-", dir=draft.parent))
        try:
            DemoWriter(source, draft, made).write(beside / "aside", progress)
        finally:
            shutil.rmtree(beside, ignore_errors=True)


class DemoWriter:
    """Writes one hierarchy."""

    def __init__(self, source: Source, draft: Path, made: Plan):
        self.source, self.draft, self.made, self.header = source, draft, made, source.header
        self.facts = Facts()
        self.steps = [(c, made.steps[c.name]) for c in self.header.steps if c.name in made.steps]
        self.episodes = [(c, made.episodes[c.name]) for c in self.header.episodes if c.name in made.episodes]
        self.demos: dict[int, Demo] = {}
        """Those of the part that is being written."""
        self.popped = self.header.layout.get("popped", ()) if made.exact else ("success", "seed", "num_samples")
        self.attrs = {p.strip("/"): plain(found) for p, found in self.header.attrs.items()} if made.exact else {}

    def write(self, folder: Path, progress: Progress | None) -> None:
        """Write everything.

        Args:
            folder: Where to put what is kept aside, before it goes into the hierarchy.
            progress: Called with episodes done and in all.
        """
        parts = list(self.source.parts())
        wanted = [name for part in parts for name in part.episodes().column("name").to_pylist()]
        names = demo_names(wanted, self.made.exact, self.made.known)
        aside = AsideWriter("zarr_demos", self.header, folder, *self.made.read_as())
        try:
            for part in parts:
                self._part(part, names, aside)
                if progress:
                    progress(len(self.facts.lengths), len(names))
            aside.finish(self.source.models())
        finally:
            aside.close()
        self._groups()
        if self.made.exact and self.header.layout.get("consolidated"):
            consolidate(self.draft)
        if not (self.made.exact and is_held(self._again, self.header, self.facts, folder)):
            put_aside(self.draft, folder, self.made.options)
            put_node(self.draft, self.made.options.group(FOLDER, self.made.marker(self.header)))

    def _again(self) -> ColumnarSource:
        return read_demos(str(self.draft), quietly=True)

    # ---- a part ------------------------------------------------------------------------------------------------

    def _part(self, part: Part, names: list[str], aside: AsideWriter) -> None:
        rows, first = part.episodes(), len(self.facts.lengths)
        self.facts.take(rows)
        own = rows.select(["episode_index", "length", "success", "seed", "attrs"]).to_pylist()
        self.demos = {row["episode_index"]: self._demo(row, names[first + i]) for i, row in enumerate(own)}
        demos = list(self.demos.values())
        for column, path in self.episodes:
            values = one_chunk(rows.column(column.name))
            for i, demo in enumerate(demos):
                if values[i].is_valid:
                    node = self._array(column, demo, path, column.shape)
                    put_array(self.draft, node, filled(values.slice(i, 1), column)[0])
        for batch in aside.steps_of(part):
            self._steps(batch)
        for demo in demos:
            self._finish(demo)
        for batch in part.rest():
            for row in rest_rows(batch):
                self.facts.rest_held = self._rest(row) and self.facts.rest_held

    def _demo(self, row: Mapping[str, Any], name: str) -> Demo:
        attrs = json.loads(row["attrs"] or "{}")
        room = attrs.pop(ROOM, {}) if self.made.exact else {}
        attrs = {path: plain(found) for path, found in attrs.items()} if self.made.exact else {}
        known = {"success": row["success"], "seed": row["seed"], "num_samples": row["length"]}
        own = {**attrs.get("", {}), **{key: known[key] for key in self.popped if known[key] is not None}}
        demo = Demo(name, row["length"], room, {**attrs, "": own})
        self._groups_of(demo, "")
        for path, about in room.items():
            if "shape" not in about["meta"]:
                self._groups_of(demo, f"{path}/.")
        return demo

    def _groups_of(self, demo: Demo, path: str) -> None:
        """Write the groups above a path of a demonstration, as they were."""
        for group in ["", *_beginnings(path)[:-1]]:
            if group not in demo.groups:
                demo.groups.add(group)
                node = self.made.node(demo.name, group, demo.room, 0)
                node = node or self.made.options.group(f"data/{demo.name}/{group}".rstrip("/"))
                put_node(self.draft, self._with(node, demo, group))

    def _array(self, column: Column, demo: Demo, path: str, shape: tuple[int, ...]) -> Node:
        self._groups_of(demo, path)
        return self._with(self.made.array(column, demo.name, path, demo.room, shape), demo, path)

    def _with(self, node: Node, demo: Demo, path: str) -> Node:
        attrs = demo.attrs.get(path)
        return replace(node, attrs=dict(attrs)) if attrs else node

    def _steps(self, batch: pa.RecordBatch) -> None:
        index = batch.column("episode_index").to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for a, b in pairwise(bounds):
            demo = self.demos.get(int(index[a])) if b > a else None
            if demo is None:
                raise SchemaError(f"`steps` has rows of episode {index[a]}, which `episodes` of its part lacks")
            for column, path in self.steps:
                self._frames(demo, column, path, batch.column(column.name).slice(a, b - a))
            demo.rows += b - a

    def _frames(self, demo: Demo, column: Column, path: str, values: pa.Array) -> None:
        rows = demo.writers.get(path)
        if rows is None:
            if values.null_count == len(values):
                return
            node = self._array(column, demo, path, (demo.length, *column.shape))
            rows = demo.writers[path] = writer(self.draft, node, BLOCK_BYTES)
            if demo.rows:  # what came before was null
                rows.write(filled(pa.nulls(demo.rows, values.type), column))
        rows.write(filled(values, column))

    def _finish(self, demo: Demo) -> None:
        if demo.rows != demo.length:
            raise SchemaError(f"{demo.name} says it has {demo.length} steps; {demo.rows} came")
        for rows in demo.writers.values():
            rows.close()
        demo.writers.clear()
        if not demo.length:
            for column, path in self.steps:
                if not column.nullable:
                    put_node(self.draft, self._array(column, demo, path, (0, *column.shape)))

    def _rest(self, row: Rest) -> bool:
        """Write a row of `rest` where it came from; False where that is unknown."""
        if not self.made.exact or row.attrs:
            return False
        if row.episode_index is None:
            attrs = self.attrs
            arrays = {p: replace(n, attrs=attrs.get(p, n.attrs)) for p, n in self.made.known.items() if n.is_array}
            return put_rest(self.draft, row, arrays)
        demo = self.demos[row.episode_index]
        arrays, length = {}, row.shape[0] if row.shape else 0
        for path in _beginnings(row.path):
            rows = length if path == row.path else demo.length
            node = self.made.node(demo.name, path, demo.room, rows)
            if node is not None and node.is_array:
                arrays[node.path] = self._with(node, demo, path)
        if arrays:
            self._groups_of(demo, next(iter(arrays)).removeprefix(f"data/{demo.name}/"))
        return put_rest(self.draft, replace(row, path=f"data/{demo.name}/{row.path}"), arrays)

    # ---- around the demonstrations -----------------------------------------------------------------------------

    def _groups(self) -> None:
        attrs, steps = _file_attrs(self.header, self.made, self.attrs, self.facts), self.made.known
        for path in sorted({"", "data", *(p for p, node in steps.items() if not node.is_array)}):
            known = steps.get(path)
            node = known if known and self.made.options.keeps(known) else self.made.options.group(path)
            put_node(self.draft, replace(node, attrs=attrs[path]) if attrs.get(path) else node)


def _beginnings(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:n]) for n in range(1, len(names) + 1)]


def _file_attrs(header: Header, made: Plan, attrs: dict[str, dict[str, Any]], facts: Facts) -> dict[str, Any]:
    """Attributes of the groups around the demonstrations."""
    total = sum(facts.lengths)
    if not made.exact:
        env_args = {} if header.env_args is None else {"env_args": json.dumps(header.env_args)}
        return {"": {"success_rate": facts.success_rate()}, "data": {"total": total, **env_args}}
    data, root = attrs.setdefault("data", {}), attrs.setdefault("", {})
    if "total" in data and data["total"] == header.layout.get("steps"):
        data["total"] = total
    if header.env_args is not None and env_args_of(data) != header.env_args:
        data["env_args"] = json.dumps(header.env_args)
    if "success_rate" in root and len(facts.lengths) != header.layout.get("episodes"):
        root["success_rate"] = facts.success_rate()
    return attrs
