"""Writing any dataset as HDF5: one that came from HDF5 as it was, any other in robomimic's layout."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from h5py import h5d, h5f, h5g, h5o

from trajloom.errors import SchemaError
from trajloom.formats import Part, Progress, Source
from trajloom.formats.hdf5.columns import LINEAGE_FOLDER
from trajloom.formats.hdf5.create import Later, create, create_array, exists, put_rows, write_attrs, write_rest
from trajloom.formats.hdf5.export import write_group
from trajloom.formats.hdf5.frame import demo_attrs, file_attrs, interface_attrs, mask_content
from trajloom.formats.hdf5.models import NamedModels
from trajloom.formats.hdf5.part import ROOM
from trajloom.formats.hdf5.scan import raw, unportable
from trajloom.formats.hdf5.storage import is_lossy, lossless
from trajloom.formats.hdf5.values import ElementType, type_named, write_bytes
from trajloom.schema import ATTEMPTS, LINEAGE, Column, Header, path_of
from trajloom.tables import Array, rest_rows, to_numpy

OWN = ["episode_index", "name", "length", "success", "seed", "task", "splits", "model", "attrs"]


@dataclass(frozen=True)
class Target:
    """A column and where it goes."""

    column: Column
    path: str
    """From the demonstration."""
    kind: ElementType
    storage: Mapping[str, Any]


def target_of(column: Column, path: str, layout: Mapping[str, Any]) -> Target:
    """Where a column goes: a column that the file had lies as it did, a new one as loaders like it best."""
    path = layout.get("renamed", {}).get(path, path)
    # a frame a chunk, at gzip's quickest level: windows of frames are read at random, and level 4 takes twice the time
    image = {"chunks": [1, *column.shape], "filters": [[1, 1, [1]]]}
    default = image if column.encoding == "image" else {}
    return Target(column, path, type_named(np.dtype(column.dtype).str), layout.get("columns", {}).get(path, default))


@dataclass
class Demo:
    """A demonstration that is being written."""

    index: int
    group: h5g.GroupID
    length: int
    storage: Mapping[str, Any]
    """Path -> how that dataset lies, where it is not as in the other episodes."""
    rows: int = 0
    open: dict[str, h5d.DatasetID] = field(default_factory=dict)
    chosen: dict[int, int] = field(default_factory=dict)
    """Subtask -> the source episode that it was made from."""


class Writer:
    """Writes one file."""

    def __init__(self, file: h5f.FileID, source: Source, named_models: NamedModels):
        self.source, self.header, self.named_models = source, source.header, named_models
        self.exact = self.header.layout.get("format") == "hdf5"
        """Whether the dataset came from HDF5, so that its file is to be as it was."""
        self.layout = self.header.layout if self.exact else {}
        self.root = h5g.open(file, b"/")
        self.data = h5g.create(self.root, b"data")
        self.models = source.models()
        self.demos: dict[int, Demo] = {}
        """Those of the part that is being written."""
        self.names: set[str] = set()
        self.masks: dict[str, list[str]] = {}
        self.steps = 0
        self.attempts = [ATTEMPTS.empty_table()]
        self.later: Later = []
        self._attrs_after: list[tuple[h5g.GroupID, str, Mapping[str, Any]]] = []
        self.targets = [target_of(column, path_of(column.name), self.layout) for column in self.header.steps]
        self.targets += lineage_targets(self.header, self.layout)
        self.episode_targets = [target_of(column, path_of(column.name), self.layout) for column in self.header.episodes]
        self.chosen_sources = ChosenSources(self.header) if not self.exact and len(self.header.eefs) == 1 else None

    def write(self, progress: Progress | None) -> None:
        """Write everything."""
        parts = list(self.source.parts())
        total = sum(part.num_episodes for part in parts) if progress else 0
        for part in parts:
            self._part(part)
            if progress:
                progress(len(self.names), total)
        self._masks()
        episodes = len(self.names)
        for path, attrs in file_attrs(self.header, episodes, self.steps, self.exact).items():
            if path.removeprefix("mask/") not in self.layout.get("masks", {}):
                self._attrs_at(self.root, path, attrs)
        if not self.exact or self.layout.get("exported"):
            write_group(self.root, self.header, pa.concat_tables(self.attempts))
        for act in self.later:
            act()

    def _part(self, part: Part) -> None:
        for batch in part.episodes().to_batches(max_chunksize=1000):
            for i, row in enumerate(batch.select(OWN).to_pylist()):
                self.demos[row["episode_index"]] = demo = self._demo(row)
                self._episode_arrays(batch, i, demo)
        for batch in part.steps():
            self._steps(batch)
        for demo in self.demos.values():
            self._finish(demo)
        for batch in part.rest():
            for row in rest_rows(batch):
                owner = self.root if row.episode_index is None else self._of(row.episode_index, "rest").group
                write_rest(owner, row, self.later)
        for owner, path, attrs in self._attrs_after:
            self._attrs_at(owner, path, attrs)
        self.attempts.append(part.attempts())
        self.demos, self._attrs_after = {}, []

    # ---- a demonstration ---------------------------------------------------------------------------------------

    def _demo(self, row: Mapping[str, Any]) -> Demo:
        name = self._name(row["name"])
        group = h5g.create(self.data, raw(name))
        attrs = json.loads(row["attrs"] or "{}")
        room = attrs.pop(ROOM, {})
        xml = None if row["model"] is None else self.models.get(row["model"])
        own = self.named_models.kept_beside(attrs.pop("", {}), xml)
        write_attrs(group, demo_attrs(own, row, xml, self.exact), self.later)
        self._attrs_after += [(group, path, found) for path, found in attrs.items()]
        keys = list(row["splits"])
        if not self.exact:
            self._attrs_after.append((group, "datagen_info", interface_attrs(self.header)))
            keys += [] if row["success"] is None else ["success" if row["success"] else "failed"]
        for key in dict.fromkeys(keys):
            self.masks.setdefault(key, []).append(name)
        return Demo(row["episode_index"], group, row["length"], room.get("storage", {}))

    def _name(self, wanted: str) -> str:
        number = len(self.names)
        name = wanted if self.exact and _is_member(wanted) else f"demo_{number}"
        while name in self.names:
            name, number = f"demo_{number}", number + 1
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

    def _steps(self, batch: pa.RecordBatch) -> None:
        index = batch.column("episode_index").to_numpy()
        bounds = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist(), len(index)]
        spans = [(self._of(int(index[a]), "steps"), a, b) for a, b in pairwise(bounds) if b > a]
        for target in self.targets:
            values = batch.column(target.column.name)
            if not values.null_count:
                array = to_numpy(values, target.column)
                for demo, a, b in spans:
                    write_frames(demo, target, array[a:b])
            elif values.null_count < len(values):
                for demo, a, b in spans:
                    piece = values.slice(a, b - a)
                    if piece.null_count < len(piece):
                        write_frames(demo, target, to_numpy(piece, target.column))
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


def write_frames(demo: Demo, target: Target, values: Array) -> None:
    """Write the next frames of a demonstration's array, which is made with the first of them."""
    storage = demo.storage.get(target.path, target.storage)
    if len(values) == demo.length:
        create_array(demo.group, target.path, target.kind, values, storage)
        return
    dataset = demo.open.get(target.path)
    if dataset is None:
        shape = (demo.length, *values.shape[1:])
        storage = lossless(storage) if is_lossy(storage) else storage
        dataset = demo.open[target.path] = create(demo.group, target.path, target.kind, shape, storage)
    put_rows(dataset, target.kind, values, demo.rows)


def lineage_targets(header: Header, layout: Mapping[str, Any]) -> list[Target]:
    """Where the lineage of generated steps goes."""
    return [
        target_of(Column(name=f"{kind}/{eef}", dtype=str(dtype)), f"{LINEAGE_FOLDER}/{kind}/{eef}", layout)
        for eef in header.eefs
        for kind, dtype in LINEAGE.items()
    ]


class ChosenSources:
    """MimicGen's own account of the sources: `src_demo_labels` [T, 1] and `src_demo_inds` [S]."""

    LABELS = target_of(Column(name="src_demo_labels", dtype="int64", shape=(1,)), "src_demo_labels", {})
    INDS = "src_demo_inds"

    def __init__(self, header: Header):
        self.eef = header.eefs[0]
        names = {column.name for column in (*header.steps, *header.episodes)}
        self.wanted = not {self.LABELS.path, self.INDS} & names

    def take(self, batch: pa.RecordBatch, spans: list[tuple[Demo, int, int]]) -> None:
        """Write the labels of some frames, and note each subtask's source."""
        columns = [batch.column(f"{kind}/{self.eef}") for kind in ("subtask", "source_episode")]
        if not self.wanted or any(column.null_count for column in columns):
            return
        subtask, source = (column.to_numpy() for column in columns)
        for demo, a, b in spans:
            write_frames(demo, self.LABELS, source[a:b, None].astype(np.int64))
            for number, first in zip(*np.unique(subtask[a:b], return_index=True), strict=True):
                if number >= 0:
                    demo.chosen.setdefault(int(number), int(source[a + first]))

    def finish(self, demo: Demo) -> None:
        """Write the sources, one for each subtask."""
        if self.wanted and demo.chosen:
            sources = np.array([source for _, source in sorted(demo.chosen.items())], dtype=np.int64)
            create_array(demo.group, self.INDS, type_named("<i8"), sources, {})


def _is_member(name: str) -> bool:
    return bool(name) and "/" not in name and name not in (".", "..") and "\0" not in name
