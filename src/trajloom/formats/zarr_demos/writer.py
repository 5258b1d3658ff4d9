"""Writing Zarr with a group for each demonstration."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.formats import Part, Progress, Source
from trajloom.formats._aside import AsideWriter
from trajloom.formats._zarr.columns import filled, one, placed
from trajloom.formats._zarr.draft import EPISODE, Draft, WriteOptions
from trajloom.formats._zarr.draft import Column as Growing
from trajloom.formats._zarr.facts import success_rate
from trajloom.formats._zarr.output import appearing
from trajloom.formats._zarr.rest import write_row
from trajloom.schema import Column, Header, path_of, stored_name
from trajloom.tables import rest_rows

OWN = ["episode_index", "name", "length", "success", "seed", "task", "splits", "model", "attrs"]


class Plan:
    """Which columns become which arrays of a demonstration."""

    def __init__(self, header: Header):
        self.exact = header.layout.get("format") == "zarr_demos"
        self.layout: Mapping[str, Any] = header.layout if self.exact else {}
        steps = {c.name: path_of(c.name) for c in header.steps}
        once = {c.name: path_of(c.name) for c in header.episodes}
        fit = set(placed(dict.fromkeys([*steps.values(), *once.values()])))
        # what begins with initial_state/ is one an episode to whoever reads it
        self.steps = {n: p for n, p in steps.items() if p in fit and not p.startswith("initial_state/")}
        taken = set(self.steps.values())
        scalar = {c.name for c in header.episodes if not c.shape}
        self.episodes = {n: p for n, p in once.items() if p in fit and p not in taken and n not in scalar}
        self.step_names = {name: stored_name(path) for name, path in self.steps.items()}
        self.episode_names = {name: stored_name(path, "episodes") for name, path in self.episodes.items()}

    def documents(self, demo: str, path: str) -> Mapping[str, Any] | None:
        """The documents that an array had."""
        return self.layout.get("odd", {}).get(demo, {}).get(path) or self.layout.get("columns", {}).get(path)


def write_source(
    source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions, is_one: Any
) -> None:
    """Write a dataset with a group for each demonstration; see `zarr_demos.write`."""
    with appearing(source, path, overwrite, is_one, "zarr_demos", options) as (draft, kept):
        writer = Writer(source, draft, kept)
        try:
            writer.write(progress)
        finally:
            writer.aside.close()


class Writer:
    """Writes one hierarchy."""

    def __init__(self, source: Source, draft: Draft, kept: Any):
        self.source, self.draft, self.kept = source, draft, kept
        self.header, self.plan = source.header, Plan(source.header)
        self.aside = AsideWriter("zarr_demos", self.header, kept, self.plan.step_names, self.plan.episode_names)
        self.columns = {c.name: c for c in self.header.steps}
        self.once = {c.name: c for c in self.header.episodes}
        self.demos: dict[int, tuple[str, int]] = {}
        """Episode of the part that is being written -> (name, length)."""
        self.lengths: list[int] = []
        self.success: list[bool | None] = []
        self.names: set[str] = set()
        self.open: dict[tuple[int, str], Growing] = {}
        self.plain = self.plan.exact and not self.header.eefs

    def write(self, progress: Progress | None) -> None:
        """Write everything."""
        parts = list(self.source.parts())
        total = sum(part.num_episodes for part in parts)
        for group in ("", "data"):
            self._group(group)
        for part in parts:
            self._part(part)
            if progress:
                progress(len(self.lengths), total)
        self._attrs()
        self.aside.finish(self.source.models())
        if not self.plain:
            self.draft.aside(self.kept)

    def _group(self, path: str, attrs: Mapping[str, Any] | None = None) -> None:
        self.draft.group(path, attrs, self.plan.layout.get("groups", {}).get(path))

    def _part(self, part: Part) -> None:
        table = part.episodes()
        for row in table.select(OWN).to_pylist():
            self._demo(row)
        for batch in self.aside.steps_of(part):
            self._steps(batch)
        for growing in self.open.values():
            growing.close()
        self.open.clear()
        self._episode_arrays(table)
        if self.plan.exact:
            self._rest(part)
        self.demos.clear()

    def _demo(self, row: Mapping[str, Any]) -> None:
        number = len(self.lengths)
        wanted = row["name"]
        known = f"data/{wanted}" in self.plan.layout.get("groups", {})
        name = wanted if known and wanted not in self.names else f"demo_{number}"
        while name in self.names:
            number += 1
            name = f"demo_{number}"
        self.names.add(name)
        self.plain = self.plain and self._is_plain(row, name)
        attrs = {"num_samples": row["length"]}
        attrs |= {fact: row[fact] for fact in ("success", "seed") if row[fact] is not None}
        if self.plan.exact:
            for group in sorted(self.plan.layout.get("groups", {})):
                if group == f"data/{name}" or group.startswith(f"data/{name}/"):
                    self._group(group)
        if not known:
            self.draft.group(f"data/{name}", attrs)
        self.demos[row["episode_index"]] = (name, row["length"])
        self.lengths.append(row["length"])
        self.success.append(row["success"])
        if not row["length"]:
            self._empty(name)

    def _is_plain(self, row: Mapping[str, Any], name: str) -> bool:
        number = len(self.lengths)
        usual = row["name"] == name and row["episode_index"] == number and row["attrs"] == "{}" and not row["splits"]
        return usual and row["task"] is None and row["model"] is None

    def _empty(self, demo: str) -> None:
        """Arrays of no rows, for a demonstration of no steps."""
        for name, path in self.plan.steps.items():
            if not self.plan.exact:
                self._array(demo, path, 0, self.columns[name])

    def _array(self, demo: str, path: str, rows: int | None, column: Column, attrs: Any = None) -> Any:
        shape = column.shape if rows is None else (rows, *column.shape)
        documents = self.plan.documents(demo, path)
        return self.draft.array(f"data/{demo}/{path}", shape, column.dtype, attrs=attrs, documents=documents)

    def _steps(self, batch: pa.RecordBatch) -> None:
        index = batch.column("episode_index").to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        for a, b in pairwise(bounds):
            for name, path in self.plan.steps.items() if b > a else ():
                values = batch.column(name).slice(a, b - a)
                if values.null_count < len(values):
                    self._growing(int(index[a]), name, path).write(filled(values, self.columns[name]))

    def _growing(self, episode: int, name: str, path: str) -> Growing:
        key = (episode, path)
        if key not in self.open:
            demo, length = self.demos[episode]
            self.open[key] = Growing(self._array(demo, path, length, self.columns[name]))
        return self.open[key]

    def _episode_arrays(self, table: pa.Table) -> None:
        for name, path in self.plan.episodes.items():
            values = one(table.column(name))
            for i, episode in enumerate(self.demos):
                piece = values.slice(i, 1)
                if not piece.null_count:
                    array = self._array(self.demos[episode][0], path, None, self.once[name], EPISODE)
                    array[...] = filled(piece, self.once[name])[0]

    def _rest(self, part: Part) -> None:
        """What was no column in the Zarr that it came from."""
        kept = self.plan.layout.get("arrays", {})
        for batch in part.rest():
            for row in rest_rows(batch):
                owner = None if row.episode_index is None else self.demos[row.episode_index][0]
                path = row.path if owner is None else f"data/{owner}/{row.path}"
                if path in kept:
                    write_row(self.draft, path, row, kept[path])
                else:
                    self.plain = False

    def _attrs(self) -> None:
        if self.plan.exact and self.lengths == self.plan.layout.get("lengths"):
            return
        attrs: dict[str, Any] = {"total": sum(self.lengths)}
        if self.header.env_args is not None:
            attrs["env_args"] = json.dumps(self.header.env_args)
        self.draft.group("data", attrs)
        self.draft.group("", {"success_rate": success_rate(self.success)})
