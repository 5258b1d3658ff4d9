"""Writing a replay buffer."""

import json
from collections.abc import Mapping
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
from trajloom.formats.zarr.source import ENDS
from trajloom.schema import Header, path_of, stored_name
from trajloom.tables import rest_rows


class Plan:
    """Which columns become which arrays."""

    def __init__(self, header: Header):
        self.exact = header.layout.get("format") == "zarr"
        self.layout: Mapping[str, Any] = header.layout if self.exact else {}
        paths = {c.name: path_of(c.name) for c in header.steps}
        self.renamed = dict(self.layout.get("renamed", {})) if self.exact else {}
        if not self.exact and "actions" in paths.values() and "action" not in paths.values():
            self.renamed = {"actions": "action"}  # as diffusion_policy has it
        steps = {name: self.renamed.get(path, path) for name, path in paths.items()}
        once = {c.name: path_of(c.name) for c in header.episodes}
        fit = placed(dict.fromkeys([*steps.values(), *once.values()]))
        self.steps = {name: path for name, path in steps.items() if path in fit}
        taken = set(self.steps.values())
        self.episodes = {name: path for name, path in once.items() if path in fit and path not in taken}
        back = {"action": "actions"} if "action" in taken and "actions" not in taken | set(once.values()) else {}
        self.step_names = {name: stored_name(back.get(path, path)) for name, path in self.steps.items()}
        self.episode_names = {name: stored_name(path, "episodes") for name, path in self.episodes.items()}

    def documents(self, name: str) -> Mapping[str, Any] | None:
        return self.layout.get("columns", {}).get(path_of(name))


def write_source(
    source: Source, path: str, overwrite: bool, progress: Progress | None, options: WriteOptions, is_one: Any
) -> None:
    """Write a dataset as a replay buffer; see `zarr.write`."""
    with appearing(source, path, overwrite, is_one, "zarr", options) as (draft, kept):
        writer = Writer(source, draft, kept)
        try:
            writer.write(progress)
        finally:
            writer.aside.close()


class Writer:
    """Writes one buffer."""

    def __init__(self, source: Source, draft: Draft, kept: Any):
        self.source, self.draft, self.kept = source, draft, kept
        header = self.header = source.header
        self.plan = plan = Plan(header)
        self.aside = AsideWriter("zarr", header, kept, plan.step_names, plan.episode_names)
        self.parts = list(source.parts())
        self.total = sum(part.num_steps for part in self.parts)
        self.count = sum(part.num_episodes for part in self.parts)
        self.lengths: list[int] = []
        self.facts: dict[str, list[Any]] = {"success": [], "seed": []}
        self.plain = plan.exact and not header.eefs

    def write(self, progress: Progress | None) -> None:
        """Write everything."""
        for group, documents in sorted(self.plan.layout.get("groups", {}).items()):
            self.draft.group(group, documents=documents)
        for group in ("", "data", "meta"):
            if group not in self.plan.layout.get("groups", {}):
                self.draft.group(group)
        columns = {c.name: c for c in self.header.steps}
        steps = {name: self._array(name, path, self.total, columns[name]) for name, path in self.plan.steps.items()}
        known = {c.name: c for c in self.header.episodes}
        once = {
            name: self._array(name, path, self.count, known[name], EPISODE) for name, path in self.plan.episodes.items()
        }
        for part in self.parts:
            for batch in self.aside.steps_of(part):
                for name, growing in steps.items():
                    growing.write(filled(batch.column(name), columns[name]))
            table = part.episodes()
            self._take(table)
            for name, growing in once.items():
                growing.write(filled(one(table.column(name)), known[name]))
            self._rest(part)
            if progress:
                progress(len(self.lengths), self.count)
        for growing in (*steps.values(), *once.values()):
            growing.close()
        self._meta()
        self.aside.finish(self.source.models())
        if not self.plain:
            self.draft.aside(self.kept)

    def _array(self, name: str, path: str, rows: int, column: Any, attrs: Mapping[str, Any] | None = None) -> Growing:
        documents = self.plan.documents(name)
        made = self.draft.array(f"data/{path}", (rows, *column.shape), column.dtype, attrs=attrs, documents=documents)
        return Growing(made)

    def _take(self, table: pa.Table) -> None:
        first = len(self.lengths)
        self.lengths += table.column("length").to_pylist()
        for fact, values in self.facts.items():
            values += table.column(fact).to_pylist()
        numbers = range(first, len(self.lengths))
        usual = table.column("name").to_pylist() == [f"episode_{i}" for i in numbers]
        usual = usual and table.column("episode_index").to_pylist() == list(numbers)
        usual = (
            usual and set(table.column("attrs").to_pylist()) <= {"{}"} and not any(table.column("splits").to_pylist())
        )
        usual = usual and all(table.column(name).null_count == table.num_rows for name in ("task", "model"))
        self.plain = self.plain and usual

    def _rest(self, part: Part) -> None:
        """What was no column in the Zarr that it came from."""
        kept = self.plan.layout.get("arrays", {})
        if not self.plan.exact:
            return
        for batch in part.rest():
            for row in rest_rows(batch):
                if row.path in kept:
                    write_row(self.draft, row.path, row, kept[row.path])
                else:
                    self.plain = False

    def _meta(self) -> None:
        ends = np.cumsum(self.lengths, dtype=np.int64)
        documents = self.plan.layout.get("arrays", {}).get(ENDS)
        array = self.draft.array(ENDS, (len(ends),), np.int64, documents=documents)
        if len(ends):
            array[:] = ends.astype(array.dtype)
        unchanged = (self.count, self.total) == (self.plan.layout.get("episodes"), self.plan.layout.get("steps"))
        if self.plan.exact and unchanged:
            return
        self.draft.group("meta", attrs=self._attrs())
        self.draft.group("", attrs={"success_rate": success_rate(self.facts["success"])})

    def _attrs(self) -> dict[str, Any]:
        attrs: dict[str, Any] = {"total": self.total}
        if self.header.env_args is not None:
            attrs["env_args"] = json.dumps(self.header.env_args)
        for fact, values in self.facts.items():
            attrs.update({f"{fact}_{i}": value for i, value in enumerate(values) if value is not None})
        return attrs
