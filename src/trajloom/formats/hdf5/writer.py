"""Writing any dataset as HDF5: one that came from a file of the same layout as it was, any other anew."""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from h5py import h5f, h5g, h5o

from trajloom.errors import SchemaError
from trajloom.formats import Part, Progress, Source
from trajloom.formats._aside import AsideWriter
from trajloom.formats.hdf5.create import Later, create, create_array, exists, write_attrs, write_rest
from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.export import write_group
from trajloom.formats.hdf5.frame import demo_attrs, interface_attrs, kept_attrs, mask_content
from trajloom.formats.hdf5.lineage import ChosenSources, lineage_targets
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.native import Native, RestPaths, is_exact, is_spelled_as_hdf5
from trajloom.formats.hdf5.part import ROOM
from trajloom.formats.hdf5.scan import raw, unportable
from trajloom.formats.hdf5.shelf import put_files
from trajloom.formats.hdf5.targets import Demo, Target, target_of, write_frames
from trajloom.formats.hdf5.values import type_named, write_bytes
from trajloom.schema import Column, path_of
from trajloom.tables import filled, rest_rows, to_numpy

OWN = ["episode_index", "name", "length", "success", "seed", "task", "splits", "model", "attrs"]


class Writer:
    """Writes one file."""

    def __init__(self, file: h5f.FileID, source: Source, named_models: NamedModels, dialect: Dialect, folder: Path):
        """Begin.

        Args:
            file: The file, empty.
            source: The dataset.
            named_models: Where models that are only named go.
            dialect: The file's layout.
            folder: Where what is kept aside may be collected.
        """
        self.source, self.header, self.named_models, self.dialect = source, source.header, named_models, dialect
        self.exact = is_exact(self.header, dialect)
        """Whether the dataset came from a file of this layout, so that it is to be as it was."""
        self.layout = self.header.layout if self.exact else {}
        self.root = h5g.open(file, b"/")
        self.data = h5g.create(self.root, raw(dialect.folder)) if dialect.folder else self.root
        self.native = native = Native(self.header, dialect)
        self.aside = None if self.exact else AsideWriter(
            dialect.name, self.header, folder, {name: name for name in native.steps},
            {name: name for name in native.episodes}, native.copies,
        )  # fmt: skip
        self.spelled = self.exact or is_spelled_as_hdf5(self.header)
        self.lengths: list[int] = []
        self.written: set[str] = set()
        """Paths of columns that some episode has."""
        self.rest = RestPaths(self.header, native, dialect)
        self.first: h5g.GroupID | None = None
        """The first demonstration."""
        self.models = source.models()
        self.demos: dict[int, Demo] = {}
        """Those of the part that is being written."""
        self.names: set[str] = set()
        self.masks: dict[str, list[str]] = {}
        self.steps = 0
        self.attempts = [self.header.attempts_schema.empty_table()]
        self.later: Later = []
        self._attrs_after: list[tuple[h5g.GroupID, str, Mapping[str, Any]]] = []
        self.targets = self._targets(self.header.steps, native.steps, once=False)
        self.targets += lineage_targets(self.header, self.layout) if dialect.lineage else []
        self.episode_targets = self._targets(self.header.episodes, native.episodes, once=True)
        accounts = not self.exact and len(self.header.eefs) == 1 and dialect.lineage
        self.chosen_sources = ChosenSources(self.header, native) if accounts else None

    def write(self, progress: Progress | None) -> None:
        """Write everything."""
        parts = list(self.source.parts())
        total = sum(part.num_episodes for part in parts) if progress else 0
        for part in parts:
            self._part(part)
            if progress:
                progress(len(self.names), total)
        self._masks()
        attrs_of = kept_attrs if self.exact else self.dialect.file_attrs
        for path, attrs in attrs_of(self.header, len(self.names), self.steps).items():
            if path.removeprefix("mask/") not in self.layout.get("masks", {}):
                self._attrs_at(self.root, path, attrs)
        if not self.exact or self.layout.get("exported"):
            self._group()
        for act in self.later:
            act()

    def _targets(self, columns: Sequence[Column], native: Mapping[str, str], once: bool) -> list[Target]:
        packed = self.dialect.storage
        as_it_was = {column.name: self.dialect.theirs(path_of(column.name)) for column in columns}
        paths = as_it_was if self.exact else native
        return [target_of(c, paths[c.name], self.layout, packed, once) for c in columns if c.name in paths]

    def _group(self) -> None:
        """What the layout has no place for."""
        told = None if self.exact else self.native.told(self.written, self.rest.native, self.lengths)
        owner = self.root if self.dialect.folder or self.first is None else self.first
        group = write_group(owner, self.header, pa.concat_tables(self.attempts), told, self.dialect.name)
        if self.aside:
            self.aside.finish(self.models)
            put_files(group, self.aside.folder)

    def close(self) -> None:
        """Close what a writer that did not finish has open."""
        if self.aside:
            self.aside.close()

    def _part(self, part: Part) -> None:
        for batch in part.episodes().to_batches(max_chunksize=1000):
            for i, row in enumerate(batch.select(OWN).to_pylist()):
                self.demos[row["episode_index"]] = demo = self._demo(row)
                self._episode_arrays(batch, i, demo)
        for batch in self.aside.steps_of(part) if self.aside else part.steps():
            self._steps(batch)
        for demo in self.demos.values():
            self._finish(demo)
        for batch in part.rest():
            for row in rest_rows(batch):
                owner = self.root if row.episode_index is None else self._of(row.episode_index, "rest").group
                if self.exact or self.rest.takes(row):
                    write_rest(owner, self.rest.spelled(row), self.later)
        for owner, path, attrs in self._attrs_after:
            self._attrs_at(owner, path, attrs)
        self.attempts.append(part.attempts())
        self.demos, self._attrs_after = {}, []

    # ---- a demonstration ---------------------------------------------------------------------------------------

    def _demo(self, row: Mapping[str, Any]) -> Demo:
        name = self._name(row["name"])
        group = h5g.create(self.data, raw(name))
        attrs = json.loads(row["attrs"] or "{}") if self.spelled else {}
        room = attrs.pop(ROOM, {}) if self.exact or not self.header.layout else {}
        self.first = self.first or group
        self.lengths.append(row["length"])
        xml = None if row["model"] is None else self.models.get(row["model"])
        own = self.named_models.kept_beside(attrs.pop("", {}), xml)
        kind = self.dialect.demo_attrs
        write_attrs(group, demo_attrs(own, row, xml, self.exact, kind), self.later)
        if self.exact or kind != "none":
            self._attrs_after += [(group, path, found) for path, found in attrs.items()]
        keys = [key for key in row["splits"] if self.exact or _is_member(key)]
        if not self.exact and kind == "robomimic":
            self._attrs_after.append((group, "datagen_info", interface_attrs(self.header)))
            keys += [] if row["success"] is None else ["success" if row["success"] else "failed"]
        for key in dict.fromkeys(keys) if self.dialect.masks else ():
            self.masks.setdefault(key, []).append(name)
        return Demo(row["episode_index"], group, row["length"], room.get("storage", {}))

    def _name(self, wanted: str) -> str:
        number = len(self.names)
        keeps = self.exact and not self.dialect.renames and _is_member(wanted)
        name = wanted if keeps else self.dialect.stem.format(number)
        while name in self.names:
            name, number = self.dialect.stem.format(number), number + 1
        self.names.add(name)
        return name

    def _attrs_at(self, owner: h5g.GroupID, path: str, attrs: Mapping[str, Any]) -> None:
        where = b"." if path == "/" else raw(unportable(path))
        if attrs and (path == "/" or exists(owner, where)):  # what belonged to a column that was dropped goes with it
            write_attrs(h5o.open(owner, where), attrs, self.later)

    def _finish(self, demo: Demo) -> None:
        if demo.rows != demo.length:
            said = f"episode {demo.index} says it has {demo.length} steps; {demo.rows} came"
            raise SchemaError(f"the dataset does not fit together: {said}")
        self.steps += demo.length
        if self.chosen_sources:
            self.chosen_sources.finish(demo)

    def _of(self, index: int, table: str) -> Demo:
        if index not in self.demos:
            said = f"`{table}` has rows of episode {index}, which `episodes` of its part lacks"
            raise SchemaError(f"the dataset does not fit together: {said}")
        return self.demos[index]

    # ---- arrays ------------------------------------------------------------------------------------------------

    def _episode_arrays(self, batch: pa.RecordBatch, i: int, demo: Demo) -> None:
        for target in self.episode_targets:
            values = batch.column(target.column.name).slice(i, 1)
            if not values.null_count:
                storage = demo.storage.get(target.path, target.storage)
                create_array(demo.group, target.path, target.kind, to_numpy(values, target.column)[0], storage)
                self.written.add(target.path)

    def _steps(self, batch: pa.RecordBatch) -> None:
        index = batch.column("episode_index").to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        spans = [(self._of(int(index[a]), "steps"), a, b) for a, b in pairwise(bounds) if b > a]
        for target in self.targets:
            values = batch.column(target.column.name)
            if values.null_count < len(values):
                self.written.add(target.path)
            if not values.null_count:
                array = to_numpy(values, target.column)
                for demo, a, b in spans:
                    write_frames(demo, target, array[a:b])
            elif values.null_count < len(values):
                for demo, a, b in spans:
                    piece = values.slice(a, b - a)
                    if piece.null_count < len(piece):
                        write_frames(demo, target, filled(piece, target.column, nan=False))
        if self.chosen_sources:
            self.chosen_sources.take(batch, spans)
        for demo, a, b in spans:
            demo.rows += b - a
            if demo.rows >= demo.length:
                demo.open.clear()

    # ---- filter keys -------------------------------------------------------------------------------------------

    def _masks(self) -> None:
        known = self.layout.get("masks", {})
        for key in sorted({*self.masks, *known}):
            path = f"mask/{key}"
            if exists(self.root, raw(path)):  # it came with `rest`
                continue
            about = known.get(key, {})
            name, shape, content = mask_content(self.masks.get(key, []), about, self.names)
            kind = type_named(name)
            dataset = create(self.root, path, kind, shape, about.get("storage", {}))
            write_bytes(dataset, kind, content)
            write_attrs(dataset, self.header.attrs.get(path, {}) if self.exact else {}, self.later)


def _is_member(name: str) -> bool:
    return bool(name) and "/" not in name and name not in (".", "..") and "\0" not in name
